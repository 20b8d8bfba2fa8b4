"""Changes to a store that is there: passages added, replaced and removed, questions judged, into a new version of it.

Rows keep the order of a dict: a passage whose id is known takes its place, a new one goes to the end. A store that
grew in steps therefore has the bytes of one that was built at once from the passages in that order. Vectors and
words of texts that stay are taken over; the weights of the keyword index are made anew, since each depends on all
passages.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from skills.errors import UserError
from skills.files import atomic_folder, locked_folder, temporary_folder
from skills.records import Passage
from skills.retrieval.columns import document_of
from skills.retrieval.embedder import LocalEmbeddings
from skills.retrieval.judged import QUESTIONS, Row, checked, write_questions
from skills.retrieval.manifest import FILES, verify, write_manifest
from skills.retrieval.passage_file import PassageWriter
from skills.retrieval.store import PassageStore
from skills.retrieval.store_build import Progress, write_store


@dataclass(frozen=True, slots=True)
class Change:
    """What a change did, in passages."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    """Given again just as they were."""
    removed: int = 0
    embedded: int = 0
    """Texts whose vectors had to be computed."""
    count: int = 0
    """In the store now."""
    duplicates: int = 0
    """Of them, those whose title and text another one before them has."""


def add_passages(
    folder: Path,
    passages: Iterable[Passage],
    *,
    embedder: LocalEmbeddings | None = None,
    prune: bool = False,
    progress: Progress | None = None,
) -> Change:
    """Add passages to a store; one whose id is known is replaced.

    ``prune``: of the documents that are given, also remove the passages that are not given any more. Raises
    UserError for no passages, an id that is given twice, and a date that is none; DataError as
    ``PassageStore.load`` does. Then, and when interrupted, the store is as it was.
    """
    with _opened(folder, embedder) as store, temporary_folder(folder) as spool:
        given: dict[str, int] = {}
        with PassageWriter(spool / "passages.jsonl") as writer:
            for number, passage in enumerate(passages):
                if given.setdefault(passage.id, number) != number:
                    raise UserError(f"passage id {passage.id!r} comes twice; ids must be unique in a store")
                writer.add(passage)
            fresh = writer.done()
        if not given:
            raise UserError("there are no passages to add; expected at least one with text")
        documents = {document_of(passage_id) for passage_id in given} if prune else set[str]()
        plan, replaced, unchanged, removed = _Plan(), 0, 0, 0
        for row, old in enumerate(store.passages):
            number = given.pop(old.id, None)
            if number is None and document_of(old.id) in documents:
                removed += 1
            elif number is None:
                plan.keep(row)
            elif (new := fresh[number]) == old:
                plan.keep(row)
                unchanged += 1
            else:
                plan.take(number, row if new.text == old.text else None)
                replaced += 1
        for number in given.values():
            plan.take(number, None)
        change = Change(added=len(given), replaced=replaced, unchanged=unchanged, removed=removed)
        return _rewritten(store, plan, fresh, change, progress)


def remove_passages(
    folder: Path,
    *,
    ids: Collection[str] = (),
    documents: Collection[str] = (),
    source: str | None = None,
    embedder: LocalEmbeddings | None = None,
) -> Change:
    """Remove the passages of these ids, of these documents, and those whose source begins with ``source``.

    Raises UserError for one of them that is nowhere in the store, and when nothing would be left; DataError as
    ``PassageStore.load`` does. Then, and when interrupted, the store is as it was.
    """
    with _opened(folder, embedder) as store:
        plan, missing = _Plan(), {("id", name) for name in ids} | {("document", name) for name in documents}
        if source is not None:
            missing.add(("source", source))
        for row, passage in enumerate(store.passages):
            document = document_of(passage.id)
            reasons: list[tuple[str, str]] = []
            if passage.id in ids:
                reasons.append(("id", passage.id))
            if document in documents:
                reasons.append(("document", document))
            if source is not None and passage.source.startswith(source):
                reasons.append(("source", source))
            missing.difference_update(reasons)
            if not reasons:
                plan.keep(row)
        for kind, name in sorted(missing):
            raise UserError(
                f"store {str(folder)!r} has no passage with {kind} {name!r}; "
                f"see: collegium index list --store {folder}",
                subject=name,
            )
        if not len(plan):
            raise UserError(
                f"that would remove all {len(store)} passages; delete the folder {str(folder)!r} instead"
            )
        return _rewritten(store, plan, (), Change(removed=len(store) - len(plan)), None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judged questions a store has now."""

    questions: int
    unanswered: int
    """Of them, those that nothing answers."""
    strange: int
    """Passages that they name and the store does not have."""


