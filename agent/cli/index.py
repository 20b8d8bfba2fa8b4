"""``collegium index``: build a store from documents, change it, judge questions about it, list it and check it.

Knows options, progress and reports; formats are ``ingest``'s, files are the store's (``skills.retrieval``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.cli.progress import terminal_bars
from skills.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress

    from skills.pack import Pack
    from skills.records import Passage
    from skills.retrieval.catalogue import Document
    from skills.retrieval.store_edit import Change

app = typer.Typer(help="Build, change and check passage stores.", no_args_is_help=True)

Domain = Annotated[
    str | None, typer.Option("--domain", help="The index of this domain (see: collegium domains).")
]
Language = Annotated[
    Literal["en", "zh"], typer.Option("--language", help="Which of a domain's notes: zh, its Chinese ones.")
]
Store = Annotated[Path | None, typer.Option("--store", help="Folder of the store.")]
Corpus = Annotated[
    Path | None,
    typer.Option(
        "--corpus",
        help="JSON Lines {id, text, title?, source?, jurisdiction?, as_of?, effective?, expires?}, "
        "another document, or a folder of md, txt, html, pdf, docx, csv, jsonl.",
    ),
]


@app.command("build")
def build(
    corpus: Corpus = None,
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder", help="all-minilm-l6-v2, collegium-e5-small-2, or a `train retriever` run's best/."
        ),
    ] = None,
) -> None:
    """Index a corpus. A store that is already there stays usable until the new one is whole."""
    if domain is not None and (corpus is not None or store is not None):
        raise UserError("--domain names both corpus and store; leave --corpus and --store out")
    if domain is None and (corpus is None or store is None):
        raise UserError("give --corpus PATH and --store DIR, or --domain NAME")
    store, own_corpus = _place(store, domain, language)
    corpus = corpus or own_corpus
    assert corpus is not None  # noqa: S101  one of the two was given

    from skills.retrieval.embedder import add_embedder, choose_embedder, load_embedder
    from skills.retrieval.ingest import read_corpus
    from skills.retrieval.judged import checked
    from skills.retrieval.store import PassageStore

    # Before anything is written: an index without its judged questions would answer otherwise.
    questions = checked(_judged(domain, language)) if domain is not None else []
    problems: list[str] = []
    passages = read_corpus(corpus, problems.append)
    first = list(islice(passages, 1000))  # tell the language
    if not first:
        _report(problems)
        raise UserError(f"{str(corpus)!r} gives no passages; expected at least one with text", subject=corpus)
    if embedder is None:
        embedder = choose_embedder(first)
    elif Path(embedder).is_dir():
        embedder = add_embedder(Path(embedder))
    model = load_embedder(embedder)
    with terminal_bars() as bars:
        progress = _Reading(bars)
        built = PassageStore.build(
            progress.read(chain(first, passages)), store, model, progress=progress.embedded
        )
    _report(problems)
    facts = _facts(built.manifest.duplicates, problems)
    print(f"{store}: {len(built)} passages indexed with {model.id}{facts}")
    if questions:
        _judge(store, questions)


@app.command("judge")
def judge(
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    source: Annotated[
        Path | None,
        typer.Option(
            "--in", help="JSON Lines: {question, gold: \\[passage id]}; no gold: nothing answers it."
        ),
    ] = None,
) -> None:
    """Give a store questions whose answer in it is known. Questions like them are answered accordingly, at once.

    They take the place of those that it has. With --domain, --in is the pack's own file
    of examples, evidence.jsonl or evidence_zh.jsonl.
    """
    place, _ = _place(store, domain, language)
    if domain is not None and source is None:
        questions = _judged(domain, language)
    elif source is None:
        raise UserError("give --in FILE: the judged questions")
    else:
        from skills.files import read_jsonl

        questions = list(read_jsonl(source, required=("question", "gold")))
    _judge(place, questions)


def _judge(store: Path, questions: Sequence[Mapping[str, Any]]) -> None:
    from skills.retrieval.store_edit import judge_questions

    with terminal_bars() as bars:
        done = judge_questions(store, questions, progress=_Reading(bars).embedded)
    strange = f"; {done.strange} passages that they name are not in the store" if done.strange else ""
    print(f"{store}: {done.questions} judged questions, {done.unanswered} that nothing answers{strange}")


@app.command("add")
def add(
    corpus: Corpus = None,
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove what the documents of the corpus no longer have."),
    ] = False,
) -> None:
    """Add a corpus to a store. A passage whose id is known is replaced; vectors of known texts stay."""
    store, _ = _place(store, domain, language)
    if corpus is None:
        raise UserError("give --corpus PATH: what is to be added")

    from skills.retrieval.ingest import read_corpus
    from skills.retrieval.store_edit import add_passages

    problems: list[str] = []
    with terminal_bars() as bars:
        progress = _Reading(bars)
        passages = progress.read(read_corpus(corpus, problems.append))
        change = add_passages(store, passages, prune=prune, progress=progress.embedded)
    _report(problems)
    print(f"{store}: {_changed(change)}{_facts(change.duplicates, problems)}")


@app.command("remove")
def remove(
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    ids: Annotated[list[str] | None, typer.Option("--id", help="A passage; may be repeated.")] = None,
    documents: Annotated[
        list[str] | None,
        typer.Option("--document", help="All of a document (see: collegium index list); may be repeated."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="All whose source begins with this.")] = None,
) -> None:
    """Remove passages from a store."""
    store, _ = _place(store, domain, language)
    if not (ids or documents or source):
        raise UserError("give what to remove: --id ID, --document NAME or --source PREFIX")

    from skills.retrieval.store_edit import remove_passages

    change = remove_passages(store, ids=set(ids or ()), documents=set(documents or ()), source=source or None)
    print(f"{store}: {_changed(change)}")


@app.command("list")
def list_documents(
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List a store's documents with passages, title, source, jurisdiction and dates."""
    store, _ = _place(store, domain, language)

    from skills.retrieval.catalogue import documents
    from skills.retrieval.store import PassageStore

    found = documents(PassageStore.load(store).passages)
    if as_json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
        return
    for one in found:
        print(_line(one))


