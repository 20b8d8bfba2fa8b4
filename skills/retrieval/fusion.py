"""One score from several signals of how well a passage fits a query.

    score = meaning + a words + b phrase + c document's words + d title's meaning + 2 named title + e known question

Words (BM25) and meaning (cosine) are spread to 0..1 over the candidates of the query, since their scales
differ from one query and one embedding model to the next. The weights were chosen for mean hit@5 and reciprocal rank
on development questions: for English of eight sets (medical, finance, contracts, the shipped domains), for Chinese of
three (doctors' answers, statutes, encyclopaedia), where meaning finds more than words. The optima are flat. Knows
numbers only; how they are gathered is the store's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

NAMED = 0.7
"""Share of a title's weight that a query must have to name it."""
_PHRASE = 0.5
"""Weight of word pairs beside words where candidates are nominated."""
_MENTION = 2.0
_MENTION_FROM, _MENTION_FULL = 0.6, 0.9
"""Share of a title's weight from which it counts as named, and from which fully."""
_KNOWN = 8.0
"""Weight of how near the query is to a question that a row is known to answer."""
_SEEN = 5
"""So many come first with the nearest in meaning among them."""
_LONG_NAME = 10.0
"""idf sum at which a name is half convincing by itself; a single common word has about 4."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals of the candidate rows of one query, each (candidates,)."""

    dense: Array
    """Cosine of query and text."""
    dense_title: Array
    """Cosine of query and title; 0 without a title."""
    body: Array
    """BM25 of the text for the words of the query (without the words of a title that it names)."""
    phrase: Array
    """BM25 of the text's word pairs for those of the query."""
    document: Array
    """BM25 of the document that the text is a part of; 0 where the query names a title."""
    coverage: Array
    """Share of the title's idf that the query has, 0..1."""
    matched: Array
    """That idf itself: long and rare names weigh more."""
    known: Array
    """How near the query is to a question that the row is known to answer, 0..0.5; 0 in a store without such."""


def _spread(values: Array) -> Array:
    """Scaled to 0..1 over the candidates; all 0 where they are alike."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _share(values: Array) -> Array:
    """As a share of the highest; 0 stays 0."""
    highest = values.max(initial=0.0)
    return values / highest if highest > 0 else values


def _mention(coverage: Array, matched: Array) -> Array:
    """How clearly the query names the row's title, 0..1: most of it is there, and no title fits better.

    A short and common name counts half, since it may be there by chance.
    """
    named = np.clip((coverage - _MENTION_FROM) / (_MENTION_FULL - _MENTION_FROM), 0.0, 1.0) * matched
    highest = matched.max(initial=0.0)
    return _share(named) * (0.5 + 0.5 * highest / (highest + _LONG_NAME))


def nominate(coverage: Array, matched: Array, body: Array, phrase: Array) -> Array:
    """Keyword scores of all rows, for choosing candidates; 0 where nothing matches."""
    return _share(body) + _PHRASE * _share(phrase) + _MENTION * _mention(coverage, matched)


@dataclass(frozen=True, slots=True)
class Weights:
    """What each signal counts beside the meaning of the text, which counts 1."""

    words: float
    phrase: float
    document: float
    title: float
    """Of the title's meaning."""


ENGLISH = Weights(words=1.0, phrase=0.5, document=0.8, title=0.2)
CHINESE = Weights(words=0.35, phrase=0.0, document=0.0, title=0.2)


def fuse(signals: Signals, weights: Weights = ENGLISH) -> Array:
    """Scores of the candidates, (candidates,), higher is better; comparable within one query."""
    words = weights.words * _spread(signals.body) + weights.phrase * _share(signals.phrase)
    document = weights.document * _spread(signals.document)
    meaning = _spread(signals.dense) + weights.title * _spread(signals.dense_title)
    named = _MENTION * _mention(signals.coverage, signals.matched)
    scores = words + document + meaning + named + _KNOWN * signals.known
    return scores if named.any() else _with_nearest(scores, signals.dense)


def _with_nearest(scores: Array, dense: Array) -> Array:
    """The scores, but that of the row nearest in meaning puts it among the first _SEEN: where the query has none of
    the words of what answers it, words leave it far behind. Not where a title is named: another's text may be
    nearer."""
    if len(scores) <= _SEEN:
        return scores
    near = dense == dense.max()
    nearest = near & (scores == scores[near].max())  # of equally near ones the best, whatever their order
    last, before = np.sort(scores)[-_SEEN : 2 - _SEEN]
    return np.where(nearest & (scores < last), (last + before) / 2, scores).astype(scores.dtype)
