"""What a conversation told about its case that a later question leaves open: where it is, and that it is a child's or
of a pregnancy. "Paracetamol, how much?" after "my 3 year old has a fever" asks for a child's dose, and "do I get
severance?" after "I was fired in Germany" for Germany's.

Rules over the user's own messages; knows no skill. What is remembered across conversations is recall.py's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from agent.recall import others
from skills.grounding.places import named, place_name
from skills.records import Turn
from skills.retrieval.text import is_chinese

BACK = 3
"""Messages of the user in which a case is looked for."""
_GROWN_UP = 14
"""Age in years from which doses and rules for adults are read, too."""

_AGE = re.compile(
    r"\b(?P<number>\d{1,2}|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen)[- ]?"
    r"(?P<unit>years?|yrs?|y|months?|mos?|m|weeks?|wks?|days?)[- ]?(?:olds?|o)\b"
    r"|(?P<number_zh>\d{1,2}|[一二两三四五六七八九十])(?P<unit_zh>岁|个?月大)",
    re.IGNORECASE,
)
_CHILD = re.compile(
    r"\b(?:bab(?:y|ies)|toddlers?|newborns?|infants?|child|children|kids?|little one)\b"
    r"|宝宝|婴儿|新生儿|幼儿|小孩|孩子",
    re.IGNORECASE,
)
_PREGNANT = re.compile(
    r"\b(?:pregnant|pregnancy|trimester|expecting)\b|怀孕|孕妇|孕期|孕早期|备孕", re.IGNORECASE
)
_NURSING = re.compile(r"\b(?:breast-?feed(?:ing)?|nursing)\b|哺乳|母乳", re.IGNORECASE)
_SELF = re.compile(r"\b(?:I|I['’]m|me|myself|adults?)\b|我(?!的?(?:孩子|宝宝|儿子|女儿|家))|成人|大人")

_SAID = {
    "child": ("for a child", "孩子"),
    "pregnant": ("in pregnancy", "孕妇"),
    "nursing": ("while breastfeeding", "哺乳期"),
}


def with_case(question: str, history: Sequence[Turn], *, same: bool, placed: bool = True) -> str:
    """The question with what earlier messages tell of its case; as it is where they tell nothing that it leaves open.

    ``same``: it goes to whoever was asked last. What belongs to a person is told only then. ``placed``: with the place.
    """
    said = [turn.text for turn in reversed(history) if turn.role == "user"][:BACK]
    chinese = is_chinese(question)
    person = _SAID[told][chinese] if same and (told := _person(question, said)) else ""
    place = (
        ""
        if named(question) or not placed
        else next((one for text in said if (one := _one_place(text, chinese))), "")
    )
    if not person and not place:
        return question
    if chinese:
        return f"{place}{person}{question}"
    bare = question.rstrip(" ?.!")
    return " ".join(part for part in (bare, person, f"in {place}" if place else "") if part) + "?"


def _one_place(text: str, chinese: bool) -> str:
    """The place that a message names, the inner one of a place within another; of one that names several, none."""
    codes = sorted(named(text), key=len)
    within = all(inner.startswith(f"{outer}-") for outer, inner in pairwise(codes))
    return place_name(codes[-1], chinese=chinese) if codes and within else ""


def _person(question: str, said: Sequence[str]) -> str:
    """Whom the case is about, if that is a child or a pregnant or nursing woman, and the question names nobody."""
    if _told(question) or others(question):
        return ""
    for text in said:
        if told := _told(text):
            return "" if told == "child" and _SELF.search(question) else told
        if others(text):
            return ""
    return ""


def _told(text: str) -> str:
    if _PREGNANT.search(text):
        return "pregnant"
    if _NURSING.search(text):
        return "nursing"
    return "child" if _CHILD.search(text) or any(map(_of_a_child, _AGE.finditer(text))) else ""


def _of_a_child(age: re.Match[str]) -> bool:
    unit = age["unit"] or age["unit_zh"]
    number = age["number"] or age["number_zh"]
    years = unit.lower().startswith("y") or unit == "岁"
    return not years or not number.isdigit() or int(number) < _GROWN_UP
