"""What a question rules out: "lower my LDL without statins" is not answered by a note on statins, nor what is too high
by a section on what is too low. The first in English only.

Only a document that is named after just that is ruled out: what is done "without a lawyer" may well stand in a note
on lawyers' work, and the title says more than one word then.
"""

from __future__ import annotations

import re

from skills.records import Passage
from skills.retrieval.text import terms

_WITHOUT = re.compile(
    r"\b(?:without|instead of|other than|rather than|alternatives? (?:to|for)|besides)\s+"
    r"(?:(?:taking|using|having|being on|a|an|any|the|my)\s+){0,2}(?P<what>[\w-]+)",
    re.IGNORECASE,
)


def of_what_is_excluded(question: str, passage: Passage) -> bool:
    """Whether the passage's document is about that alone which the question wants to do without."""
    document = set(terms(passage.title.partition(": ")[0]))
    return bool(document) and any(
        document == set(terms(match["what"])) for match in _WITHOUT.finditer(question)
    )


_MEASURES = ("血压", "血糖", "血脂", "血钾", "血钠", "blood pressure", "blood sugar", "potassium", "sodium")
_SIDES = {
    name: tuple(
        re.compile(
            rf"{chinese}(?:{name})|{name}(?:有点|偏|太|很|老是|一直)?{chinese}"
            if not name.isascii()
            else rf"\b{english}\w* {name}\b|\b{name} (?:is |was |too )*{english}\b",
            re.IGNORECASE,
        )
        for chinese, english in (("高", "high"), ("低", "low"))
    )
    for name in _MEASURES
}
"""How a text says that a measure is high, and that it is low."""


def of_the_opposite(question: str, passage: Passage) -> bool:
    """Whether the question is about what is too high, and the passage's section by its title about that being too low,
    or the other way round."""
    section = passage.title.rpartition(": ")[2]
    for high, low in _SIDES.values():
        asked = bool(high.search(question)), bool(low.search(question))
        told = bool(high.search(section)), bool(low.search(section))
        if asked != told and sum(asked) == 1 and sum(told) == 1:
            return True
    return False
