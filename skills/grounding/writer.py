"""Writing an answer from evidence: the model writes, each sentence is checked, only supported ones get out.

Knows the prompt's form and what to do with unsupported writing; not where evidence comes from.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

import prompts
from skills.grounding import tables
from skills.grounding.asked import begins_with, sides, subject
from skills.grounding.citations import cite, mark_numbers
from skills.grounding.documents import named_document
from skills.grounding.evidence import unit_text
from skills.grounding.select import Unit, prompt_text, units
from skills.grounding.support import SHORTEST, Check, unchecked, without_marks
from skills.llm.chat_model import CollegiumChatModel
from skills.records import (
    Citation,
    Configuration,
    Evidence,
    Length,
    Passage,
    SkillAnswer,
    SkillEvent,
    Token,
    Verified,
)
from skills.retrieval.text import is_chinese, sentences, terms

MAX_TOKENS = 160
"""Longest answer, in tokens."""
QUOTED = 2
"""Sentences of a source that stand in for unsupported writing, at most."""
LONG = 5
"""Sentences up to which a long answer goes on with its source's."""
DEFINING = 2.0
"""What the first sentence that begins with what is asked about gains; of 418 questions of that form the quotes' token
F1 with their authors' answers rises from .750 to .766."""
JUDGED = 10.0
"""Weight of how near the question is to a judged one that a sentence answers."""
TOLD = 0.7
"""Share of a sentence's terms from which a text tells it."""
WHOLE = 400
"""Characters up to which a sentence of the source stands for writing that only leaves something out."""
ROWS = 8
"""Rows of a table, or items of a list, that are shown with the sentence that leads to them, at most."""
NEAR, FAR = 0.5, 4.0
"""Distance to the best sentence's score within which a sentence answers the question as well as the best, and beyond
which, in notes of many facts, it misses the point."""

AHEAD = 6
"""Characters of the next sentence that have to be there before one is whole: the "U." of "U. S. law" ends none."""
_VERDICT = re.compile(r"\W*(?:yes|no)\W*$", re.IGNORECASE)
_CLAIM = re.compile(
    r"\b(?:is|are|was|were) (?:it|this|that|the following)\b[^?]{0,30}\b(?:true|correct|right)\b|\btrue or false\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[-*•·]\s|\(?(?:\d{1,2}|[a-z])[.)]\s")
_LEANS = re.compile(
    r"^(?:these|those|they|such|also,|however,|he or she|this (?!condition|disease|disorder|syndrome|agreement|contract"
    r"|section|act\b|law\b))|.*\b(?:until|by|since|before|after) then\b",
    re.IGNORECASE,
)
"""Reads like a sentence that is not understood without the one before it: it begins so, or has "until then"."""

Reader = Callable[[str, Sequence[str]], list[float]]
"""(question, texts) -> how well each text answers the question: the evidence encoder's score."""


