"""``collegium retrieve``: the passages a store gives for each question of a file. Knows rows, not ranking."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.batch import Row, run_batch
from skills.errors import UserError

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Only passages with KEY=VALUE; keys: source, jurisdiction, title, document; may be repeated.",
    ),
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Only passages in force on this day (YYYY-MM-DD).")]

if TYPE_CHECKING:
    from skills.grounding.evidence import EvidenceModel
    from skills.records import Filter
    from skills.retrieval.store import PassageStore


def command(
    store: Annotated[Path, typer.Option("--store", help="Folder of the store (see: collegium index build).")],
    source: Annotated[Path, typer.Option("--in", help="JSON Lines: {id, question}.")],
    target: Annotated[
        Path, typer.Option("--out", help="JSON Lines: the rows with {passages: [{id, score}], ms}.")
    ],
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Passages per question.")] = 10,
    fast: Annotated[
        bool, typer.Option("--fast", help="Vectors and keywords alone; the evidence model reads nothing.")
    ] = False,
    where: Where = None,
    as_of: AsOf = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
) -> None:
    """Search a store for every question of a file; ``ms`` is the search alone, models loaded."""
    from skills.grounding.evidence import load_evidence
    from skills.retrieval.filters import filter_of
    from skills.retrieval.store import PassageStore

    chosen = filter_of(where or (), as_of)
    opened = PassageStore.load(store)
    opened.warm_up()
    evidence = None if fast else load_evidence()
    run_batch(
        source,
        target,
        resume=resume,
        required=("question",),
        check=_check,
        answer=lambda row: _answer(opened, evidence, row, k, chosen),
        label="retrieve",
    )


def _check(row: Row) -> None:
    question = row["question"]
    if not isinstance(question, str) or not question.strip():
        raise UserError(f"'question' should be a text that is not empty, got {question!r}")


def _answer(
    store: PassageStore, evidence: EvidenceModel | None, row: Row, k: int, where: Filter | None
) -> Row:
    start = time.perf_counter()
    question = row["question"]
    if evidence is None:
        found = store.search(question, k, where=where)
    else:
        found = evidence.rank(question, store.search(question, max(k, evidence.looks_at), where=where))[:k]
    milliseconds = (time.perf_counter() - start) * 1000
    passages = [{"id": one.passage.id, "score": round(one.score, 6)} for one in found]
    return {"passages": passages, "ms": round(milliseconds, 3)}
