"""Document formats as sections: a piece of text under one heading, with what the document says about itself.

Knows parsers and their quirks; sizes of passages and ids are ``chunks``' and ``ingest``'s.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from skills.errors import UserError
from skills.retrieval.chunks import slug

FACTS = ("source", "jurisdiction", "as_of", "effective", "expires")
"""What a document may say about itself, beside its title."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document."""

    slug: str
    title: str
    text: str
    facts: Mapping[str, str]
    """Of FACTS, those that the document says."""
    headed: bool = False
    """It stands under a heading of the document."""
    prose: bool = True
    """It may be cut; a row of a table is one passage."""
    goes_on: bool = False
    """It begins in the middle of what the one before it was about: a page."""


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start})", subject=path
        ) from error


def _pretty(stem: str) -> str:
    return re.sub(r"[-_\s]+", " ", stem).strip()


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


def _markdown(path: Path) -> Iterator[Section]:
    facts, body = _front_matter(path, _read_text(path).replace("\r\n", "\n"))
    title = facts.get("title", "")
    facts = {key: facts[key] for key in FACTS if key in facts}
    first = _heading_lines(body, 1)
    if not title and first:
        place, title = first[0]
        body = "\n".join(line for number, line in enumerate(body.split("\n")) if number != place)
    yield from _headed(body, title or _pretty(path.stem), facts, intro="intro")


def _heading_lines(text: str, level: int) -> list[tuple[int, str]]:
    """Line numbers and texts of the ``#`` headings of a level, none of them in fenced code."""
    found: list[tuple[int, str]] = []
    fenced = False
    for number, line in enumerate(text.split("\n")):
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.match(rf"#{{{level}}}\s+(.+?)\s*#*\s*$", line)
        if heading:
            found.append((number, heading[1]))
    return found


def _headed(text: str, title: str, facts: Mapping[str, str], intro: str) -> Iterator[Section]:
    """The sections of Markdown text under its ``##`` headings; ``intro``: slug of what comes before them."""
    lines, headings = text.split("\n"), _heading_lines(text, 2)
    ends = [*(number for number, _ in headings), len(lines)]
    yield Section(intro, title, "\n".join(lines[: ends[0]]).strip(), facts)
    for (number, heading), end in zip(headings, ends[1:], strict=True):
        content = "\n".join(lines[number + 1 : end]).strip()
        yield Section(slug(heading), f"{title}: {heading}", content, facts, headed=True)


def _plain(path: Path) -> Iterator[Section]:
    yield Section("1", _pretty(path.stem), _read_text(path), {})


def _html(path: Path) -> Iterator[Section]:
    import trafilatura

    markup = _read_text(path)
    found = trafilatura.bare_extraction(
        markup,
        include_comments=False,
        include_tables=True,
        include_formatting=True,  # else headings are paragraphs
        favor_recall=True,
        with_metadata=True,
    )
    if found is None:
        raise UserError(f"{path}: no text found in the page", subject=path)
    fields = cast(Any, found)
    facts = {"source": fields.sitename or "", "as_of": fields.date or ""}
    named = re.search(r"<title[^>]*>(.*?)</title>", markup, re.IGNORECASE | re.DOTALL)
    title = fields.title or (" ".join(html.unescape(named[1]).split()) if named else "")
    blocks = (_html_block(element, title) for element in fields.body)
    text = "\n\n".join(block for block in blocks if block)
    yield from _headed(text, title or _pretty(path.stem), facts, intro="1")


def _html_block(element: Any, title: str) -> str:
    """A block of an extracted page as Markdown; emphasis and links are plain text."""
    for line_break in element.iter("lb"):
        line_break.tail = "\n" + (line_break.tail or "")

    def content(part: Any) -> str:
        return "".join(part.itertext()).strip()

    match element.tag:
        case "head":
            heading, level = " ".join(content(element).split()), int(element.get("rend", "h2")[1:])
            return "" if heading == title else f"{'#' * max(2, level)} {heading}"
        case "list":
            return "\n".join(f"- {_own_text(item)}" for item in element.iter("item"))
        case "table":
            rows = ([" ".join(content(cell).split()) for cell in row] for row in element.iter("row"))
            return "\n".join(f"| {' | '.join(row)} |" for row in rows if any(row))
        case _:
            return content(element)


def _own_text(item: Any) -> str:
    """A list item without the lists in it, whose items come by themselves."""
    texts = [item.text or ""]
    for part in item:
        texts += [] if part.tag == "list" else part.itertext()
        texts.append(part.tail or "")
    return " ".join("".join(texts).split())


def _pdf(path: Path) -> Iterator[Section]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    title = str((reader.metadata or {}).get("/Title") or "").strip() or _pretty(path.stem)
    for number, page in enumerate(reader.pages, start=1):
        text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", page.extract_text())  # words cut at the line's end
        yield Section(f"page-{number}", title, text.strip(), {}, goes_on=True)


def _word(path: Path) -> Iterator[Section]:
    from docx import Document
    from docx.table import Table

    document = Document(str(path))
    title = (document.core_properties.title or "").strip() or _pretty(path.stem)
    above: list[tuple[int, str]] = []  # level and text of the headings above
    lines: list[str] = []

    def section() -> Section:
        names = [name for _, name in above]
        part = "/".join(map(slug, names)) or "1"
        return Section(part, ": ".join([title, *names]), "\n\n".join(lines).strip(), {}, headed=bool(names))

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            rows = (" | ".join(" ".join(cell.text.split()) for cell in row.cells) for row in block.rows)
            lines.append("\n".join(rows))
            continue
        style = str(block.style.name) if block.style is not None else ""
        if style.startswith("Heading") and block.text.strip():
            yield section()
            level = int(re.sub(r"\D", "", style) or 1)
            above = [one for one in above if one[0] < level] + [(level, block.text.strip())]
            lines = []
        elif style.startswith("List"):
            lines.append(f"- {block.text}")
        else:
            lines.append(block.text)
    yield section()


def csv_rows(path: Path) -> Iterator[dict[str, Any]] | None:
    """The rows of a CSV file that has the columns of a corpus, else None."""
    rows = csv.DictReader(_read_text(path).splitlines(keepends=True))
    return iter(rows) if {"id", "text"} <= set(rows.fieldnames or ()) else None


def _csv(path: Path) -> Iterator[Section]:
    for number, row in enumerate(csv.DictReader(_read_text(path).splitlines(keepends=True)), start=1):
        cells = [
            (key, value) for key, value in row.items() if key and isinstance(value, str) and value.strip()
        ]
        lines = [f"{key}: {value.strip()}" for key, value in cells]
        yield Section(str(number), _pretty(path.stem), "\n".join(lines), {}, prose=False)


READERS: dict[str, Callable[[Path], Iterator[Section]]] = {
    ".md": _markdown,
    ".txt": _plain,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".docx": _word,
    ".csv": _csv,
}
"""What reads a format, by suffix."""
