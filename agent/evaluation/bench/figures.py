"""Figures as they are reported: the median of repeats with its range, ratios within one round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

Spread = dict[str, float]
"""median, low, high."""


def spread(values: Sequence[float]) -> Spread:
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }


def ratio(values: Sequence[float], peers: Sequence[float]) -> Spread:
    """Value over peer of the same round: what a machine does meanwhile slows both."""
    return spread([value / peer for value, peer in zip(values, peers, strict=True)])
