"""Intervals, tests and corrections for figures over the rows of an evaluation. Knows numbers, not what they measure.

A figure here is a function of sums over rows: a mean is (sum of scores) / (number of rows), a pooled share is (sum of
hits) / (sum of tries), an F1 is made of the sums of its counts. Each row gives a vector of k parts, and a resample or a
permutation changes how often, or on which side, a row is counted. So one matrix product gives all resamples at once.

    interval     95 %: Wilson (1927) for shares of rows, else percentile bootstrap (Efron & Tibshirani 1993)
    comparison   paired: exact McNemar test for shares of rows, else a permutation test that swaps the two sides of
                 a row (Noreen 1989); interval by paired bootstrap
    holm         correction for several tests (Holm 1979)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = Callable[[Array], Array]
"""Sums over rows, shape (..., k) -> figures, shape (...). May give NaN where a figure is not defined."""

RESAMPLES = 2000
"""Bootstrap resamples of an interval, and swaps of a permutation test."""
DETECTABLE = 1.959964 + 0.841621
"""Standard errors that a difference has to have to be found with 80 % power at a two-sided level of 5 %."""
_BATCH = 200
"""Resamples that are held at once: bounds memory for large sets."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    """Rows that it is of."""

    def to_json(self) -> dict[str, float]:
        return {
            "value": _rounded(self.value),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "n": self.n,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one side of paired rows has over the other."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided: how often a difference as large comes about where there is none."""
    test: str
    """mcnemar or permutation."""
    mde: float
    """Minimum detectable difference: the smallest true one that as many rows would find, power 80 %, level 5 %."""
    n: int

    def to_json(self) -> dict[str, float | str]:
        numbers = {
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "mde": self.mde,
        }
        return {name: _rounded(number) for name, number in numbers.items()} | {"test": self.test, "n": self.n}


def mean_of(sums: Array) -> Array:
    """The figure of parts (value, 1), or (hits, tries): a mean or a pooled share."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def interval(parts: Array, value: Value, *, seed: int = 0) -> Estimate:
    """A figure with its 95 % interval. ``parts``: (rows, k). Raises ValueError for no rows."""
    if not len(parts):
        raise ValueError("no row to estimate from")
    figure = float(value(parts.sum(axis=0)))
    if _is_share(parts, value):
        low, high = _wilson(int(parts[:, 0].sum()), len(parts))
    else:
        low, high = _quantiles(resampled(parts, value, seed))
    return Estimate(figure, low, high, len(parts))


def compare(first: Array, second: Array, value: Value, *, seed: int = 0) -> Comparison:
    """``first`` minus ``second``, both (rows, k) of the same rows in the same order."""
    if first.shape != second.shape or not len(first):
        raise ValueError(f"expected rows in pairs, got {first.shape} and {second.shape}")
    one, two = first.sum(axis=0), second.sum(axis=0)
    difference = float(value(one) - value(two))
    draws = resampled(first, value, seed) - resampled(second, value, seed)
    low, high = _quantiles(draws)
    if _is_share(first, value) and _is_share(second, value):
        p, test = _mcnemar(first[:, 0], second[:, 0]), "mcnemar"
    else:
        p, test = _permuted(first, second, value, difference, seed), "permutation"
    spread = float(np.nanstd(draws)) if np.isfinite(draws).any() else float("nan")
    return Comparison(difference, low, high, p, test, DETECTABLE * spread, len(first))


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in the order given; controls the family-wise error rate."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    found, worst = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[index]))
        found[index] = worst
    return found


def resampled(parts: Array, value: Value, seed: int) -> Array:
    """The figure of every bootstrap resample of the rows, shape (RESAMPLES,). One seed: the same rows each time."""
    return np.concatenate([value(weights @ parts) for weights in _weights(len(parts), seed)])


def weights_of(rows: int, seed: int) -> Array:
    """How often each row is in each resample, shape (RESAMPLES, rows)."""
    return np.concatenate(_weights(rows, seed))


@lru_cache(maxsize=8)
def _weights(rows: int, seed: int) -> tuple[Array, ...]:
    random = np.random.default_rng([seed, rows])
    batches: list[Array] = []
    for _ in range(0, RESAMPLES, _BATCH):
        drawn = random.integers(0, rows, (_BATCH, rows)) + np.arange(_BATCH)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=_BATCH * rows)
        batches.append(counts.reshape(_BATCH, rows).astype(np.float64))
    return tuple(batches)


def _permuted(first: Array, second: Array, value: Value, difference: float, seed: int) -> float:
    gap = first - second
    one, two = first.sum(axis=0), second.sum(axis=0)
    random = np.random.default_rng([seed, len(first), 1])
    extreme = 1  # the order that was found counts as one of those possible, so that p is never 0
    for _ in range(0, RESAMPLES, _BATCH):
        moved = (random.random((_BATCH, len(first))) < 0.5).astype(np.float64) @ gap
        found = value(one - moved) - value(two + moved)
        extreme += int(np.sum(np.abs(found) >= abs(difference) - 1e-12))
    return extreme / (RESAMPLES + 1)


def _mcnemar(first: Array, second: Array) -> float:
    from scipy.stats import binomtest

    only_first = int(np.sum((first > 0.5) & (second < 0.5)))
    only_second = int(np.sum((first < 0.5) & (second > 0.5)))
    apart = only_first + only_second
    return float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0


def _is_share(parts: Array, value: Value) -> bool:
    """Whether a figure is the share of rows for which something is so."""
    return value is mean_of and bool(
        np.all(parts[:, 1] == 1) and np.all((parts[:, 0] == 0) | (parts[:, 0] == 1))
    )


def _wilson(hits: int, tries: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(hits, tries).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _quantiles(draws: Array) -> tuple[float, float]:
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, (0.025, 0.975))
    return float(low), float(high)


def _rounded(number: float) -> float:
    return round(number, 4)
