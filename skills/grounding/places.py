"""Whether a passage speaks about the place that a question names.

A rate of the US is no answer about Portugal, however alike the words. Only passages that state a jurisdiction are
judged: a note on a medicine holds everywhere. Knows names of countries and states (``places.toml``), no law.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from itertools import zip_longest

from pydantic import BaseModel, ConfigDict

from skills.records import Passage

_EVERYWHERE = re.compile(r"\b(?:international|worldwide|global)\b", re.IGNORECASE)
_ALL = re.compile(
    r"\b(?:all|any|every|each|most)\s+(?:\w+\s+)?(?:states?|provinces?|countries|country)\b", re.IGNORECASE
)
_FIGURE = re.compile(r"多少|几[天个号月点年岁]|哪[里天家个]|何时|什么时候|电话|地址|标准|上限|下限|基数|额度")
_CODE = re.compile(r"\b[A-Z]{2}(?:-[A-Z]{2})?\b")


class _Gazetteer(BaseModel):
    """``places.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    names: dict[str, list[str]]
    cities: dict[str, list[str]]
    """By the code of the country or state that they lie in."""
    provinces: dict[str, list[str]]
    """Provinces and cities with figures of their own, by country."""
    members: dict[str, list[str]]


@cache
def _gazetteer() -> _Gazetteer:
    text = resources.files("skills.grounding").joinpath("places.toml").read_text(encoding="utf-8")
    return _Gazetteer.model_validate(tomllib.loads(text))


