"""Questions that a table answers by one of its figures, or by working one out: changes, averages, shares, extremes.

    1 operation   by the question's words: "percentage change", "average", "in which year ... higher"; else a lookup
    2 columns     the periods that the question names, or all of them
    3 rows        those whose names the question has; where two fit as well, nothing is answered
    4 result      the cell as it stands, or the figures put together, with the formula

Only where rows, columns and operation are clear: a figure of the wrong row is worse than the row itself, which is
quoted otherwise. Only tables whose columns are years or dates. Knows texts only; reads English.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from skills.grounding import tables
from skills.grounding.tables import TableRow
from skills.retrieval.text import terms

Operation = Literal[
    "percentage change", "change", "average", "sum", "ratio", "percentage", "highest", "lowest", "lookup"
]

_PERCENT = r"(?:percent(?:age)?|per cent|%)"
_MOVE = r"(?:change|increase|decrease|growth|decline|difference)"
_OPERATIONS: tuple[tuple[Operation, re.Pattern[str]], ...] = (
    ("percentage change", re.compile(rf"{_PERCENT} {_MOVE}|\bgrowth rate\b|\bpercentage point", re.I)),
    ("average", re.compile(r"\b(?:average|mean)\b", re.I)),
    (
        "percentage",
        re.compile(
            rf"\b(?:as a|what) {_PERCENT}\b.*\bof\b|\b{_PERCENT} of\b.*\b(?:over|in|against|of|made up)\b",
            re.I,
        ),
    ),
    ("ratio", re.compile(r"\bratio of\b|\bproportion of\b", re.I)),
    ("change", re.compile(rf"\b{_MOVE}\b", re.I)),
    ("sum", re.compile(r"\bsum of\b|\bcombined\b|\baltogether\b", re.I)),
)
_SPLIT = re.compile(
    r"\b(?:as a (?:percentage|percent|proportion|%) of|over|to(?: the)?|against|and(?: the)?|divided by)\b",
    re.I,
)
_UNCLEAR = re.compile(
    rf"\baverage\b.*\baverage\b|\b{_MOVE}\b.*\baverage\b|\baverage\b.*\b{_MOVE}\b|\brespectively\b|\bweighted\b",
    re.I,
)
"""Several operations in one, or several results."""
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_RANGE = re.compile(
    r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|until)\s*(?:fiscal |year |FY)?((?:19|20)\d\d)\b", re.I
)
_FIGURE = re.compile(
    r"^[^\d(−–-]*(?P<minus>[(−–-])?\s*[$€£¥]?\s*(?P<digits>\d[\d,]*(?:\.\d+)?)\s*(?P<rest>.*)$"
)
_NIL = re.compile(r"^[$€£¥\s]*[—–-]+\s*%?$")
_SCALE = re.compile(r"\b(thousand|million|billion)s?\b|(?<!\w)(?:[$€£¥]|[A-Z]{3})?\s?[’'](000|m)\b", re.I)
_SCALES = {"000": "thousand", "m": "million"}
_UNSCALED = re.compile(
    r"\bper\b|%|\bpercent|\brate\b|\bratio\b|\bmargin\b|\bnumber of\b|\bshares\b|\b(?:years|months|days)\b"
    r"|\byield\b|\bvolatility\b|\bemployees\b|\bheadcount\b",
    re.I,
)
_TALK = frozenset(
    terms(
        "what which how much many was were is are the a of in for from to between and percentage percent change"
        " increase decrease growth decline difference average mean sum total ratio proportion respective year"
        " years fiscal ended ending end as at compared december november october september august july june may"
        " april march february january amount value figure annual rate over period company table altogether"
        " combined respectively versus made up account accounted quarter month average respect"
    )
)
_WEAK = frozenset(terms("total amount value rate average"))
"""Words of questions that may be a row's too."""
_SURE = 0.6
"""Share of a row's name that a question must have."""
_NAMED = 0.5
"""Share of what the question has of the table's row names that must be in the row's own."""
_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell of the table."""

    row: TableRow
    header: str
    text: str
    value: float


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
        asked = {
            term for term in terms(question) if (term not in _TALK or term in _WEAK) and not term.isdigit()
        }
        own = {term for row in self.rows for term in terms(row.label)}
        return 2 * len(asked & own) / max(1, len(asked) + len(own))


_REASON = re.compile(
    r"\b(?:why|because|accounted for|caus\w+|led to|leads? to|reasons?|due to|dr[io]ve\w*|attribut\w+|explain\w*)\b",
    re.I,
)
"""Asks for words, whatever has changed."""
_ASKS_FIGURE = re.compile(r"^\W*(?:what|how (?:much|many))\b", re.I)
_OTHER = re.compile(rf"\baverage\b|\b{_MOVE}\b|\bproportion\b|\bmore\b|\bless\b|\bcompared\b", re.I)
_HIGHER = r"(?:higher|larger|greater|bigger|highest|largest|greatest|biggest|most|more)"
_LOWER = r"(?:lower|smaller|less|fewer|lowest|smallest|least|fewest)"
_WHICH_YEAR = re.compile(r"\bwhich\b[^,?]*\b(?:years?|period)\b", re.I)
_BOUND = re.compile(r"\bthan\b|\bexceed", re.I)


def operation_of(question: str) -> Operation | None:
    """What a question asks to be done with figures; None for one that asks for no calculation, or for several."""
    if _REASON.search(question):
        return None
    if _WHICH_YEAR.search(question):
        if _BOUND.search(question):
            return None
        higher, lower = (re.search(rf"\b{word}\b", question, re.I) for word in (_HIGHER, _LOWER))
        return None if bool(higher) == bool(lower) else "highest" if higher else "lowest"
    if _UNCLEAR.search(question):
        return "lookup" if "respectively" in question and not _OTHER.search(question) else None
    for name, pattern in _OPERATIONS:
        if pattern.search(question):
            return name
    return "lookup" if _ASKS_FIGURE.search(question) and not _OTHER.search(question) else None


def asks_for_calculation(question: str) -> bool:
    """Whether an answer has to be worked out: a figure that stands somewhere is none."""
    return operation_of(question) not in (None, "lookup")


def answer_from_table(question: str, text: str) -> TableAnswer | None:
    """The result that a question asks for from the table of a passage; None where anything about it is unclear."""
    operation = operation_of(question)
    rows = [row for row in tables.rows(text) if row.label]
    if operation is None or not rows:
        return None
    years, scale = _years(question), _scale(text)
    if operation in ("percentage", "ratio"):
        return _share(operation, _pair(question, rows, years))
    figures = _figures(_row(question, rows), years) or ()
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
            return _sum(operation, figures if len(years) > 1 else _pair(question, rows, years) or (), scale)
        case _:
            if len(figures) == 2:
                return _change(operation, question, figures, scale)
            pair = _pair(question, rows, years) if operation == "change" and len(years) < 2 else None
            return _difference(pair[1], pair[0], scale) if pair else None


def _lookup(figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    if not figures:
        return None
    return TableAnswer("lookup", tuple(figures), "", figures[0].value, _unit(figures, scale))


def _sum(operation: Operation, figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    """The figures added, or their average."""
    if len(figures) < 2:
        return None
    added, total = " + ".join(map(_plain, figures)), sum(figure.value for figure in figures)
    if operation == "average":
        added, total = f"({added}) / {len(figures)}", total / len(figures)
    return TableAnswer(operation, tuple(figures), added, total, _unit(figures, scale))


def _change(operation: Operation, question: str, figures: Sequence[Figure], scale: str) -> TableAnswer | None:
    """From the earlier to the later figure, in figures or in percent of the earlier."""
    earlier, later = sorted(figures, key=lambda figure: _year_of(figure.header))
    if _year_of(earlier.header) == _year_of(later.header):
        return None
    found = _difference(earlier, later, scale)
    if operation == "change" or (found.unit == "percent" and "absolute" in question.lower()):
        return found
    if earlier.value == 0:
        return None
    formula = f"({found.formula}) / {_plain(earlier)}"
    return TableAnswer(operation, found.figures, formula, found.value / earlier.value * 100, "percent")


def _difference(first: Figure, second: Figure, scale: str) -> TableAnswer:
    """The second figure less the first."""
    value, formula = second.value - first.value, f"{_plain(second)} - {_plain(first)}"
    return TableAnswer("change", (first, second), formula, value, _unit((first, second), scale))


def _extreme(operation: Operation, figures: Sequence[Figure]) -> TableAnswer | None:
    """The year of the highest or lowest figure; None where two years share it."""
    years = {_year_of(figure.header) for figure in figures}
    ordered = sorted(figures, key=lambda figure: figure.value, reverse=operation == "highest")
    if len(ordered) < 2 or len(years) < len(ordered) or ordered[0].value == ordered[1].value:
        return None
    formula = (" > " if operation == "highest" else " < ").join(map(_plain, ordered))
    return TableAnswer(operation, tuple(ordered), formula, _year_of(ordered[0].header), "")


def _share(operation: Operation, pair: tuple[Figure, Figure] | None) -> TableAnswer | None:
    """The first figure by the second, or in percent of it."""
    if pair is None or pair[1].value == 0:
        return None
    value, formula = pair[0].value / pair[1].value, f"{_plain(pair[0])} / {_plain(pair[1])}"
    if operation == "percentage":
        return TableAnswer(operation, pair, formula, value * 100, "percent")
    return TableAnswer(operation, pair, formula, value, "")


def _pair(question: str, rows: Sequence[TableRow], years: Sequence[str]) -> tuple[Figure, Figure] | None:
    """The figures of one year of two rows, in the order in which the question names them."""
    if len(years) > 1:
        return None
    for split in _SPLIT.finditer(question):
        first, second = _row(question[: split.start()], rows), _row(question[split.end() :], rows)
        if first is None or second is None or first == second:
            continue
        one, two = _figures(first, years), _figures(second, years)
        if one and two and len(one) == len(two) == 1:
            return one[0], two[0]
    return None


def _years(question: str) -> list[str]:
    """The years a question names, in order; those between two where it names a range of more than two."""
    found = list(dict.fromkeys(_YEAR.findall(question)))
    if (
        (spanned := _RANGE.search(question))
        and len(found) == 2
        and operation_of(question) in ("average", "sum")
    ):
        first, last = sorted((int(spanned[1]), int(spanned[2])))
        return [str(year) for year in range(first, last + 1)]
    return found


def _row(text: str, rows: Sequence[TableRow]) -> TableRow | None:
    """The row a text names; None where none or several fit as well."""
    asked = set(terms(text))
    frequency = Counter(term for row in rows for term in set(terms(row.label)))
    weight = {term: math.log(1 + len(rows) / frequency[term]) for term in frequency}
    subject = {term for term in asked if term not in _TALK or term in _WEAK}
    known = sum(weight.get(term, 0.0) for term in subject) or 1.0
    scored: list[tuple[float, TableRow]] = []
    named: list[set[str]] = []
    for row in rows:
        own, section = set(terms(row.label.rpartition(": ")[2])), set(terms(row.label))
        if not (own & subject) - _WEAK and not (own & _WEAK and own <= asked):
            continue
        if own <= asked:
            named.append(own)
        share = sum(weight[term] for term in own & asked) / sum(weight[term] for term in own)
        found = sum(weight[term] for term in section & subject) / known
        if share >= _SURE and found >= _NAMED:
            scored.append((share + found, row))
    scored.sort(key=lambda pair: -pair[0])
    if not scored or (len(scored) > 1 and scored[1][0] > scored[0][0] - 1e-6):
        return None
    best = scored[0][1]
    if any(own - set(terms(best.label)) - _WEAK for own in named):
        return None  # "net sales from electronic components" names two rows
    return best


def _figures(row: TableRow | None, years: Sequence[str]) -> list[Figure] | None:
    """The row's cells of these years, one each, in the order of the years; of all periods where none is named.

    None where a year has no cell or several, or a cell holds no number.
    """
    if row is None:
        return None
    dated = [(header, text) for header, text in row.cells if _YEAR.search(header)]
    chosen: list[tuple[str, str]] = []
    for year in years:
        of_year = [cell for cell in dated if year in cell[0]]
        if len(of_year) != 1:
            return None
        chosen += of_year
    figures: list[Figure] = []
    for header, text in chosen if years else dated:
        value = _value(text)
        if value is None:
            return None
        figures.append(Figure(row, header, text, value))
    return figures


def _year_of(header: str) -> int:
    return max(map(int, _YEAR.findall(header)), default=0)


def _value(text: str) -> float | None:
    if _NIL.match(text):
        return 0.0
    found = _FIGURE.match(text)
    if found is None or re.search(r"\d", found["rest"]):
        return None
    value = float(found["digits"].replace(",", ""))
    return -value if found["minus"] else value


def _plain(figure: Figure) -> str:
    shown = f"{abs(figure.value):,.10f}".rstrip("0").rstrip(".")
    return f"({'-' if figure.value < 0 else ''}{shown})" if figure.value < 0 else shown


def _scale(text: str) -> str:
    """The scale of a table's figures, such as "million"; "" if it states none."""
    head = "\n".join(text.splitlines()[:4])
    found = _SCALE.search(head)
    if found is None:
        return ""
    word = (found[1] or found[2]).lower()
    return _SCALES.get(word, word)


def _unit(figures: Sequence[Figure], scale: str) -> str:
    if all("%" in figure.text for figure in figures):
        return "percent"
    # "In thousands, except per share data": counts, rates and what is per something are as they are written.
    return "" if any(_UNSCALED.search(figure.row.label) for figure in figures) else scale
