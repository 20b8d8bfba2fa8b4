"""One score from several signals of how well a passage fits a query.

Knows numbers only; how they are gathered is the store's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """Signals of the candidate rows of one query, each (candidates,) float32."""

    dense: Array
    """Cosine of query and text."""
    dense_title: Array
    """Cosine of query and title; 0 without a title."""
    body: Array
    """BM25 of the text."""
    title: Array
    """BM25 of the title."""


def _spread(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scaled to 0..1 over the candidates; all 0 where they are alike."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def fuse(signals: Signals) -> NDArray[np.floating]:
    """Scores of the candidates, (candidates,), higher is better; comparable within one query."""
    return _spread(signals.body + 0.5 * signals.title) + _spread(signals.dense + 0.3 * signals.dense_title)
