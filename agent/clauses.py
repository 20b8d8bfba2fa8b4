"""The parts of a request: what is asked, and what is only told.

Sentences are cut where a new question begins ("..., and can I deduct it?", "……，另外要交税吗？"), so that each part
can be routed by itself. Knows texts in English and Chinese; no domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from skills.retrieval.text import is_chinese, sentences

_QUESTION_WORD = (
    r"(?:(?:what|how|where|who)(?:['’]?s)?|why|when|whom|whose|which|whether|can|could|may|might|must|do|does|did|am|is"
    r"|are|should|shall|will|would|tell|explain|calculate|compute|compare|list|give"
    # "He's 79 and has gout" asks nothing, "and has he a claim" does.
    r"|(?:has|have|had|was|were)(?=\s+(?:i|you|he|she|it|we|they|the|an?|this|that|there|my|your|his|her|our|their)\b))"
)
_JOINT = re.compile(
    r"\s*(?:[,;—–-]\s*)?\b(?:and|but|also|plus|or|then|so|as well as)\b[\s,]+"
    r"(?:(?:also|then|if so|in that case|on a separate matter),?\s+)?"
    rf"(?={_QUESTION_WORD}\b)|\s*(?:[,;:—–]|\.\.+|\s&)\s*(?={_QUESTION_WORD}\b)|\s*\bas well as\b\s+"
    # "How much is owed, and if I save that, what will it be?"
    rf"|\s*,?\s*\band\s+(?=(?:if|when|once)\b[^?]*?,\s*{_QUESTION_WORD}\b)"
    r"|(?<=\?)\s+",
    re.IGNORECASE,
)
_CHINESE_JOINT = re.compile(r"[，,；;、]\s*|(?:另外|还有|同时|以及)")
_ASKS = re.compile(
    r"[?？]|(?:^|[,;:—–-]\s*|\b(?:and|but|also|so|then|please|to know|wondering|wonder|ask|tell me|sure)\s+)"
    rf"{_QUESTION_WORD}\b"
    # What the assistant is told to do.
    r"|^\W*(?:please )?(?:write|draft|translate|sing|recommend|suggest|show|find|play|book|order|remind|draw|make)\b"
    r"|^(?:请|麻烦)?(?:帮我|给我|帮忙|推荐|翻译|写|讲个|说个|放首)"
    r"|\b(?:need to know|want to know|advice on|help with|tell me|explain)\b"
    r"|吗|呢|什么|怎么|怎样|如何|多少|多久|多长|哪|几[个天年月次]|是否|能不能|可不可以|要不要|会不会|有没有|该不该|算不算|是不是|需不需要"
    r"|还是|要紧|请问|为什么|为何|咋|啥",
    re.IGNORECASE,
)
_FINER = re.compile(
    r"\s*[;,]\s*(?:and\s+)?|\s+(?:and(?! a half\b)|plus|or|btw)\s+|(?<=[.?!])\s+|\s*[，；、。？]\s*",
    re.IGNORECASE,
)
_LOWER_CASE = re.compile(
    rf"(?<=\w\w\w[.?!])\s+(?=(?:{_QUESTION_WORD}|i|my|we|our|he|she|they|it|the|also)\b)", re.IGNORECASE
)
"""Ends a sentence where people type without capitals."""
_NUMBERED = re.compile(r"(?:(?<=\s)|^)\(?[1-9][.)]\s*(?=[^\s\d])")
"""Begins an item of a list within a text: "(1) ... (2) ..."."""
_JOINS = re.compile(
    r"\b(?:and|or|both|plus|also|versus|vs)\b|[&/+;,.?]\s*\w|[，、；。和与跟及或还又]", re.IGNORECASE
)
_LEAST_WORDS = 4
"""Words of a part of a finer cut; two Chinese characters count as one."""
_SHORTEST = 8
"""Characters of an English part; a shorter one stays with what comes before it."""
_SHORTEST_CHINESE = 4


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a request."""

    text: str
    asks: bool
    """Whether it asks something, instead of telling what the question is about."""
    sentence: int
    """Place of its sentence in the request."""


def clauses(text: str) -> list[Clause]:
    """The parts of a request in order; one that has no joints is a single part."""
    found: list[Clause] = []
    for place, sentence in enumerate(_sentences(text)):
        found += [Clause(part, _ASKS.search(part) is not None, place) for part in _pieces(sentence)]
    return found


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text, also without capitals, and the items of a numbered list each by itself."""
    for start, end in sentences(text):
        for sentence in _LOWER_CASE.split(text[start:end]):
            items = list(_NUMBERED.finditer(sentence))
            cuts = [item.start() for item in items] if len(items) > 1 else []
            for begin, stop in pairwise([0, *cuts, len(sentence)]):
                if part := _NUMBERED.sub("", sentence[begin:stop]).strip() if cuts else sentence.strip():
                    yield part


def joins(text: str) -> bool:
    """Whether a text joins several things; "what is a stop-loss order?" is one question, whatever its words suggest."""
    return _JOINS.search(text) is not None


def finer(text: str) -> list[str]:
    """A request cut wherever both sides have a few words: for one of which more parts are known to be there."""
    found: list[str] = []
    begin = 0
    for joint in _FINER.finditer(text):
        if (
            _words(text[begin : joint.start()]) >= _LEAST_WORDS
            and _words(text[joint.end() :]) >= _LEAST_WORDS
        ):
            found.append(text[begin : joint.start()].strip())
            begin = joint.end()
    return [*found, text[begin:].strip()]


def _words(text: str) -> float:
    return len(re.findall(r"[A-Za-z0-9]+", text)) + len(re.findall(r"[\u3400-\u9fff]", text)) / 2


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence cut at its joints."""
    chinese = is_chinese(sentence)
    joint, shortest = (_CHINESE_JOINT, _SHORTEST_CHINESE) if chinese else (_JOINT, _SHORTEST)
    begin = 0
    for found in joint.finditer(sentence):
        if found.start() - begin < shortest or len(sentence) - found.end() < shortest:
            continue
        yield sentence[begin : found.start()].strip(" ,;，；、")
        begin = found.end()
    yield sentence[begin:].strip()
