"""What a question asks to be done with figures of a table, of which years, and against which bound.

Knows questions; no tables. English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from skills.grounding.periods import periods_of

Operation = Literal[
    "percentage change",
    "change",
    "average",
    "sum",
    "ratio",
    "percentage",
    "highest",
    "lowest",
    "above",
    "below",
    "periods",
    "parts",
    "lookup",
]
_PERCENT = r"(?:percent(?:age)?|per cent|%)"
_MOVE = r"(?:change|increase|decrease|growth|decline|difference)"
_OPERATIONS: tuple[tuple[Operation, re.Pattern[str]], ...] = (
    (
        "percentage change",
        re.compile(
            rf"{_PERCENT} {_MOVE}|\bgrowth rate\b|\bpercentage point"
            rf"|\bwhat {_PERCENT} (?:did|has|have|was|were)\b.*"
            r"\b(?:increased?|decreased?|gr[eo]wn?|changed?|declined?)\b",
            re.I,
        ),
    ),
    ("average", re.compile(r"(?<!weighted.)\b(?:average|mean)\b", re.I)),
    (
        "percentage",
        re.compile(
            rf"\b(?:as a|what(?: is the| was the)?) {_PERCENT}\b.*\b(?:of|over)\b"
            rf"|\b{_PERCENT} (?:constitution )?of\b.*\b(?:over|in|against|of|out of|among|made up|comprised?)\b",
            re.I,
        ),
    ),
    ("ratio", re.compile(r"\bratio of\b|\bproportion of\b", re.I)),
    ("change", re.compile(rf"\b{_MOVE}\b|\bhow much (?:more|less|higher|lower)\b", re.I)),
    ("sum", re.compile(r"\bsum of\b|\bcombined\b|\baltogether\b", re.I)),
)
_UNCLEAR = re.compile(
    rf"\baverage\b.*\baverage\b|\b{_MOVE}\b.*\baverage\b|\baverage\b.*\b{_MOVE}\b",
    re.I,
)
"""Several operations in one."""
_EACH = re.compile(r"\brespective(?:ly)?\b", re.I)
_REASON = re.compile(
    r"\b(?:why|because|accounted for|caus\w+|led to|leads? to|reasons?|dr[io]ve\w*|explain\w*)\b"
    r"|\b(?:due|attribut\w+) to\W*$",
    re.I,
)
"""Asks for words, whatever has changed."""
_ASKS_FIGURE = re.compile(r"(?:^|,)\W*(?:(?:what|how (?:much|many))\b|in (?:19|20)\d\d, )", re.I)
_NO_FIGURE = re.compile(
    r"\b(?:mean|meaning|represent\w*|refer\w*|consists? of|comprises?|includes?|called|defined?|basis|purpose|method"
    r"|types?|kinds?|components?|items?|names?|factors?|currency|unit(?:s? used|s? of)"
    r"|how many (?:years|months|days))\b",
    re.I,
)
"""Asks for words, although it begins with "what"."""
_OTHER = re.compile(
    rf"(?<!weighted.)\baverage\b|\b{_MOVE}\b|\bproportion\b|\bmore\b|\bless\b|\bcompared\b", re.I
)
_HIGHER = r"(?:higher|larger|greater|bigger|highest|largest|greatest|biggest|most|more)"
_LOWER = r"(?:lower|smaller|less|fewer|lowest|smallest|least|fewest)"
_WHICH_YEAR = re.compile(r"\bwhich\b[^,?]*\b(?:years?|periods?|FYs?|quarters?)\b", re.I)
_WHICH = re.compile(r"^\W*(?:in )?(?:which|what) [\w-]", re.I)
_RANK = re.compile(r"\b(?:second|third|2nd|3rd)[ -](?:highest|largest|lowest|smallest|greatest)\b", re.I)
_HOW_MANY = re.compile(
    r"\b(?:how many|number of)\b[^,?]*\b(?:years?|periods?|quarters?|segments?|items?)\b", re.I
)
_BOUND = re.compile(
    r"\b(?:(?P<above>(?:more|greater|higher|larger)(?: or equal)? than|exceed(?:ed|s)?|above|over)"
    r"|(?P<below>(?:less|lower|smaller|fewer) than|below|under))\s*"
    r"(?P<number>[-−(]?\s?[$€£¥]?\s?\d[\d,]*(?:\.\d+)?)\)?\s*(?P<scale>%|percent|thousand|million|billion)?",
    re.I,
)
_LISTED = re.compile(
    r"\b(?:years?|periods?)\b[^?]*\b(?:table|provided?|calculated|recorded|presented|disclosed|reported|included"
    r"|information)\b",
    re.I,
)
_PARTS = re.compile(
    r"^\W*(?:what|which) (?:(?:are|were|is|was|do|does) )?(?:the )?(?:[\w-]+ ){0,3}?"
    r"(?:components?|items?|types?|categories|kinds?|constituents?|breakdown)\b[^?]*?"
    r"\b(?:under|of|within|in|making up|make up|made up|included in|comprising|constituting|for)\b\s*(?P<of>[^?]*)",
    re.I,
)
_RANGE = re.compile(
    r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|until|and)\s*(?:fiscal |year |FY)?((?:19|20)\d\d)\b", re.I
)
_SHARES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?:as a (?:{_PERCENT}|proportion|share) of|expressed as a {_PERCENT} of|out of|divided by|against)\b",
        r"\b(?:as )?compared (?:to|with)\b|\bversus\b|\bvs\.?(?=\s)",
        r"\b(?:over|among|to)\b(?: the)?",
        r"\b(?:in|of)\b(?: the)?(?= total\b)",
    )
)
"""What stands between a part and its whole, and between any two figures."""
_AND = re.compile(r"\band\b", re.I)
_PART_OF = re.compile(
    rf"\b(?:{_PERCENT}|proportion|share) of (?:the )?(?P<whole>.+?) (?:(?:is|are|was|were|does|do|did) )?"
    r"(?:(?:made|make|makes) up (?:of|by)|generated (?:from|by)|comprised? of|represented by|from|contributed by"
    r"|attributable to)\s+(?P<part>.+)$",
    re.I,
)
_PART_DOES = re.compile(
    rf"\b(?:{_PERCENT}|proportion|share) of (?:the )?(?P<whole>.+?) (?:does|do|did|is|are|was|were) (?P<part>.+?)"
    r"(?: (?:form|make|account|constitute|represent)\w*.*)?$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """ "Less than 20 million": a number with the scale that is said, "" for none."""

    above: bool
    value: float
    scale: str


def operation_of(question: str) -> Operation | None:
    """What a question asks to be done with figures; None for one that asks for no calculation, or for several."""
    if _REASON.search(question) or _RANK.search(question):
        return None
    if bound := bound_of(question):
        asks = _WHICH_YEAR.search(question) or _HOW_MANY.search(question)
        return ("above" if bound.above else "below") if asks else None
    if _LISTED.search(question) and re.search(
        r"\b(?:what|which)\b[^?]*\b(?:years?|periods?)\b", question, re.I
    ):
        return "periods"
    higher, lower = (re.search(rf"\b{word}\b", question, re.I) for word in (_HIGHER, _LOWER))
    if _WHICH_YEAR.search(question) or (_WHICH.match(question) and (higher or lower)):
        if re.search(r"\bthan\b|\bexceed", question, re.I):
            return None
        return None if bool(higher) == bool(lower) else "highest" if higher else "lowest"
    if _UNCLEAR.search(question):
        return None
    if asks_each(question) and not _OTHER.search(question):
        return "lookup"
    for name, pattern in _OPERATIONS:
        if pattern.search(question):
            return name
    if _PARTS.search(question) and not _HOW_MANY.search(question):
        return "parts"
    if _NO_FIGURE.search(question):
        return None
    return "lookup" if _ASKS_FIGURE.search(question) and not _OTHER.search(question) else None


def asks_for_calculation(question: str) -> bool:
    """Whether an answer has to be worked out: a figure that stands somewhere is none."""
    return operation_of(question) not in (None, "lookup", "periods", "parts")


def compares(question: str) -> bool:
    """Whether figures are to be set against each other: one of them alone is no answer, and may be the wrong one."""
    return operation_of(question) in ("highest", "lowest", "above", "below")


def without_bound(question: str) -> str:
    """The question without the number that it compares figures with."""
    return _BOUND.sub(" ", question)


def asks_each(question: str) -> bool:
    """Whether several figures are asked for, each by itself."""
    return bool(_EACH.search(question))


def asks_year(question: str) -> bool:
    """Whether the answer is a year or another period."""
    return bool(_WHICH_YEAR.search(question))


def asks_how_many(question: str) -> bool:
    """Whether periods, or other things of a table, are to be counted."""
    return bool(_HOW_MANY.search(question))


def asks_percentage(question: str) -> bool:
    """Whether the figure asked for is itself a percentage of something."""
    return bool(re.search(rf"\b{_PERCENT} of\b|\bwhat {_PERCENT}", question, re.I))


def asks_total(question: str) -> bool:
    """Whether several years' figures may be asked for in one."""
    return bool(re.search(r"\btotal\b|\bsum\b|\bcombined\b", question, re.I))


