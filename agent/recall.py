"""What is remembered about a user, where it bears on a question. Rules, no model.

    1 resolved         "my plan" in a question becomes what the user said the plan is
    2 place_of         where the user is, for a question whose answer depends on it
    3 completed_call   arguments that a calculator lacks

What is ambiguous is not used: then the user is asked, as if nothing were known. What is remembered is the user's word:
it completes a question, it never is a source. Knows the texts of facts; not where they are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.events import Remembered
from agent.facts import Fact
from agent.style import Style
from skills.grounding.places import named, names
from skills.records import ToolMatch, Turn
from skills.tool_calls import ToolCaller

_RELATIVE = re.compile(
    r"\b(?:son|daughter|child|children|kid|baby|toddler|infant|newborn|wife|husband|spouse|partner|girlfriend|boyfriend"
    r"|mother|mum|mom|father|dad|parents?|grand(?:mother|father|ma|pa|son|daughter)|gran|sister|brother|aunt|uncle|niece"
    r"|nephew|friend|neighbou?r|colleague|boss|patient|client|customer|tenant|landlord|employee|dog|cat)\b"
    r"|儿子|女儿|孩子|宝宝|婴儿|小孩|妻子|老婆|太太|丈夫|老公|妈妈?|母亲|爸爸?|父亲|爷爷|奶奶|外公|外婆|姐姐?|妹妹?|哥哥?|弟弟?"
    r"|朋友|邻居|同事|老板|病人|患者|客户|租客|房东|员工",
    re.IGNORECASE,
)
_SOMEONE = re.compile(
    r"\b(?:he|she|him|his|hers?|they|someone|somebody|person|people|man|woman|adult)\b|他|她|某人|有人|别人",
    re.IGNORECASE,
)
_OWN = re.compile(r"\b(?:I|I['’]m|me|my|mine|we|our)\b|我|咱|本人", re.IGNORECASE)

_CURRENCY = re.compile(
    r"[$€£¥￡]|\b(?:USD|EUR|GBP|CNY|RMB|JPY|CHF|CAD|AUD|HKD|INR|dollars?|bucks|euros?|pounds?|quid|yuan|yen|francs?"
    r"|rupees?)\b|元|块|美金|人民币|欧|英镑",
    re.IGNORECASE,
)

_PLACE = re.compile(
    r"\b(?:I|we)\s*(?:['’](?:m|ve|re)|am|are|have)?\s*(?:now |currently |just )?"
    r"(?:live|living|lived|reside|residing|based|located|moved|work|working|employed|in)\b.*"
    r"|\bmy (?:home )?(?:state|country|province|jurisdiction|residence|address) is .*"
    r"|\b(?:a )?resident of .*|我(?:现在|目前|一直)?(?:(?:居?住|生活|工作|定居|常住|人)?在|是|住).+",
    re.IGNORECASE,
)
_MY_NAME = re.compile(
    r"\bmy (?P<name>[a-z][a-z-]*(?: [a-z][a-z-]*){0,3}) (?:is|are) (?:called |named )?(?P<value>\S.*)"
    r"|我的(?P<name_zh>[\u3400-\u9fff]{1,8}?)(?:是|叫)(?P<value_zh>.+)",
    re.IGNORECASE,
)
_RELATIONS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), frozenset(nouns.split()))
    for pattern, nouns in (
        (
            r"\bI(?:['’]m| am)? (?:take|taking|on|use|using) (?P<value>\S.*)"
            r"|我(?:现在|目前|一直|每天|长期)?(?:在|正在)?(?:吃|服用?|用)(?:的是)?(?P<value_zh>.+)",
            "medicine medication drug tablet pill prescription 药 药物",
        ),
        (
            r"\bI (?:have|suffer from|was diagnosed with|have been diagnosed with) (?P<value>\S.*)"
            r"|我(?:有|得了|患有|患|确诊了?)(?P<value_zh>.+)",
            "condition disease illness diagnosis disorder 病 疾病",
        ),
        (
            r"\bI(?:['’]m| am) allergic to (?P<value>\S.*)|我对(?P<value_zh>.+?)过敏",
            "allergy allergen 过敏原",
        ),
        (r"\bI (?:work as|am employed as) (?P<value>\S.*)", "job profession occupation 职业"),
    )
)
_VALUE_ENDS = re.compile(
    r"[,;，。；]|[.!](?=\s|$)|\s(?:and (?:I|my)|but|because|since|every|each|once|twice|daily|which|that)\b"
    r"|每天|每日|一天|已经",
    re.IGNORECASE,
)
_PLAIN = frozenset({"current", "own", "usual", "regular", "daily", "new", "present"})
"""Words before a noun that do not single out another one."""
_LONGEST_VALUE = 60


@dataclass(frozen=True, slots=True)
class Naming:
    """A fact that says what something of the user's is."""

    fact: Fact
    nouns: frozenset[str]
    """What it may be called: the last word of its name."""
    words: frozenset[str]
    """All words of its name."""
    value: str


