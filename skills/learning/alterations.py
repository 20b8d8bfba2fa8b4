"""Sentences made false on purpose: one small change each, of a named kind, so that a checker can learn to see it.

An alteration takes a supported claim and gives another sentence, or None where it finds nothing to change. All of
them draw from the ``random.Random`` they are given and from nothing else. Knows texts only, no data sets.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from skills.grounding.support import NEGATION, numbers
from skills.learning.lexicon import CURRENCIES, MODALITY, OPPOSITES, UNITS
from skills.retrieval.text import STOP_WORDS, terms


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence and the source that supports it."""

    sentence: str
    parts: tuple[str, ...]
    """Sentences and table rows of the source, in order."""
    origin: int
    """Index of the part it was drawn from."""
    form: str
    """How it was drawn: verbatim, shortened, row, short, statement, written."""
    context: str = ""
    """Title and unit of the source."""
    question: str = ""
    """What was asked; "" where the sentence stands alone."""
    answer: str = ""
    """The words of the sentence that may be exchanged for others of the source; "": any."""

    @property
    def source(self) -> str:
        return "\n".join([self.context, *self.parts])


@dataclass(frozen=True, slots=True)
class Strangers:
    """What may be borrowed from other passages of the same collection."""

    sentences: Sequence[str]
    names: Sequence[str] = field(default_factory=list[str])
    words: Sequence[str] = field(default_factory=list[str])
    """Content words."""


Alteration = Callable[[Claim, Strangers, random.Random], str | None]

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(
    r"(?<=[a-z,;:(\"“'’] )(?:[A-Z][\w'’-]+)(?: (?:of |the |and )?[A-Z][\w'’-]+)*|\b[A-Z]{2,}[\w-]*\b"
)
_WORD = re.compile(r"[A-Za-z][a-z]{4,}")
_VALUE = re.compile(r"(?:: |; |= )([^;:=]*\d[^;:=]*)(?=;|$)", re.MULTILINE)
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|could|may|might|must|will|would|shall|should|does|do|did|has|have|had)\b(?! not\b)",
    re.IGNORECASE,
)
_DROPPED_NEGATION = (
    (re.compile(r"\b(do|does|did) not "), ""),
    (re.compile(r"\bcannot\b"), "can"),
    (re.compile(r"\bwithout\b"), "with"),
    (re.compile(r"\b[Nn]either\b"), "both"),
    (re.compile(r"\b(?:not|never) "), ""),
    (re.compile(r"\bNo (?=[a-z])"), "Any "),
    (re.compile(r"\bno (?=[a-z])"), "any "),
)


def names(text: str) -> list[str]:
    """Names and acronyms inside a text: those that are not capitalised only because they open a sentence."""
    return list(dict.fromkeys(_NAME.findall(text)))


def content_words(text: str) -> list[str]:
    """Longer words that say what a text is about, in order, each once."""
    found = dict.fromkeys(word for word in _WORD.findall(text) if word.lower() not in STOP_WORDS)
    return [word for word in found if word.lower() not in _FIXED]


_FIXED = (
    frozenset(word for pair in OPPOSITES for word in pair)
    | frozenset(MODALITY)
    | frozenset(UNITS)
    | frozenset(
        "which their there where these those other about also such than because include includes".split()
    )
)


