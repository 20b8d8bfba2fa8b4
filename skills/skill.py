"""A skill: what answers for a domain, and the one way a pack does it.

Knows the order of the steps; each step's how is in retrieval, grounding, tool_calls and llm.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from langchain_core.language_models import BaseChatModel

import prompts
from skills.grounding.citations import cite
from skills.grounding.guards import raised
from skills.grounding.places import apart, elsewhere, nearest, with_countries
from skills.grounding.select import sentence_scores
from skills.grounding.support import Check
from skills.grounding.support import check as check_by_rules
from skills.grounding.table_answers import TableAnswer
from skills.grounding.table_evidence import table_answer
from skills.grounding.table_questions import asks_for_calculation, compares
from skills.grounding.tables import is_all_table, rows
from skills.grounding.wording import by_level
from skills.grounding.writer import Writer
from skills.grounding.years import years
from skills.pack import Pack
from skills.records import (
    Evidence,
    Filter,
    Passage,
    Retrieved,
    ScoredPassage,
    SkillAnswer,
    SkillEvent,
    SkillRequest,
    Status,
    Token,
    ToolCall,
    ToolCalled,
)
from skills.retrieval.text import is_chinese, says_chinese, terms
from skills.tool_calls import ToolCaller
from skills.tool_use import after_failure, use_tool

RETRIEVED = 30
"""Passages asked of the store: what is judged, and what it is compared with."""
REPORTED = 10
"""Of those, the ones that are reported."""
ECHOED = 120
"""Characters of a question that a decline repeats."""
RIVAL = 0.5
"""Share of the best passage's probability from which another is as good an answer."""
SURER = 0.1
"""How much likelier what a message finds by itself has to be than what it finds in its conversation, and"""
ALONE = 0.9
"""how likely where that is nothing at all: chosen on development conversations."""
SHOWN = 3
"""Passages that may be reported as evidence; the answer is written from the first."""


class Skill(Protocol):
    """Answers the questions of one domain.

    ``stream`` reports what it does while it does it and ends with exactly one SkillAnswer. The texts of its
    Token events, joined, are the beginning of the answer's text. Closing the generator stops all work for the
    request. Raises ModelError or DataError when it cannot work at all; a question it cannot answer is not an
    error but an answer with the status "declined".
    """

    name: str

    def stream(self, request: SkillRequest) -> Iterator[SkillEvent]: ...


class Searcher(Protocol):
    """Finds passages; skills.retrieval.store.PassageStore is the real one."""

    def search(self, query: str, k: int = 10, *, where: Filter | None = None) -> list[ScoredPassage]:
        """The ``k`` best passages that ``where`` lets through, best first."""
        ...


class Judge(Protocol):
    """Says what a passage is worth as evidence; skills.grounding.evidence.EvidenceModel is the real one."""

    def select(self, question: str, candidates: Sequence[ScoredPassage]) -> list[Evidence]:
        """Candidates with spans, probability and whether that is enough, most probable first."""
        ...


class Pointing(Protocol):
    """Says which sentences answer; skills.grounding.pointer.Pointer is the real one."""

    def weigh(self, question: str, sentences: Sequence[str]) -> list[float]:
        """How well each sentence answers the question; differences of 2 and more are clear."""
        ...


