"""Hard negatives: passages that a retriever finds for a question and that are not its answer.

Rows {question, gold} and a store become rows {question, positives, negatives} for `train evidence`; texts are
cut as they are at run time. A second kind of row has no right passage left: what the evidence decision is
fitted on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from skills.grounding.evidence import pair_text
from skills.records import Passage
from skills.retrieval.store import PassageStore

POSITIVES = 4
"""Right passages kept of a question."""


def mine(
    rows: Iterable[Mapping[str, Any]], store: PassageStore, *, negatives: int = 8
) -> Iterator[dict[str, Any]]:
    """One row per question whose gold passages are in the store; others are passed over.

    A passage whose text equals a gold one is no negative.
    """
    for row in rows:
        gold = [passage for passage in map(store.get, row["gold"]) if passage is not None]
        if gold:
            yield mined(row["question"], gold, store, negatives=negatives)


def mined(question: str, gold: list[Passage], store: PassageStore, *, negatives: int = 8) -> dict[str, Any]:
    """The row of one question; its gold passages need not be in the store."""
    right = {" ".join(passage.text.split()).lower() for passage in gold} | {passage.id for passage in gold}
    found = [item.passage for item in store.search(question, negatives + len(gold) + 4)]
    wrong = [p for p in found if p.id not in right and " ".join(p.text.split()).lower() not in right]
    return {
        "question": question,
        "positives": [pair_text(passage, question) for passage in gold[:POSITIVES]],
        "negatives": [pair_text(passage, question) for passage in wrong[:negatives]],
    }