def group_of(question: str) -> str:
    """Of what the parts are asked for; "" where nothing is named."""
    found = _PARTS.search(question)
    return found["of"].strip() if found else ""


def bound_of(question: str) -> Bound | None:
    """The number that a question compares figures with, if there is one."""
    found = _BOUND.search(question)
    if found is None:
        return None
    digits = re.sub(r"[^\d.]", "", found["number"])
    if re.fullmatch(r"(?:19|20)\d\d", digits) and not found["scale"] and "$" not in found["number"]:
        return None  # "over 2018" is no bound
    value = float(digits) * (-1 if re.match(r"[-−(]", found["number"]) else 1)
    return Bound(bool(found["above"]), value, (found["scale"] or "").lower())


def years_of(question: str) -> list[str]:
    """The years a question names, in order ("FY19" is 2019, "2018/19" the later); those between two where it names a
    range of more than two and asks for all of them."""
    found = list(periods_of(question))
    spanned = _RANGE.search(question)
    if spanned and len(found) == 2 and (operation_of(question) in ("average", "sum") or asks_total(question)):
        first, last = sorted((int(spanned[1]), int(spanned[2])))
        return [str(year) for year in range(first, last + 1)]
    return found


def sides(question: str) -> Iterator[tuple[str, str]]:
    """How a question may name two figures: the texts before and after what stands between them, the likeliest first;
    of a part and its whole the part first."""
    for pattern in (_PART_OF, _PART_DOES):
        if found := pattern.search(question):
            yield found["part"], found["whole"]
    # "The share of sales and services in the total" has no share of sales in services.
    shares = operation_of(question) in ("ratio", "percentage")
    for pattern in _SHARES if shares else (*_SHARES, _AND):
        for split in pattern.finditer(question):
            yield question[: split.start()], question[split.end() :]
