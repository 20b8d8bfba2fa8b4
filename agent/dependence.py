"""Parts of a request that need the figure of another one: "What is 12 % of 80,000, and what tax is due on that?"

    needs_of   which domain's part waits for which, by words
    filled     the part with the figure in it, once that is worked out

Only figures that a tool or a table worked out are handed on: of a sentence it is not known which one is meant. Knows
words and answers; not who runs them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from skills.records import SkillAnswer

if TYPE_CHECKING:
    from agent.events import Part

_ASKS_FIGURE = re.compile(
    r"\bhow (?:much|many)\b|\b(?:calculate|compute|work out)\b"
    r"|\bwhat(?:['’]?s| is| are| was| will| would)\b.*(?:\d|%)|多少|算",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:amount|sum|figure|money|pay|income|salary|gain|profit|payment|result|total|balance|savings?|raise|bonus"
    r"|cost|price|number)"
)
_REFERS = re.compile(
    rf"\b(?:that|this|the resulting|the same) {_NOUN}\b"
    r"|(?<=\bon )(?:that|it|this)\b(?=\W*$|\W+(?:in|under|as|if|and|or|by)\b)"
    r"|(?:这|那|该)(?:笔|个)?(?:钱|金额|数额|数字|数|款项|款|收入|工资|利润|收益|奖金)",
    re.IGNORECASE,
)
_DECIMALS = 2
_TAIL = 15
"""Letters by which a part is found in its question."""


def needs_of(question: str, parts: Sequence[Part]) -> Mapping[str, str]:
    """The domain whose figure a part needs, by the domain of that part; parts that need none are not in it."""
    ordered = sorted(parts, key=lambda part: _place(part.text, question))
    found: dict[str, str] = {}
    for index, part in enumerate(ordered):
        asks = [earlier.domain for earlier in ordered[:index] if _ASKS_FIGURE.search(earlier.text)]
        if asks and _REFERS.search(part.text):
            found[part.domain] = asks[-1]
    return found


def filled(question: str, answer: SkillAnswer) -> str:
    """The question with the figure of the answer in the place of what refers to it; as it is where there is none."""
    figure = _figure(answer)
    return _REFERS.sub(lambda _: figure, question, count=1) if figure else question


def _figure(answer: SkillAnswer) -> str:
    """The result of the last tool that ran: the first of its values that is a number."""
    for call in reversed(answer.tools):
        numbers = [value for value in call.values.values() if isinstance(value, int | float)]
        if answer.status == "answered" and numbers and not call.error:
            shown = f"{numbers[0]:,.{_DECIMALS}f}"
            # Without its currency a tool that converts or taxes would not know it for money.
            money = re.search(rf"([$€£¥])\s?{re.escape(shown)}", call.text)
            return f"{money[1] if money else ''}{shown.removesuffix('.00')}"
    return ""


def _place(part: str, question: str) -> int:
    """Where the last letters of a part stand among the question's: it may begin with what is told elsewhere, and lack
    marks between what was cut."""
    return _letters(question).rfind(_letters(part)[-_TAIL:])


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())
