"""Which sentences of a passage go into a prompt, and how they are written there.

A short passage goes in whole. A long one is cut to the sentences that share terms with the question; a table
to the rows that do, each written with its headers. The spans stay exact, so that a citation can quote them.
Does not decide whether the passage answers the question (see evidence.py).
"""

from __future__ import annotations

import math
from collections import Counter

from skills.grounding import tables
from skills.records import Evidence
from skills.retrieval.text import sentences, terms

LIMIT = 700
"""Characters of evidence in a prompt: about 150 tokens."""


def sentence_scores(text: str, spans: list[tuple[int, int]], question: str) -> list[float]:
    """Shared terms of each span and the question, rare ones of the text weigh more; 0 where none is shared."""
    wanted = set(terms(question))
    found = [set(terms(text[start:end])) for start, end in spans]
    frequency = Counter(term for words in found for term in words)
    return [
        sum(math.log(1 + len(spans) / frequency[term]) for term in sorted(words & wanted)) for words in found
    ]


def select_spans(text: str, question: str, limit: int = LIMIT) -> tuple[tuple[int, int], ...]:
    """Spans [start, end) of ``text`` to read for ``question``, in order, at most ``limit`` characters in all
    (at least one sentence). Neighbours are joined."""
    if not text.strip():
        return ()
    values = _rendered_rows(text)
    if len(text) <= limit and not values:
        return ((len(text) - len(text.lstrip()), len(text.rstrip())),)
    units = [
        span
        for span in sentences(text)
        if not values or not tables.is_table_line(text[slice(*span)]) or span in values
    ]
    scores = sentence_scores(text, units, question)
    # Ties go to the earlier sentence: the lead states what the rest explains.
    order = sorted(range(len(units)), key=lambda index: (-scores[index], index))
    chosen: list[int] = []
    used = 0
    for index in order:
        size = len(values.get(units[index]) or text[slice(*units[index])])
        if chosen and (used + size > limit or (values and scores[index] == 0)):
            continue
        chosen.append(index)
        used += size
    joined: list[tuple[int, int]] = []
    for index in sorted(chosen):
        start, end = units[index]
        between = text[joined[-1][1] : start] if joined else "x"
        if joined and not between.strip() and not values:
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
