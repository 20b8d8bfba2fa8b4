"""Whether a passage has the sort of figure that a question asks for: a time, a number, a share, a cost, a dose.

"How long" is not answered by a passage without a word of time, nor "how many people" by one without a share of them,
nor "the starting dose" by one without a dose, however near its subject is. Knows texts only; English only.
"""

from __future__ import annotations

import re

from skills.records import Passage

_COUNTED = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|sixty|ninety|hundred"
    r"|half)\b"
)
_TIME = (
    r"\b(?:second|minute|hour|day|night|week|fortnight|month|quarter|year|decade|lifetime)s?\b|\b(?:daily|nightly|weekly"
    r"|monthly|quarterly|annual|annually|yearly|once|twice|immediately|immediate|promptly|prompt|at any time|indefinite"
    r"|indefinitely|permanent|permanently|lifelong|life|forever|age|aged|until|expires?|ends?|anniversary|birthday)\b"
)
_QUANTITY = (
    rf"{_COUNTED}|%|\b(?:third|quarter|double|triple|percent|per cent|no|none|nothing|free|unlimited|any|rare|unknown"
    r"|not known|unclear|var(?:y|ies)|depends?)\b"
)

_GROUP = (
    r"(?:[a-z]+ )?(?:people|persons|adults|women|men|children|kids|babies|teens|teenagers|patients|americans|brits"
    r"|deaths|smokers|users|workers|couples|households|families)\b"
)
_SHARE = (
    r"%|\b(?:percent|per cent|hundreds?|thousands?|millions?|billions?|half|third|quarter|majority|minority"
    r"|(?:in|of|per|every) (?:a |every |each |about )?(?:\d|ten\b|two|three|four|five|six|seven|eight|nine|twenty"
    r"|fifty))"
)

_SOUGHT = (
    (
        re.compile(
            rf"\bhow many (?:of )?(?:the )?{_GROUP}(?!'s)(?! (?:vote|sit|serve)\b)"
            rf"|\b(?:what|which) (?:percentage|percent|proportion|share|fraction) of (?:the )?{_GROUP}",
            re.IGNORECASE,
        ),
        re.compile(
            rf"{_SHARE}|\b(?:prevalence|incidence|(?:un|not )known|rare (?:condition|disorder|disease)"
            r"|(?:\d[\d,.]*|few|several|dozens)(?: [\w-]+){0,3} (?:cases|people|adults|individuals|families|patients"
            r"|children|women|men))\b",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(
            r"\bhow much (?:does|do|did|would|will|should)\b[^.?!]{0,60}\bcosts?\b"
            r"|\bwhat (?:does|do|did|would|will)\b[^.?!]{0,50}\bcost\b|^\W*(?:average |typical )?(?:price|cost) of\b",
            re.IGNORECASE,
        ),
        re.compile(
            r"[$€£¥%]|\b(?:dollars?|euros?|cents?|yuan|pence|pounds(?! or)|percent|per cent|free|fees?|prices?|cheap\w*"
            r"|expensive|costs?)\b",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(r"\bhow (?:common|widespread|prevalent)\b", re.IGNORECASE),
        re.compile(
            rf"{_SHARE}|\b(?:most|mostly|few|rare|rarely|common|commonly|uncommon|frequent|frequently|often|usual|usually"
            r"|seldom|unlikely)\b",
            re.IGNORECASE,
        ),
    ),
    (
        re.compile(
            r"\bhow (?:long (?!a\b|an\b|is the (?:form|test)\b|and\b|or\b|hair\b)|soon\b|often\b|old\b)"
            r"|\bhow many (?:second|minute|hour|day|night|week|month|year)s?\b(?! (?:did|had|was|were)\b)"
            r"|\b(?:what|which) age\b"
            r"|\bwhat(?: i|')s the (?:[\w-]+ )?(?:deadline|statute of limitations|limitation period|notice period)\b",
            re.IGNORECASE,
        ),
        re.compile(_TIME, re.IGNORECASE),
    ),
    (
        re.compile(
            r"\bhow (?:many|much)\b(?! (?:more |less )?(?:likely|worse|better|harder))", re.IGNORECASE
        ),
        re.compile(rf"{_QUANTITY}|{_TIME}", re.IGNORECASE),
    ),
    (
        re.compile(
            r"\b(?:what|which|whats)(?:'s)?(?: (?!if\b|happens?\b)[\w-]+){0,4} (?:dose|dosage|strength)\b"
            r"|\b(?:starting|initial|usual|maximum|max|recommended|standard|loading|maintenance|target) (?:daily )?"
            r"dos(?:e|age)\b"
            r"|\bhow many (?:mg|mcg|milligrams?|micrograms?|ml|tablets?|pills?|puffs?|units?)\b",
            re.IGNORECASE,
        ),
        re.compile(
            rf"(?:(?:{_COUNTED})[\d.,]*(?: or| to|-)?(?: [\d.,]+| [a-z]+)?[ -]?|pea-)"
            r"(?:mg|mcg|µg|micrograms?|milligrams?|grams?|g|ml|millilit(?:re|er)s?|iu|units?|puffs?|tablets?|capsules?"
            r"|pills?|drops?|sprays?|patch(?:es)?|inhalations?|doses|fingertips?|sized)\b",
            re.IGNORECASE,
        ),
    ),
)
"""What asks for a figure, and what a passage that holds one has."""


def lacks_what_is_sought(question: str, passage: Passage) -> bool:
    """Whether the question asks for a time, number, share, cost, amount or dose, and the passage has none."""
    return any(
        asks.search(question) is not None and holds.search(passage.text) is None for asks, holds in _SOUGHT
    )
