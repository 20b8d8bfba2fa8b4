"""Which domains own a question: calibrated probabilities over the packs' domains and "general".

    1. language: Chinese or not; each has its own embedder and linear head
    2. probabilities of the shipped head, for English mixed with those of a reader, an encoder trained for it; the share
       of a domain whose pack is not there goes to "general"
    3. newcomers (packs the shipped head was not trained with) claim their part first; the rest is the shipped
       head's to share out
    4. what comes after other messages, and each part of a request that asks several things (agent.asking), is read
       with those messages and with the request: another reader learned what leans on what
    5. which domains a request that may ask several things asks, a third reader says; each is asked its part
    6. domains: none if "general" is the likeliest, else the likeliest and any other over the threshold; none is
       unclear, where "general" is not certain either

Newcomers have a head of their own, fitted in seconds from all packs' route examples and
``out_of_scope.jsonl``, and kept in the cache. Knows packs' route examples; no skill, store or language model.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from agent.asking import SURE, divided, shared_out
from agent.clauses import Clause, clauses
from agent.events import Part, Routed
from agent.planner import is_follow_up, search_query
from skills.errors import DataError
from skills.files import atomic_folder, read_jsonl, sha256_file, sha256_text
from skills.home import cache_folder
from skills.learning.classifier import Classifier, Panel, load_classifier
from skills.learning.linear import CLIP, Array
from skills.learning.route import (
    GENERAL,
    Embed,
    Example,
    HeadSettings,
    RouteModel,
    embed_with_store,
    fit,
    language_of,
)
from skills.pack import Pack
from skills.records import Turn
from skills.retrieval.text import terms

SHIPPED = Path(__file__).with_name("router_head")
OUT_OF_SCOPE = Path(__file__).with_name("out_of_scope.jsonl")
READERS = "readers"
"""Folder beside the shipped head with classifiers (skills.learning.classify) of questions, by language."""
CONTEXT_READERS = "context_readers"
"""The same of texts in a context (see in_context). One that learned those reads a question alone a little worse.
"en.2" is a second one of that language, on another encoder: the two err in different places."""
SET_READERS = "set_readers"
"""The same of requests: which domains are asked something; a label is their names, joined by SETS."""
SETS = "+"
READ = 0.5
"""What a reader counts beside the head, in logarithms; chosen on development questions."""
READ_IN_CONTEXT = 0.9
"""The same where a text stands in a context, which the head does not see."""
STAYS = 3.0
"""How much likelier than by its text alone a message is for whoever was asked last; chosen on development
conversations."""
NOBODYS = 1.5
"""How much likelier than head and reader say a question alone is nobody's: three of four rows that they learned are
some domain's. Chosen on development questions."""
READ_BACK = 2
"""Earlier messages of the user that a text is read with."""
Readers = Mapping[str, Callable[[], "Classifier | Panel"]]
"""By language; loaded when called."""
NEWCOMER_VERSION = "1"
"""Part of the cache key: raise it when fitting gives another head."""
CERTAIN = 0.8
"""A follow-up that is this clearly of some domain by itself is not read with what came before."""
AGREED = 1 / 3
"""What the set reader counts for whom a message in a conversation goes to, beside two context readers; in logarithms.
Chosen on development conversations."""
TRUSTED = 0.5
"""Probability from which a set of domains is what a request asks."""
POSSIBLE = 0.03
"""Probability from which a second domain may be asked something in what looks like one question."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a question was routed as it was."""

    routed: Routed
    label: str
    """The likeliest label."""
    words: tuple[tuple[str, float], ...]
    """Words that spoke for it (positive) or against it, in logits, strongest first. The embedding's part,
    often the larger one, is not in them."""
    nearest: tuple[Example, ...]
    """Examples with the most words of the question, rare ones counting more, best first."""
    certainty: float
    """Probability from which a label is relied on."""


