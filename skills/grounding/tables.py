"""Tables in passages (rows of ``a | b | c``): rows with the header of each cell.

A small model reads "Revenue: 2019 = 120; 2018 = 100" far more surely than a grid. Knows the linear form
only; where a table starts and ends in a document is the ingest's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_YEAR_OR_DATE = re.compile(r"\b(?:19|20)\d\d\b")
_AMOUNT = r"[\s$€£¥(−–-]*\d[\d,]*(?:\.\d+)?\s*[%)xX]*"
_NUMBER = re.compile(
    rf"(?:below|above|under|over|at least|at most|up to|less than|more than|about|from|[<>≤≥])?{_AMOUNT}"
    rf"(?:\s*(?:to|-|–)\s*{_AMOUNT}|\s*(?:or|and) (?:more|less|higher|lower|above|below|over|under))?"
    r"(?:\s+[a-zA-Z%/²³°]+){0,2}"
    r"|[\s$€£¥]*[—–-]+\s*%?|n/?a|nil",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"\(?(?P<unit>(?:[$€£¥] ?)?in (?:[A-Z$€£]\S* ?)?(?:thousands?|millions?|billions?)[^|)]{0,60})\)?",
    re.IGNORECASE,
)

_GRID = 3
"""Lines from which words in columns are a table with a header."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of a table that holds values."""

    start: int
    end: int
    """Character offsets of the line in the passage."""
    label: str
    cells: tuple[tuple[str, str], ...]
    """(header, value) by column; the header is empty where the table names none."""

    def render(self) -> str:
        """One line: ``label: header = value; header = value``."""
        shown = [f"{header} = {value}" if header else value for header, value in self.cells if value]
        return f"{self.label}: {'; '.join(shown)}" if self.label else "; ".join(shown)


def is_table_line(line: str) -> bool:
    """Whether a line is a row of a linear table."""
    return " | " in line or line.startswith("| ") or line.endswith(" |")


def is_all_table(text: str) -> bool:
    """Whether a text is a table and no prose."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(map(is_table_line, lines))


def _is_value_row(cells: list[str]) -> bool:
    values = [cell for cell in cells[1:] if cell]
    if not values or all(_YEAR_OR_DATE.fullmatch(cell) for cell in values):
        return False
    return any(_NUMBER.fullmatch(cell) and not _YEAR_OR_DATE.search(cell) for cell in values)


def _is_text_row(cells: list[str]) -> bool:
    """A row of words under values: labelled, and nothing in it that looks like a header of the next block."""
    values = [cell for cell in cells[1:] if cell]
    return bool(cells[0] and values) and not any(
        _YEAR_OR_DATE.search(cell) or _UNIT.fullmatch(cell) for cell in values
    )


def rows(text: str) -> list[TableRow]:
    """The value rows of a text's tables, in order; none if the text holds no table.

    Header lines are those before the values without numbers other than years and dates; the nearest
    header line with as many cells as the row names its columns, and lines above it are put before. Of a table
    of words alone the first line is the header.
    """
    found: list[TableRow] = []
    headers: list[list[str]] = []
    words: list[tuple[int, int, list[str]]] = []
    after_values = False
    section = ""
    position = 0
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        body = line.rstrip("\n")
        if not is_table_line(body):
            found += _rows_of_words(words)
            headers, words, after_values, section = [], [], False, ""
            continue
        cells = [cell.strip() for cell in body.split("|")]
        words.append((start, start + len(body), cells))
        if _is_value_row(cells) or (after_values and _is_text_row(cells)):
            names = _column_names(headers, len(cells))
            label = f"{section} {cells[0]}".strip() if section and section != cells[0] else cells[0]
            pairs = tuple(zip(names, cells[1:], strict=True))
            found.append(TableRow(start, start + len(body), label, pairs))
            after_values, words = True, []
        elif cells[0] and not any(cells[1:]):
            section = cells[0].rstrip(":") + ":"
        else:
            if after_values:
                headers, after_values, section = [], False, ""
            headers.append(cells)
    return found + _rows_of_words(words)


def _rows_of_words(lines: list[tuple[int, int, list[str]]]) -> list[TableRow]:
    """The rows of lines (start, end, cells) under their first; none where a cell is empty, or the lines are no grid:
    a header alone, or headers of columns whose values are elsewhere."""
    if len(lines) < _GRID or len({len(cells) for *_, cells in lines}) > 1:
        return []
    if not all(all(cells) for *_, cells in lines):
        return []
    (_, _, names), *rest = lines
    return [
        TableRow(start, end, cells[0], tuple(zip(names[1:], cells[1:], strict=True)))
        for start, end, cells in rest
    ]


def _column_names(headers: list[list[str]], width: int) -> list[str]:
    """Names of the value columns. A name that spans several columns is carried to the right; a line with a
    single name over many columns is a caption and names none of them."""
    names: list[list[str]] = [[] for _ in range(width - 1)]
    for cells in headers:
        values = ["" if _UNIT.fullmatch(cell) else cell for cell in cells[1:]]
        filled = sum(1 for value in values if value)
        if len(cells) != width or not filled or (filled == 1 and width > 2):
            continue
        spanning = filled < len(values) and len(headers) > 1
        last = ""
        for column, value in enumerate(values):
            last = value or (last if spanning else "")
            if last and last not in names[column]:
                names[column].append(last)
    return [" ".join(parts) for parts in names]


def unit(text: str) -> str:
    """The unit a table states for all its figures, such as "in millions"; empty if it states none."""
    for line in text.splitlines():
        if is_table_line(line):
            for cell in line.split("|"):
                if found := _UNIT.fullmatch(cell.strip()):
                    return found["unit"]
    return ""
