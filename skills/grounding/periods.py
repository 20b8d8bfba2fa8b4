"""Which years a text names, however it writes them. Knows texts only."""

from __future__ import annotations

import re

_YEAR = re.compile(
    r"\b(?:19|20)\d\d\s?(?:/\s?(?P<last>(?:20)?\d\d)|[–-]\s?(?P<end>\d\d))\b(?![/–-])"
    r"|\b(?:FY\s?|F)?(?P<year>(?:19|20)\d\d)\b|\bFY?\s?['’]?(?P<short>\d\d)\b",
    re.IGNORECASE,
)


def without_periods(text: str) -> str:
    """The text with a space in the place of each year."""
    return _YEAR.sub(" ", text)


def periods_of(text: str) -> tuple[str, ...]:
    """The years in order, each once: "FY19" and "2019" are one, "2018/2019" and "2018-19" the later; "2017-2019" is
    two."""
    found = [
        match["year"] or match["last"] or match["end"] or match["short"] for match in _YEAR.finditer(text)
    ]
    return tuple(dict.fromkeys(year if len(year) == 4 else f"20{year}" for year in found))
