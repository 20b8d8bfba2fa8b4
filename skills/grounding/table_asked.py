"""The cells of a table that a question asks for: of a row by years, of all its periods, of all rows, or a pair.

Between what a question says (table_questions) and how a text names a cell (table_cells). What is done with the cells is
in table_answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skills.grounding.periods import periods_of
from skills.grounding.table_cells import Cell, Choice, Table, Wording, is_total, wording_of
from skills.grounding.table_questions import Operation, asks_percentage, sides, without_bound, years_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A question beside a table."""

    question: str
    operation: Operation
    table: Table
    years: Sequence[str]
    scale: str

    @property
    def wording(self) -> Wording:
        said = wording_of(without_bound(self.question))
        # Of what becomes a percentage the figures are none.
        return replace(said, percent=False) if self.operation in ("percentage change", "percentage") else said

    @property
    def cells(self) -> Sequence[Cell]:
        """Those that may be asked for: of a percentage of something only percentages, unless it is to be worked out."""
        if self.operation in ("lookup", "change", "average") and asks_percentage(self.question):
            return [cell for cell in self.table.cells if cell.percent]
        if self.operation == "percentage":
            return [cell for cell in self.table.cells if not cell.percent]
        return self.table.cells

    def of_years(self, years: Sequence[str]) -> list[Choice] | None:
        """The cells of one row or column for each of the years, in their order; None where one is not clear."""
        found = [self.table.choose(self.wording, year, self.cells) for year in years]
        chosen = [choice for choice in found if choice is not None]
        return chosen if len(chosen) == len(years) and _one_line(chosen) else None

    def of_all_periods(self) -> list[Choice] | None:
        """The cells that the question names, of every period."""
        found = [self.table.choose(self.wording, period, self.cells) for period in self.table.periods]
        chosen = [choice for choice in found if choice is not None]
        best = max((choice.fit for choice in chosen), default=0.0)
        chosen = [choice for choice in chosen if choice.fit == best]
        return chosen if chosen and _one_line(chosen) else None

    def of_all_rows(self) -> list[Choice] | None:
        """The cells of the one column that the question is about, of all rows but totals; None where there are several
        columns or groups of rows, two rows of one name, or the question names a row."""
        if len(self.years) > 1 or self.table.named_rows(self.wording):
            return None
        period = "".join(self.years)
        cells = [
            cell
            for cell in self.table.cells
            if (not period or period in cell.periods)
            and not cell.moved
            and cell.percent == self.wording.percent
            and not is_total(cell.row.label)
        ]
        named = [cell for cell in cells if cell.kind and cell.kind <= self.wording.words]
        cells = named or cells
        if len({cell.header for cell in cells}) > 1 or len({cell.section for cell in cells}) > 1:
            return None
        if len({cell.row.label for cell in cells}) < len(cells):
            return None
        fit = self.table.covered(self.wording)
        return [Choice(cell, fit) for cell in cells] if len(cells) > 1 else None

    def pair(self) -> tuple[Choice, Choice] | None:
        """Two cells of one period, or of two columns, in the order in which the question names them."""
        best: tuple[float, tuple[Choice, Choice]] | None = None
        whole = self.wording
        for before, after in sides(self.question):
            chosen: list[Choice] = []
            for side in (before, after):
                years = years_of(side) or self.years
                period = years[0] if len(years) == 1 else ""
                found = self.table.choose(wording_of(side).beside(whole), period, self.cells)
                if found is not None:
                    chosen.append(found)
            if len(chosen) == 2 and chosen[0].cell != chosen[1].cell and _alike(chosen):
                fit = min(choice.fit for choice in chosen)
                if best is None or fit > best[0] + 1e-9:
                    best = fit, (chosen[0], chosen[1])
        return best[1] if best else None


def _one_line(chosen: Sequence[Choice]) -> bool:
    """Whether cells differ in their period alone."""
    return len({(_line(choice.cell), choice.cell.kind) for choice in chosen}) == 1


def _line(cell: Cell) -> tuple[object, ...]:
    """What cells of several periods have in common: their row, or where rows are periods their column."""
    return (cell.row.start,) if periods_of(cell.header) else (cell.header, cell.own)


def _alike(chosen: Sequence[Choice]) -> bool:
    """Whether two cells may be put together: of one period, or of one row."""
    one, other = (choice.cell for choice in chosen)
    return one.periods == other.periods or one.row == other.row
