"""Documents to passages: JSON Lines, Markdown notes, text, HTML, PDF, Word and CSV.

    notes.md       one passage per ``## Heading``             id "notes#heading"
    report.pdf     pages, cut at sentence boundaries          id "report.pdf#page-3"
    page.html, letter.docx, plain.txt                         id "plain.txt#1"
    rows.csv       one passage per row                        id "rows.csv#1"
    corpus.jsonl   {id, text, title?, source?, jurisdiction?, as_of?} as they are; a CSV with id and text too

Ids in sub-folders start with the folder's path. A file that cannot be read is reported and the others go on.
Knows formats and sizes, nothing of indexes or models.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from skills.errors import CollegiumError, DataError, UserError
from skills.files import read_jsonl
from skills.records import Passage
from skills.retrieval.text import is_chinese, sentences

PASSAGE_CHARACTERS = 900
"""Aimed-at size of a passage of English text; Chinese says as much in half of it."""

OnProblem = Callable[[str], None]
"""Told of a file or row that is left out: "<path>: <why>"."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a document, before it is cut to passages."""

    slug: str
    title: str
    text: str
    facts: Mapping[str, str]
    """source, jurisdiction, as_of, where the document says them."""


def slug(heading: str) -> str:
    """A heading as a part of an id: lower case, runs of other than letters and digits become one hyphen."""
    return re.sub(r"[\W_]+", "-", heading.lower()).strip("-") or "section"


def split_text(text: str, characters: int = PASSAGE_CHARACTERS) -> list[str]:
    """Cut at sentence boundaries into parts of about equal length, near ``characters`` (half for Chinese).

    Text up to a third longer than that stays whole, and so does a long sentence.
    """
    limit = characters // 2 if is_chinese(text) else characters
    if len(text) <= limit * 4 // 3:
        return [text.strip()] if text.strip() else []
    aim = len(text) / round(len(text) / limit)
    parts: list[tuple[int, int]] = []
    for start, end in sentences(text):
        if parts and end - parts[-1][0] <= aim * 1.15:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return [text[start:end] for start, end in parts]


def read_corpus(source: Path, on_problem: OnProblem) -> Iterator[Passage]:
    """Passages of a file, or of all files below a folder in the order of their names.

    ``on_problem`` is told what is left out: a broken file, a format that is not read, an empty text.
    Raises UserError if there is no such path, or if ``source`` itself is a broken file.
    """
    if source.is_file():
        yield from _read_file(source, source.name, on_problem)
        return
    if not source.is_dir():
        raise UserError(
            f"no corpus {str(source)!r}: expected a file or a folder of {', '.join(sorted(_READERS))}",
            subject=source,
        )
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if path.suffix.lower() not in _READERS:
            on_problem(
                f"{path}: {path.suffix or 'no suffix'} is not read; known: {', '.join(sorted(_READERS))}"
            )
            continue
        try:
            yield from _read_file(path, inside.as_posix(), on_problem)
        except CollegiumError as error:
            on_problem(str(error))


def _read_file(path: Path, name: str, on_problem: OnProblem) -> Iterator[Passage]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(
            f"{path}: cannot read {path.suffix!r}; known: {', '.join(sorted(_READERS))}", subject=path
        )
    rows = (
        read_jsonl(path, ("id", "text")) if reader is _jsonl else _csv_rows(path) if reader is _csv else None
    )
    if rows is not None:
        yield from _rows(rows, path, on_problem)
        return
    try:
        sections = list(reader(path))
    except CollegiumError:
        raise
    except Exception as error:  # parsers of foreign formats raise whatever they like
        raise UserError(
            f"{path}: cannot be read as {path.suffix}: {error or type(error).__name__}", subject=path
        ) from error
    stem = name.removesuffix(path.suffix) if path.suffix.lower() == ".md" else name
    used: dict[str, int] = {}
    count = 0
    for section in sections:
        for text in split_text(section.text):
            used[section.slug] = used.get(section.slug, 0) + 1
            number = f"-{used[section.slug]}" if used[section.slug] > 1 else ""
            yield Passage(
                id=f"{stem}#{section.slug}{number}", text=text, title=section.title, **section.facts
            )
            count += 1
    if not count:
        on_problem(f"{path}: no text found")


def _rows(rows: Iterator[Mapping[str, Any]], path: Path, on_problem: OnProblem) -> Iterator[Passage]:
    for row in rows:
        facts = {key: str(row.get(key) or "") for key in ("title", "source", "jurisdiction", "as_of")}
        if not isinstance(row["text"], str) or not row["text"].strip():
            on_problem(f"{path}: passage {row['id']!r} has no text")
            continue
        yield Passage(id=str(row["id"]), text=row["text"], **facts)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", subject=path
        ) from error


