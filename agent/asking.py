"""Which domains a request asks, and what it asks each of them.

A reader that has learned from requests to several domains says which of them are asked, as against told about. The
clauses that ask are shared out among those, so that each gets one and all together are the likeliest; where there are
fewer clauses than domains, and no finer cut makes more, each is asked the whole if it joins several things ("the tax
and the custody side of a divorce"). Where no reader says who is asked, a clause goes to who surely owns it.

Knows texts and probabilities; no encoder, skill or pack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from agent.clauses import Clause, finer, joins
from agent.events import Part

SURE = 0.5
"""Probability from which a part of a request is a domain's."""
NOBODYS = 0.8
"""Probability from which it is out of scope."""
MOST = 6
"""Clauses up to which all ways to share them out are compared; of more, each goes to its likeliest owner."""

_LEAST = 1e-9

Shares = Callable[[str], Mapping[str, float]]
"""The part of a request -> probabilities of domains and of no domain (``nobody``)."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A clause that asks, with what its sentence tells."""

    text: str
    before: str
    """What is asked or told in the sentence before, which it may lean on."""


def askings(found: Iterable[Clause]) -> tuple[list[str], list[Asking]]:
    """What a request tells apart from its questions, and its questions."""
    told: list[str] = []
    asked: list[Asking] = []
    near: list[Clause] = []
    said = ""
    for clause in found:
        if not clause.asks:
            near.append(clause)
            continue
        # "A noteholder says that our emails bind us. True?" leans on that, not on the question before it.
        said = " ".join(other.text for other in near[-1:] if other.sentence != clause.sentence) or said
        # "Lent 200,000 at 18 %, is that allowed?": what the sentence tells belongs to its question.
        told += [other.text for other in near if other.sentence != clause.sentence]
        own = " ".join([*(other.text for other in near if other.sentence == clause.sentence), clause.text])
        near.clear()
        asked.append(Asking(own, said))
        said = own
    return told, asked


def divided(found: Sequence[Clause], shares: Shares, nobody: str) -> tuple[Part, ...]:
    """What each domain is asked, in the order of the request; none where it is all one question.

    A clause is a domain's if it surely is, by itself or with what it leans on; one that is nobody's for sure goes to
    the domain before it; one that surely is out of scope is left out.
    """
    told, asked = askings(found)
    texts: dict[str, list[str]] = {}
    unowned: list[str] = []
    last = ""
    for asking in asked:
        owner = _owner(shares(asking.text), nobody)
        if owner == nobody:
            continue
        owner = owner or _owner(shares(f"{asking.before} {asking.text}"), nobody)
        owner = last if owner in ("", nobody) else owner
        if owner:
            texts.setdefault(owner, []).extend([*unowned, asking.text])
            unowned.clear()
            last = owner
        else:
            unowned.append(asking.text)
    return _parts(told, texts)


def shared_out(
    text: str, found: Sequence[Clause], shares: Shares, nobody: str, among: Collection[str]
) -> tuple[Part, ...]:
    """What each of the domains ``among``, two or more, is asked, in the order of the request; none where it is all one
    question."""
    told, asked = askings(found)
    owned = [asking for asking in asked if shares(asking.text)[nobody] < NOBODYS]
    asked = owned if len(owned) >= len(among) else asked
    if len(asked) < len(among):
        told, asked = [], [Asking(piece, "") for piece in finer(text)]
    if len(asked) < len(among):
        return tuple(Part(name, text) for name in sorted(among)) if joins(text) else ()
    names = sorted(among)
    scores = [_scores(asking, shares, names) for asking in asked]
    likeliest = [max(names, key=lambda name: of[name]) for of in scores]
    if len(asked) <= MOST:
        ways = (way for way in product(names, repeat=len(asked)) if {*way} == {*names})
        likeliest = max(ways, key=lambda way: sum(of[name] for of, name in zip(scores, way, strict=True)))
    texts: dict[str, list[str]] = {}
    for asking, name in zip(asked, likeliest, strict=True):
        texts.setdefault(name, []).append(asking.text)
    return _parts(told, texts)


def _scores(asking: Asking, shares: Shares, names: Sequence[str]) -> dict[str, float]:
    """Logarithms of how likely a clause is each domain's, if it is one of theirs; where it is not sure by itself, with
    what it leans on."""
    of = shares(asking.text)
    if asking.before and max(of[name] for name in names) < SURE * sum(of[name] for name in names):
        of = shares(f"{asking.before} {asking.text}")
    total = sum(of[name] for name in names)
    return {name: math.log(max(of[name], _LEAST) / max(total, _LEAST)) for name in names}


def _parts(told: Sequence[str], texts: Mapping[str, Sequence[str]]) -> tuple[Part, ...]:
    return tuple(Part(name, " ".join([*told, *mine])) for name, mine in texts.items())


def _owner(shares: Mapping[str, float], nobody: str) -> str:
    """Whose a clause surely is: a domain, ``nobody``, or "" for none of them."""
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= (NOBODYS if best == nobody else SURE) else ""
