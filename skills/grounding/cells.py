"""Whether a figure drawn from a table belongs to the row and the column that a claim names.

Knows rows as they are rendered for reading, ``label: header = value; header = value`` (skills.grounding.tables).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from skills.retrieval.text import terms

_CELL = re.compile(r"(?:^|: |; )(?P<column>[^;=:]+?) = (?P<value>[^;]*)")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class _Cell:
    label: frozenset[str]
    """Terms of the row's name, without that of its section."""
    column: frozenset[str]
    """Years of the column's name, or its terms where it has none."""
    figures: frozenset[str]


def is_row(part: str) -> bool:
    """Whether a part of a source is a table row with named columns."""
    return _CELL.search(part) is not None


def misplaced(claim: str, figures: set[str], parts: Sequence[str]) -> bool:
    """Whether one of the figures (without thousands separators) stands only in other rows or columns than the claim
    names: "revenue in 2018: 4,013" where the row has "2019 = 4,013; 2018 = 3,249".

    Where the claim names no row or no column of the table, or several, any of them will do. A figure that stands in
    prose as well, or in a name, is not judged.
    """
    cells = [cell for part in parts for cell in _cells(part)]
    if not cells:
        return False
    known = frozenset(terms(claim))
    prose = {_plain(text) for part in parts if not is_row(part) for text in _FIGURE.findall(part)}
    names = {word for cell in cells for word in cell.label | cell.column}
    rows = {cell.label for cell in cells if cell.label and cell.label <= known}
    columns = {cell.column for cell in cells if cell.column and cell.column <= known}
    for figure in figures - prose - names:
        holding = [cell for cell in cells if figure in cell.figures]
        if holding and not any(
            (not rows or cell.label in rows) and (not columns or cell.column in columns) for cell in holding
        ):
            return True
    return False


def _cells(part: str) -> list[_Cell]:
    found = list(_CELL.finditer(part))
    if not found:
        return []
    label = frozenset(terms(part[: found[0].start()].rpartition(": ")[2]))
    return [
        _Cell(
            label,
            frozenset(_YEAR.findall(cell["column"]) or terms(cell["column"])),
            frozenset(_plain(text) for text in _FIGURE.findall(cell["value"])),
        )
        for cell in found
    ]


def _plain(figure: str) -> str:
    return figure.replace(",", "")