@app.command("verify")
def verify(
    store: Store = None,
    domain: Domain = None,
    language: Language = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Check every byte of a store against its manifest; exit code 1 names what is damaged."""
    store, _ = _place(store, domain, language)

    from skills.retrieval.store import PassageStore

    manifest = PassageStore.load(store, every_byte=True).manifest
    if as_json:
        print(json.dumps(manifest.model_dump(), indent=1))
    else:
        data = manifest.data_sha256[:12]
        print(f"{store}: ok, {manifest.count} passages, {manifest.embedder}, data {data}")


def _place(store: Path | None, domain: str | None, language: Language) -> tuple[Path, Path | None]:
    """The folder of the store, and of a domain's documents."""
    if domain is None:
        if store is None:
            raise UserError("give --store DIR or --domain NAME")
        if language != "en":
            raise UserError("--language says which of a domain's stores; give --domain NAME with it")
        return store, None
    if store is not None:
        raise UserError("--domain names the store; leave --store out")

    pack = _pack(domain)
    corpus, index, _ = pack.notes_of(language)
    return index, corpus


def _judged(domain: str, language: Language) -> list[dict[str, Any]]:
    """What a pack tells of its passages."""
    pack = _pack(domain)
    return pack.examples(pack.notes_of(language)[2])


def _pack(domain: str) -> Pack:
    from agent.settings import make_settings
    from skills.pack import discover, find

    settings = make_settings()
    return find(discover(settings.domains, settings.trusted_domains)[0], domain)


def _report(problems: list[str]) -> None:
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)


def _facts(duplicates: int, problems: list[str]) -> str:
    parts = [f"{duplicates} duplicates folded"] if duplicates else []
    parts += [f"{len(problems)} left out"] if problems else []
    return "".join(f", {part}" for part in parts)


def _changed(change: Change) -> str:
    counts = {
        "added": change.added,
        "replaced": change.replaced,
        "unchanged": change.unchanged,
        "removed": change.removed,
    }
    done = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    return f"{done} ({change.embedded} embedded); {change.count} passages"


def _line(one: Document) -> str:
    facts = [one.title, *one.source, *one.jurisdiction]
    dates = (("as of", one.as_of), ("from", one.effective), ("until", one.expires))
    facts += [f"{word} {', '.join(values)}" for word, values in dates if values]
    return f"{one.document}  {one.passages} passages  {' | '.join(filter(None, facts))}".rstrip()


class _Reading:
    """Passages read, and texts embedded with the time left."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._reading = bars.add_task("read ", total=None)  # as wide as "embed"
        self._embedding = bars.add_task("embed", total=None, visible=False)

    def read(self, passages: Iterable[Passage]) -> Iterator[Passage]:
        """The passages, counted as they go by."""
        for passage in passages:
            yield passage
            self._bars.advance(self._reading)

    def embedded(self, done: int, total: int) -> None:
        self._bars.update(self._embedding, completed=done, total=total, visible=True)
