"""Where two domains answer one question differently: yes and no, or other figures of the same unit.

Knows words; not what is right. What differs is named, so that nobody reads one answer for both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from skills.records import SkillAnswer

_VERDICT = re.compile(r"^\W*(?P<yes>yes\b|是的|可以)|^\W*(?P<no>no\b|不可以|不能|不是)", re.IGNORECASE)
_QUANTITY = re.compile(
    r"(?P<money>[$€£¥])\s?(?P<amount>\d[\d,]*(?:\.\d+)?)"
    r"|(?P<number>\d[\d,]*(?:\.\d+)?)\s*[-‑]?\s*(?P<unit>%|percent\b|days?\b|weeks?\b|months?\b|years?\b|hours?\b|mg\b|天|日|周|个月|年|元)",
    re.IGNORECASE,
)
_ASKS_QUANTITY = re.compile(
    r"\bhow (?:long|much|many|soon|often|old)\b"
    r"|\bwhat(?:['’]?s| is| are)\b.*\b(?:limit|deadline|rate|maximum|minimum|age|fee|cost)"
    r"|多久|多长|多少|几[天年月]|期限",
    re.IGNORECASE,
)


def conflict(question: str, answers: Sequence[SkillAnswer]) -> tuple[SkillAnswer, SkillAnswer] | None:
    """The first two answers to one question that contradict each other; None where none do. What was declined or asked
    back says nothing."""
    answers = [one for one in answers if one.status == "answered"]
    for index, one in enumerate(answers):
        for other in answers[index + 1 :]:
            if _contradict(question, one.text, other.text):
                return one, other
    return None


def _contradict(question: str, one: str, other: str) -> bool:
    first, second = _VERDICT.match(one), _VERDICT.match(other)
    if first and second and bool(first["yes"]) != bool(second["yes"]):
        return True
    if not _ASKS_QUANTITY.search(question):
        return False
    own, others = _quantities(one), _quantities(other)
    shared = own.keys() & others.keys()
    return bool(shared) and all(own[unit].isdisjoint(others[unit]) for unit in shared)


def _quantities(text: str) -> dict[str, set[str]]:
    """Numbers by unit."""
    found: dict[str, set[str]] = {}
    for match in _QUANTITY.finditer(text):
        unit = match["money"] or match["unit"].lower().rstrip("s").replace("percent", "%")
        found.setdefault(unit, set()).add((match["amount"] or match["number"]).replace(",", ""))
    return found
