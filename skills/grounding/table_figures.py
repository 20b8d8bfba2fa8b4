"""Which figures of a table a question names: rows by their names, columns by their years; values, scale and unit.

Where two rows fit as well, or a year has no cell or two, there is none: a figure of the wrong row is worse than none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from skills.grounding.table_questions import YEAR
from skills.grounding.tables import TableRow
from skills.retrieval.text import terms

_SPLIT = re.compile(
    r"\b(?:as a (?:percentage|percent|proportion|%) of|over|to(?: the)?|against|and(?: the)?|divided by)\b",
    re.I,
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


@dataclass(frozen=True, slots=True)
class Figure:
    """A cell of the table."""

    row: TableRow
    header: str
    text: str
    value: float


def pair_of(question: str, rows: Sequence[TableRow], years: Sequence[str]) -> tuple[Figure, Figure] | None:
    """The figures of one year of two rows, in the order in which the question names them."""
    if len(years) > 1:
        return None
    for split in _SPLIT.finditer(question):
        first, second = row_of(question[: split.start()], rows), row_of(question[split.end() :], rows)
        if first is None or second is None or first == second:
            continue
        one, two = figures_of(first, years), figures_of(second, years)
        if one and two and len(one) == len(two) == 1:
            return one[0], two[0]
    return None


def row_of(text: str, rows: Sequence[TableRow]) -> TableRow | None:
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


def figures_of(row: TableRow | None, years: Sequence[str]) -> list[Figure] | None:
    """The row's cells of these years, one each, in the order of the years; of all periods where none is named.

    None where a year has no cell or several, or a cell holds no number.
    """
    if row is None:
        return None
    dated = [(header, text) for header, text in row.cells if YEAR.search(header)]
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


def year_of(header: str) -> int:
    return max(map(int, YEAR.findall(header)), default=0)


def _value(text: str) -> float | None:
    if _NIL.match(text):
        return 0.0
    found = _FIGURE.match(text)
    if found is None or re.search(r"\d", found["rest"]):
        return None
    value = float(found["digits"].replace(",", ""))
    return -value if found["minus"] else value


def plain(figure: Figure) -> str:
    shown = f"{abs(figure.value):,.10f}".rstrip("0").rstrip(".")
    return f"({'-' if figure.value < 0 else ''}{shown})" if figure.value < 0 else shown


def scale_of(text: str) -> str:
    """The scale of a table's figures, such as "million"; "" if it states none."""
    head = "\n".join(text.splitlines()[:4])
    found = _SCALE.search(head)
    if found is None:
        return ""
    word = (found[1] or found[2]).lower()
    return _SCALES.get(word, word)


def unit_of(figures: Sequence[Figure], scale: str) -> str:
    if all("%" in figure.text for figure in figures):
        return "percent"
    # "In thousands, except per share data": counts, rates and what is per something are as they are written.
    return "" if any(_UNSCALED.search(figure.row.label) for figure in figures) else scale


def subject_of(question: str) -> set[str]:
    """What a question is about: its terms without years and the words of asking."""
    return {term for term in terms(question) if (term not in _TALK or term in _WEAK) and not term.isdigit()}