class Writer:
    """Writes the answers of one skill."""

    def __init__(
        self,
        model: BaseChatModel,
        system: str,
        *,
        adapter: str | None,
        reader: Reader,
        check: Check,
        other_adapter: str | None = None,
    ) -> None:
        """``other_adapter``: another skill's, for the configuration "wrong-adapter"."""
        self._model = model
        self._reader = reader
        self._check = check
        self._system = system
        self._adapters: Mapping[Configuration, str | None] = {
            "lora": adapter,
            "lora+rag": adapter,
            "no-verify": adapter,
            "wrong-adapter": other_adapter,
        }

    def write(
        self,
        domain: str,
        question: str,
        evidence: Evidence,
        *,
        configuration: Configuration,
        timings: dict[str, float],
        quote: bool = False,
        length: Length = "normal",
        own_words: str = "",
        notes: bool = False,
    ) -> Iterator[SkillEvent]:
        """Answer from one passage's evidence, sentence by sentence; ends with the SkillAnswer.

            1 point   the encoder ranks the evidence's sentences and rows by how well they answer the question
            2 write   the model writes; a sentence counts if its source supports it and it was not drawn from one
                      that misses the point, nor is a question or a bare yes or no that was not asked for; it is
                      released as soon as one came from a sentence near the best; where it only leaves much of its
                      sentence out, that goes in its place, and what this has told already is left out
            3 quote   where none did, the best sentence goes first, word for word
            4 add     what answers as well as the best sentence and was not told; where two things are to be set
                      apart, the best sentence about one that nothing was said of
            5 add     to a long answer: the source's further sentences that bear on the question; a short one ends after
                      its first

        Chinese evidence is quoted, not rewritten: the default base does not write Chinese. ``quote``: so is this. So is
        what does not fit the context beside the question.
        ``own_words``: the question without what memory put into it, which no source is needed to repeat.
        ``notes``: the passage is of notes of which people said what each fact answers, so that what surrounds the best
        sentence answers other questions. In any other text it is what the best sentence is to be read with.
        """
        passage = evidence.passage
        ranked = self._rank(question, evidence)
        read = sorted((unit for _, unit in ranked), key=lambda unit: unit.start)
        best = ranked[0][0]
        near = [unit for score, unit in ranked if score >= best - NEAR]
        far = [unit for score, unit in ranked if score < best - FAR]
        check = unchecked if configuration == "no-verify" else self._check
        context = f"{passage.title}\n{tables.unit(passage.text)}"
        spans: list[tuple[int, int]] = []
        shown: list[str] = []
        held: list[tuple[Unit, str]] = []

        def show(unit: Unit, text: str) -> Iterator[Token]:
            if not shown and _LEANS.match(text) and (lead := _before(unit, passage.text)) is not None:
                yield from show(lead, lead.text)
            marked = _with_mark(text)
            if marked not in shown:
                shown.append(marked)
                spans.append(unit.span)
                yield Token(marked if len(shown) == 1 else f" {marked}", domain)
                if unit.text.rstrip().endswith(":"):
                    for row in _listed_after(unit, passage.text):
                        yield from show(row, row.text)

        quote = quote or is_chinese(passage.text)
        user = "" if quote else self._prompt(question, evidence, ranked, configuration)
        if user:
            for sentence in self._sentences(user, configuration, timings):
                verdict = check(
                    sentence, [unit.text for unit in read], own_words or question, context=context
                )
                unit = ranked[0][1] if verdict.part is None else read[verdict.part]
                short = len(without_marks(sentence).split()) < SHORTEST
                bare = _VERDICT.match(without_marks(sentence)) is not None
                beside = sentence.rstrip().endswith("?") or (notes and unit in far)
                unasked = bare and not _asks_for_verdict(question)
                reason = verdict.reason or ("point" if beside else "verdict" if unasked else "")
                yield Verified(sentence, not reason, reason)
                if reason:
                    continue
                if unit.span in spans and set(terms(without_marks(sentence))) <= set(terms(" ".join(shown))):
                    continue
                whole = not bare and unit.span not in spans and _abridges(sentence, unit, passage)
                held.append((unit, unit.text if whole else sentence))
                if shown or short or unit in near:
                    for item in held[-1:] if length == "short" else held:
                        yield from show(*item)
                    held.clear()
                    if length == "short" and not short:
                        break
        if not shown:
            for unit in sorted(
                near[: 1 if held or length == "short" else QUOTED], key=lambda unit: unit.start
            ):
                yield from show(unit, unit.text)
            for item in held if length != "short" else ():
                yield from show(*item)
        if length != "short":
            for unit in near[:QUOTED]:
                if unit.span not in spans and not _tells(" ".join(shown), unit):
                    yield from show(unit, unit.text)
            for side in sides(question):
                if not side <= set(terms(" ".join(shown))):
                    told = (
                        unit for _, unit in ranked if side <= set(terms(unit.text)) and unit.span not in spans
                    )
                    for unit in islice(told, 1):
                        yield from show(unit, unit.text)
        if length == "long":
            for unit in read:
                if len(shown) < LONG and unit not in far and unit.span not in spans:
                    yield from show(unit, unit.text)
        yield SkillAnswer(
            domain,
            "answered",
            " ".join(shown),
            (cite(1, passage, spans),),
            confidence=round(evidence.score, 4),
            timings=timings,
        )

    def _prompt(
        self,
        question: str,
        evidence: Evidence,
        ranked: Sequence[tuple[float, Unit]],
        configuration: Configuration,
    ) -> str:
        """The prompt with as much of the evidence as fits the context, best first; empty if not even the best does.

        The question is never cut.
        """
        for count in range(len(ranked), 0, -1):
            best = sorted((unit.span for _, unit in ranked[:count]))
            shown = evidence if count == len(ranked) else replace(evidence, spans=tuple(best))
            user = prompts.load("evidence").render(evidence=prompt_text(shown), question=question)
            if self._fits(user, configuration):
                return user
        return ""

    def _fits(self, user: str, configuration: Configuration) -> bool:
        """What is not our own chat model minds its context itself."""
        if not isinstance(self._model, CollegiumChatModel):
            return True
        return self._model.fits(self._messages(user), **self._options(configuration))

    def told(self, question: str, evidence: Evidence, text: str, about: Collection[str] = ()) -> bool:
        """Whether a text tells what answers the question best, and that has none of the index words ``about``."""
        ranked = self._rank(question, evidence)
        return (
            bool(ranked)
            and _tells(without_marks(text), ranked[0][1])
            and not {*about} & {*terms(ranked[0][1].text)}
        )

    def _rank(self, question: str, evidence: Evidence) -> list[tuple[float, Unit]]:
        """(score, unit) of the evidence's sentences and rows, best first. A question answers none, so those come only
        where there is nothing else."""
        passage = evidence.passage
        numbered = units(passage.text)
        found = [
            unit
            for unit in numbered
            if any(start <= unit.start and unit.end <= end for start, end in evidence.spans)
        ]
        found = [unit for unit in found if not unit.text.rstrip().endswith(("?", "？"))] or found
        about = subject(question)
        defining = next((unit for unit in found if begins_with(unit.text, about)), None)
        read = self._reader(question, [unit_text(passage, unit) for unit in found])
        told = {numbered[number - 1].span: near for number, near in evidence.told if number <= len(numbered)}
        scores = [
            score + DEFINING * (unit is defining) + JUDGED * told.get(unit.span, 0.0)
            for score, unit in zip(read, found, strict=True)
        ]
        return sorted(zip(scores, found, strict=True), key=lambda pair: (-pair[0], pair[1].start))

    def write_from_passages(
        self,
        domain: str,
        question: str,
        passages: Sequence[Passage],
        confidence: float,
        timings: dict[str, float],
    ) -> Iterator[SkillEvent]:
        """The usual way, for comparison: whole passages in the prompt, no adapter, nothing checked.

        As many of the first five as fit the context, at least one.
        """
        passages = passages[:5]
        user = _listed(passages, question)
        while len(passages) > 1 and not self._fits(user, "rag-passages"):
            passages = passages[:-1]
            user = _listed(passages, question)
        text = " ".join(self._sentences(user, "rag-passages", timings))
        yield Token(text, domain)
        citations: list[Citation] = []
        for number in mark_numbers(text):
            if 1 <= number <= len(passages):
                passage = passages[number - 1]
                citations.append(cite(number, passage, [(0, len(passage.text))]))
        yield SkillAnswer(
            domain, "answered", text, tuple(citations), confidence=round(confidence, 4), timings=timings
        )

    def write_freely(self, domain: str, question: str, configuration: Configuration) -> Iterator[SkillEvent]:
        """Answer from the model's memory alone: for evaluation, never the product's default."""
        timings: dict[str, float] = {}
        text = " ".join(self._sentences(question, configuration, timings))
        yield Token(text, domain)
        yield SkillAnswer(domain, "answered", text, timings=timings)

    def _sentences(self, user: str, configuration: Configuration, timings: dict[str, float]) -> Iterator[str]:
        """Sentences as the model finishes them."""
        started = time.perf_counter()
        pending = ""
        for chunk in self._model.stream(self._messages(user), **self._options(configuration)):
            pending += str(chunk.content)
            timings.setdefault("first_token", round((time.perf_counter() - started) * 1000, 2))
            spans = sentences(pending)
            if len(spans) > 1 and spans[-1][1] - spans[-1][0] >= AHEAD:
                *complete, last = spans
                yield from (pending[slice(*span)] for span in complete)
                pending = pending[last[0] :]
        yield from (pending[slice(*span)] for span in sentences(pending))
        timings["generate"] = round((time.perf_counter() - started) * 1000, 2)

    def _messages(self, user: str) -> list[BaseMessage]:
        return [SystemMessage(self._system), HumanMessage(user)]

    def _options(self, configuration: Configuration) -> dict[str, Any]:
        adapter = self._adapters.get(configuration)
        bound = {"adapter": adapter} if adapter is not None else {}
        return {"temperature": 0.0, "max_tokens": MAX_TOKENS, **bound}


