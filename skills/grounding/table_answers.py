"""Questions that a table answers by one of its figures, or by working one out: changes, averages, shares, extremes.

    1 operation   by the question's words (table_questions); without one, a lookup
    2 cells       those that the question names (table_cells)
    3 result      the cell as it stands, or the figures put together, with the formula

Only where cells and operation are clear; what is not is quoted otherwise. Knows texts only; reads English.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from skills.grounding.table_asked import Asked
from skills.grounding.table_cells import Cell, Choice, Table, is_total, plain, wording_of
from skills.grounding.table_questions import (
    Operation,
    asks_each,
    asks_how_many,
    asks_total,
    asks_year,
    bound_of,
    group_of,
    operation_of,
    years_of,
)
from skills.grounding.tables import TableRow

_DECIMALS = 2
_SCALE = re.compile(
    r"\b(thousand|million|billion)s?\b|(?<!\w)(?:[$€£¥]|[A-Z]{3})?\s?[’'](000|m)\b|[£€](m)\b", re.I
)
_SCALES = {"000": "thousand", "m": "million"}
_UNNAMED = 0.9
"""Fit where a question speaks of a table as a whole: it names none of its cells."""
_POWERS = {"": 1.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_SCALED = frozenset(_POWERS) - {""}
_UNSCALED = re.compile(
    r"\bper\b|%|\bpercent|\brate\b|\bratio\b|\bmargin\b|\bnumber of\b|\bshares\b|\b(?:years|months|days)\b"
    r"|\byield\b|\bvolatility\b|\bemployees\b|\bheadcount\b",
    re.I,
)
_OUTGO = re.compile(
    r"^(?!.*\b(?:provided|income|profit|earnings|gains?)\b).*\b(?:expens\w*|costs?|loss(?:es)?|payments?|used)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """A result with the figures it was made of."""

    operation: Operation
    figures: tuple[Cell, ...]
    formula: str
    """How the result came about; "" where it stands in the table."""
    value: float
    unit: str
    """"percent", "million" ...; "": none."""
    fit: float
    """How well the names of the cells and the words of the question cover each other, 0..1."""
    words: str = ""
    """The result where it is no number: years, or the names of rows."""

    @property
    def text(self) -> str:
        """The result as it is shown: cells as they stand, words, or a number of at most two decimals; its unit behind
        it."""
        if self.words:
            return self.words
        if self.operation == "lookup":
            cells = "; ".join(cell.text.replace("$ ", "$") for cell in self.figures)
            return f"{cells} {self.unit}".strip() if "%" not in cells else cells
        rounded = round(self.value + math.copysign(1e-9, self.value), _DECIMALS)
        shown = f"{rounded:.{_DECIMALS}f}".rstrip("0").rstrip(".")
        return f"{'0' if shown in ('-0', '') else shown} {self.unit}".strip()

    @property
    def rows(self) -> tuple[TableRow, ...]:
        return tuple(dict.fromkeys(cell.row for cell in self.figures))


def answer_from_table(question: str, text: str) -> TableAnswer | None:
    """The result that a question asks for from the table of a passage; None where anything about it is unclear."""
    operation = operation_of(question)
    if operation is None:
        return None
    table = Table(text)
    if not table.cells:
        return None
    return _ANSWERS[operation](Asked(question, operation, table, years_of(question), scale_of(text)))


def _lookup(asked: Asked) -> TableAnswer | None:
    if asks_each(asked.question) and len(asked.years) < 2:
        pair = asked.pair()
        return _result(asked, pair, "", pair[0].cell.value) if pair else None
    if len(asked.years) > 1:
        chosen = asked.of_years(asked.years)
        added = asks_total(asked.question) and not asks_each(asked.question)
        if chosen and added and not any(is_total(choice.cell.row.label) for choice in chosen):
            return _sum(replace(asked, operation="sum"))
    else:
        found = asked.table.choose(asked.wording, "".join(asked.years), asked.cells)
        chosen = [found] if found else None
    return _result(asked, chosen, "", chosen[0].cell.value) if chosen else None


def _sum(asked: Asked) -> TableAnswer | None:
    """The figures added, or their average."""
    chosen: Sequence[Choice] | None = None
    if len(asked.years) != 1:
        chosen = asked.of_years(asked.years) if asked.years else None
        chosen = chosen or (
            asked.of_all_periods() if not asked.years and asked.operation == "average" else None
        )
    if not chosen and len(asked.years) < 2:
        chosen = asked.pair()
    if not chosen or len(chosen) < 2:
        return None
    added = " + ".join(plain(choice.cell.value) for choice in chosen)
    total = sum(choice.cell.value for choice in chosen)
    if asked.operation == "average":
        added, total = f"({added}) / {len(chosen)}", total / len(chosen)
    return _result(asked, chosen, added, total)


def _change(asked: Asked) -> TableAnswer | None:
    """From the earlier to the later figure, in figures or in percent of the earlier; or from one to another."""
    years = asked.years
    if len(years) == 1 and not re.search(r"\bdifference\b", asked.question, re.I):
        years = [str(int(years[0]) - 1), *years]
    elif not years and len(asked.table.periods) == 2:
        years = asked.table.periods
    chosen = asked.of_years(years) if len(years) == 2 else None
    if chosen is not None:
        earlier, later = sorted(chosen, key=lambda choice: choice.cell.year)
    elif len(asked.years) < 2 and (pair := asked.pair()) is not None:
        # A change goes on, "the difference between sales and costs" takes away.
        onward = pair[0].cell.row == pair[1].cell.row and "difference" not in asked.question.lower()
        earlier, later = pair if onward else (pair[1], pair[0])
        if asked.operation == "percentage change" and pair[0].cell.row != pair[1].cell.row:
            return None
    else:
        return None
    start, end = earlier.cell.value, later.cell.value
    if start < 0 and end < 0 and _OUTGO.search(later.cell.row.label):
        start, end = -start, -end  # costs that are written as what they take away
    value, formula = end - start, f"{plain(end)} - {plain(start)}"
    unit = _unit((earlier.cell, later.cell), asked.scale)
    if asked.operation == "change" or (unit == "percent" and "absolute" in asked.question.lower()):
        return _result(asked, (earlier, later), formula, value)
    if start == 0:
        return None
    formula = f"({formula}) / {plain(start)}"
    return _result(asked, (earlier, later), formula, value / start * 100, "percent")


def _share(asked: Asked) -> TableAnswer | None:
    """The first figure by the second, or in percent of it; None where one is 0, mostly a dash of another column. A
    percentage that stands in the table is looked up."""
    pair = asked.pair()
    if pair is None and asked.operation == "percentage" and not asks_each(asked.question):
        return _lookup(replace(asked, operation="lookup"))
    if pair is None or 0 in (pair[0].cell.value, pair[1].cell.value):
        return None
    value = pair[0].cell.value / pair[1].cell.value
    formula = f"{plain(pair[0].cell.value)} / {plain(pair[1].cell.value)}"
    if asked.operation == "percentage":
        return _result(asked, pair, formula, value * 100, "percent")
    return _result(asked, pair, formula, value, "")


def _extreme(asked: Asked) -> TableAnswer | None:
    """The year of the highest or lowest figure, or the name of its row; None where two share it."""
    if asks_year(asked.question):
        chosen = asked.of_years(asked.years) if len(asked.years) > 1 else asked.of_all_periods()
    else:
        chosen = asked.of_all_rows()
    if not chosen or len(chosen) < 2:
        return None
    ordered = sorted(chosen, key=lambda choice: choice.cell.value, reverse=asked.operation == "highest")
    first = ordered[0].cell
    if first.value == ordered[1].cell.value:
        return None
    mark = " > " if asked.operation == "highest" else " < "
    formula = mark.join(plain(choice.cell.value) for choice in ordered)
    name = str(first.year) if asks_year(asked.question) else first.row.label.rpartition(": ")[2]
    return _result(asked, ordered, formula, first.value, "", name)


def _bounded(asked: Asked) -> TableAnswer | None:
    """The years whose figures are above or below a bound, or how many there are."""
    bound, chosen = bound_of(asked.question), asked.of_all_periods()
    if bound is None or not chosen or len(chosen) < 2:
        return None
    said = bound.scale if bound.scale in _POWERS else ""
    unit = _unit([choice.cell for choice in chosen], asked.scale)
    limit = bound.value * (_POWERS[said] / _POWERS[unit] if said and unit in _SCALED else 1.0)
    if not said and abs(limit) > 100 * max(abs(choice.cell.value) for choice in chosen):
        limit /= _POWERS.get(unit, 1.0)
    meets: Callable[[float], bool] = (
        (lambda value: value > limit) if bound.above else (lambda value: value < limit)
    )
    met = [choice for choice in chosen if meets(choice.cell.value)]
    mark = ">" if bound.above else "<"
    formula = "; ".join(f"{choice.cell.year}: {plain(choice.cell.value)}" for choice in chosen)
    formula = f"{formula}; {mark} {plain(limit)}"
    if asks_how_many(asked.question):
        return _result(asked, chosen, formula, len(met), "")
    if not met:
        return None
    words = "; ".join(str(choice.cell.year) for choice in met)
    return _result(asked, chosen, formula, met[0].cell.year, "", words)


def _periods(asked: Asked) -> TableAnswer | None:
    """The years of the row that the question names, or of the whole table that it speaks of."""
    chosen = asked.of_all_periods()
    if not chosen and re.search(r"\btable\b", asked.question, re.I):
        firsts = (
            next(cell for cell in asked.table.cells if period in cell.periods)
            for period in asked.table.periods
        )
        chosen = [Choice(cell, _UNNAMED) for cell in firsts]
    if not chosen:
        return None
    years = "; ".join(dict.fromkeys(str(choice.cell.year) for choice in chosen))
    return _result(asked, chosen, "", chosen[0].cell.year, "", years)


def _parts(asked: Asked) -> TableAnswer | None:
    """The rows under a heading that the question names."""
    wanted = wording_of(group_of(asked.question)).words
    groups: dict[str, list[Cell]] = {}
    added: set[str] = set()
    for row, cells in asked.table.of_rows.items():
        section, _, label = row.label.rpartition(": ")
        if is_total(row.label):
            added.add(section)  # what comes after it is no part
        elif section and label and cells and section not in added:
            groups.setdefault(section, []).append(cells[0])
    named = [name for name in groups if (own := wording_of(name).words) and own <= wanted]
    if len(named) != 1 or len(groups[named[0]]) < 2:
        return None
    cells = groups[named[0]]
    words = "; ".join(cell.row.label.rpartition(": ")[2] for cell in cells)
    own = wording_of(named[0]).words
    fit = 2 * len(own) / (len(own) + len(wanted))
    return _result(asked, [Choice(cell, fit) for cell in cells], "", len(cells), "", words)


_ANSWERS: dict[Operation, Callable[[Asked], TableAnswer | None]] = {
    "lookup": _lookup,
    "sum": _sum,
    "average": _sum,
    "change": _change,
    "percentage change": _change,
    "percentage": _share,
    "ratio": _share,
    "highest": _extreme,
    "lowest": _extreme,
    "above": _bounded,
    "below": _bounded,
    "periods": _periods,
    "parts": _parts,
}


def _result(
    asked: Asked,
    chosen: Sequence[Choice],
    formula: str,
    value: float,
    unit: str | None = None,
    words: str = "",
) -> TableAnswer:
    cells = tuple(choice.cell for choice in chosen)
    unit = _unit(cells, asked.scale) if unit is None else unit
    return TableAnswer(
        asked.operation, cells, formula, value, unit, min(choice.fit for choice in chosen), words
    )


def scale_of(text: str) -> str:
    """The scale of a table's figures, such as "million"; "" if it states none."""
    head = "\n".join(text.splitlines()[:4])
    found = _SCALE.search(head)
    if found is None:
        return ""
    word = (found[1] or found[2] or found[3]).lower()
    return _SCALES.get(word, word)


def _unit(cells: Sequence[Cell], scale: str) -> str:
    if all(cell.percent for cell in cells):
        return "percent"
    # "In thousands, except per share data": counts, rates and what is per something are as they are written.
    return "" if any(_UNSCALED.search(f"{cell.row.label} {cell.header}") for cell in cells) else scale
