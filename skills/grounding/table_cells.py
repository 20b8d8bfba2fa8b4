"""Which cell of a table a text names: by the words of its row and column, and by the period that either is of.

    names     a cell has those of its row, of the section above it and of its column; which of rows and columns are
              periods is the table's business
    choose    the cell whose names and the text's words cover each other best; none where a second does as well

A figure of the wrong row is worse than none. Knows rows as skills.grounding.tables reads them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from skills.grounding import tables
from skills.grounding.periods import periods_of, without_periods
from skills.grounding.tables import TableRow
from skills.retrieval.text import terms

_QUARTER = re.compile(r"\bQ([1-4])\b|\b([1-4])Q\b", re.I)
_ORDINALS = ("first", "second", "third", "fourth")
_MOVED = re.compile(
    r"\bchanges?\b|\bvariance\b|\b(?:in|de)crease\b|\bgrowth\b|\bover\b|\bvs\.?\b|[+/]-", re.I
)
_PERCENT = re.compile(r"%|\bper ?cent(?:age)?s?\b|\bmargin\b|\brates?\b", re.I)
_FIGURE = re.compile(
    r"^[^\d(−–-]*(?P<minus>[(−–-])?\s*[$€£¥]?\s*(?P<digits>\d[\d,]*(?:\.\d+)?)\s*(?P<rest>.*)$"
)
_NIL = re.compile(r"^[$€£¥\s]*[—–-]+\s*%?$")
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"
_DAY = re.compile(rf"(?<=\b)(?P<before>{_MONTH})\.?\s+\d{{1,2}}\b|\b\d{{1,2}}\s+(?P<after>{_MONTH})\b", re.I)
_OTHER = re.compile(r"\bother\b", re.I)
_NOTE = re.compile(r"(?<=\w)\s*\((?:\d|[a-z]|i+)\)(?=\W|$)")
"""The mark of a footnote."""
_TALK = frozenset(
    terms(
        "what which how much many was were is are the a of in for from to between and percentage percent change"
        " increase decrease growth decline difference average mean sum total ratio proportion respective year"
        " years fiscal ended ending end as at compared december november october september august july june may"
        " april march february january amount value figure annual rate over period company table altogether"
        " combined respectively versus made up account accounted quarter month respect recorded number balance"
        " group each overall due under within there did do does company's financial per since when"
        " higher highest lower lowest larger largest smaller smallest greater greatest more less most least than exceed"
    )
)
"""Words of asking; they may be a row's too."""
_SOFT = 0.3
"""Weight of a word of asking beside others."""
_SURE = 0.55
"""Share of a row's own name that a text must have."""
_CLEAR = 0.02
"""Lead of the best cell over the next one of other names."""
_OFF = 0.6
"""What a cell in a column of changes or percentages loses where the text speaks of neither."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table."""

    row: TableRow
    header: str
    text: str
    value: float
    periods: frozenset[str]
    """Years of its column, or else of its row."""
    own: frozenset[str]
    """Terms of its row's name without that of the section, and without years."""
    names: frozenset[str]
    """Those, the section's and what tells its column from others."""
    column: frozenset[str]
    percent: bool
    """Whether it is one: so says it, the name of its column, or that column's first and last figure."""

    @property
    def section(self) -> str:
        return self.row.label.rpartition(": ")[0]

    @property
    def year(self) -> int:
        return max(map(int, self.periods), default=0)

    @property
    def kind(self) -> frozenset[str]:
        """What its column is of beside its period."""
        return self.column - _TALK

    @property
    def moved(self) -> bool:
        """Whether its column tells a change."""
        return bool(_MOVED.search(self.header)) or len(self.periods) > 1


@dataclass(frozen=True, slots=True)
class Wording:
    """What a text says of a cell."""

    words: frozenset[str]
    shared: frozenset[str] = frozenset()
    """Words beside it that may be about the cell as well."""
    percent: bool = False
    moved: bool = False

    def beside(self, shared: Wording) -> Wording:
        """The same within a question: what else that says may be about the cell."""
        return Wording(self.words, shared.words, shared.percent, shared.moved)