def _asks_for_verdict(question: str) -> bool:
    """Whether a bare yes or no is an answer: to a stated claim, or about a document that the question names.

    Those are the forms that adapters are trained and measured on. No check can tell a wrong "Yes" from a right one, so
    that to any other question the source itself has to speak.
    """
    return _CLAIM.search(question) is not None or bool(named_document(question))


def _tells(text: str, unit: Unit) -> bool:
    """Whether a text has most of what a sentence of the source says."""
    wanted = set(terms(unit.text))
    return len(wanted & set(terms(text))) >= TOLD * len(wanted)


def _abridges(written: str, unit: Unit, passage: Passage) -> bool:
    """Whether writing leaves much of one sentence out and adds nothing: whom it holds for, from when, unless what. The
    source's words say it all; a row of a table is no sentence, and a long clause is what writing is for."""
    prose = unit.text == " ".join(passage.text[slice(*unit.span)].split())
    added = set(terms(without_marks(written))) - set(terms(unit.text))
    return prose and len(unit.text) <= WHOLE and not added and not _tells(written, unit)


def _before(unit: Unit, text: str) -> Unit | None:
    """The sentence before a unit that does not lean itself; None where there is none, or a question."""
    before = [other for other in units(text) if other.end <= unit.start]
    if not before or before[-1].text.rstrip().endswith(("?", ":")) or _LEANS.match(before[-1].text):
        return None
    return before[-1]


def _listed_after(unit: Unit, text: str) -> list[Unit]:
    """The rows of a table or the items of a list that a sentence leads to, ROWS at most."""
    rows = {(row.start, row.end) for row in tables.rows(text)}
    following = (other for other in units(text) if other.start >= unit.end)
    return list(
        islice(takewhile(lambda other: other.span in rows or _ITEM.match(other.text), following), ROWS)
    )


def _listed(passages: Sequence[Passage], question: str) -> str:
    listed = "\n".join(f"[{number}] {passage.text}" for number, passage in enumerate(passages, start=1))
    return prompts.load("passages").render(passages=listed, question=question)


def _with_mark(sentence: str) -> str:
    """A sentence on one line that ends with the mark [1], whatever marks it had."""
    body = " ".join(without_marks(sentence).split())
    closing = body[-1] if body and body[-1] in ".!?:。！？" else "."
    return f"{body.rstrip('.!?:。！？').rstrip()} [1]{closing}"