@cache
def _names() -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern of all names, longer ones first, and the code of each as it is found or in lower case."""
    codes: dict[str, str] = {}
    parts: list[tuple[int, str]] = []
    known = _gazetteer()
    for code, listings in [*known.names.items(), *known.cities.items()]:
        for listed in listings:
            name = listed.removeprefix("=")
            exact = listed != name
            codes[name if exact else name.lower()] = code
            # A name ends where its word ends; Chinese has no blanks to end it.
            whole = rf"(?<!\w){re.escape(name)}(?!\w)" if name.isascii() else re.escape(name)
            parts.append((len(name), whole if exact else f"(?i:{whole})"))
    ordered = sorted(parts, key=lambda part: -part[0])
    return re.compile("|".join(pattern for _, pattern in ordered)), codes


@cache
def _cities() -> frozenset[str]:
    """Names of cities, as they are found or in lower case."""
    listed = (name for names in _gazetteer().cities.values() for name in names)
    return frozenset(name.removeprefix("=") if name.startswith("=") else name.lower() for name in listed)


def _is_city(found: re.Match[str]) -> bool:
    return found[0] in _cities() or found[0].casefold() in _cities()


def _places(text: str) -> list[tuple[re.Match[str], str]]:
    """The places that a text names, and their codes. Paris, Texas is in Texas alone."""
    pattern, codes = _names()
    found = [(one, codes.get(one[0]) or codes.get(one[0].casefold(), "")) for one in pattern.finditer(text)]
    return [
        (one, code)
        for (one, code), (after, within) in zip_longest(found, found[1:], fillvalue=(None, ""))
        if one is not None
        and code
        and not (
            _is_city(one)
            and after is not None
            and not _is_city(after)
            and not text[one.end() : after.start()].strip(", ")
            and not _related(code, within)
        )
    ]


def named(text: str) -> frozenset[str]:
    """Codes of the places that a text names."""
    return frozenset(code for _, code in _places(text))


def names(text: str) -> tuple[str, ...]:
    """The places that a text names, as it names them."""
    return tuple(found[0] for found, _ in _places(text))


def place_name(code: str, *, chinese: bool = False) -> str:
    """What a place is called: its first name, or its Chinese one, or that of the country that it lies in."""
    names = _gazetteer().names
    if chinese:
        listed = [*names[code], *names[code.partition("-")[0]]]
        return next((name for name in listed if not name.isascii()), names[code][0])
    return names[code][0].removeprefix("=")


def with_countries(text: str) -> str:
    """The text with each well known city's country or state after it, where the text does not name that itself:
    passages tell their country's rules and not its cities'."""
    whole = text
    for found, code in reversed(_places(text)):
        chinese = not found[0].isascii()
        name = place_name(code, chinese=chinese)
        if _is_city(found) and name not in text:
            after = f"（{name}）" if chinese else f", {name},"
            whole = f"{whole[: found.end()]}{after}{whole[found.end() :]}"
    return re.sub(r",(?=\s*(?:[,.?!;:]|$))", "", whole) if whole != text else text


def elsewhere(question: str, passage: Passage) -> bool:
    """Whether the question names a place and the passage states jurisdictions that neither are it, nor lie in it, nor
    have it in them, and does not speak of it."""
    stated = passage.jurisdiction
    if not stated or _EVERYWHERE.search(stated):
        return False
    asked = named(question)
    if not asked:
        return False
    covered = _stated(passage) | named(f"{passage.title} {passage.text}")
    return bool(covered) and not any(_related(place, other) for place in asked for other in covered)


def of_a_province(question: str, passage: Passage) -> bool:
    """Whether a Chinese question asks for a figure, date or office of a province or city, and the passage states what
    holds for the whole country: these are set locally (social insurance bases, leave for weddings, lump sums)."""
    if "CN" not in _stated(passage) or not _FIGURE.search(question):
        return False
    text = f"{passage.title} {passage.text}"
    asked = [name for name in _gazetteer().provinces["CN"] if name in question]
    return bool(asked) and not any(name in text for name in asked)


def without_covered_places(question: str, passage: Passage) -> str:
    """The question without the places that it names, where the passage holds for them all without a word of them: how
    law for a whole country reads on one of its states. Otherwise the question as it is.

    A passage that tells rules of other places holds for this one only where it says so of all.
    """
    asked, stated = named(question), _stated(passage)
    told = named(f"{passage.title} {passage.text}")
    if not asked or asked & told or not all(any(_within(place, one) for one in stated) for place in asked):
        return question
    if any(not _related(place, other) for place in asked for other in told) and not _ALL.search(passage.text):
        return question
    bare = _placing().sub("", question)
    return re.sub(r"\s+([?.,!;:])", r"\1", " ".join(bare.split())) or question


@cache
def _placing() -> re.Pattern[str]:
    """A place in a question with the words that attach it to the rest."""
    pattern, _ = _names()
    return re.compile(
        rf"(?:\b(?i:in|of|for|from|under|within)\s+(?:(?i:the)\s+)?(?:(?i:state|country|province)\s+of\s+)?)?"
        rf"(?:{pattern.pattern})(?:'s\b|’s\b|\s+(?i:state)\b|的|州)?,?"
    )


def apart(question: str, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The passages, the first of each place, where they speak about places that have nothing to do with each other and
    the question names none: its answer depends on the place. Otherwise none."""
    found: dict[frozenset[str], Passage] = {}
    for passage in () if named(question) else passages:
        places = _stated(passage)
        if not places:
            return ()  # what holds everywhere answers
        if not any(_related(one, other) for known in found for one in known for other in places):
            found[places] = passage
    return tuple(found.values()) if len(found) > 1 else ()


def nearest(place: str, passages: Sequence[Passage]) -> Passage | None:
    """The one passage whose places the named one is, lies in or has in it; None where there is none, or are several."""
    wanted = named(place)
    found = [
        passage
        for passage in passages
        if any(_related(one, other) for one in wanted for other in _stated(passage))
    ]
    return found[0] if len(found) == 1 else None


def _stated(passage: Passage) -> frozenset[str]:
    """Codes of the places that a passage says it is about; none for one that holds everywhere."""
    if not passage.jurisdiction or _EVERYWHERE.search(passage.jurisdiction):
        return frozenset()
    known = _gazetteer().names.keys()
    codes = {code for code in _CODE.findall(passage.jurisdiction) if code in known}
    return frozenset(codes | named(passage.jurisdiction))


def _related(one: str, other: str) -> bool:
    return _within(one, other) or _within(other, one)


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith(f"{outer}-") or inner in _gazetteer().members.get(outer, ())
