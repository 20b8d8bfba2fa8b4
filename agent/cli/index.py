"""``collegium index``: build a store from documents, and check one.

Knows options, progress and reports; formats are ``ingest``'s, files are ``store``'s (``skills.retrieval``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from skills.errors import UserError

app = typer.Typer(help="Build and check passage stores.", no_args_is_help=True)

Domain = Annotated[
    str | None, typer.Option("--domain", help="The index of this domain (see: collegium domains).")
]
Store = Annotated[Path | None, typer.Option("--store", help="Folder of the store.")]


@app.command("build")
def build(
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus",
            help="JSON Lines {id, text, title?, source?, jurisdiction?, as_of?}, "
            "another document, or a folder of md, txt, html, pdf, docx, csv, jsonl.",
        ),
    ] = None,
    store: Store = None,
    domain: Domain = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder", help="all-minilm-l6-v2, collegium-e5-small, or a `train retriever` run's best/."
        ),
    ] = None,
) -> None:
    """Index a corpus. A store that is already there stays usable until the new one is whole."""
    corpus, store = _places(corpus, store, domain)

    from skills.retrieval.embedder import add_embedder, choose_embedder, load_embedder
    from skills.retrieval.ingest import read_corpus
    from skills.retrieval.store import PassageStore

    problems: list[str] = []
    passages = list(read_corpus(corpus, problems.append))
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    if not passages:
        raise UserError(f"{str(corpus)!r} gives no passages; expected at least one with text", subject=corpus)
    if embedder is None:
        embedder = choose_embedder(passages)
    elif Path(embedder).is_dir():
        embedder = add_embedder(Path(embedder))
    model = load_embedder(embedder)
    with _progress() as progress:
        built = PassageStore.build(passages, store, model, progress=progress)
    left_out = f", {len(problems)} left out" if problems else ""
    print(f"{store}: {len(built)} passages indexed with {model.id}{left_out}")


@app.command("verify")
def verify(
    store: Store = None,
    domain: Domain = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Check a store's files against its manifest; exit code 1 names what is damaged."""
    if (store is None) == (domain is None):
        raise UserError("give --store DIR or --domain NAME")
    if store is None:
        _, store = _places(None, None, domain)

    from skills.retrieval.store import PassageStore

    manifest = PassageStore.load(store).manifest
    if as_json:
        print(json.dumps(manifest.model_dump(), indent=1))
    else:
        data = manifest.data_sha256[:12]
        print(f"{store}: ok, {manifest.count} passages, {manifest.embedder}, data {data}")


def _places(corpus: Path | None, store: Path | None, domain: str | None) -> tuple[Path, Path]:
    """Where the documents are and where the store goes."""
    if domain is not None:
        if corpus is not None or store is not None:
            raise UserError("--domain names both corpus and store; leave --corpus and --store out")

        from agent.settings import make_settings
        from skills.pack import discover, find

        settings = make_settings()
        pack = find(discover(settings.domains, settings.trusted_domains)[0], domain)
        return pack.folder / "corpus", pack.index
    if corpus is None or store is None:
        raise UserError("give --corpus PATH and --store DIR, or --domain NAME")
    return corpus, store


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    """A bar on standard error with the time left, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("index"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("index", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
