"""Figures of an evaluation as functions of result rows: means, pooled shares, F1 of counts, labels, calibration.

A row that lacks what a figure needs has no part in it: token F1, say, is of the questions that have an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.evaluation.statistics import Array, Value, mean_of

ResultRow = Mapping[str, Any]
"""A row of results.jsonl."""
BINS = 15
"""Equal-width bins of a calibration error (Guo et al. 2017)."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure and how rows make it up."""

    name: str
    parts: Callable[[ResultRow], Sequence[float] | None]
    """The row's part of the sums; None: it has none."""
    value: Value

    def matrix(self, rows: Iterable[ResultRow]) -> Array:
        """Parts of the rows that have a part, (rows, k)."""
        found = [parts for row in rows if (parts := self.parts(row)) is not None]
        return np.asarray(found, dtype=np.float64)


def mean(score: str, name: str = "") -> Figure:
    """Mean of the rows' score of that name, which may be called otherwise."""

    def parts(row: ResultRow) -> Sequence[float] | None:
        return (row["scores"][score], 1.0) if score in row["scores"] else None

    return Figure(name or score, parts, mean_of)


def pooled(name: str, hits: str, tries: str) -> Figure:
    """Sum of one count over the sum of another: a share of all citations, say, not of all answers."""

    def parts(row: ResultRow) -> Sequence[float] | None:
        scores = row["scores"]
        return (scores[hits], scores[tries]) if scores.get(tries) else None

    return Figure(name, parts, mean_of)


def counts_f1() -> list[Figure]:
    """Precision, recall and F1 of the summed counts ``true``, ``spurious`` and ``missed``."""

    def parts(row: ResultRow) -> Sequence[float] | None:
        scores = row["scores"]
        return (scores["true"], scores["spurious"], scores["missed"]) if "true" in scores else None

    return [
        Figure("precision", parts, lambda sums: _ratio(sums[..., 0], sums[..., 0] + sums[..., 1])),
        Figure("recall", parts, lambda sums: _ratio(sums[..., 0], sums[..., 0] + sums[..., 2])),
        Figure(
            "f1",
            parts,
            lambda sums: _ratio(2 * sums[..., 0], 2 * sums[..., 0] + sums[..., 1] + sums[..., 2]),
        ),
    ]


def label_figures(rows: Iterable[ResultRow]) -> list[Figure]:
    """Macro and weighted precision, recall and F1 over the labels that occur as the right one.

    A label without a right row in a resample is left out of that resample's average.
    """
    labels = sorted(Counter(str(row["expected"]) for row in rows if row["expected"] is not None))
    place = {label: index for index, label in enumerate(labels)}

    def parts(row: ResultRow) -> Sequence[float] | None:
        if "correct" not in row["scores"]:
            return None
        vector = [0.0] * (3 * len(labels))
        right, given = place[str(row["expected"])], place.get(str(row["answer"]))
        if row["status"] == "failed":
            given = None
        if given == right:
            vector[3 * right] = 1.0
        else:
            vector[3 * right + 2] = 1.0
            if given is not None:
                vector[3 * given + 1] = 1.0
        return vector

    def averaged(score: Callable[[Array, Array, Array], Array], weighted: bool) -> Value:
        def value(sums: Array) -> Array:
            cells = sums.reshape(*sums.shape[:-1], len(labels), 3)
            found = score(cells[..., 0], cells[..., 1], cells[..., 2])
            support = cells[..., 0] + cells[..., 2]
            weight = support if weighted else (support > 0).astype(np.float64)
            return _ratio((np.nan_to_num(found) * weight).sum(axis=-1), weight.sum(axis=-1))

        return value

    def precision(true: Array, spurious: Array, _: Array) -> Array:
        return _ratio(true, true + spurious)

    def recall(true: Array, _: Array, missed: Array) -> Array:
        return _ratio(true, true + missed)

    def f1(true: Array, spurious: Array, missed: Array) -> Array:
        return _ratio(2 * true, 2 * true + spurious + missed)

    return [
        Figure("macro_f1", parts, averaged(f1, False)),
        Figure("weighted_f1", parts, averaged(f1, True)),
        Figure("macro_precision", parts, averaged(precision, False)),
        Figure("macro_recall", parts, averaged(recall, False)),
    ]


def calibration_error(name: str = "ece", right: str = "correct") -> Figure:
    """Expected calibration error: |confidence - share right|, by bin, weighted by the bin's rows."""

    def parts(row: ResultRow) -> Sequence[float] | None:
        if right not in row["scores"] or row["status"] == "failed":
            return None
        vector = [0.0] * (3 * BINS)
        bin_ = min(BINS - 1, int(row["confidence"] * BINS))
        vector[3 * bin_ : 3 * bin_ + 3] = [row["confidence"], row["scores"][right], 1.0]
        return vector

    def value(sums: Array) -> Array:
        cells = sums.reshape(*sums.shape[:-1], BINS, 3)
        return np.abs(cells[..., 0] - cells[..., 1]).sum(axis=-1) / cells[..., 2].sum(axis=-1)

    return Figure(name, parts, value)


def _ratio(top: Array, bottom: Array) -> Array:
    """0 where nothing was there to be right about."""
    return np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom != 0)
