"""What the fused score obeys, whatever the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.retrieval.fusion import Signals, fuse, nominate

SIZE = 6


def row_of(low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    number = st.floats(low, high, width=32)
    return st.lists(number, min_size=SIZE, max_size=SIZE).map(lambda row: np.array(row, dtype=np.float32))


SIGNALS = st.builds(
    Signals,
    dense=row_of(-1, 1),
    dense_title=row_of(-1, 1),
    body=row_of(0, 30),
    phrase=row_of(0, 30),
    coverage=row_of(0, 1),
    matched=row_of(0, 40),
)


def test_all_alike_is_a_tie() -> None:
    scores = fuse(Signals(*(np.ones(SIZE, dtype=np.float32) for _ in range(6))))
    assert len(set(scores.tolist())) == 1


@given(SIGNALS)
def test_scores_are_finite_and_follow_the_rows(signals: Signals) -> None:
    scores = fuse(signals)
    assert scores.shape == (SIZE,)
    assert np.isfinite(scores).all()
    turned = Signals(*(getattr(signals, name)[::-1] for name in Signals.__dataclass_fields__))
    np.testing.assert_allclose(fuse(turned), scores[::-1], rtol=1e-5, atol=1e-6)


@given(SIGNALS)
def test_a_row_that_is_best_in_everything_is_first(signals: Signals) -> None:
    best = Signals(
        *(np.append(getattr(signals, n), getattr(signals, n).max()) for n in Signals.__dataclass_fields__)
    )
    scores = fuse(best)
    assert scores[-1] >= scores.max() - 1e-6


@given(SIGNALS, st.floats(0.1, 10), st.floats(-0.5, 0.5))
def test_the_scale_of_the_embedding_model_does_not_matter(
    signals: Signals, scale: float, shift: float
) -> None:
    spread = np.linspace(0.1, 0.9, SIZE).astype(np.float32)
    first = fuse(replace(signals, dense=spread))
    np.testing.assert_allclose(fuse(replace(signals, dense=spread * scale + shift)), first, atol=1e-4)


def test_a_long_name_beats_a_word_match_and_half_a_name_does_not() -> None:
    flat = np.zeros(2, dtype=np.float32)
    words = np.array([0.0, 9.0], dtype=np.float32)
    named = Signals(flat, flat, words, flat, np.array([1.0, 0.0]), np.array([30.0, 0.0]))
    half = Signals(flat, flat, words, flat, np.array([0.5, 0.0]), np.array([15.0, 0.0]))
    assert np.argmax(fuse(named)) == 0
    assert np.argmax(fuse(half)) == 1


def test_no_candidates_give_no_scores() -> None:
    assert fuse(Signals(*(np.zeros(0, dtype=np.float32) for _ in range(6)))).shape == (0,)


@given(SIGNALS)
def test_a_row_without_any_match_is_not_nominated(signals: Signals) -> None:
    none = np.zeros(1, dtype=np.float32)
    columns = [np.append(getattr(signals, name), none) for name in ("coverage", "matched", "body", "phrase")]
    assert nominate(*columns)[-1] == pytest.approx(0.0)