class Router:
    """Heads and the domains they may name. Made by :meth:`load`; threads may share it."""

    def __init__(
        self,
        domains: Iterable[str],
        shipped: RouteModel,
        newcomers: RouteModel | None = None,
        embed: Embed = embed_with_store,
        readers: Readers | None = None,
        context_readers: Readers | None = None,
        set_readers: Readers | None = None,
        examples: Sequence[Example] = (),
    ) -> None:
        """``readers``: by language, of questions; ``context_readers``: of texts in a context (see in_context);
        ``set_readers``: of requests. ``examples``: what an explanation names the nearest of."""
        self.domains = tuple(sorted(domains))
        self._examples = examples
        self._shipped = shipped
        self._newcomers = newcomers
        self._new = frozenset(newcomers.labels if newcomers else ()) - {GENERAL}
        self._embed = embed
        self._readers = readers or {}
        self._context_readers = context_readers or {}
        self._set_readers = set_readers or {}

    @classmethod
    def load(
        cls,
        packs: Iterable[Pack],
        *,
        embedders: Callable[[str], Embeddings] | None = None,
        shipped: Path = SHIPPED,
    ) -> Router:
        """The router of these packs: the shipped head, and one for packs it was not trained with.

        ``embedders`` gives an embedding model by name; default: the local ones. A pack is routed to in the
        languages it has at least three route examples of. Raises DataError for a damaged head or an unusable
        example, ModelError when an embedder's weights are missing.
        """
        embed = embed_with_store if embedders is None else _embed_with(embedders)
        examples = {pack.name: route_examples(pack) for pack in packs}
        examples = {name: rows for name, rows in examples.items() if rows}
        model = RouteModel.load(shipped)
        known = model.about.get("examples", {})
        new = sorted(name for name, rows in examples.items() if known.get(name) != fingerprint(rows))
        newcomers = _newcomers(examples, new, embed) if new else None
        known = [row for rows in examples.values() for row in rows]
        return cls(
            examples,
            model,
            newcomers,
            embed,
            _readers(shipped / READERS),
            _readers(shipped / CONTEXT_READERS),
            _readers(shipped / SET_READERS),
            known,
        )

    def route(self, text: str, history: Sequence[Turn] = (), last_domain: str = "") -> Routed:
        """Probabilities of the domains and "general" (sum 1), and the domains to ask, best first.

        Text past the first 2,000 characters does not count. With ``history`` a follow-up such as "and for
        children?" is read together with what was said before it, and likelier for the domain that was asked last.
        """
        started = time.perf_counter()
        before = tuple(turn.text for turn in reversed(history) if turn.role == "user")[:READ_BACK]
        topic = search_query(text, history) if history and is_follow_up(text) else ""
        probabilities = self._probabilities(text, before, topic)
        sets = cache(partial(self._sets, text, before))
        if before:
            probabilities = _agreed(probabilities, sets())
        if before and last_domain in self.domains:
            probabilities = _likelier(probabilities, last_domain, STAYS)
        found = clauses(text[:CLIP])
        among = self._asked(found, probabilities, sets, follows=bool(before))
        parts = self._parts(text, found, before, among)
        if len(parts) > 1:
            domains = tuple(part.domain for part in parts)
        else:
            order = sorted(probabilities, key=lambda name: -probabilities[name])
            further = [name for name in order[1:] if probabilities[name] >= self._shipped.threshold]
            # A follow-up has one owner; the shares of a second one come from what it leans on.
            chosen = [name for name in (order[0], *([] if before else further)) if name != GENERAL]
            domains, parts = tuple(chosen) if order[0] != GENERAL else (), ()
            if domains and among is not None and len(among) == 1 and not before:
                domains = tuple(among)
        unclear = not domains and max(probabilities.values()) < self._shipped.certainty
        leans = self._leans(text, before, domains)
        milliseconds = (time.perf_counter() - started) * 1000.0
        return Routed(domains, probabilities, milliseconds, parts, unclear, leans)

    def _leans(self, text: str, before: Sequence[str], domains: Sequence[str]) -> bool | None:
        """Whether what was said before is what makes a text its domains'; None where that is not read."""
        if not before or language_of(" ".join([text, *before])) not in self._context_readers:
            return None
        alone = self._probabilities(text)
        return any(alone[name] < CERTAIN for name in domains)

    def _sets(self, text: str, before: Sequence[str]) -> Mapping[frozenset[str], float]:
        """How likely each set of domains is what a message asks; empty where no reader knows its language."""
        made = self._set_readers.get(language_of(" ".join([text, *before])))
        if made is None:
            return {}
        reader = made()
        shares = reader.probabilities([in_context(text[:CLIP], before)])[0].tolist()
        return {
            frozenset(label.split(SETS)): share for label, share in zip(reader.labels, shares, strict=True)
        }

    def _asked(
        self,
        found: Sequence[Clause],
        probabilities: Mapping[str, float],
        sets: Callable[[], Mapping[frozenset[str], float]],
        *,
        follows: bool,
    ) -> frozenset[str] | None:
        """The domains that a request asks something, where a reader is sure of them.

        None where it is not, or all is one question, of one domain or a follow-up, or a newcomer's, which no reader
        knows.
        """
        best, *others = sorted(probabilities, key=lambda name: -probabilities[name])
        one = sum(clause.asks for clause in found) < 2
        possible = [name for name in others if name != GENERAL and probabilities[name] >= POSSIBLE]
        if best in self._new or (one and (follows or not possible)):
            return None
        shares = sets()
        likeliest = max(shares, key=lambda asked: shares[asked], default=frozenset[str]())
        named = likeliest.intersection(self.domains)
        if one and best not in named:  # whose a single question is the other readers know better
            return None
        return named if named and shares[likeliest] >= TRUSTED else None

    def _parts(
        self, text: str, found: Sequence[Clause], before: Sequence[str], among: frozenset[str] | None
    ) -> tuple[Part, ...]:
        """What each domain is asked (agent.asking); none where it is all one question."""
        asking = [clause.text for clause in found if clause.asks]
        context = (text, *before)

        @cache
        def shares(part: str) -> Mapping[str, float]:
            # The request tells what "is that covered?" is about, and drowns what it asks: both count alike.
            return _mixed(self._probabilities(part, context), self._probabilities(part), 0.5)

        if among is not None and self._new:
            asked_of = (name for part in asking for name, share in shares(part).items() if share >= SURE)
            among |= self._new.intersection(asked_of)
        if among is not None:
            return shared_out(text, found, shares, GENERAL, among) if len(among) > 1 else ()
        # A follow-up has one owner, where the reader is not sure of several.
        return divided(found, shares, GENERAL) if len(asking) > 1 and not before else ()

    def explain(self, text: str, *, words: int = 8) -> Explanation:
        """The decision and the words that mattered most for the likeliest label."""
        routed = self.route(text)
        label = max(routed.probabilities, key=lambda name: routed.probabilities[name])
        language = language_of(text)
        found: list[tuple[str, float]] = []
        for model in (self._newcomers, self._shipped):
            head = model.heads.get(language) if model else None
            if head is not None and label in head.labels:
                found = head.reasons(text, label)
                break
        strongest = sorted(found, key=lambda item: -abs(item[1]))[:words]
        reasons = tuple(sorted(strongest, key=lambda item: -item[1]))
        return Explanation(routed, label, reasons, self._nearest(text), self._shipped.certainty)

    def _nearest(self, text: str, count: int = 3) -> tuple[Example, ...]:
        """Examples by the weights of the words that they share with a text, over the root of their length."""
        wanted = set(terms(text[:CLIP]))
        rows = (*self._examples, *out_of_scope())
        found = [set(terms(row.text)) for row in rows]
        known = Counter(term for words in found for term in words)
        weight = {term: math.log(1 + len(found) / known[term]) for term in wanted if known[term]}
        shares = [
            sum(weight.get(term, 0.0) for term in sorted(wanted & words)) / math.sqrt(max(1, len(words)))
            for words in found
        ]
        order = sorted(range(len(found)), key=lambda place: (-shares[place], place))[:count]
        return tuple(rows[place] for place in order if shares[place] > 0)

    def _probabilities(self, text: str, context: Sequence[str] = (), topic: str = "") -> dict[str, float]:
        """Shares of a text that stands in a ``context``: the request it is of, what was said before, latest first.

        ``topic``: the text of a follow-up together with the question it leans on, for heads, which read words alone.
        """
        clipped = text[:CLIP]
        shares = self._read(clipped, context, self._shares(self._shipped, clipped, topic))
        if self._newcomers is not None:
            claimed = self._shares(self._newcomers, clipped, topic)
            rest = claimed.pop(GENERAL)
            shares = {
                name: rest * shares.get(name, 0.0) + claimed.get(name, 0.0) for name in {*shares, *claimed}
            }
        kept = {name: shares.get(name, 0.0) for name in self.domains}
        return {**kept, GENERAL: max(0.0, 1.0 - sum(kept.values()))}

    def _read(self, text: str, context: Sequence[str], shares: dict[str, float]) -> dict[str, float]:
        """The head's shares with what the language's reader makes of a text: their weighted geometric mean."""
        readers, weight = (self._context_readers, READ_IN_CONTEXT) if context else (self._readers, READ)
        made = readers.get(language_of(" ".join([text, *context])))
        if made is None:
            return shares if context else _likelier(shares, GENERAL, NOBODYS)
        reader = made()
        read = dict(
            zip(reader.labels, reader.probabilities([in_context(text, context)])[0].tolist(), strict=True)
        )
        mixed = _mixed(shares, read, weight)
        return mixed if context else _likelier(mixed, GENERAL, NOBODYS)

    def _shares(self, model: RouteModel, text: str, topic: str = "") -> dict[str, float]:
        row = model.probabilities([text], self._embed)[0].astype(np.float64)
        alone = dict(zip(model.labels, (row / row.sum()).tolist(), strict=True))
        return _joined(alone, self._shares(model, topic[:CLIP])) if topic else alone


