"""How confidence and truth go together: risk against coverage, reliability, confusion.

Risk-coverage (El-Yaniv & Wiener 2010): answers from the most to the least confident; at each point the share of all
rows that is answered, and the share of those answers that is wrong. Its area (AURC, Geifman et al. 2019) is the mean
risk over the points: lower is better. What was not answered takes no part in the risk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from agent.evaluation.figures import ResultRow
from agent.evaluation.statistics import Array, Estimate, weights_of

POINTS = 100
"""Points of a curve at most."""
BINS = 10

Rows = Sequence[ResultRow]


def risk_coverage(rows: Rows) -> list[list[float]]:
    """[[coverage, risk], ...] from the most confident answer on."""
    _, wrong = _ranked(rows)
    if not len(wrong):
        return []
    risk = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    coverage = np.arange(1, len(wrong) + 1) / len(rows)
    kept = np.unique(np.linspace(0, len(wrong) - 1, min(POINTS, len(wrong))).round().astype(int))
    return [[round(float(coverage[place]), 4), round(float(risk[place]), 4)] for place in kept]


def risk_coverage_area(rows: Rows, seed: int) -> Estimate:
    """Area under the curve, with a bootstrap interval over the answers."""
    _, wrong = _ranked(rows)
    if not len(wrong):
        return Estimate(0.0, 0.0, 0.0, 0)
    drawn = weights_of(len(wrong), seed)
    low, high = np.quantile(_areas(drawn, wrong), (0.025, 0.975))
    return Estimate(float(_areas(np.ones((1, len(wrong))), wrong)[0]), float(low), float(high), len(wrong))


def reliability(rows: Rows) -> list[list[float]]:
    """[[mean confidence, share right, rows], ...] by bins of confidence."""
    scored = [(float(row["confidence"]), right) for row in rows if (right := right_of(row)) is not None]
    found: list[list[float]] = []
    for bin_ in range(BINS):
        inside = [pair for pair in scored if min(BINS - 1, int(pair[0] * BINS)) == bin_]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            found.append([round(float(confidence), 4), round(float(right), 4), len(inside)])
    return found


def confusion(rows: Rows) -> dict[str, Any]:
    """{labels, matrix}: rows of the matrix are the right labels, columns the given ones; "" is none at all."""
    pairs = [
        (str(row["expected"]), str(row["answer"]) if row["status"] == "answered" else "")
        for row in rows
        if row["expected"] is not None
    ]
    labels = sorted({label for pair in pairs for label in pair})
    place = {label: index for index, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for right, given in pairs:
        matrix[place[right]][place[given]] += 1
    return {"labels": labels, "matrix": matrix}


def right_of(row: ResultRow) -> float | None:
    """1 for a right row, 0 for a wrong one; None where that was not judged, or nothing came of it."""
    if row["status"] == "failed":
        return None
    return row["scores"].get("right", row["scores"].get("correct"))


def _ranked(rows: Rows) -> tuple[Array, Array]:
    """(confidence, wrong) of the answers, most confident first."""
    answers = [
        (float(row["confidence"]), 1.0 - right)
        for row in rows
        if row["status"] == "answered" and (right := right_of(row)) is not None
    ]
    answers.sort(key=lambda pair: -pair[0])
    found = np.asarray(answers, dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _areas(weights: Array, wrong: Array) -> Array:
    """Area of each resample; a row that is drawn twice counts as two points with one confidence."""
    total = np.cumsum(weights, axis=1)
    risk = np.cumsum(weights * wrong, axis=1) / np.maximum(total, 1.0)
    return (risk * weights).sum(axis=1) / weights.sum(axis=1)