class DomainSkill:
    """The skill of a pack.

    1 guard      a red flag is answered at once
    2 tools      a calculation goes to a tool; a missing argument is asked for; one that fails is told, and then 3
    3 retrieve   hybrid search, or the passages that came with the request
    4 evidence   an encoder keeps what answers the question; nothing: declined; of several places: asked which
    5 write      the adapter writes from it, each sentence is released when it is supported
    6 decide     the answer with its citations; unsupported writing gives way to the source's own sentences
    """

    def __init__(
        self,
        pack: Pack,
        *,
        model: BaseChatModel,
        store: Searcher,
        evidence: Judge,
        pointer: Pointing,
        adapter: str | None = None,
        tools: ToolCaller | None = None,
        check: Check = check_by_rules,
        other_adapter: str | None = None,
        chinese_store: Searcher | None = None,
    ) -> None:
        """``adapter``: the model's that writes; None: the base alone. ``other_adapter``: another skill's, to see what
        the right one is worth. ``chinese_store``: where what is asked in Chinese is looked for, if elsewhere."""
        self.name = pack.name
        self.pack = pack
        self._store, self._chinese_store = store, chinese_store or store
        self._evidence = evidence
        self._tools = tools
        self._writer = Writer(
            model,
            pack.prompt("system").render(),
            adapter=adapter,
            reader=pointer.weigh,
            check=check,
            other_adapter=other_adapter,
        )

    def stream(self, request: SkillRequest) -> Iterator[SkillEvent]:
        """Answer one request; see the class for the steps."""
        grounded = request.configuration not in ("base", "lora")
        if (found := raised(self.pack.guards, request.question)) is not None:
            status: Status = "answered" if found.action == "answer" else "declined"
            text = found.message_zh if says_chinese(request.language, request.question) else found.message
            yield from self._end(status, text, confidence=1.0, reason="red_flag")
            return
        last: SkillEvent | None = None
        if grounded and request.passages is None and self._tools is not None:
            for last in use_tool(self.name, self._tools, request):
                yield last
        if isinstance(last, SkillAnswer):
            return
        events = self._read(request) if grounded else self._write_freely(request)
        if isinstance(last, ToolCalled):
            events = after_failure(
                self.name, last.call, events, chinese=says_chinese(request.language, request.question)
            )
        yield from events

    def _write_freely(self, request: SkillRequest) -> Iterator[SkillEvent]:
        question = request.search_query or request.question
        yield from self._writer.write_freely(self.name, question, request.configuration)

    def _read(self, request: SkillRequest) -> Iterator[SkillEvent]:
        """Answer from the store, or from the passages that came with the request."""
        timings: dict[str, float] = {}
        question = with_countries(request.search_query or request.question)
        started = time.perf_counter()
        candidates = self._candidates(question, request)
        timings["retrieve"] = _milliseconds(started)
        started = time.perf_counter()
        judged = self._evidence.select(question, candidates)
        query = ""
        if (
            request.search_query
            and (better := self._meant(question, request, candidates, judged)) is not None
        ):
            query, candidates, judged = better
            question = query
        enough = by_level([item for item in judged if item.enough], request.level)
        evidence, place = enough[:SHOWN], ""
        places = apart(f"{question} {request.question}", _rivals(evidence))
        if places and request.place and (there := self._there(question, request, enough)):
            place, places, evidence, enough = request.place, (), there[:SHOWN], there
        figure = table_answer(question, enough if place else judged, given=request.passages is not None)
        if figure is not None and not places and figure[1] not in evidence:
            evidence = (figure[1], *evidence)[:SHOWN]
        if figure is None and evidence and compares(question) and is_all_table(evidence[0].passage.text):
            evidence, places = (), ()  # quoting one row would name it as the highest
        timings["evidence"] = _milliseconds(started)
        yield Retrieved(self.name, evidence, tuple(candidates[:REPORTED]), query)
        if not evidence:
            confidence = 1 - (judged[0].score if judged else 0.0)
            yield from self._end(
                "declined",
                self._decline(request, candidates, judged),
                confidence=confidence,
                reason="no_evidence",
                timings=timings,
            )
            return
        if places:
            yield from self._end(
                "clarify",
                self._which_place(request, places),
                confidence=evidence[0].score,
                reason="which_place",
                timings=timings,
            )
        elif request.configuration == "rag-passages":
            passages = [item.passage for item in candidates[:REPORTED]]
            yield from self._writer.write_from_passages(
                self.name, question, passages, evidence[0].score, timings
            )
        elif figure is not None:
            yield from _placed(self._tell_figure(*figure, timings), place)
        else:
            written = self._writer.write(
                self.name,
                question,
                evidence[0],
                configuration=request.configuration,
                timings=timings,
                length=request.length,
                own_words=request.own_words,
                notes=any(item.known or item.unanswered for item in candidates),
                # The model cannot calculate: it would give one of the figures for the result.
                quote=self.pack.manifest.quotes(request.configuration)
                or (asks_for_calculation(question) and bool(rows(evidence[0].passage.text))),
            )
            yield from _placed(written, place)

    def _tell_figure(
        self, found: TableAnswer, item: Evidence, timings: dict[str, float]
    ) -> Iterator[SkillEvent]:
        """The figure that a table has, or how it is worked out from it."""
        calls: tuple[ToolCall, ...] = ()
        if found.formula:
            names = " and ".join(row.label for row in found.rows)
            call = ToolCall(
                "table",
                {f"{figure.row.label}, {figure.header}": figure.text for figure in found.figures},
                f"{names}: {found.formula} = {found.text}",
                {"operation": found.operation, "value": found.value, "unit": found.unit},
                item.passage.title,
            )
            yield ToolCalled(call)
            calls = (call,)
        text = f"{found.text} [1]."
        citation = cite(1, item.passage, [(row.start, row.end) for row in found.rows])
        yield Token(text, self.name)
        yield SkillAnswer(
            self.name, "answered", text, (citation,), calls, round(item.score, 4), timings=timings
        )

    def _candidates(self, question: str, request: SkillRequest) -> Sequence[ScoredPassage]:
        passages = request.passages
        if passages is None:
            store = self._chinese_store if is_chinese(question) else self._store
            return store.search(question, RETRIEVED, where=request.where)
        scores = sentence_scores([passage.text for passage in passages], question)
        order = sorted(range(len(passages)), key=lambda index: (-scores[index], index))
        return [ScoredPassage(passages[index], scores[index], out_of=len(passages)) for index in order]

    def _meant(
        self,
        question: str,
        request: SkillRequest,
        candidates: Sequence[ScoredPassage],
        judged: Sequence[Evidence],
    ) -> tuple[str, Sequence[ScoredPassage], list[Evidence]] | None:
        """What a message of a conversation finds otherwise: after the last one alone, where all of them find only what
        was told already (earlier questions drown a new one), and by itself, where that is surer.

        None where that is no better than what was found; without evidence where a question gets nothing but what was
        told and does not name."""
        said = " ".join(turn.text for turn in request.history if turn.role == "assistant")
        about = terms(request.question)

        def again(query: str, found: Sequence[Evidence]) -> bool:
            return not request.repeats and self._writer.told(query, found[0], said, about)

        def look(query: str) -> tuple[str, Sequence[ScoredPassage], list[Evidence]]:
            found = self._candidates(query, request)
            return query, found, self._evidence.select(query, found)

        best: tuple[str, Sequence[ScoredPassage], list[Evidence]] | None = None
        here, least = (judged[0].score if judged and judged[0].enough else 0.0), ALONE
        if here and again(question, judged):
            here = least = 0.0
            best = (question, candidates, [replace(item, enough=False) for item in judged])
            for subject in self._nearer(request):
                nearer = look(with_countries(f"{subject} {request.question}"))
                found = nearer[2]
                if found and found[0].enough and not again(nearer[0], found):
                    best, here = nearer, found[0].score
                    break
        if here and not request.moves:
            least = here + SURER
        for way in request.alone:
            if way == question:
                continue
            query, found, own = look(with_countries(way))
            own = [item for item in own if not elsewhere(request.alone[0], item.passage)]
            if own and own[0].enough and own[0].score >= max(here, least):
                return query, found, own
        return best

    def _nearer(self, request: SkillRequest) -> list[str]:
        """What a message may be about beside all that was said: the last message, and what was answered last."""
        said = next((turn.text for turn in reversed(request.history) if turn.role == "user"), "")
        last = next((turn for turn in reversed(request.history) if turn.role == "assistant"), None)
        topic = last.topic if last is not None and last.domain == self.name else ""
        return [subject for subject in (said, topic) if subject]

    def _there(
        self, question: str, request: SkillRequest, enough: Sequence[Evidence]
    ) -> tuple[Evidence, ...]:
        """Evidence about the user's place: of what was found, or else found with its name; none if there is none."""
        here = nearest(request.place, apart(f"{question} {request.question}", _rivals(enough)))
        if here is not None:
            return tuple(item for item in enough if item.passage == here)
        placed = f"{question} ({request.place})"
        judged = self._evidence.select(placed, self._candidates(placed, request))
        stated = [item for item in judged if item.enough and nearest(request.place, [item.passage])]
        return by_level(stated, request.level)

    def _decline(
        self, request: SkillRequest, candidates: Sequence[ScoredPassage], judged: Sequence[Evidence]
    ) -> str:
        """What was looked for and where, what is nearest, and what would help."""
        chinese = says_chinese(request.language, request.question)
        name = "decline_no_evidence_zh" if chinese else "decline_no_evidence"
        dated = bool(years(request.question))
        titles = list(dict.fromkeys(_titled(item.passage, dated) for item in judged if item.passage.title))[
            :2
        ]
        if (
            is_chinese(request.question)
            and judged
            and not any(is_chinese(item.passage.text) for item in judged)
        ):
            nearest = prompts.load(
                "decline_no_evidence_zh_english"
            ).render()  # what is nearest is so by chance
        else:
            nearest = prompts.load(f"{name}_nearest").render(titles="; ".join(titles)) if titles else ""
        asked, title = " ".join(request.question.split()), self.pack.manifest.title
        return (
            prompts.load(name)
            .render(
                count=str(candidates[0].out_of if candidates else 0),
                domain=title if chinese else title.lower(),
                question=asked if len(asked) <= ECHOED else f"{asked[:ECHOED].rstrip()}…",
                nearest=nearest,
            )
            .strip()
        )

    def _which_place(self, request: SkillRequest, places: Sequence[Passage]) -> str:
        name = "clarify_place_zh" if says_chinese(request.language, request.question) else "clarify_place"
        listed = "; ".join(f"{passage.jurisdiction} ({passage.title})" for passage in places)
        return prompts.load(name).render(places=listed)

    def _end(
        self,
        status: Status,
        text: str,
        *,
        confidence: float,
        reason: str,
        timings: dict[str, float] | None = None,
    ) -> Iterator[SkillEvent]:
        yield Token(text, self.name)
        yield SkillAnswer(
            self.name, status, text, confidence=confidence, reason=reason, timings=timings or {}
        )


def _rivals(evidence: Sequence[Evidence]) -> list[Passage]:
    """The passages that are about as good an answer as the best."""
    best = max((item.score for item in evidence), default=0.0)
    return [item.passage for item in evidence if item.score >= RIVAL * best]


def _titled(passage: Passage, dated: bool) -> str:
    """The title, with the time that the passage is of where the question is about a time."""
    return f"{passage.title} (as of {passage.as_of})" if dated and passage.as_of else passage.title


def _placed(events: Iterable[SkillEvent], place: str) -> Iterator[SkillEvent]:
    """The events, with the place that decided on the answer."""
    for event in events:
        yield replace(event, place=place) if place and isinstance(event, SkillAnswer) else event


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
