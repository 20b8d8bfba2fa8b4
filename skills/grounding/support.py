"""Whether a sentence is supported by the text it cites, by rules: its words, its numbers, its polarity, its order.

Lexical on purpose: the adapter is trained to stay near its source, and a rule can be read. One word of its own is
enough to refuse a sentence ("inhibits the bleeding risk" where the source has "adds to"). What words alone do not
show, the model of skills.grounding.checker sees. Knows texts only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from skills.grounding.cells import is_row, misplaced
from skills.retrieval.text import STOP_WORDS, terms, words

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_COUNT = re.compile(rf"{_NUMBER.pattern}(?:[ -][a-z]+)?")
_COPULAS = frozenset("is are was were be means".split())
_MARK = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|unless|except)\b|n't\b|不|没|无|未|非|勿|禁",
    re.IGNORECASE,
)

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:[.,]\d+)*")
SHORTEST = 6
"""Words from which an answer is a sentence; a shorter one ("Yes", "480 million") says just what was asked."""
ECHOED = 2
"""Words of the question from which a sentence counts as saying what was asked about."""
TURNING = frozenset(
    (
        "not no never none neither nor cannot without unless except only always must may should can more less "
        "most least fewer greater smaller larger high higher highest low lower lowest increase increases "
        "increased increasing decrease decreases decreased decreasing rise rises rising rose fall falls "
        "falling fell above below over under before after minimum maximum at first last short shorter long "
        "longer up down all any both either yes buyer seller lender borrower landlord tenant employer "
        "employee plaintiff defendant asset assets liability liabilities debit credit without some many few every "
        "each usually often sometimes rarely always will would could might need unless generally typically "
    ).split()
)
"""Words that turn a statement round when one stands for another. Each has to stand as it does in the source."""


_ALL = re.compile(r"\w+(?:[.,'’]\w+)*")
_BRACKETS = re.compile(r"\s*\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Support:
    """The verdict on one sentence."""

    supported: bool
    reason: str = ""
    """What is wrong: number, words, negation, turned, cell, borrowed or moved, or a kind of failure that the model
    names; empty if supported."""
    part: int | None = None
    """Index of the source's part nearest to the sentence; None where it shares no word with any."""


class Check(Protocol):
    """Checks one sentence: ``check`` below by rules, skills.grounding.checker.Checker.check by rules and a model."""

    def __call__(
        self, sentence: str, parts: Sequence[str], question: str, *, context: str = ""
    ) -> Support: ...


def unchecked(sentence: str, parts: Sequence[str], question: str, *, context: str = "") -> Support:  # noqa: ARG001
    """Lets every sentence pass: what the checks are worth is seen by leaving them out."""
    return Support(True)


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
    shared = [(len(theirs & wanted), -len(theirs)) for theirs in found]
    nearest = max(range(len(parts)), key=lambda index: (*shared[index], -index), default=None)
    if nearest is None or not shared[nearest][0]:
        return Support(False, "words")
    source = "\n".join([context, *parts])
    if not numbers(body) <= numbers(source) | numbers(question):
        return Support(False, "number", nearest)
    known = set(terms(source)) | set(terms(question))
    if not wanted <= known:
        return Support(False, "words", nearest)
    if (NEGATION.search(body) and not NEGATION.search(source)) or _lost_negation(body, parts[nearest]):
        return Support(False, "negation", nearest)
    if _turned(body, source) or _equated(body, source):
        return Support(False, "turned", nearest)
    short = len(body.split()) < SHORTEST
    if misplaced(f"{question} {body}" if short else body, numbers(body), parts):
        return Support(False, "cell", nearest)
    if not short and _borrowed(body, found, question, context):
        return Support(False, "borrowed", nearest)
    in_rows = numbers("\n".join(part for part in parts if is_row(part)))
    free = in_rows.union(words(question), words(context))
    if not short and _moved(body, source, free):
        return Support(False, "moved", nearest)
    return Support(True, "", nearest)


