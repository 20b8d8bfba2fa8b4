"""Whether a passage holds for the year that a question names.

A limit for 2026 is no answer about 2024. Only years that date something are judged ("for 2026", "in March 2019", "FY
2020", the heads of a table), not those that are a part of a name ("Data Protection Act 2018").
"""

from __future__ import annotations

import re

from skills.grounding.tables import is_table_line
from skills.records import Passage

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DATED = re.compile(
    rf"""(?:\b(?:in|for|of|during|by|since|until|till|from|through|to|and|or|between|before|after|fy|fiscal|year|as\ of
        |ended|vs\.?|versus|than|{_MONTH}(?:\ \d\d?,?)?)\ (?:the\ )?(?:(?:fiscal|tax|calendar|financial)\ )?(?:year\ )?)
        {_YEAR}(?!\d|[.,]\d|\s?(?:%|mg|mcg|kg|g\b|ml|iu\b|k?cal|calories|dollars|euros|usd|hours|days|people))""",
    re.IGNORECASE | re.VERBOSE,
)
_LEADING = re.compile(
    rf"\b{_YEAR}(?='?s?\ (?:tax|federal|limit|contribution|exemption|deduction|rate|annual|standard|filing)s?\b)",
    re.IGNORECASE,
)
_CHINESE = re.compile(r"(?P<year>(?:19|20)\d\d)\s*(?:年|财年)")
_ANY = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SPAN = re.compile(
    r"(?<!\d)((?:19|20)\d\d)\s*(?:-|–|to|through|until|至|到)\s*((?:19|20)\d\d)(?!\d)", re.IGNORECASE
)
_OPEN = re.compile(
    rf"\b(?:since|from|after|as\ of|starting|beginning|effective)\ (?:{_MONTH}\ )?(?:\d\d?,?\ )?(?P<year>(?:19|20)\d\d)"
    r"|(?P<then>(?:19|20)\d\d)\s*(?:年)?(?:以来|起(?=[，,、。；：按执实])|onwards?)",
    re.IGNORECASE | re.VERBOSE,
)
_CASE = re.compile(
    rf"\b(?:born|bought|purchased|signed|hired|married|separated|divorced|diagnosed|moved|joined|opened|founded|incorporated"
    rf"|graduated|adopted|inherited|died|retired|arrived)\b[^,.;?!]{{0,60}}?\b(?:in|since|on|from)\s+(?:{_MONTH}\s+)?(?:\d\d?,?\s+)?(?:19|20)\d\d",
    re.IGNORECASE,
)
"""What happened to somebody and when: "I bought my home in 2015". The question is about another time."""
_QUOTED = re.compile(r'["“][^"”]*["”]')


def years(text: str) -> frozenset[int]:
    """The years that something in a text is dated with."""
    bare = _QUOTED.sub(" ", text)
    found = {
        int(match["year"]) for pattern in (_DATED, _LEADING, _CHINESE) for match in pattern.finditer(bare)
    }
    heads = [line for line in bare.splitlines()[:2] if is_table_line(line)]
    return frozenset(found | {int(year) for line in heads for year in _ANY.findall(line)})


def of_another_year(question: str, passage: Passage) -> bool:
    """Whether the question names a year, and what the passage dates is of other years."""
    asked = years(_CASE.sub(" ", question))
    if not asked:
        return False
    text = f"{passage.title}\n{passage.text}"
    if asked & {int(year) for year in _ANY.findall(text)}:
        return False
    dated = years(text)
    spans = [(int(first), int(last)) for first, last in _SPAN.findall(text)]
    since = [int(match["year"] or match["then"]) for match in _OPEN.finditer(text)]
    covered = any(first <= year <= last for year in asked for first, last in spans)
    covered = covered or any(year >= start for year in asked for start in since)
    return bool(dated) and not covered
