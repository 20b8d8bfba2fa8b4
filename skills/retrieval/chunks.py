"""A section of a document as chunks of the size of a passage, cut where the text itself has joints.

    1. an article, section, rule or paragraph number at the beginning of a line starts a chunk and names it
    2. a long part is cut at its sub-headings, which name the chunks too
    3. what is still long is cut between sentences, list items and table rows; a table that goes on repeats
       its header

Knows headings, numbers, lists and tables as text (``#``, ``§ 12``, ``-``, ``|``); nothing of files or ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from skills.retrieval.text import blocks, is_chinese, sentences

PASSAGE_CHARACTERS = 900
"""Aimed-at size of a passage of English text; Chinese says as much in half of it."""

_NUMBER = r"(?:\d+[A-Za-z]?(?:[.-]\d+[A-Za-z]?)*|[IVXLC]+)(?![\w%])"
_PROVISION = re.compile(
    rf"[ \t]*(?:#{{1,6}}[ \t]+)?(?:\*\*)?"
    rf"(?P<label>§{{1,2}}[ \t]*{_NUMBER}|(?:Article|ARTICLE|Art\.|Section|SECTION|Sec\.|Rule|RULE)[ \t]+{_NUMBER}"
    r"|第[\d零〇一二三四五六七八九十百千两]+条(?:之[一二三四五六七八九十]+)?)(?P<rest>[^\n]*)"
)
_OPENS = re.compile(r"(?:\*\*)?[.:)—–-]*(?:\*\*)?(?:[ \t]*$|[ \t]*[\"“'‘(\[A-Z§*])")
"""What follows the number of a provision, and not that of a reference ("Article 5 of the Treaty")."""
_REFERS = re.compile(r"\s*[的规第所至和或与及、，；以之中列款项]")
_CONTENTS = re.compile(r"(?:\.{3,}|…+|\t)\s*\d+\s*$")
_ENDED = re.compile(r"[.;:!?。；：！？)）”\"*]\s*$")
_SHORT_LINE = 30
"""Characters: a line up to this long is no prose that goes on in the next line."""
_HEADLINE = 80
"""Characters: what follows a number up to this long, and is no sentence, is the provision's heading."""
_SENTENCE = re.compile(r"[.;:!?](?:\s|$)|[。；：！？]")
_SUBHEADING = re.compile(r"(#{3,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_RULER = re.compile(r"[ \t]*\|?[\s:|-]*-[\s:|-]*$")


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    names: tuple[str, ...] = ()
    """What the chunk is called within its section, outermost first: "Article 5 Rent", "Late payment"."""
    slugs: tuple[str, ...] = ()
    """The same for an id: "article-5", "late-payment"."""
    numbered: bool = False
    """The first name is that of an article, which says more than the section's."""


def slug(heading: str) -> str:
    """A heading as a part of an id: lower case, runs of other than letters and digits become one hyphen."""
    return re.sub(r"[\W_]+", "-", heading.lower()).strip("-") or "section"


def chunks(text: str, characters: int = PASSAGE_CHARACTERS) -> Iterator[Chunk]:
    """The chunks of a section's text, in order; nothing but sub-heading lines is left out."""
    for provision, part in _provisions(text):
        names = (provision.name,) if provision else ()
        slugs = (provision.slug,) if provision else ()
        pieces = _by_subheading(part) if _is_long(part, characters) else [((), part)]
        for path, piece in pieces:
            for passage in split_text(piece, characters):
                yield Chunk(passage, names + path, slugs + tuple(map(slug, path)), provision is not None)


def split_text(text: str, characters: int = PASSAGE_CHARACTERS) -> list[str]:
    """Cut between units into parts of about equal length, near ``characters`` (half for Chinese).

    Text up to a third longer than that stays whole, and so does a long sentence or table row. A part that begins
    within a table has the table's header before it.
    """
    if not _is_long(text, characters):
        return [text.strip()] if text.strip() else []
    aim = len(text) / round(len(text) / _limit(text, characters))
    parts: list[_Unit] = []
    for unit in _units(text, 2 * _limit(text, characters)):
        if parts and unit.end - parts[-1].start <= aim * 1.15:
            parts[-1] = _Unit(parts[-1].start, unit.end, parts[-1].header)
        else:
            parts.append(unit)
    return [part.header + text[part.start : part.end] for part in parts]


def _limit(text: str, characters: int) -> int:
    return characters // 2 if is_chinese(text) else characters


def _is_long(text: str, characters: int) -> bool:
    return len(text) > _limit(text, characters) * 4 // 3


# ---------------------------------------------------------------- articles, sections, rules


@dataclass(frozen=True, slots=True)
class _Provision:
    start: int
    """Where its line begins."""
    kind: str
    name: str
    slug: str
    line_only: bool
    """There is a heading at most beside the number."""


def _provisions(text: str) -> list[tuple[_Provision | None, str]]:
    """The text cut before each numbered line, with what begins there; first what comes before them.

    A number without text of its own belongs to what follows if that is of another kind ("Article II" above
    "Section 2.1"), else to what comes before it: a table of contents.
    """
    found = [one for line in re.finditer(r"[^\n]+", text) if (one := _provision(text, line)) is not None]
    ends = [*(one.start for one in found[1:]), len(text)] if found else []
    parts: list[tuple[_Provision | None, int, int]] = [(None, 0, found[0].start if found else len(text))]
    begin: int | None = None
    for number, (one, end) in enumerate(zip(found, ends, strict=True)):
        following = found[number + 1] if number + 1 < len(found) else None
        bare = one.line_only and not text[one.start : end].partition("\n")[2].strip()
        if bare and following is not None and following.kind != one.kind:
            begin = one.start if begin is None else begin
        elif bare and following is not None:
            owner, start, _ = parts[-1]
            parts[-1] = (owner, start, end)
            begin = None
        else:
            parts.append((one, one.start if begin is None else begin, end))
            begin = None
    return [(one, text[start:end]) for one, start, end in parts if text[start:end].strip()]


def _provision(text: str, line: re.Match[str]) -> _Provision | None:
    found = _PROVISION.match(line[0])
    if found is None:
        return None
    label, rest = found["label"], found["rest"]
    chinese = label.startswith("第")
    refers = _REFERS.match(rest) if chinese else not _OPENS.match(rest)
    if refers or _CONTENTS.search(rest) or not _may_begin(text, line.start()):
        return None
    headline = rest.lstrip(" \t\u3000.:)—–-*").rstrip(" \t\u3000*#")
    is_headline = len(headline) <= _HEADLINE and not _SENTENCE.search(headline)
    name = f"{label} {headline}".strip() if is_headline and not chinese else label
    kind = "条" if chinese else label[:3].lower().strip("§ .") or "§"
    return _Provision(line.start(), kind, name, _number_slug(label), is_headline)


def _may_begin(text: str, start: int) -> bool:
    """Whether the line that begins there is one of its own, not the rest of one that was wrapped."""
    end = max(0, start - 1)
    previous = text[text.rfind("\n", 0, end) + 1 : end].strip()
    return not previous or len(previous) <= _SHORT_LINE or _ENDED.search(previous) is not None


def _number_slug(label: str) -> str:
    whole = re.sub(r"^art\.", "article", re.sub(r"^sec\.", "section", label.lower()))
    return re.sub(r"[ \t]+", "" if whole.startswith("§") else "-", whole)


# ---------------------------------------------------------------- sub-headings


def _by_subheading(text: str) -> list[tuple[tuple[str, ...], str]]:
    """The text cut at its sub-headings, each part with the headings above it."""
    parts: list[tuple[tuple[str, ...], str]] = []
    path: list[tuple[int, str]] = []
    start = 0
    for heading in _SUBHEADING.finditer(text):
        parts.append((tuple(name for _, name in path), text[start : heading.start()]))
        level = len(heading[1])
        path = [(above, name) for above, name in path if above < level] + [(level, heading[2])]
        start = heading.end()
    parts.append((tuple(name for _, name in path), text[start:]))
    return parts


# ---------------------------------------------------------------- sentences, items, rows


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    header: str = ""
    """What a part that begins here needs before it."""


def _units(text: str, longest_item: int) -> Iterator[_Unit]:
    """What is never cut: sentences, list items (unless very long), table rows; a heading goes with what follows."""
    heading: int | None = None
    table: list[tuple[int, int]] = []
    above = 0
    for kind, start, end in blocks(text):
        if kind == "row" and table and text.count("\n", table[-1][1], start) == 1:
            table.append((start, end))
            continue
        yield from _table(text, table, above)
        table = []
        begin = start if heading is None else heading
        headed, heading = heading is not None, None
        if kind == "heading":
            heading = begin
        elif kind == "row":
            table, above = [(start, end)], begin
        elif kind == "item" and end - start <= longest_item:
            yield _Unit(begin, end)
        else:
            for number, (first, last) in enumerate(sentences(text[start:end])):
                yield _Unit(begin if headed and not number else start + first, start + last)
    yield from _table(text, table, above)
    if heading is not None:
        yield _Unit(heading, len(text.rstrip()))


def _table(text: str, rows: list[tuple[int, int]], begin: int) -> Iterator[_Unit]:
    """A table's rows; its header, and what is above it from ``begin``, stays with the first one."""
    if not rows:
        return
    ruled = len(rows) > 1 and _RULER.match(text[slice(*rows[1])]) is not None
    head = 2 if ruled else 1
    header = text[rows[0][0] : rows[head - 1][1]].strip() + "\n"
    yield _Unit(begin, rows[min(head, len(rows) - 1)][1])
    for start, end in rows[head + 1 :]:
        yield _Unit(start, end, header)