@dataclass(frozen=True, slots=True)
class Choice:
    """A cell with how well its names and the text cover each other, 0..1 (F1 of weighted terms)."""

    cell: Cell
    fit: float


class Table:
    """The figures of a passage's table."""

    def __init__(self, text: str) -> None:
        self.rows = [row for row in tables.rows(text) if row.cells]
        self.text = text
        common = _common([header for row in self.rows for header, _ in row.cells])
        percents = _percents(self.rows)
        self.cells = [cell for row in self.rows for cell in _cells(row, common, percents)]
        self.of_rows: dict[TableRow, list[Cell]] = {row: [] for row in self.rows}
        for cell in self.cells:
            self.of_rows[cell.row].append(cell)

    @cached_property
    def _weights(self) -> dict[str, float]:
        labels = {(cell.row.start, term) for cell in self.cells for term in cell.names - cell.column}
        frequency = Counter(term for _, term in labels)
        frequency.update(term for column in {cell.column for cell in self.cells} for term in column)
        return {term: math.log(1 + len(self.rows) / count) for term, count in frequency.items()}

    @cached_property
    def periods(self) -> tuple[str, ...]:
        """Those of single columns or rows, in the order of the table."""
        found = (cell.periods for cell in self.cells if len(cell.periods) == 1 and not cell.moved)
        return tuple(dict.fromkeys(next(iter(periods)) for periods in found))

    def weight(self, words: Iterable[str]) -> float:
        """How much words tell; one that is no name in the table as much as the rarest."""
        most = math.log(1 + len(self.rows)) if self.rows else 1.0
        return sum(
            self._weights.get(word, most) * (_SOFT if word in _TALK else 1.0) for word in sorted(words)
        )

    def choose(
        self, wording: Wording, period: str = "", among: Collection[Cell] | None = None
    ) -> Choice | None:
        """The cell that a text names, of that period if one is named; None where none or two do.

        Where cells differ in their period alone there is none either, unless the table has one period only.
        """
        cells = self.cells if among is None else among
        cells = [cell for cell in cells if not period or period in cell.periods]
        scored = [(self._score(cell, wording), cell) for cell in cells]
        scored = [(score, cell) for score, cell in scored if score is not None]
        if not scored:
            return None
        scored.sort(key=lambda pair: -pair[0][0])
        (best, fit), cell = scored[0]
        if any(score[0] > best - _CLEAR for score, _ in scored[1:]):
            return None
        if self._names_another(cell, wording):
            return None  # "net sales from electronic components" names two rows
        return Choice(cell, fit)

    def _score(self, cell: Cell, wording: Wording) -> tuple[float, float] | None:
        """(what cells are compared by, fit); None for a cell that the words do not name."""
        said = wording.words | (wording.shared & cell.names)
        hit = said & cell.names
        strong = hit - _TALK
        if not strong and not (cell.own and cell.own <= said and hit):
            return None
        own, column = self.weight(cell.own), self.weight(cell.column)
        # What is said beside a text counts in full where that names the column alone ("and the fourth quarter").
        beside = 1.0 if cell.column & wording.words and not cell.own & wording.words else 0.5
        precise = self.weight(cell.own & wording.words) + beside * self.weight(
            (cell.own & said) - wording.words
        )
        precise = precise / own if own else 1.0
        if precise < _SURE or (not cell.own and not cell.column & wording.words):
            return None
        in_column = self.weight(cell.column & wording.words) + 0.5 * self.weight(
            (cell.column & said) - wording.words
        )
        in_column = in_column / column if column else 1.0
        asked = self.weight({word for word in wording.words if word not in _TALK or word in cell.names})
        recall = self.weight(wording.words & cell.names) / asked if asked else 0.0
        off = _OFF * ((cell.percent and not wording.percent) + (cell.moved and not wording.moved))
        score = (
            precise
            + recall
            + 0.5 * in_column
            - off
            + 0.2 * self.weight(wording.shared & cell.names) / (self.weight(wording.shared) or 1.0)
        )
        return score, 2 * precise * recall / ((precise + recall) or 1.0)

    def named_rows(self, wording: Wording) -> list[TableRow]:
        """The rows that a text names in full."""
        owns = ((row, next((cell.own for cell in self.of_rows[row]), frozenset[str]())) for row in self.rows)
        return [row for row, own in owns if own - _TALK and own - _TALK <= wording.words]

    def covered(self, wording: Wording) -> float:
        """How much of what a text says stands in the table, its captions too, 0..1."""
        asked = wording.words - _TALK
        return self.weight(asked & _terms(self.text)) / self.weight(asked) if asked else 0.0

    def _names_another(self, cell: Cell, wording: Wording) -> bool:
        """Whether the words name a second row in full."""
        rows = (self.of_rows[row][0].own for row in self.named_rows(wording))
        return any(own - _TALK - cell.names for own in rows)


