"""One score from several signals of how well a passage fits a query.

    score = phrase-aware BM25 + cosine + title mention

BM25 and cosine are spread to 0..1 over the candidates of the query, since their scales differ from one query
and one embedding model to the next. Knows numbers only; how they are gathered is the store's.
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
_DENSE = 1.0
_DENSE_TITLE = 0.3
_MENTION = 2.0


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
    coverage: Array
    """Share of the title's idf that the query has, 0..1."""
    matched: Array
    """That idf itself: long and rare names weigh more."""


def _spread(values: Array) -> Array:
    """Scaled to 0..1 over the candidates; all 0 where they are alike."""
    if not len(values):
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _mention(coverage: Array, matched: Array) -> Array:
    """How clearly the query names the row's title, 0..1: most of the title is there, and none fits better."""
    clear = np.clip((coverage - 0.4) / 0.4, 0.0, 1.0) * matched
    highest = clear.max(initial=0.0)
    return clear / highest if highest > 0 else np.zeros_like(clear)


def nominate(coverage: Array, matched: Array, body: Array, phrase: Array) -> Array:
    """Keyword scores of all rows, for choosing candidates; 0 where nothing matches."""
    words = body + _PHRASE * phrase
    highest = words.max(initial=0.0)
    share = words / highest if highest > 0 else words
    return share + _MENTION * _mention(coverage, matched)


def fuse(signals: Signals) -> Array:
    """Scores of the candidates, (candidates,), higher is better; comparable within one query."""
    words = _spread(signals.body + _PHRASE * signals.phrase)
    meaning = _spread(signals.dense + _DENSE_TITLE * signals.dense_title)
    mention = _mention(signals.coverage, signals.matched)
    return words + _DENSE * meaning + _MENTION * mention
