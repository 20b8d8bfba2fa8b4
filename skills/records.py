"""Values that cross module boundaries: passages, evidence, citations, and what a skill reports.

Knows nothing of engines, stores or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["answered", "clarify", "declined"]
Configuration = Literal[
    "base", "lora", "rag", "rag-passages", "pointing", "lora+rag", "wrong-adapter", "no-verify"
]
"""base / lora: no evidence in the prompt; rag: selected evidence, no adapter; rag-passages: top passages
whole in the prompt, no adapter (the usual way); pointing: selected evidence quoted, no model; lora+rag: selected
evidence and adapter (the default; quoted too where the pack's ``answers`` say so);
wrong-adapter: as the default, with the adapter of another skill; no-verify: as the default, with nothing checked
after it is written. All but the default are for comparison."""

Length = Literal["short", "normal", "long"]
Language = Literal["en", "zh", "auto"]
Level = Literal["lay", "expert", "any"]


@dataclass(frozen=True, slots=True)
class Passage:
    """One unit of a store. ``id`` is unique in its store and stable across rebuilds."""

    id: str
    text: str
    title: str = ""
    source: str = ""
    """Name of the primary source."""
    jurisdiction: str = ""
    as_of: str = ""
    """ISO date (YYYY-MM or YYYY-MM-DD) on which the text was known to be right, empty if unknown."""
    effective: str = ""
    """ISO date (YYYY-MM or YYYY-MM-DD) from which the text holds, empty if unknown."""
    expires: str = ""
    """ISO date (YYYY-MM or YYYY-MM-DD) from which the text no longer holds, empty if unknown or never."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which passages may be found. None: any; all that is set has to fit, and values are compared whole."""

    source: str | None = None
    jurisdiction: str | None = None
    title: str | None = None
    document: str | None = None
    """The part of a passage's id before its last ``#``; the id itself where it has none."""
    as_of: str | None = None
    """ISO date (YYYY-MM-DD): passages in force on that day. One without dates counts as in force always."""


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    passage: Passage
    score: float
    """Retrieval score, higher is better; comparable within one query only."""
    similarity: float | None = None
    """Cosine of question and passage under the store's embedder; None where it was not computed."""
    out_of: int = 0
    """Passages that it was chosen from."""
    known: float = 0.0
    """How near the question is to one that this passage is known to answer; 0: not (skills.retrieval.judged)."""
    unanswered: float = 0.0
    """The same to one that nothing in the store answers."""
    told: tuple[tuple[int, float], ...] = ()
    """Sentences of the passage, by number from 1, that are known to answer questions, and how near those are."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sentences of one passage that bear on the question."""

    passage: Passage
    spans: tuple[tuple[int, int], ...]
    """Character offsets [start, end) into ``passage.text``, in order, not overlapping."""
    score: float
    """Probability that this passage answers the question, 0..1."""
    enough: bool = True
    """Whether that is enough to answer from it."""
    told: tuple[tuple[int, float], ...] = ()
    """See ScoredPassage."""

    @property
    def text(self) -> str:
        return " ".join(self.passage.text[start:end].strip() for start, end in self.spans)


@dataclass(frozen=True, slots=True)
class Citation:
    """A mark ``[number]`` of an answer, resolved: ``passage.text[start:end] == quote``."""

    number: int
    passage_id: str
    quote: str
    start: int
    end: int
    title: str = ""
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that was run and what it gave."""

    name: str
    arguments: Mapping[str, object]
    text: str
    """The result as a sentence, shown verbatim."""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    """The result as data, by name."""
    source: str = ""
    """Source of the formula or table, from the tool's docstring."""
    error: str = ""
    """Why it failed; empty: it did not."""


@dataclass(frozen=True, slots=True)
class ToolMatch:
    """A tool that a question is for, and what the question says about its arguments."""

    tool: str
    arguments: Mapping[str, object]
    """Arguments found, by parameter name, in the parameter's unit."""
    missing: tuple[str, ...] = ()
    """Required arguments that were not found; empty: the tool can be called."""
    ask: str = ""
    """Question to the user for what is missing, in the language of the question."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str
    domain: str = field(default="", compare=False)
    """Who answered it, or gave the answer; empty: not known, or nobody."""
    topic: str = field(default="", compare=False)
    """Title of the section or document that an answer was taken from; empty: not known, or none."""


@dataclass(frozen=True, slots=True)
class SkillRequest:
    """What a skill is asked to do."""

    question: str
    search_query: str = ""
    """The question made self-contained from the history; empty: the question itself."""
    alone: tuple[str, ...] = ()
    """The question as it may be meant without that history, with the place that was told before and without; empty: it
    is not. What is found by it, not about another place, counts where it is surer than what the conversation finds."""
    repeats: bool = True
    """Whether what was told already may answer it: it, or the message before it, asked nothing but told of the case."""
    moves: bool = False
    """Whether somebody else was asked before: it more likely stands alone."""
    own_words: str = ""
    """What was asked without what memory put into it: all that an answer may repeat without a source; empty: the
    question that is searched for."""
    history: tuple[Turn, ...] = ()
    passages: tuple[Passage, ...] | None = None
    """Given passages are used instead of retrieval; None: use the skill's store."""
    configuration: Configuration = "lora+rag"
    where: Filter | None = None
    """Which passages of the store may be used; None: all."""
    tool: ToolMatch | None = None
    """A tool call that conversation and memory have completed, or that the caller asks for; None: look for one in the
    question."""
    can_wait: bool = False
    """Whether a tool call that changes things can wait for approval; else it is refused."""
    place: str = ""
    """Name of the place that is meant where the question names none; empty: ask for it."""
    length: Length = "normal"
    language: Language = "auto"
    """Language of what the skill says itself; auto: the question's."""
    level: Level = "any"
    """Of passages that answer as well: the plainer one, or the more technical one."""


# What a skill reports while it works, in this order; the last one is always a SkillAnswer.


@dataclass(frozen=True, slots=True)
class ToolCalled:
    call: ToolCall
    kind: Literal["tool_called"] = "tool_called"


@dataclass(frozen=True, slots=True)
class Retrieved:
    domain: str
    evidence: tuple[Evidence, ...]
    """What will be in the prompt, best first; empty: nothing supports an answer."""
    considered: tuple[ScoredPassage, ...] = ()
    query: str = ""
    """What was searched for, where the request says otherwise; empty: what it says."""
    kind: Literal["retrieved"] = "retrieved"


@dataclass(frozen=True, slots=True)
class Token:
    """Text of the answer that has passed verification and may be shown. Pieces joined give the answer."""

    text: str
    domain: str
    kind: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class Verified:
    """One sentence was checked against its source."""

    sentence: str
    supported: bool
    reason: str = ""
    kind: Literal["verified"] = "verified"


@dataclass(frozen=True, slots=True)
class SkillAnswer:
    domain: str
    status: Status
    text: str
    citations: tuple[Citation, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    confidence: float = 0.0
    """Calibrated probability that the answer is right, 0..1."""
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    """Milliseconds by stage: tools, retrieve, evidence, first_token, generate, verify."""
    reason: str = ""
    """Why it was declined or asked back, in a word: red_flag, no_evidence, unsupported, missing_argument."""
    awaits: ToolMatch | None = None
    """A tool call that was not made, for it changes things and has to be approved first."""
    place: str = ""
    """The request's place, if that decided between places; else empty."""
    kind: Literal["skill_answer"] = "skill_answer"


SkillEvent = ToolCalled | Retrieved | Token | Verified | SkillAnswer
