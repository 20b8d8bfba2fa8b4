"""Whether a sentence is supported by the text it cites: its words, its numbers and its polarity.

Lexical on purpose: the adapter is trained to stay near its source, and a rule can be read. Knows texts only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from skills.retrieval.text import STOP_WORDS, sentences, terms

COVERAGE = 0.7
"""Share of a sentence's terms that source or question must have."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MARK = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|unless|except)\b|n't\b|不|没|无|未|非|勿|禁",
    re.IGNORECASE,
)

_WORD = re.compile(r"[a-z0-9]+(?:[.,'][a-z0-9]+)*")
_TURNING = frozenset(
    (
        "not no never none neither nor cannot without unless except only always must may should can more less "
        "most least fewer greater smaller larger high higher highest low lower lowest increase increases "
        "increased increasing decrease decreases decreased decreasing rise rises rising rose fall falls "
        "falling fell above below over under before after minimum maximum at first last short shorter long "
        "longer up down all any both either yes buyer seller lender borrower landlord tenant employer "
        "employee plaintiff defendant asset assets liability liabilities debit credit "
    ).split()
)
"""Words that turn a statement round when one stands for another. Each has to stand as it does in the source."""


@dataclass(frozen=True, slots=True)
class Support:
    """The verdict on one sentence."""

    supported: bool
    reason: str = ""
    """number, words, negation or turned: what the source lacks; empty if supported."""
    span: tuple[int, int] | None = None
    """The source's sentence nearest to it, offsets into the source."""


def without_marks(text: str) -> str:
    """A text without its citation marks."""
    return _MARK.sub("", text)


def numbers(text: str) -> set[str]:
    """Numbers of a text, thousands separators removed."""
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


def check(sentence: str, source: str, question: str) -> Support:
    """Check one sentence of an answer (marks are ignored) against its source.

    A bare yes or no carries no words to check and passes; its span is the source's sentence nearest to the
    question.
    """
    body = without_marks(sentence)
    wanted = set(terms(body)) - {"yes"}
    spans = sentences(source)
    found = [set(terms(source[start:end])) for start, end in spans]
    target = wanted or set(terms(question))
    nearest = max(range(len(spans)), key=lambda index: (len(found[index] & target), -index), default=None)
    span = spans[nearest] if nearest is not None else None
    if not wanted:
        return Support(span is not None, "" if span else "words", span)
    if not numbers(body) <= numbers(source) | numbers(question):
        return Support(False, "number", span)
    known = set(terms(source)) | set(terms(question))
    if len(wanted & known) < COVERAGE * len(wanted) or not any(wanted & words for words in found):
        return Support(False, "words", span)
    if span is not None and _NEGATION.search(body) and not _NEGATION.search(source):
        return Support(False, "negation", span)
    if _turned(body, source):
        return Support(False, "turned", span)
    return Support(True, "", span)


def _turned(sentence: str, source: str) -> bool:
    """Whether a turning word stands after other words than in the source: "LIFO gives the lowest" where the source
    has "FIFO gives the lowest" and "LIFO gives the highest". Two words before it are compared, function words aside."""
    mine, theirs = _sequence(sentence), _sequence(source)
    known = {tuple(theirs[max(0, at - 2) : at + 1]) for at in range(len(theirs))}
    pairs = {tuple(theirs[max(0, at - 1) : at + 1]) for at in range(len(theirs))}
    for at, word in enumerate(mine):
        if word in _TURNING and at >= 1:
            seen = known if at >= 2 else pairs
            if tuple(mine[max(0, at - 2) : at + 1]) not in seen:
                return True
    return False


def _sequence(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word in _TURNING or word not in STOP_WORDS]
