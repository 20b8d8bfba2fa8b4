"""Writing an answer from evidence: the model writes, each sentence is checked, only supported ones get out.

Knows the prompt's form and what to do with unsupported writing; not where evidence comes from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

import prompts
from skills.grounding import tables
from skills.grounding.citations import cite, mark_numbers
from skills.grounding.evidence import unit_text
from skills.grounding.select import Unit, prompt_text, sentence_scores, units
from skills.grounding.support import check, without_marks
from skills.records import (
    Citation,
    Configuration,
    Evidence,
    Passage,
    SkillAnswer,
    SkillEvent,
    Token,
    Verified,
)
from skills.retrieval.text import is_chinese, sentences

MAX_TOKENS = 160
"""Longest answer, in tokens."""
QUOTED = 2
"""Sentences of a source that stand in for unsupported writing."""
MARGIN = 2.0
"""By how much the source's best sentence has to beat what was written, in the encoder's score, to be put first."""
SHORTEST = 6
"""Words from which an answer is a sentence; a shorter one ("Yes", "480 million") says just what was asked."""

Reader = Callable[[str, Sequence[str]], list[float]]
"""(question, texts) -> how well each text answers the question: the evidence encoder's score."""


class Writer:
    """Writes the answers of one skill."""

    def __init__(self, model: BaseChatModel, system: str, *, adapter: str | None, reader: Reader) -> None:
        self._model = model
        self._reader = reader
        self._system = system
        self._adapter = adapter

    def write(
        self, domain: str, question: str, evidence: Evidence, *, use_adapter: bool, timings: dict[str, float]
    ) -> Iterator[SkillEvent]:
        """Answer from one passage's evidence, sentence by sentence; ends with the SkillAnswer.

        Where the first sentence written misses the point of the question, the source's best sentence goes
        before it. Chinese evidence is quoted, not rewritten: the default base does not write Chinese.
        """
        passage = evidence.passage
        source = prompt_text(evidence)
        ranked = self._rank(question, evidence)
        spans: list[tuple[int, int]] = []
        shown: list[str] = []

        def show(span: tuple[int, int], text: str) -> Token:
            shown.append(_with_mark(text))
            spans.append(span)
            return Token(shown[-1] if len(shown) == 1 else f" {shown[-1]}", domain)

        if not is_chinese(passage.text):
            user = prompts.load("evidence").render(evidence=source, question=question)
            for sentence in self._sentences(user, use_adapter, timings):
                verdict = check(sentence, source, question)
                yield Verified(sentence, verdict.supported, verdict.reason)
                if not verdict.supported:
                    continue
                span = _locate(passage.text, evidence, source, verdict.span)
                if not shown and (lead := self._lead(question, sentence, span, passage, ranked)):
                    yield show(lead.span, lead.text)
                if _with_mark(sentence) not in shown:
                    yield show(span, sentence)
        if not shown:
            for unit in sorted((unit for _, unit in ranked[:QUOTED]), key=lambda unit: unit.start):
                yield show(unit.span, unit.text)
        citation = cite(1, passage, spans)
        yield SkillAnswer(
            domain,
            "answered",
            " ".join(shown),
            (citation,),
            confidence=round(evidence.score, 4),
            timings=timings,
        )

    def _rank(self, question: str, evidence: Evidence) -> list[tuple[float, Unit]]:
        """The evidence's sentences and rows with their score, best first: by the encoder, or by shared terms for
        Chinese, which it does not read."""
        text = evidence.passage.text
        found = [
            unit
            for unit in units(text)
            if any(start <= unit.start and unit.end <= end for start, end in evidence.spans)
        ]
        texts = [unit.text for unit in found]
        if is_chinese(text):
            scores = sentence_scores(texts, question)
        else:
            scores = self._reader(question, [unit_text(evidence.passage, unit) for unit in found])
        return sorted(zip(scores, found, strict=True), key=lambda pair: (-pair[0], pair[1].start))

    def _lead(
        self,
        question: str,
        sentence: str,
        span: tuple[int, int],
        passage: Passage,
        ranked: Sequence[tuple[float, Unit]],
    ) -> Unit | None:
        """The source's sentence to put before the first one written, where that one misses the point."""
        best, lead = ranked[0]
        written = without_marks(sentence)
        if span == lead.span or len(written.split()) < SHORTEST or tables.rows(passage.text):
            return None
        own = replace(lead, text=written)
        return lead if best - self._reader(question, [unit_text(passage, own)])[0] > MARGIN else None

    def write_from_passages(
        self,
        domain: str,
        question: str,
        passages: Sequence[Passage],
        confidence: float,
        timings: dict[str, float],
    ) -> Iterator[SkillEvent]:
        """The usual way, for comparison: whole passages in the prompt, no adapter, nothing checked."""
        listed = "\n".join(
            f"[{number}] {passage.text}" for number, passage in enumerate(passages[:5], start=1)
        )
        user = prompts.load("passages").render(passages=listed, question=question)
        text = " ".join(self._sentences(user, False, timings))
        yield Token(text, domain)
        citations: list[Citation] = []
        for number in mark_numbers(text):
            if 1 <= number <= min(5, len(passages)):
                passage = passages[number - 1]
                citations.append(cite(number, passage, [(0, len(passage.text))]))
        yield SkillAnswer(
            domain, "answered", text, tuple(citations), confidence=round(confidence, 4), timings=timings
        )

    def write_freely(self, domain: str, question: str, configuration: Configuration) -> Iterator[SkillEvent]:
        """Answer from the model's memory alone: for evaluation, never the product's default."""
        timings: dict[str, float] = {}
        text = " ".join(self._sentences(question, configuration == "lora", timings))
        yield Token(text, domain)
        yield SkillAnswer(domain, "answered", text, timings=timings)

    def _sentences(self, user: str, use_adapter: bool, timings: dict[str, float]) -> Iterator[str]:
        """Sentences as the model finishes them."""
        bound: dict[str, Any] = {"temperature": 0.0, "max_tokens": MAX_TOKENS}
        if use_adapter and self._adapter is not None:
            bound["adapter"] = self._adapter
        messages: list[BaseMessage] = [SystemMessage(self._system), HumanMessage(user)]
        started = time.perf_counter()
        pending = ""
        for chunk in self._model.stream(messages, **bound):
            pending += str(chunk.content)
            timings.setdefault("first_token", round((time.perf_counter() - started) * 1000, 2))
            spans = sentences(pending)
            if len(spans) > 1:
                *complete, last = spans
                yield from (pending[slice(*span)] for span in complete)
                pending = pending[last[0] :]
        yield from (pending[slice(*span)] for span in sentences(pending))
        timings["generate"] = round((time.perf_counter() - started) * 1000, 2)


def _locate(text: str, evidence: Evidence, source: str, span: tuple[int, int] | None) -> tuple[int, int]:
    """Where in the passage the source's span comes from; the whole evidence if it was rewritten (a table)."""
    if span is not None:
        start = text.find(source[slice(*span)])
        if start >= 0:
            return start, start + span[1] - span[0]
        label = source[slice(*span)].partition(": ")[2].partition(" = ")[2].partition(";")[0]
        for begin, end in evidence.spans:
            if label and label in text[begin:end]:
                return begin, end
    return evidence.spans[0][0], evidence.spans[-1][1]


def _with_mark(sentence: str) -> str:
    """A sentence on one line that ends with the mark [1], whatever marks it had."""
    body = " ".join(without_marks(sentence).split())
    closing = body[-1] if body and body[-1] in ".!?。！？" else "."
    return f"{body.rstrip('.!?。！？').rstrip()} [1]{closing}"