def _readers(folder: Path) -> Readers:
    """The classifiers of a folder by the languages in its folders' names, loaded when first asked, and once."""
    places: dict[str, list[Path]] = {}
    for place in sorted(folder.glob("*")):
        places.setdefault(place.name.partition(".")[0], []).append(place)
    return {language: cache(partial(_load, found)) for language, found in places.items()}


def _load(places: Sequence[Path]) -> Classifier | Panel:
    return load_classifier(places[0]) if len(places) == 1 else Panel([load_classifier(at) for at in places])


def in_context(text: str, context: Sequence[str]) -> str:
    """A text before what it may lean on, as the readers read and learned it."""
    return " | ".join([text, *context])


def _mixed(shares: Mapping[str, float], other: Mapping[str, float], weight: float) -> dict[str, float]:
    """Geometric mean of two opinions, ``weight`` being the other's, with sum 1.

    The first as it is where they exclude each other.
    """
    mixed = {name: share ** (1 - weight) * other.get(name, 0.0) ** weight for name, share in shares.items()}
    total = sum(mixed.values())
    return {name: share / total for name, share in mixed.items()} if total > 0 else dict(shares)


def _likelier(shares: Mapping[str, float], name: str, times: float) -> dict[str, float]:
    """Shares of which one counts so many times, with sum 1."""
    total = 1.0 + (times - 1.0) * shares[name]
    return {other: share * (times if other == name else 1.0) / total for other, share in shares.items()}