def passage(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:
    """A sentence of another passage: of a dozen drawn, the one that shares most words."""
    known = set(terms(claim.source))
    drawn = choose.sample(list(strangers.sentences), min(12, len(strangers.sentences)))
    other = [text for text in drawn if text not in claim.source and not set(terms(text)) <= known]
    wanted = set(terms(claim.sentence))
    return max(other, key=lambda text: len(wanted & set(terms(text))), default=None)


def entity(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:
    """A name, or else a content word, exchanged for one that the source does not have."""
    source = claim.source.lower()
    mine = _exchangeable(claim, names)
    if mine and strangers.names:
        new = [name for name in strangers.names if name.lower() not in source]
    else:
        mine = _exchangeable(claim, content_words)
        new = [word for word in strangers.words if word.lower() not in source]
    if not mine or not new:
        return None
    old = choose.choice(mine)
    return _exchanged(claim, old, choose.choice(_alike(old, new) or new))


def entity_near(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A name, or else a content word, exchanged for one from another part of the source."""
    others = " ".join(part for index, part in enumerate(claim.parts) if index != claim.origin)
    if claim.answer:
        others = " ".join(claim.parts)
    for finder in (names, content_words):
        mine = _exchangeable(claim, finder)
        said = f"{claim.sentence} {claim.question if claim.answer else claim.parts[claim.origin]}".lower()
        new = [text for text in finder(others) if text.lower() not in said]
        pairs = [(old, other) for old in mine for other in new if finder is names or _alike(old, [other])]
        if pairs:
            return _exchanged(claim, *choose.choice(pairs))
    return None


def number(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A number changed into one that neither source nor question has."""
    known = numbers(claim.source) | numbers(claim.question)
    mine = _exchangeable(claim, NUMBER.findall)
    if not mine:
        return None
    old = choose.choice(mine)
    for _ in range(8):
        new = _changed_number(old, choose)
        if new.replace(",", "") not in known:
            return _exchanged(claim, old, new)
    return None


def number_near(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A number exchanged for another one of the source: of another sentence, row, column or place."""
    said = numbers(claim.sentence) | numbers(claim.question)
    mine = _exchangeable(claim, NUMBER.findall)
    found = [text for part in claim.parts for text in NUMBER.findall(part)]
    new = [text for text in dict.fromkeys(found) if text.replace(",", "") not in said]
    pairs = [(old, other) for old in mine for other in new if _is_year(old) == _is_year(other)]
    return _exchanged(claim, *choose.choice(pairs)) if pairs else None


def cell(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """The value of a table exchanged for that of another row or column."""
    if claim.form not in ("row", "short") or not claim.answer:
        return None
    found = [value.strip() for part in claim.parts for value in _VALUE.findall(part)]
    new = [
        value for value in dict.fromkeys(found) if value not in claim.sentence and value not in claim.question
    ]
    return choose.choice(new).join(claim.sentence.rsplit(claim.answer, 1)) if new else None


def negation_added(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A "not" after an auxiliary."""
    if claim.answer or NEGATION.search(claim.sentence):
        return None
    places = [found.end() for found in _AUXILIARY.finditer(claim.sentence)]
    if not places:
        return None
    at = choose.choice(places)
    return f"{claim.sentence[:at]} not{claim.sentence[at:]}"


def negation_dropped(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A negation taken away."""
    for pattern, instead in _DROPPED_NEGATION:
        found, count = pattern.subn(instead, claim.sentence, count=1)
        if count and not claim.answer:
            return found[0].upper() + found[1:]
    return None


def unit(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """The unit of a number exchanged for another of its sort."""
    return _by_table(claim, UNITS, choose, before=_COUNTED) or _by_table(claim, CURRENCIES, choose)


def modality(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """How far or how surely something holds: "may" for "must", "all" for "some"."""
    return _by_table(claim, MODALITY, choose)


def direction(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """A word exchanged for its opposite: "increases" for "decreases", "before" for "after"."""
    table: dict[str, list[str]] = {}
    for one, other in OPPOSITES:
        table.setdefault(one, []).append(other)
        table.setdefault(other, []).append(one)
    return _by_table(claim, table, choose)


def subject(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """What is said of one said of another: two names change places, or the subject of another sentence steps in."""
    if claim.answer:
        return None
    mine = [name for name in names(claim.sentence) if claim.sentence.count(name) == 1]
    pairs = [(one, two) for one in mine for two in mine if _apart(claim.sentence, one, two)]
    if pairs and choose.random() < 0.5:
        one, two = choose.choice(pairs)
        return claim.sentence.replace(one, "\0").replace(two, one).replace("\0", two)
    found = _AUXILIARY.search(claim.sentence)
    if found is None or not 1 <= len(claim.sentence[: found.start()].split()) <= 8:
        return None
    others: list[str] = []
    for index, part in enumerate(claim.parts):
        at = _AUXILIARY.search(part)
        if index != claim.origin and at and at[0].lower() == found[0].lower() and at.start():
            words = part[: at.start()].split()
            if (
                1 <= len(words) <= 8
                and words[0].lower() not in _PRONOUNS
                and not NEGATION.search(part[: at.start()])
            ):
                others.append(part[: at.start()])
    others = [text for text in others if text.strip().lower() not in claim.sentence.lower()]
    return choose.choice(others) + claim.sentence[found.start() :] if others else None


def predicate(claim: Claim, strangers: Strangers, choose: random.Random) -> str | None:  # noqa: ARG001
    """What another sentence says, said of what was asked about: "the income limit is eight years after the filing"."""
    asked = _ABOUT.search(claim.question)
    if asked is None or claim.form == "row":
        return None
    about = set(terms(asked["what"])) - set(terms(claim.context))  # all sentences are about the title
    if len(about) < 2:
        return None
    said: list[str] = []
    for part in claim.parts:
        at = _AUXILIARY.search(part)
        shared = len(about & set(terms(part)))
        if at and len(part[at.end() :].split()) >= 4 and 3 * shared <= len(about):
            said += [part[at.start() :], f"{asked['verb'] or 'is'}{part[at.end() :]}"]
    if not said:
        return None
    return f"{asked['what'][0].upper()}{asked['what'][1:]} {choose.choice(said)}"


def _apart(sentence: str, one: str, two: str) -> bool:
    """Whether ``two`` comes after ``one`` with something said in between: those of a list may change places."""
    between = sentence[sentence.index(one) + len(one) : sentence.index(two)]
    return one not in two and two not in one and any(word.islower() for word in content_words(between))


_COUNTED = r"\d[\d.,]*\)?[ -]?|\b(?:an?|per|each|in|one|two|three|four|five|six|ten|twelve|few|several) "
_ABOUT = re.compile(
    r"\b(?:what|which|who|where|when)(?:'s| (?P<verb>is|are|was|were)) (?P<what>[^?]{3,90}?)\s*\?*$",
    re.IGNORECASE,
)
_PRONOUNS = frozenset(
    "it its this that these those they he she we you i there such both some most many".split()
)

ALTERATIONS: Mapping[str, Alteration] = {
    "passage": passage,
    "entity": entity,
    "entity_near": entity_near,
    "number": number,
    "number_near": number_near,
    "cell": cell,
    "negation_added": negation_added,
    "negation_dropped": negation_dropped,
    "unit": unit,
    "modality": modality,
    "direction": direction,
    "subject": subject,
    "predicate": predicate,
}
"""By kind; "near": what steps in stands in the source as well, but for something else."""


def altered(claim: Claim, kind: str, strangers: Strangers, choose: random.Random) -> str | None:
    """The claim's sentence altered, None where the kind does not apply. What comes back is never in the source."""
    made = ALTERATIONS[kind](claim, strangers, choose)
    if made is None or _fold(made) == _fold(claim.sentence):
        return None
    # In a list or table of many the altered one may be true as well.
    return None if not claim.answer and _fold(made) in _fold(claim.source) else made


def _fold(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _exchangeable(claim: Claim, finder: Callable[[str], list[str]]) -> list[str]:
    """What of a sentence may be exchanged: of a row or an answer, only its value."""
    return [text for text in finder(f"is {claim.answer}" if claim.answer else claim.sentence) if text != "is"]


def _exchanged(claim: Claim, old: str, new: str) -> str:
    """The sentence with ``new`` for one ``old`` as a whole word: in the answer, where there is one."""
    pattern = rf"(?<![\w.,]){re.escape(old)}(?![\w]|[.,]\d)"
    if claim.answer and claim.answer in claim.sentence:
        value = re.sub(pattern, lambda _: new, claim.answer, count=1)
        return value.join(claim.sentence.rsplit(claim.answer, 1))
    return re.sub(pattern, lambda _: new, claim.sentence, count=1)


def _alike(old: str, candidates: Sequence[str]) -> list[str]:
    """Those with the same ending: they are likely to be the same part of speech."""
    return [
        text for text in candidates if text[-2:].lower() == old[-2:].lower() and text.lower() != old.lower()
    ]


def _is_year(text: str) -> bool:
    return len(text) == 4 and text[:2] in ("19", "20") and text.isdigit()


def _changed_number(old: str, choose: random.Random) -> str:
    if _is_year(old):
        return str(int(old) + choose.choice((-4, -3, -2, -1, 1, 2, 3)))
    way = choose.random()
    if way < 0.25 and old.isdigit():
        return f"{old}0" if choose.random() < 0.5 or not old.endswith("0") or len(old) < 2 else old[:-1]
    if way < 0.45 and old.isdigit() and int(old) < 1000:
        return str(max(1, int(old) + choose.choice((-2, -1, 1, 2, 5))))
    places = [index for index, character in enumerate(old) if character.isdigit()]
    at = choose.choice(places)
    digits = "123456789" if at == 0 else "0123456789"
    return old[:at] + choose.choice([digit for digit in digits if digit != old[at]]) + old[at + 1 :]


def _by_table(
    claim: Claim, table: Mapping[str, Sequence[str]], choose: random.Random, *, before: str = ""
) -> str | None:
    """A word of the sentence exchanged by a table; ``before``: a pattern of what has to stand before it."""
    known = "|".join(sorted(map(re.escape, table), key=len, reverse=True))
    pattern = rf"(?P<before>{before})(?<![A-Za-z-])(?P<old>{known})(?![\w-])"
    if not any(key[0].isalpha() for key in table):
        pattern = rf"(?P<before>)(?P<old>{known})"
    found = list(re.finditer(pattern, claim.sentence, re.IGNORECASE))
    if not found:
        return None
    place = choose.choice(found)
    old = place["old"]
    new = choose.choice(list(table[old.lower()]))
    if old[0].isupper():
        new = new[0].upper() + new[1:]
    return claim.sentence[: place.start("old")] + new + claim.sentence[place.end() :]
