"""``collegium data``: training rows from questions whose passages are known.

Knows files and options; how rows are made is in skills.learning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from skills.errors import UserError

app = typer.Typer(help="Make training rows for `collegium train`.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="JSON Lines to write.")]


@app.command("grounded")
def grounded(
    out: Out,
    questions: Annotated[
        Path, typer.Option("--questions", help="Rows {question, answer, gold: \\[passage id]}.")
    ],
    corpus: Annotated[Path, typer.Option("--corpus", help="Folder or JSON Lines of the passages.")],
) -> None:
    """Rows {question, evidence, answer} for `train answer`: evidence is cut as it is at run time."""
    from skills.files import read_jsonl, write_jsonl
    from skills.learning.grounded import from_written
    from skills.retrieval.ingest import read_corpus

    passages = {passage.id: passage for passage in read_corpus(corpus, _left_out)}
    rows = list(read_jsonl(questions, required=("question", "answer", "gold")))
    for row in rows:
        if not row["gold"] or row["gold"][0] not in passages:
            raise UserError(
                f"{questions}: question {row['question']!r} names {row['gold'][:1]}, which {str(corpus)!r} lacks"
            )
    write_jsonl(out, from_written(rows, passages))
    print(f"{out}: {len(rows)} rows")


@app.command("negatives")
def negatives(
    out: Out,
    questions: Annotated[Path, typer.Option("--questions", help="Rows {question, gold: \\[passage id]}.")],
    store: Annotated[Path, typer.Option("--store", help="Store to search for hard negatives.")],
    method: Annotated[str, typer.Option("--method", help="evidence, sentences or retriever.")] = "evidence",
) -> None:
    """Rows {question, positives, negatives} for `train evidence`, or for `train retriever`.

    --method sentences: for an encoder of sentences, from rows whose answering sentences are numbered.
    """
    from skills.files import read_jsonl, write_jsonl
    from skills.learning.mining import mine, mine_passages, mine_sentences
    from skills.retrieval.store import PassageStore

    makers = {"evidence": mine, "sentences": mine_sentences, "retriever": mine_passages}
    if method not in makers:
        raise UserError(f"--method {method!r}: expected one of {', '.join(makers)}")
    rows = list(
        makers[method](read_jsonl(questions, required=("question", "gold")), PassageStore.load(store))
    )
    write_jsonl(out, rows)
    print(f"{out}: {len(rows)} rows")


@app.command("public")
def public(
    out: Out,
    folder: Annotated[
        Path, typer.Option("--folder", help="Folder of the public sets, see skills.learning.public_sets.")
    ],
    domain: Annotated[str, typer.Option("--domain", help="medical, finance or legal.")],
    split: Annotated[str, typer.Option("--split", help="train or dev.")] = "train",
    method: Annotated[
        str, typer.Option("--method", help="Rows for train: answer, evidence or retriever.")
    ] = "answer",
    stores: Annotated[
        Path | None,
        typer.Option(
            "--stores", help="Not of answer: folder for stores of the sets, kept for the next time."
        ),
    ] = None,
    language: Annotated[
        Literal["en", "zh"], typer.Option("--language", help="Of evidence: en or zh.")
    ] = "en",
) -> None:
    """Training rows from the public sets that the shipped adapters and encoders learned from."""
    from skills.files import write_jsonl
    from skills.learning.public_sets import (
        DOMAINS,
        SPLITS,
        answer_rows,
        chinese_evidence_rows,
        evidence_rows,
        retriever_rows,
    )

    if domain not in DOMAINS or split not in SPLITS:
        raise UserError(f"--domain {domain!r} --split {split!r}: expected one of {DOMAINS} and of {SPLITS}")
    if language == "zh" and (method != "evidence" or domain == "finance"):
        raise UserError(
            f"--language zh --method {method} --domain {domain}: only evidence has Chinese rows of their own, "
            "of medical and legal"
        )
    if method == "answer":
        write_jsonl(out, answer_rows(folder, domain, split))
    elif method == "evidence" and stores is not None:
        make = chinese_evidence_rows if language == "zh" else evidence_rows
        write_jsonl(out, make(folder, domain, split, stores))
    elif method == "retriever" and stores is not None:
        write_jsonl(out, retriever_rows(folder, domain, split, stores))
    else:
        raise UserError(
            f"--method {method!r}: expected 'answer', or 'evidence' or 'retriever' with --stores FOLDER"
        )
    print(f"{out}: written")


@app.command("support")
def support(
    out: Out,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Folder of the public sets, see skills.learning.support_sets."),
    ] = None,
    corpora: Annotated[
        list[Path] | None,
        typer.Option("--corpus", help="Notes to draw sentences from; may be given several times."),
    ] = None,
    answers: Annotated[
        list[Path] | None,
        typer.Option("--questions", help="Rows {question, answer, gold} about the notes; repeat it."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "train",
    altered: Annotated[int, typer.Option("--altered", help="Altered sentences beside a supported one.")] = 2,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything drawn at random.")] = 0,
) -> None:
    """Sentences with their sources, supported and altered, for `train support` and `check`."""
    from skills.files import write_jsonl
    from skills.learning.support_sets import SPLITS, support_rows

    if split not in SPLITS or (folder is None and not corpora):
        raise UserError(f"--split {split!r}: expected one of {SPLITS}, and --folder or --corpus")
    rows = support_rows(
        folder, corpora or [], answers or [], split, altered_each=altered, seed=seed, on_problem=_left_out
    )
    write_jsonl(out, rows)
    print(f"{out}: written")


def _left_out(problem: str) -> None:
    typer.echo(f"left out: {problem}", err=True)
