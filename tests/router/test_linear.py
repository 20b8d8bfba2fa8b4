"""The linear head: hashing, calibration and fitting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from skills.errors import DataError
from skills.learning.linear import (
    LinearHead,
    bucket,
    expected_calibration_error,
    fit_head,
    fit_temperature,
    hashed,
    ngrams,
    softmax,
)
from tests.router.router_examples import questions


def test_words_pairs_characters_and_chinese_are_features() -> None:
    found = list(ngrams("Tax rate 2024"))
    assert {"wtax", "wrate", "w0000", "ptax rate", "c<ta", "c<tax>"} <= set(found)
    assert set(ngrams("房贷")) == {"h房", "h贷", "h房贷"}


def test_digits_and_case_do_not_matter() -> None:
    assert hashed("Order 123 NOW", 4096) == hashed("order 987 now", 4096)


def test_a_bucket_is_the_same_everywhere() -> None:
    assert bucket("wtax", 1 << 16) == 9309


@given(st.text(max_size=3000))
def test_any_text_can_be_hashed(text: str) -> None:
    found = hashed(text, 1 << 10)
    assert all(0 <= place < 1 << 10 and value >= 1.0 for place, value in found.items())


def test_repeats_count_by_their_logarithm() -> None:
    found = hashed("法 法 法", 1 << 16)
    assert found == {bucket("h法", 1 << 16): pytest.approx(1 + math.log(3))}


def test_softmax_rows_sum_to_one_for_large_logits() -> None:
    found = softmax(np.asarray([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], dtype=np.float32))
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert found[1] == pytest.approx([1 / 3] * 3)


def test_temperature_is_found_again() -> None:
    chance = np.random.default_rng(0)
    logits = chance.standard_normal((4000, 3)).astype(np.float32) * 2
    probabilities = softmax(logits)
    targets = np.asarray([chance.choice(3, p=row / row.sum()) for row in probabilities.astype(np.float64)])
    assert fit_temperature(logits * 5, targets) == pytest.approx(5.0, rel=0.1)


def test_calibration_error_by_hand() -> None:
    probabilities = np.asarray([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], dtype=np.float32)
    targets = np.asarray([0, 1, 0, 1])
    # bin of .9: accuracy .5, gap .4, two of four; bin of .6: accuracy 1, gap .4, two of four
    assert expected_calibration_error(probabilities, targets) == pytest.approx(0.4, abs=1e-6)


def test_perfectly_calibrated_is_zero() -> None:
    probabilities = np.asarray([[0.75, 0.25]] * 4, dtype=np.float32)
    assert expected_calibration_error(probabilities, np.asarray([0, 0, 0, 1])) == pytest.approx(0.0)


def _fitted(vectors: np.ndarray | None = None, **options: float) -> LinearHead:
    texts = questions("garden") + questions("sailing") + questions("general")
    targets = np.repeat(np.arange(3), 40)
    given = np.zeros((120, 0), dtype=np.float32) if vectors is None else vectors
    return fit_head(texts, given, targets, ("garden", "sailing", "general"), buckets=1 << 12, **options)


def test_fit_tells_topics_apart_on_questions_it_has_not_seen() -> None:
    head = _fitted()
    texts = questions("garden", 100) + questions("sailing", 100) + questions("general", 100)
    found = head.probabilities(texts, np.zeros((120, 0), dtype=np.float32)).argmax(axis=1)
    assert (found == np.repeat(np.arange(3), 40)).mean() > 0.95


def test_fit_is_deterministic() -> None:
    first, second = _fitted(), _fitted()
    assert np.array_equal(first.ngram_weights, second.ngram_weights)
    assert np.array_equal(first.bias, second.bias)


def test_vectors_decide_where_words_do_not() -> None:
    chance = np.random.default_rng(1)
    targets = np.repeat(np.arange(2), 50)
    vectors = (chance.standard_normal((100, 8)) + targets[:, None] * 3).astype(np.float32)
    head = fit_head(["same words"] * 100, vectors, targets, ("a", "b"), buckets=1 << 8, vector_scale=0.5)
    found = head.probabilities(["same words"] * 100, vectors)
    assert (found.argmax(axis=1) == targets).mean() > 0.95
    assert found.sum(axis=1) == pytest.approx(np.ones(100))


def test_two_labels_give_the_same_odds_as_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    chance = np.random.default_rng(2)
    targets = (chance.random(80) > 0.5).astype(np.int64)
    vectors = (chance.standard_normal((80, 4)) + targets[:, None]).astype(np.float32)
    head = fit_head(["x"] * 80, vectors, targets, ("a", "b"), buckets=1 << 8, vector_scale=1.0, strength=1.0)
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    # The one word is the same in every row: a constant column beside the intercept.
    features = np.hstack([np.ones((80, 1)), scaled])
    expected = (
        LogisticRegression(C=1.0, tol=1e-6, max_iter=1000).fit(features, targets).predict_proba(features)
    )
    assert head.probabilities(["x"] * 80, vectors) == pytest.approx(expected, abs=0.02)


def test_a_label_without_rows_is_an_error() -> None:
    with pytest.raises(DataError, match="'missing'"):
        fit_head(
            ["a", "b"],
            np.zeros((2, 0), dtype=np.float32),
            np.asarray([0, 1]),
            ("x", "y", "missing"),
            buckets=256,
        )


def test_reasons_name_the_words_of_the_topic() -> None:
    found = _fitted().reasons("how do i choose compost for my lawn", "garden")
    assert {word for word, _ in found[:2]} == {"compost", "lawn"}
    assert found[0][1] > 0


def test_half_precision_keeps_the_decision() -> None:
    vectors = np.random.default_rng(3).standard_normal((120, 16)).astype(np.float32)
    head = _fitted(vectors, vector_scale=0.5)
    arrays = load(save(head.to_arrays("en")))
    again = LinearHead.from_arrays(arrays, "en", head.labels, head.temperature)
    assert again.vector_weights == pytest.approx(head.vector_weights, abs=1e-3)
    texts = questions("garden", 60)
    assert again.probabilities(texts, vectors[:40]) == pytest.approx(
        head.probabilities(texts, vectors[:40]), abs=0.01
    )


def test_a_missing_tensor_and_a_wrong_shape_are_named() -> None:
    arrays = _fitted().to_arrays("en")
    with pytest.raises(DataError, match=r"'zh\.idf'"):
        LinearHead.from_arrays(arrays, "zh", ("a", "b", "c"), 1.0)
    with pytest.raises(DataError, match="do not fit"):
        LinearHead.from_arrays(arrays, "en", ("a", "b"), 1.0)
