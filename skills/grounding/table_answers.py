"""Questions that a table answers by one of its figures, or by working one out: changes, averages, shares, extremes.

    1 operation   by the question's words (table_questions); without one, a lookup
    2 figures     those of the rows and years that the question names (table_figures)
    3 result      the cell as it stands, or the figures put together, with the formula

Only where rows, columns and operation are clear; what is not is quoted otherwise. Only tables whose columns are years
or dates. Knows texts only; reads English.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from skills.grounding import tables
from skills.grounding.table_figures import (
    Figure,
    figures_of,
    pair_of,
    plain,
    row_of,
    scale_of,
    subject_of,
    unit_of,
    year_of,
)
from skills.grounding.table_questions import Operation, operation_of, years_of
from skills.grounding.tables import TableRow
from skills.retrieval.text import terms

_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """A result with the figures it was made of."""

    operation: Operation
    figures: tuple[Figure, ...]
    formula: str
    """How the result came about; "" for a lookup."""
    value: float
    unit: str
    """"percent", "million" ...; "": none."""

    @property
    def text(self) -> str:
        """The result as it is shown: cells as they stand, years, or a number of at most two decimals; its unit behind
        it."""
        if self.operation == "lookup":
            cells = "; ".join(figure.text.replace("$ ", "$") for figure in self.figures)
            return f"{cells} {self.unit}".strip() if "%" not in cells else cells
        if self.operation in ("highest", "lowest"):
            return str(int(self.value))
        rounded = round(self.value + math.copysign(1e-9, self.value), _DECIMALS)
        shown = f"{rounded:.{_DECIMALS}f}".rstrip("0").rstrip(".")
        return f"{'0' if shown in ('-0', '') else shown} {self.unit}".strip()

    @property
    def rows(self) -> tuple[TableRow, ...]:
        return tuple(dict.fromkeys(figure.row for figure in self.figures))

    def fit(self, question: str) -> float:
        """How well the names of the rows and the words of the question cover each other, 0..1 (F1 of terms)."""
        asked = subject_of(question)
        own = {term for row in self.rows for term in terms(row.label)}
        return 2 * len(asked & own) / max(1, len(asked) + len(own))


def answer_from_table(question: str, text: str) -> TableAnswer | None:
    """The result that a question asks for from the table of a passage; None where anything about it is unclear."""
    operation = operation_of(question)
    rows = [row for row in tables.rows(text) if row.label]
    if operation is None or not rows:
        return None
    years, scale = years_of(question), scale_of(text)
    if operation in ("percentage", "ratio"):
        return _share(operation, pair_of(question, rows, years))
    figures = figures_of(row_of(question, rows), years) or ()
    match operation:
        case "lookup":
            # Two years ask for two figures or for their sum; only "respectively" tells.
            clear = len(years) == 1 or "respectively" in question
            return _lookup(figures, scale) if clear and years else None
        case "highest" | "lowest":
            return _extreme(operation, figures)
        case "average":
            return _sum(operation, figures, scale)
        case "sum":
            return _sum(operation, figures if len(years) > 1 else pair_of(question, rows, years) or (), scale)
        case _:
            if len(figures) == 2:
                return _change(operation, question, figures, scale)
            pair = pair_of(question, rows, years) if operation == "change" and len(years) < 2 else None
            return _difference(pair[1], pair[0], scale) if pair else None


def _lookup(figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    if not figures:
        return None
    return TableAnswer("lookup", tuple(figures), "", figures[0].value, unit_of(figures, scale))


def _sum(operation: Operation, figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    """The figures added, or their average."""
    if len(figures) < 2:
        return None
    added, total = " + ".join(map(plain, figures)), sum(figure.value for figure in figures)
    if operation == "average":
        added, total = f"({added}) / {len(figures)}", total / len(figures)
    return TableAnswer(operation, tuple(figures), added, total, unit_of(figures, scale))


def _change(operation: Operation, question: str, figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    """From the earlier to the later figure, in figures or in percent of the earlier."""
    earlier, later = sorted(figures, key=lambda figure: year_of(figure.header))
    if year_of(earlier.header) == year_of(later.header):
        return None
    found = _difference(earlier, later, scale)
    if operation == "change" or (found.unit == "percent" and "absolute" in question.lower()):
        return found
    if earlier.value == 0:
        return None
    formula = f"({found.formula}) / {plain(earlier)}"
    return TableAnswer(operation, found.figures, formula, found.value / earlier.value * 100, "percent")


def _difference(first: Figure, second: Figure, scale: str) -> TableAnswer:
    """The second figure less the first."""
    value, formula = second.value - first.value, f"{plain(second)} - {plain(first)}"
    return TableAnswer("change", (first, second), formula, value, unit_of((first, second), scale))


def _extreme(operation: Operation, figures: Sequence[Figure]) -> TableAnswer | None:
    """The year of the highest or lowest figure; None where two years share it."""
    years = {year_of(figure.header) for figure in figures}
    ordered = sorted(figures, key=lambda figure: figure.value, reverse=operation == "highest")
    if len(ordered) < 2 or len(years) < len(ordered) or ordered[0].value == ordered[1].value:
        return None
    formula = (" > " if operation == "highest" else " < ").join(map(plain, ordered))
    return TableAnswer(operation, tuple(ordered), formula, year_of(ordered[0].header), "")


def _share(operation: Operation, pair: tuple[Figure, Figure] | None) -> TableAnswer | None:
    """The first figure by the second, or in percent of it; None where one is 0, mostly a dash of another column."""
    if pair is None or 0 in (pair[0].value, pair[1].value):
        return None
    value, formula = pair[0].value / pair[1].value, f"{plain(pair[0])} / {plain(pair[1])}"
    if operation == "percentage":
        return TableAnswer(operation, pair, formula, value * 100, "percent")
    return TableAnswer(operation, pair, formula, value, "")
