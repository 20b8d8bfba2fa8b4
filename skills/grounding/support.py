"""Whether a sentence is supported by the text it cites: its words, its numbers and its polarity.

Lexical on purpose: the adapter is trained to stay near its source, and a rule can be read. One word of its own is
enough to refuse a sentence ("inhibits the bleeding risk" where the source has "adds to"). Knows texts only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from skills.retrieval.text import STOP_WORDS, terms

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
    part: int | None = None
    """Index of the source's part nearest to the sentence; None where it shares no word with any."""


def without_marks(text: str) -> str:
    """A text without its citation marks."""
    return _MARK.sub("", text)


def numbers(text: str) -> set[str]:
    """Numbers of a text, thousands separators removed."""
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


def check(sentence: str, parts: Sequence[str], question: str, *, context: str = "") -> Support:
    """Check one sentence of an answer (marks are ignored) against the parts of its source: sentences, table rows.

    ``context``: what belongs to all parts, such as the title and the unit of a table. A bare yes or no carries no
    words to check and passes without a part.
    """
    body = without_marks(sentence)
    wanted = set(terms(body)) - {"yes"}
    if not wanted:
        return Support(True)
    found = [set(terms(part)) for part in parts]
    # The part with most of its words, of those the shortest: the one it was drawn from.
    shared = [(len(words & wanted), -len(words)) for words in found]
    nearest = max(range(len(parts)), key=lambda index: (*shared[index], -index), default=None)
    if nearest is None or not shared[nearest][0]:
        return Support(False, "words")
    source = "\n".join([context, *parts])
    if not numbers(body) <= numbers(source) | numbers(question):
        return Support(False, "number", nearest)
    known = set(terms(source)) | set(terms(question))
    if not wanted <= known:
        return Support(False, "words", nearest)
    if _NEGATION.search(body) and not _NEGATION.search(source):
        return Support(False, "negation", nearest)
    if _turned(body, source):
        return Support(False, "turned", nearest)
    return Support(True, "", nearest)


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