def resolved(question: str, facts: Sequence[Fact]) -> tuple[str, tuple[Fact, ...]]:
    """The question with "my X" replaced by what X is, and the facts that say so; ("", ()) where there is none."""
    namings = [naming for fact in facts if (naming := _naming(fact)) is not None]
    text, used = question, list[Fact]()
    for noun in sorted({noun for naming in namings for noun in naming.nouns}):
        reference = _reference(noun).search(text)
        if reference is None:
            continue
        given = {word.lower() for word in (reference["words"] or "").split()} - _PLAIN
        fitting = [naming for naming in namings if noun in naming.nouns and given <= naming.words]
        if fitting and len({naming.value.casefold() for naming in fitting}) == 1:
            text = text[: reference.start()] + fitting[0].value + text[reference.end() :]
            used.append(fitting[0].fact)
    return (text, tuple(used)) if used else ("", ())


def _reference(noun: str) -> re.Pattern[str]:
    if noun.isascii():
        return re.compile(rf"\bmy (?P<words>(?:[a-z-]+ ){{0,3}}){re.escape(noun)}s?\b", re.IGNORECASE)
    return re.compile(rf"我(?:(?:现在|目前|正在|在)?(?:吃|服用|用|得|患)?的)(?P<words>){re.escape(noun)}")


def _naming(fact: Fact) -> Naming | None:
    for pattern, nouns in _RELATIONS:
        if (found := pattern.search(fact.text)) and (value := _value(found)):
            return Naming(fact, nouns, nouns, value)
    found = _MY_NAME.search(fact.text)
    if found is None or not (value := _value(found)):
        return None
    words = (found["name"] or found["name_zh"]).lower().split()
    return Naming(fact, frozenset(words[-1:]), frozenset(words), value)


def _value(found: re.Match[str]) -> str:
    text = found["value"] or found["value_zh"] or ""
    value = _VALUE_ENDS.split(text, maxsplit=1)[0].strip(" .。!！")
    return value if len(value) <= _LONGEST_VALUE else ""


def place_of(facts: Iterable[Fact], style: Style) -> tuple[str, Remembered | None]:
    """The place that the user is in, and how that is known. Where facts name several, none."""
    if style.jurisdiction:
        return style.jurisdiction, Remembered("style", f"jurisdiction={style.jurisdiction}", "place")
    told = [(place, fact) for fact in facts if (place := tells_place(fact.text))]
    if not told or len({named(place) for place, _ in told}) > 1:
        return "", None
    place, fact = told[-1]
    return place, Remembered(fact.id, fact.text, "place")


def tells_place(text: str) -> str:
    """The place that the user is in by a fact; empty if it does not say."""
    found = _PLACE.search(text)
    return ", ".join(names(found[0])) if found is not None and not others(text) else ""


def completed_call(
    match: ToolMatch,
    question: str,
    caller: ToolCaller,
    *,
    facts: Sequence[Fact] = (),
    history: Sequence[Turn] = (),
    style: Style | None = None,
) -> tuple[ToolMatch, tuple[Remembered, ...]]:
    """A tool call with what the user said earlier, newest first, and then with what is remembered.

    Only what was told of the person that the question is about. A currency is the style's where none is named.
    """
    about, used = others(question), list[Remembered]()
    for turn in reversed(history):
        if turn.role == "user" and others(turn.text) == about:
            match, sources = caller.recall(match, question, [turn.text])
            used += [Remembered("", turn.text, name) for name in sources]
    fitting = [fact for fact in facts if others(fact.text) == about]
    match, sources = caller.recall(match, question, [fact.text for fact in fitting])
    used += [Remembered(fitting[place].id, fitting[place].text, name) for name, place in sources.items()]
    if (
        style is not None
        and style.currency
        and _takes_currency(match, caller)
        and not _CURRENCY.search(question)
    ):
        match = ToolMatch(
            match.tool, {**match.arguments, "currency": style.currency}, match.missing, match.ask
        )
        used.append(Remembered("style", f"currency={style.currency}", "currency"))
    return match, tuple(used)


def _takes_currency(match: ToolMatch, caller: ToolCaller) -> bool:
    return "currency" in caller.tools[match.tool].args and "currency" not in match.arguments


def others(text: str) -> frozenset[str]:
    """Who a text is about, if not the user: relatives and the like by name, or just someone."""
    found = frozenset(word.lower() for word in _RELATIVE.findall(text))
    if not found and _SOMEONE.search(text) and not _OWN.search(text):
        return frozenset({"someone"})
    return found