def _borrowed(sentence: str, parts: Sequence[set[str]], question: str, context: str) -> bool:
    """Whether what was asked is said of a part that is about something else: "the income limit is eight years".

    Words that the sentence has from the question alone must stand in the source, and half of them, where there are two
    or more, in the part that gives the sentence what neither question nor title has. Figures of the question and what
    they count may be repeated anywhere. ``parts``: their terms.
    """
    mine, asked, titled = (set(terms(text)) for text in (_COUNT.sub(" ", sentence), question, context))
    told, echoed = mine - asked - titled, (mine & asked) - titled
    if not told:
        return False
    if not echoed <= set().union(*parts):
        return True
    origin = max(parts, key=lambda theirs: (len(theirs & told), len(theirs & mine), -len(theirs)))
    return len(echoed) >= ECHOED and 2 * len(echoed & origin) < len(echoed)


def _turned(sentence: str, source: str) -> bool:
    """Whether a turning word stands after other words than in the source: "LIFO gives the lowest" where the source
    has "FIFO gives the lowest" and "LIFO gives the highest". Two words before it are compared, function words aside;
    what the source has in brackets may have been left out."""
    mine = _sequence(sentence)
    known: set[tuple[str, ...]] = set()
    for theirs in (_sequence(source), _sequence(_BRACKETS.sub("", source))):
        known |= {tuple(theirs[max(0, at - back) : at + 1]) for at in range(len(theirs)) for back in (1, 2)}
    return any(
        word in TURNING and at >= 1 and tuple(mine[max(0, at - 2) : at + 1]) not in known
        for at, word in enumerate(mine)
    )


def _equated(sentence: str, source: str) -> bool:
    """Whether "is" stands where the source has "or": "a hostile environment is when a benefit depends on favours" of
    "if it creates a hostile environment, or when a benefit depends on favours"."""
    theirs: dict[tuple[str, str], set[str]] = {}
    for pair, gap in _gaps(source):
        theirs.setdefault(pair, set()).update(gap)
    return any(
        "or" in theirs.get(pair, ()) and "or" not in gap and _COPULAS & gap and not _COPULAS & theirs[pair]
        for pair, gap in _gaps(sentence)
    )


def _gaps(text: str) -> list[tuple[tuple[str, str], set[str]]]:
    """Neighbouring content words of a text with the function words between them."""
    found: list[tuple[tuple[str, str], set[str]]] = []
    before, gap = "", set[str]()
    for word in _WORD.findall(text.lower()):
        if word in STOP_WORDS:
            gap.add(word)
        else:
            found.append(((before, word), gap))
            before, gap = word, set()
    return found


def _sequence(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word in TURNING or word not in STOP_WORDS]


def _lost_negation(sentence: str, part: str) -> bool:
    """Whether the sentence has what follows a negation in the part, or what stands on both sides of one, without it."""
    mine, theirs = ([*_ALL.findall(text.lower()), "."] for text in (sentence, part))
    places = [at for at, word in enumerate(theirs[:-1]) if NEGATION.fullmatch(word)]
    denied = {tuple(theirs[at + 1 : at + 3]) for at in places} - _affirmed(theirs)
    bridged = {(theirs[at - 1], theirs[at + 1]) for at in places if at} - set(pairwise(theirs))
    return bool(denied & _affirmed(mine)) or bool(bridged & set(pairwise(mine)))


def _affirmed(words: list[str]) -> set[tuple[str, ...]]:
    """Pairs of neighbouring words that do not follow a negation within three words."""
    return {
        tuple(words[at : at + 2])
        for at in range(len(words) - 1)
        if not any(NEGATION.fullmatch(word) for word in words[max(0, at - 3) : at])
    }


def _moved(sentence: str, source: str, free: set[str]) -> bool:
    """Whether a word stands beside neither of the two it stands beside in the source: what was put in the place of
    another. Function words are passed over; ``free`` words may stand anywhere (figures of table rows, and what
    question and title are about)."""
    known: set[tuple[str, str]] = set()
    for line in [*source.splitlines(), *_BRACKETS.sub("", source).splitlines()]:
        theirs = ["", *words(line), ""]
        known |= set(pairwise(theirs))
    mine = ["", *words(sentence), ""]
    return any(
        (mine[at - 1], mine[at]) not in known
        and (mine[at], mine[at + 1]) not in known
        and mine[at] not in free
        for at in range(1, len(mine) - 1)
    )
