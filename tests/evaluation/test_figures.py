"""Figures against the libraries that define them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score

from agent.evaluation.curves import confusion, reliability, risk_coverage, risk_coverage_area
from agent.evaluation.figures import Figure, calibration_error, counts_f1, label_figures, mean, pooled
from agent.evaluation.tasks.labels import entities
from agent.evaluation.tasks.retrieval import ranked

LABELS = ["a", "b", "c"]


def value(figure: Figure, rows: list[dict[str, Any]]) -> float:
    return float(figure.value(figure.matrix(rows).sum(axis=0)))


def labelled(expected: str, given: str, confidence: float = 0.5) -> dict[str, Any]:
    correct = float(expected == given)
    return {
        "expected": expected,
        "answer": given,
        "status": "answered",
        "confidence": confidence,
        "scores": {"correct": correct},
    }


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=40))
def test_labels_as_scikit_learn_has_them(pairs: list[tuple[str, str]]) -> None:
    rows = [labelled(*pair) for pair in pairs]
    right, given_ = zip(*pairs, strict=True)
    found = {
        figure.name: value(figure, rows) for figure in [*label_figures(rows), mean("correct", "accuracy")]
    }
    present = sorted(set(right))
    options = {"labels": present, "zero_division": 0.0}
    assert found["accuracy"] == pytest.approx(accuracy_score(right, given_))
    assert found["macro_f1"] == pytest.approx(f1_score(right, given_, average="macro", **options))
    assert found["weighted_f1"] == pytest.approx(f1_score(right, given_, average="weighted", **options))
    assert found["macro_precision"] == pytest.approx(
        precision_score(right, given_, average="macro", **options)
    )


def test_pooled_counts_weigh_rows_by_what_they_have() -> None:
    rows = [{"scores": {"hits": 1.0, "tries": 4.0}}, {"scores": {"hits": 1.0, "tries": 1.0}}, {"scores": {}}]
    assert value(pooled("share", "hits", "tries"), rows) == pytest.approx(2 / 5)


def test_calibration_error_of_two_bins() -> None:
    rows = [labelled("a", "a", 0.9), labelled("a", "b", 0.9), labelled("a", "a", 0.1)]
    # bin of 0.9: |0.9 - 0.5|, two of three rows; bin of 0.1: |0.1 - 1|, one of three
    assert value(calibration_error(), rows) == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.9)


def test_entities_and_their_f1() -> None:
    assert entities(["B-X", "I-X", "O", "B-Y", "B-Y", "I-Z"]) == {
        (0, 2, "X"),
        (3, 4, "Y"),
        (4, 5, "Y"),
        (5, 6, "Z"),
    }
    rows = [
        {"scores": {"true": 2.0, "spurious": 1.0, "missed": 0.0}},
        {"scores": {"true": 0.0, "spurious": 0.0, "missed": 1.0}},
    ]
    found = {figure.name: value(figure, rows) for figure in counts_f1()}
    assert found == {
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=30))
def test_entities_are_spans_that_do_not_overlap(tags: list[str]) -> None:
    found = sorted(entities(tags))
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert sum(end - start for start, end, _ in found) == sum(tag != "O" for tag in tags)


def test_rankings() -> None:
    assert ranked([False, True, False], 1) == {"mrr@10": 0.5, "ndcg@10": pytest.approx(1 / np.log2(3))}
    assert ranked([], 2) == {"mrr@10": 0.0, "ndcg@10": 0.0}
    both = ranked([True, False, True], 3)["ndcg@10"]
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert both == pytest.approx((1 + 1 / np.log2(4)) / ideal)


def test_risk_coverage_and_its_area() -> None:
    rows = [
        labelled("a", "a", 0.9),
        labelled("a", "b", 0.8),
        labelled("a", "a", 0.7),
        {**labelled("a", "a", 1.0), "status": "declined", "scores": {"correct": 0.0}},
    ]
    assert risk_coverage(rows) == [[0.25, 0.0], [0.5, 0.5], [0.75, pytest.approx(0.3333)]]
    area = risk_coverage_area(rows, 0)
    assert area.value == pytest.approx((0 + 0.5 + 1 / 3) / 3)
    assert area.low <= area.value <= area.high
    assert reliability(rows)[-1] == [0.95, 0.5, 2]
    assert confusion(rows)["matrix"][confusion(rows)["labels"].index("a")] == [1, 2, 1]