def judge_questions(
    folder: Path,
    rows: Iterable[Row],
    *,
    embedder: LocalEmbeddings | None = None,
    progress: Progress | None = None,
) -> Judgement:
    """Give a store judged questions {question, gold: [passage id]}, in place of those that it has.

    Raises UserError for a row that is none, and where none of them names a passage of the store; DataError as
    ``PassageStore.load`` does. Then, and when interrupted, the store is as it was.
    """
    given = checked(rows)
    with _opened(folder, embedder) as store:
        named = {name for row in given for name in row["gold"]}
        strange = sum(store.get(name) is None for name in named)
        if named and strange == len(named):
            raise UserError(
                f"none of the passages that the judged questions name is in store {str(folder)!r}, for example "
                f"{min(named)!r}; see: collegium index list --store {folder}",
                subject=folder,
            )
        with atomic_folder(folder) as partial:
            for name in FILES:
                shutil.copyfile(folder / name, partial / name)
            write_questions(partial / QUESTIONS, given, store.embedder, progress)
            manifest = store.manifest
            write_manifest(
                partial,
                embedder=manifest.embedder,
                dimension=manifest.dimension,
                count=manifest.count,
                duplicates=manifest.duplicates,
            )
    return Judgement(len(given), sum(not row["gold"] for row in given), strange)


class _Plan:
    """The rows of the new version in order: old ones, and given ones by their number."""

    def __init__(self) -> None:
        self._old, self._given = array("i"), array("i")  # -1: not from there

    def __len__(self) -> int:
        return len(self._old)

    def keep(self, row: int) -> None:
        """An old row as it is."""
        self._old.append(row)
        self._given.append(-1)

    def take(self, number: int, row: int | None) -> None:
        """A given passage; ``row``: the old one that has its text."""
        self._old.append(-1 if row is None else row)
        self._given.append(number)

    def rows(self, old: Sequence[Passage], given: Sequence[Passage]) -> Iterator[tuple[Passage, int | None]]:
        for row, number in zip(self._old, self._given, strict=True):
            yield old[row] if number < 0 else given[number], None if row < 0 else row


@contextmanager
def _opened(folder: Path, embedder: LocalEmbeddings | None) -> Generator[PassageStore]:
    """The store, every byte of it checked, and no other process changing it."""
    if not folder.is_dir():
        PassageStore.load(folder, embedder)  # says what to do
    with locked_folder(folder):
        yield PassageStore.load(folder, embedder, every_byte=True)


def _rewritten(
    store: PassageStore, plan: _Plan, given: Sequence[Passage], change: Change, progress: Progress | None
) -> Change:
    """Write the new version, unless it would be the old one."""
    embedded = 0
    if change.added or change.replaced or change.removed:
        rows = plan.rows(store.passages, given)
        questions = store.folder / QUESTIONS if store.judged is not None else None
        with atomic_folder(store.folder) as partial:
            embedded = write_store(
                rows, partial, store.embedder, older=store, questions=questions, progress=progress
            )
    manifest = verify(store.folder, every_byte=False)
    return replace(change, embedded=embedded, count=manifest.count, duplicates=manifest.duplicates)
