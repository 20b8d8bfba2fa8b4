"""Intervals and tests against known values, and what has to hold for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from agent.evaluation.statistics import Array, compare, holm, interval, mean_of

scores = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=40)


def column(values: list[float]) -> Array:
    return np.asarray([[value, 1.0] for value in values])


@given(scores)
def test_an_interval_holds_its_figure(values: list[float]) -> None:
    found = interval(column(values), mean_of)
    assert found.value == pytest.approx(np.mean(values))
    least = 0.0 if set(values) <= {0.0, 1.0} else min(values)  # shares: nothing is certain after few rows
    assert least - 1e-9 <= found.low <= found.high <= max(1.0, max(values)) + 1e-9
    assert found == interval(column(values), mean_of)
    assert found.n == len(values)


def test_a_share_has_the_wilson_interval() -> None:
    known = binomtest(9, 10).proportion_ci(method="wilson")
    found = interval(column([1.0] * 9 + [0.0]), mean_of)
    assert (found.low, found.high) == (pytest.approx(known.low), pytest.approx(known.high))
    assert interval(column([1.0] * 10), mean_of).low < 1.0  # nothing is certain after ten rows


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        found = interval(column(list(random.beta(2, 3, 60))), mean_of, seed=seed)
        covered += found.low <= 0.4 <= found.high
    assert covered >= 86


def test_more_rows_narrow_the_interval_and_what_can_be_detected() -> None:
    random = np.random.default_rng(0)
    pairs = [(column(list(random.random(n))), column(list(random.random(n)))) for n in (30, 600)]
    few, many = (compare(first, second, mean_of) for first, second in pairs)
    assert many.high - many.low < few.high - few.low
    assert many.mde < few.mde
    # 2.8 standard errors of a difference of uniform scores: sd = sqrt(1/6)
    assert many.mde == pytest.approx(2.8016 * (1 / 6) ** 0.5 / 600**0.5, rel=0.1)


def test_mcnemar_for_shares() -> None:
    first = column([1.0] * 8 + [0.0] * 2 + [1.0] * 5)
    second = column([0.0] * 8 + [1.0] * 2 + [1.0] * 5)
    found = compare(first, second, mean_of)
    assert found.test == "mcnemar"
    assert found.p == pytest.approx(binomtest(8, 10).pvalue)
    assert found.difference == pytest.approx(6 / 15)


def test_permutation_for_scores() -> None:
    random = np.random.default_rng(3)
    base = random.random(50)
    better = compare(column(list(base + 0.2)), column(list(base)), mean_of)
    same = compare(column(list(base)), column(list(base[::-1])), mean_of)
    assert (better.test, better.p < 0.01) == ("permutation", True)
    assert same.p > 0.9
    assert better.difference == pytest.approx(0.2)


@given(scores)
def test_nothing_differs_from_itself(values: list[float]) -> None:
    found = compare(column(values), column(values), mean_of)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_only_raises_and_keeps_the_order(values: list[float]) -> None:
    found = holm(values)
    assert all(before <= after <= 1.0 for before, after in zip(values, found, strict=True))
    order = sorted(range(len(values)), key=lambda index: values[index])
    corrected = [found[index] for index in order]
    assert corrected == sorted(corrected)


def test_holm_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_rows_have_no_figure() -> None:
    with pytest.raises(ValueError, match="no row"):
        interval(np.zeros((0, 2)), mean_of)
