"""Which sentences of a passage go into a prompt, and how they are written there.

A short passage goes in whole. A long one is cut to the sentences that share terms with the question; a table
to the rows that do, each written with its headers. The spans stay exact, so that a citation can quote them.
Does not decide whether the passage answers the question (see evidence.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from skills.grounding import tables
from skills.records import Evidence
from skills.retrieval.text import sentences, terms

LIMIT = 700
"""Characters of evidence in a prompt: about 150 tokens."""
JUDGED = 10.0
"""Weight, beside that of shared terms, of how near the question is to a judged one that a sentence answers."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest part of a passage that is read and quoted: a sentence, or a row of a table."""

    start: int
    end: int
    """Character offsets [start, end) in the passage."""
    text: str
    """As it is read: a row with the header of each value."""

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


def units(text: str) -> list[Unit]:
    """The units of a passage, in order. Header lines of tables are none: their rows carry them."""
    values = _rendered_rows(text)
    found = [
        Unit(start, end, values.get((start, end)) or " ".join(text[start:end].split()))
        for start, end in sentences(text)
    ]
    kept = [
        unit
        for unit in found
        if not values or unit.span in values or not tables.is_table_line(text[slice(*unit.span)])
    ]
    return kept or found  # where lines and sentences do not agree, all of it is read


def sentence_scores(texts: Sequence[str], question: str) -> list[float]:
    """Shared terms of each text and the question, terms rare among the texts weigh more; 0: none is shared."""
    wanted = set(terms(question))
    found = [set(terms(text)) for text in texts]
    frequency = Counter(term for words in found for term in words)
    return [
        sum(math.log(1 + len(texts) / frequency[term]) for term in sorted(words & wanted)) for words in found
    ]


def select_spans(
    text: str, question: str, limit: int = LIMIT, told: Sequence[tuple[int, float]] = ()
) -> tuple[tuple[int, int], ...]:
    """Spans [start, end) of ``text`` to read for ``question``, in order, at most ``limit`` characters in all
    (at least one sentence). Neighbours are joined.

    ``told``: (number of a sentence, from 1; how near the question is to a judged one that it answers).
    """
    if not text.strip():
        return ()
    has_rows = bool(tables.rows(text))
    if len(text) <= limit and not has_rows:
        return ((len(text) - len(text.lstrip()), len(text.rstrip())),)
    parts = units(text)
    near = dict(told)
    shared = sentence_scores([text[slice(*part.span)] for part in parts], question)
    scores = [score + JUDGED * near.get(number, 0.0) for number, score in enumerate(shared, start=1)]
    # Ties go to the earlier sentence: the lead states what the rest explains.
    order = sorted(range(len(parts)), key=lambda index: (-scores[index], index))
    chosen: list[int] = []
    used = 0
    for index in order:
        size = len(parts[index].text)
        if chosen and (used + size > limit or (has_rows and scores[index] == 0)):
            continue
        chosen.append(index)
        used += size
    joined: list[tuple[int, int]] = []
    for index in sorted(chosen):
        start, end = parts[index].span
        between = text[joined[-1][1] : start] if joined else "x"
        if joined and not between.strip() and not has_rows:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _rendered_rows(text: str) -> dict[tuple[int, int], str]:
    return {(row.start, row.end): row.render() for row in tables.rows(text)}


def prompt_text(evidence: Evidence) -> str:
    """The evidence as one paragraph, or one line a table row under the table's unit."""
    text = evidence.passage.text
    by_span = _rendered_rows(text)
    if not by_span:
        return evidence.text
    lines = [by_span.get(span) or " ".join(text[slice(*span)].split()) for span in evidence.spans]
    stated = tables.unit(text)
    return "\n".join([f"({stated})", *lines] if stated else lines)