def wording_of(text: str) -> Wording:
    """The words of a text that may name a cell, without years."""
    return Wording(_terms(text), percent=bool(_PERCENT.search(text)), moved=bool(_MOVED.search(text)))


def plain(value: float) -> str:
    """A value as it stands in a formula."""
    shown = f"{abs(value):,.6f}".rstrip("0").rstrip(".")
    return f"(-{shown})" if value < 0 else shown


def value_of(text: str) -> float | None:
    """The number of a cell; a dash is 0; None for words or several numbers."""
    if _NIL.match(text):
        return 0.0
    found = _FIGURE.match(_NOTE.sub("", text))
    if found is None or re.search(r"\d", found["rest"]):
        return None
    value = float(found["digits"].replace(",", ""))
    return -value if found["minus"] else value


def is_total(label: str) -> bool:
    """Whether a row adds up others."""
    return "total" in label.rpartition(": ")[2].lower() or not label.strip()


def _terms(text: str) -> frozenset[str]:
    quarters = " ".join(_ORDINALS[int(one or two) - 1] for one, two in _QUARTER.findall(text))
    bare = without_periods(_QUARTER.sub(" ", _NOTE.sub("", text)))
    bare = _DAY.sub(lambda day: f" {day['before'] or day['after']} ", bare)
    # "Other" is a row of its own, though as a word it says little.
    other = {"other"} if _OTHER.search(text) else set[str]()
    return frozenset({*terms(f"{bare} {quarters}"), *other})


def _common(headers: Sequence[str]) -> frozenset[str]:
    """Terms that all columns share: they tell none from another."""
    each = [_terms(header) for header in dict.fromkeys(headers)]
    return frozenset.intersection(*each) if len(each) > 1 else frozenset()


def _percents(rows: Sequence[TableRow]) -> frozenset[str]:
    """The names of columns of percentages."""
    columns: dict[str, list[str]] = {}
    for row in rows:
        for header, text in row.cells:
            if value_of(text) is not None:
                columns.setdefault(header, []).append(text)
    return frozenset(
        header
        for header, texts in columns.items()
        if "%" in header or "percent" in header.lower() or ("%" in texts[0] and "%" in texts[-1])
    )


def _cells(row: TableRow, common: frozenset[str], percents: frozenset[str]) -> Iterable[Cell]:
    section, _, label = row.label.rpartition(": ")
    own = _terms(label)
    of_row = frozenset(periods_of(label)) or frozenset(periods_of(section))
    for header, text in row.cells:
        value = value_of(text)
        if value is None:
            continue
        column = _terms(header) - common
        periods = frozenset(periods_of(header)) or of_row
        names, percent = own | _terms(section) | column, "%" in text or header in percents
        yield Cell(row, header, text, value, periods, own, names, column, percent)
