"""Which table answers a question: among evidence, or by itself because it alone has the row and column asked for.

The encoder reads prose; of ten tables with revenues by year it cannot say which is meant. That one table only, among
those found, names all that the question names says more. On development questions of annual reports such tables, not
counted as evidence otherwise, were right for .81 (32 of 39), and 6 of 326 questions whose report was taken out got one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skills.grounding.table_answers import TableAnswer, answer_from_table
from skills.records import Evidence, ScoredPassage

FITTING = 0.5
"""How well the names of a table's cells have to fit a question to answer it."""
FULL = 0.95
"""From where on nothing of either is left over."""
RIVAL = 0.05
"""How near another table may come to that."""
LIKELY = 0.25
"""Probability as evidence from which such a table answers."""

RAISED = 1.0
"""What a retrieval score gains where a table has all that is asked: on 376 train and development questions of annual
reports .78 instead of .76 have a right passage among the first five."""


def raise_tables(question: str, found: Sequence[ScoredPassage]) -> list[ScoredPassage]:
    """Retrieved passages, best first, tables that have the row and column asked for raised by RAISED."""
    raised = [
        replace(item, score=item.score + RAISED) if _has_all(question, item.passage.text) else item
        for item in found
    ]
    return sorted(raised, key=lambda item: -item.score)


def _has_all(question: str, text: str) -> bool:
    answer = answer_from_table(question, text) if " | " in text else None
    return answer is not None and answer.fit >= FULL


def table_answer(
    question: str, judged: Sequence[Evidence], *, given: bool = False
) -> tuple[TableAnswer, Evidence] | None:
    """The answer of the table that fits best, with its evidence; None where none answers.

    ``given``: the passages came with the question, so that it is about one of them.
    """
    answers = [(answer_from_table(question, item.passage.text), item) for item in judged]
    fitting = [(found, item) for found, item in answers if found is not None and found.fit >= FITTING]
    best = max((pair for pair in fitting if pair[1].enough), key=lambda pair: pair[0].fit, default=None)
    if best is not None or not fitting:
        return best
    found, item = max(fitting, key=lambda pair: (pair[0].fit, pair[1].score))
    alone = sum(other.fit >= found.fit - RIVAL for other, _ in fitting) == 1
    if alone and (given or (found.fit >= FULL and item.score >= LIKELY)):
        return found, replace(item, enough=True)
    return None
