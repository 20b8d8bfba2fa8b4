"""Short grounded examples {question, evidence, answer} for `train answer`, from questions with known passages.

The evidence is cut exactly as it is at run time (skills.grounding.select), so that training and use agree.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from skills.grounding import tables
from skills.grounding.select import prompt_text, select_spans
from skills.records import Evidence, Passage
from skills.retrieval.text import sentences

Row = dict[str, str]

LEAD = 300
"""Characters that an answer drawn from a passage's first sentences aims at."""


def evidence_text(passage: Passage, question: str) -> str:
    """What the prompt shows of a passage for a question."""
    return prompt_text(Evidence(passage, select_spans(passage.text, question), 1.0))


def marked(answer: str) -> str:
    """An answer whose every sentence ends with the mark [1]."""
    parts = [answer[start:end].strip() for start, end in sentences(answer)]
    return " ".join(_mark(part) for part in parts)


def _mark(sentence: str) -> str:
    body = sentence.rstrip()
    closing = body[-1] if body and body[-1] in ".!?。！？" else "."
    return f"{body.rstrip('.!?。！？').rstrip()} [1]{closing}"


def from_short_answer(question: str, passages: Sequence[Passage], answer: str) -> Row | None:
    """A row for an answer that stands literally in a passage, or for a yes or no; None if none holds it."""
    if answer.lower() in ("yes", "no"):
        return {
            "question": question,
            "evidence": evidence_text(passages[0], question),
            "answer": f"{answer.capitalize()} [1].",
        }
    parts = [_fold(part) for part in answer.split(";")]
    for passage in passages:
        evidence = evidence_text(passage, question)
        if all(part in _fold(evidence) for part in parts):
            return {"question": question, "evidence": evidence, "answer": _mark(answer)}
    return None


def from_lead(question: str, passage: Passage) -> Row:
    """A row whose answer is the passage's first sentences, about LEAD characters of them."""
    evidence = evidence_text(passage, question)
    kept: list[str] = []
    for start, end in sentences(evidence):
        sentence = evidence[start:end]
        size = sum(map(len, kept))
        if kept and abs(LEAD - size) <= abs(LEAD - size - len(sentence)):
            break
        kept.append(sentence)
    return {
        "question": question,
        "evidence": evidence,
        "answer": " ".join(_mark(sentence) for sentence in kept),
    }


def from_written(rows: Iterable[Mapping[str, Any]], passages: Mapping[str, Passage]) -> Iterator[Row]:
    """Rows for answers that a pack's author wrote with marks, each from its first gold passage."""
    for row in rows:
        passage = passages[row["gold"][0]]
        yield {
            "question": row["question"],
            "evidence": evidence_text(passage, row["question"]),
            "answer": row["answer"],
        }


CELL_QUESTIONS = (
    "What was the {row} in {column}?",
    "What is the {row} for {column}?",
    "How much was the {row} in {column}?",
    "What was {row} as of {column}?",
    "{row}, {column}?",
    "what are the {row} in {column}",
)
_CELL = re.compile(r"[$€£]?\s?\(?[$€£]?\d[\d,.]*\)?\s?%?")


def cells(text: str) -> list[tuple[str, str, str]]:
    """(row label, column header, value) of the figures of a text's tables; labels that many rows share are left out."""
    found = [
        (row.label.rpartition(": ")[2], header, value)
        for row in tables.rows(text)
        for header, value in row.cells
        if header
        and row.label
        and len(row.label) < 90
        and _CELL.fullmatch(value)
        and re.search(r"[a-z]", row.label)
    ]
    labels = [label for label, _, _ in found]
    return [cell for cell in found if labels.count(cell[0]) <= 4]


def from_tables(passages: Iterable[Passage], *, per_table: int, seed: int) -> Iterator[Row]:
    """Questions for single cells of tables, made from row label and column header; the answer is the cell."""
    choose = random.Random(seed)
    for passage in passages:
        unique = cells(passage.text)
        for label, header, value in choose.sample(unique, min(per_table, len(unique))):
            question = choose.choice(CELL_QUESTIONS).format(
                row=label.lower() if choose.random() < 0.6 else label, column=header
            )
            evidence = evidence_text(passage, question)
            if value in evidence:
                yield {"question": question, "evidence": evidence, "answer": f"{value} [1]."}


def _fold(text: str) -> str:
    return " ".join(text.lower().split())
