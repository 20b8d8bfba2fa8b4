"""Documents to passages: JSON Lines, Markdown notes, text, HTML, PDF, Word and CSV.

    notes.md, page.html, letter.docx   one passage per heading          id "notes#heading", "page.html#heading"
    report.pdf                         pages                            id "report.pdf#page-3"
    plain.txt                          as a whole                       id "plain.txt#1"
    rows.csv                           one passage per row              id "rows.csv#1"
    corpus.jsonl                       {id, text, title?, source?, jurisdiction?, as_of?, effective?, expires?}
                                       as they are; a CSV with id and text too

What is longer than a passage is cut as ``chunks`` says, and numbered articles stand alone: the id of a part ends
with the headings or the number above it ("law.txt#article-5", "notes#dose/children"), so that it stays when another
part changes. Ids in sub-folders start with the folder's path. A file that cannot be read is reported and the others
go on. Knows names and ids, nothing of indexes or models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from skills.errors import CollegiumError, UserError
from skills.files import read_jsonl
from skills.records import Passage
from skills.retrieval.chunks import Chunk, chunks
from skills.retrieval.filters import day_number
from skills.retrieval.formats import FACTS, READERS, Section, csv_rows

OnProblem = Callable[[str], None]
"""Told of a file or row that is left out: "<path>: <why>"."""

_ROWS = ".jsonl"
_KNOWN = ", ".join(sorted([*READERS, _ROWS]))


def read_corpus(source: Path, on_problem: OnProblem) -> Iterator[Passage]:
    """Passages of a file, or of all files below a folder in the order of their names.

    ``on_problem`` is told what is left out: a broken file, a format that is not read, an empty text, a date that
    is none. Raises UserError if there is no such path, or if ``source`` itself is a broken file.
    """
    if source.is_file():
        yield from _read_file(source, source.name, on_problem)
        return
    if not source.is_dir():
        raise UserError(f"no corpus {str(source)!r}: expected a file or a folder of {_KNOWN}", subject=source)
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if path.suffix.lower() not in (*READERS, _ROWS):
            on_problem(f"{path}: {path.suffix or 'no suffix'} is not read; known: {_KNOWN}")
            continue
        try:
            yield from _read_file(path, inside.as_posix(), on_problem)
        except CollegiumError as error:
            on_problem(str(error))


def _read_file(path: Path, name: str, on_problem: OnProblem) -> Iterator[Passage]:
    suffix = path.suffix.lower()
    if suffix not in (*READERS, _ROWS):
        raise UserError(f"{path}: cannot read {path.suffix!r}; known: {_KNOWN}", subject=path)
    rows = (
        read_jsonl(path, ("id", "text")) if suffix == _ROWS else csv_rows(path) if suffix == ".csv" else None
    )
    if rows is not None:
        yield from _rows(rows, path, on_problem)
        return
    try:
        sections = list(READERS[suffix](path))
    except CollegiumError:
        raise
    except Exception as error:  # parsers of foreign formats raise whatever they like
        raise UserError(
            f"{path}: cannot be read as {path.suffix}: {error or type(error).__name__}", subject=path
        ) from error
    for section in sections[:1]:
        _check_dates(section.facts, str(path))
    stem = name.removesuffix(path.suffix) if suffix == ".md" else name
    ids, last = _Ids(), None
    for section in sections:
        for chunk in _cut(section, last):
            last = chunk
            title = ": ".join([section.title, *chunk.names])
            yield Passage(f"{stem}#{ids.next(_part(section, chunk))}", chunk.text, title, **section.facts)
    if not ids:
        on_problem(f"{path}: no text found")


def _cut(section: Section, last: Chunk | None) -> list[Chunk]:
    """The chunks of a section. An article that the last one was of goes on to the first number of the next page."""
    if not section.prose:
        return [Chunk(section.text)] if section.text else []
    found = list(chunks(section.text))
    if section.goes_on and last is not None and last.numbered:
        first = next((place for place, chunk in enumerate(found) if chunk.numbered), 0)
        found[:first] = [replace(last, text=chunk.text) for chunk in found[:first]]
    return found


def _part(section: Section, chunk: Chunk) -> str:
    """What the id says of a chunk: the headings above it. An article's number is enough where the section has
    no heading of its own."""
    own = () if chunk.numbered and not section.headed else (section.slug,)
    return "/".join(own + chunk.slugs)


class _Ids:
    """Parts of ids that differ: the second of a name gets "-2" behind it."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._used)

    def next(self, part: str) -> str:
        """The part itself, or with the next number that is free."""
        while True:
            count = self._counts[part] = self._counts.get(part, 0) + 1
            name = f"{part}-{count}" if count > 1 else part
            if name not in self._used:
                self._used.add(name)
                return name


def _rows(rows: Iterator[Mapping[str, Any]], path: Path, on_problem: OnProblem) -> Iterator[Passage]:
    for row in rows:
        facts = {key: str(row.get(key) or "") for key in ("title", *FACTS)}
        if not isinstance(row["text"], str) or not row["text"].strip():
            on_problem(f"{path}: passage {row['id']!r} has no text")
            continue
        try:
            _check_dates(facts, f"{path}: passage {row['id']!r}")
        except UserError as error:
            on_problem(str(error))
            continue
        yield Passage(id=str(row["id"]), text=row["text"], **facts)


def _check_dates(facts: Mapping[str, str], where: str) -> None:
    for key in ("effective", "expires"):
        if value := facts.get(key):
            try:
                day_number(value)
            except UserError as error:
                raise UserError(f"{where}: {key}: {error}", subject=facts) from error