def _agreed(shares: Mapping[str, float], sets: Mapping[frozenset[str], float]) -> dict[str, float]:
    """Shares of a message in a conversation with what the set reader says of each, whose sets of several count for each
    of theirs alike; what it does not know stays as it is."""
    known = frozenset[str]().union(*sets)
    read = dict(shares)
    total = sum(share for name, share in shares.items() if name in known)
    for name in known & shares.keys():
        read[name] = total * sum(share / len(asked) for asked, share in sets.items() if name in asked)
    return _mixed(shares, read, AGREED)


def _joined(alone: dict[str, float], together: dict[str, float]) -> dict[str, float]:
    """Probabilities of a follow-up: its own words count for a third, unless they are clear by themselves."""
    if max((share for name, share in alone.items() if name != GENERAL), default=0.0) >= CERTAIN:
        return alone
    return {name: alone[name] / 3.0 + together[name] * 2.0 / 3.0 for name in alone}


def _embed_with(embedders: Callable[[str], Embeddings]) -> Embed:
    def embed(name: str, texts: Sequence[str]) -> Array:
        model = embedders(name)
        return np.asarray([model.embed_query(text) for text in texts], dtype=np.float32)

    return embed


def fingerprint(rows: Iterable[Example]) -> str:
    """Hash of route examples, whatever their order."""
    return sha256_text(*sorted(row.text for row in rows))


def route_examples(pack: Pack) -> list[Example]:
    """The route examples of a pack. Raises DataError naming the row that has no text."""
    found: list[Example] = []
    for number, row in enumerate(pack.examples("route"), start=1):
        text: object = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise DataError(
                f"pack {pack.name!r}: examples/route.jsonl row {number} should have a non-empty 'text'",
                subject=pack,
            )
        found.append(Example(text, pack.name, language_of(text)))
    return found


def out_of_scope() -> list[Example]:
    """What people type that no domain owns, English and Chinese."""
    rows = read_jsonl(OUT_OF_SCOPE, required=("text",))
    return [Example(row["text"], GENERAL, language_of(row["text"])) for row in rows]


_fitting = threading.Lock()


def _newcomers(examples: Mapping[str, list[Example]], new: Sequence[str], embed: Embed) -> RouteModel:
    """The head of the packs named in ``new``, from the cache if it was made before."""
    parts = [fingerprint(rows) for _, rows in sorted(examples.items())]
    identity = json.dumps([NEWCOMER_VERSION, sorted(examples), list(new)])
    place = cache_folder("router") / sha256_text(identity, sha256_file(OUT_OF_SCOPE), *parts)[:32]
    with _fitting:
        try:
            return RouteModel.load(place)
        except DataError:
            pass  # not made yet, or damaged: made again
        model = fit_newcomers(examples, new, embed)
        with atomic_folder(place) as partial:
            model.save(partial)
        return model


def fit_newcomers(examples: Mapping[str, list[Example]], new: Sequence[str], embed: Embed) -> RouteModel:
    """A head over ``new`` domains and "general", which here means: not for any of them.

    The other packs' examples are its counter-examples. Labels are balanced half-way: a newcomer with few
    examples is neither lost nor does it take what is not its own.
    """
    others = [
        replace(row, label=GENERAL) for name, rows in examples.items() if name not in new for row in rows
    ]
    rows = [row for name in new for row in examples[name]] + others + out_of_scope()
    return fit(rows, (*new, GENERAL), embed, HeadSettings(balance=0.5))
