"""What a question asks to be done with figures of a table, and of which years. Knows questions; no tables. English."""

from __future__ import annotations

import re
from typing import Literal

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
_UNCLEAR = re.compile(
    rf"\baverage\b.*\baverage\b|\b{_MOVE}\b.*\baverage\b|\baverage\b.*\b{_MOVE}\b|\brespectively\b|\bweighted\b",
    re.I,
)
"""Several operations in one, or several results."""
_REASON = re.compile(
    r"\b(?:why|because|accounted for|caus\w+|led to|leads? to|reasons?|dr[io]ve\w*|explain\w*)\b"
    r"|\b(?:due|attribut\w+) to\W*$",
    re.I,
)
"""Asks for words, whatever has changed."""
_ASKS_FIGURE = re.compile(r"^\W*(?:what|how (?:much|many))\b", re.I)
_OTHER = re.compile(rf"\baverage\b|\b{_MOVE}\b|\bproportion\b|\bmore\b|\bless\b|\bcompared\b", re.I)
_HIGHER = r"(?:higher|larger|greater|bigger|highest|largest|greatest|biggest|most|more)"
_LOWER = r"(?:lower|smaller|less|fewer|lowest|smallest|least|fewest)"
_WHICH_YEAR = re.compile(r"\bwhich\b[^,?]*\b(?:years?|period)\b", re.I)
_BOUND = re.compile(r"\bthan\b|\bexceed", re.I)
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_RANGE = re.compile(
    r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|until)\s*(?:fiscal |year |FY)?((?:19|20)\d\d)\b", re.I
)


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


def years_of(question: str) -> list[str]:
    """The years a question names, in order; those between two where it names a range of more than two."""
    found = list(dict.fromkeys(YEAR.findall(question)))
    if (
        (spanned := _RANGE.search(question))
        and len(found) == 2
        and operation_of(question) in ("average", "sum")
    ):
        first, last = sorted((int(spanned[1]), int(spanned[2])))
        return [str(year) for year in range(first, last + 1)]
    return found
