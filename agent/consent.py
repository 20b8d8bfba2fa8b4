"""When something may be remembered: the user asks for it, or says yes to an offer. Knows words; keeps nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.clauses import clauses
from agent.facts import Fact
from agent.recall import others, tells_place

_ASKS = re.compile(
    r"^\W*(?:(?:please|ok(?:ay)?|can you|could you|would you|will you)\W+)*"
    r"(?:remember|note|keep in mind|don['’]?t forget|make a note)(?:\s+down)?"
    r"(?:\s+that\b\W*|\s*[:：]\s*|\s+(?=(?:I|I['’]m|my|we|our)\b))(?P<text>\S.*)$"
    r"|^\W*(?:请|麻烦|你|帮我)*(?:记住|记下|记得|记一下|别忘了)(?:[，,:：\s]+|(?=我|咱))(?P<text_zh>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_AGREES = re.compile(
    r"^\W*(?:(?:yes|yeah|yep|sure|please do|do so|ok(?:ay)?|go ahead)\b"
    r"(?:\W+(?:please|do|sure|remember(?: (?:it|that))?))*"
    r"|(?:好的?|可以|行|是的?|嗯|记住吧|请记住|没问题)(?:[，,\s]*(?:记住?吧?|请记住|谢谢))?)\W*$",
    re.IGNORECASE,
)
_LASTS = re.compile(
    r"^(?:\W*(?:and|but|so|also|well|hi|hello|by the way)\W+)*"
    r"(?P<text>(?:I|we)(?:['’]m| am| are|['’]re)? allergic to\b.*"
    r"|I(?:['’]m| am) \d{1,3}(?: years? old)?$|I weigh \d.*|I(?:['’]m| am) \d+(?:\.\d+)? ?(?:cm|m|ft)\b.*"
    r"|I (?:was|have been|['’]ve been) diagnosed with\b.*"
    r"|my (?:[a-z-]+ )?(?:plan|state|country|job|employer|mortgage|salary|wage|weight|height|age|blood type|medicine"
    r"|medication|allergy|currency|rent|pension) is\b.*)"
    r"|^(?P<text_zh>我(?:对.{1,20}过敏|今年?\d{1,3}岁|体重.{0,3}\d.*|身高.{0,3}\d.*|确诊了?.{1,20}"
    r"|的(?:计划|职业|月薪|工资|房贷|体重|身高|年龄|血型|药)是.+))$",
    re.IGNORECASE,
)


def asked_to_remember(text: str) -> str:
    """What a message asks to be remembered; empty if it asks for something else."""
    found = _ASKS.match(text.strip())
    if found is None:
        return ""
    told = " ".join((found["text"] or found["text_zh"]).split()).strip(" .。!！?？")
    return "" if any(clause.asks for clause in clauses(told)) else told


def agrees(text: str) -> bool:
    """Whether a message says yes and nothing else."""
    return _AGREES.match(text) is not None


def worth_offering(text: str, facts: Sequence[Fact]) -> str:
    """What a message tells that will last, and that is not remembered yet; empty if nothing."""
    known = {fact.text.casefold() for fact in facts}
    for clause in clauses(text):
        told = clause.text.strip(" .。!！")
        if clause.asks or others(told):
            continue
        found = _LASTS.match(told)
        fact = (found["text"] or found["text_zh"]) if found else told if tells_place(told) else ""
        if fact and fact.casefold() not in known:
            return fact
    return ""