def _pretty(stem: str) -> str:
    return re.sub(r"[-_\s]+", " ", stem).strip()


def _jsonl(path: Path) -> Iterator[_Section]:
    raise DataError(f"{path}: rows are read as they are", subject=path)


def _front_matter(path: Path, text: str) -> tuple[dict[str, str], str]:
    """The YAML between ``---`` lines at the top, and the rest."""
    import yaml

    found = re.match(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", text, re.DOTALL)
    if not found:
        return {}, text
    try:
        values: object = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise UserError(f"{path}: front matter is not YAML: {error}", subject=path) from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: front matter should hold `key: value` lines", subject=path)
    return {str(key): str(value) for key, value in cast(dict[Any, Any], values).items()}, text[found.end() :]


def _markdown(path: Path) -> Iterator[_Section]:
    facts, body = _front_matter(path, _read_text(path).replace("\r\n", "\n"))
    title = facts.get("title", "")
    facts = {key: facts[key] for key in ("source", "jurisdiction", "as_of") if key in facts}
    sections: list[tuple[str, list[str]]] = [("", [])]
    fenced = False
    for line in body.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(r"(#{1,2})\s+(.+?)\s*#*\s*$", line)
        if heading and len(heading[1]) == 1 and not title:
            title = heading[2]
        elif heading and len(heading[1]) == 2:
            sections.append((heading[2], []))
        else:
            sections[-1][1].append(line)
    title = title or _pretty(path.stem)
    for heading, lines in sections:
        whole = f"{title}: {heading}" if heading else title
        yield _Section(slug(heading) if heading else "intro", whole, "\n".join(lines).strip(), facts)


def _plain(path: Path) -> Iterator[_Section]:
    yield _numbered(_read_text(path), _pretty(path.stem))


def _numbered(text: str, title: str, **facts: str) -> _Section:
    return _Section("1", title, text, facts)


def _html(path: Path) -> Iterator[_Section]:
    import trafilatura

    markup = _read_text(path)
    found = trafilatura.bare_extraction(
        markup, include_comments=False, include_tables=True, favor_recall=True, with_metadata=True
    )
    if found is None:
        raise UserError(f"{path}: no text found in the page", subject=path)
    fields = cast(Any, found)
    facts = {"source": fields.sitename or "", "as_of": fields.date or ""}
    named = re.search(r"<title[^>]*>(.*?)</title>", markup, re.IGNORECASE | re.DOTALL)
    title = fields.title or (" ".join(html.unescape(named[1]).split()) if named else "")
    yield _numbered(fields.text or "", title or _pretty(path.stem), **facts)


def _pdf(path: Path) -> Iterator[_Section]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    title = str((reader.metadata or {}).get("/Title") or "").strip() or _pretty(path.stem)
    for number, page in enumerate(reader.pages, start=1):
        text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", page.extract_text())  # words cut at the line's end
        yield _Section(f"page-{number}", title, text.strip(), {})


def _word(path: Path) -> Iterator[_Section]:
    from docx import Document
    from docx.table import Table

    document = Document(str(path))
    title = (document.core_properties.title or "").strip() or _pretty(path.stem)
    parts: list[tuple[str, list[str]]] = [("", [])]
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            parts[-1][1].extend(" | ".join(cell.text.strip() for cell in row.cells) for row in block.rows)
        elif block.style is not None and str(block.style.name).startswith("Heading") and block.text.strip():
            parts.append((block.text.strip(), []))
        else:
            parts[-1][1].append(block.text)
    for heading, lines in parts:
        whole = f"{title}: {heading}" if heading else title
        yield _Section(slug(heading) if heading else "1", whole, "\n\n".join(lines).strip(), {})


def _csv_rows(path: Path) -> Iterator[dict[str, Any]] | None:
    """The rows of a CSV file that has the columns of a corpus, else None."""
    rows = csv.DictReader(_read_text(path).splitlines(keepends=True))
    return iter(rows) if {"id", "text"} <= set(rows.fieldnames or ()) else None


def _csv(path: Path) -> Iterator[_Section]:
    for number, row in enumerate(csv.DictReader(_read_text(path).splitlines(keepends=True)), start=1):
        cells = [
            (key, value) for key, value in row.items() if key and isinstance(value, str) and value.strip()
        ]
        lines = [f"{key}: {value.strip()}" for key, value in cells]
        yield _Section(str(number), _pretty(path.stem), "\n".join(lines), {})


_READERS: dict[str, Callable[[Path], Iterator[_Section]]] = {
    ".jsonl": _jsonl,
    ".md": _markdown,
    ".txt": _plain,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _word,
    ".csv": _csv,
}
