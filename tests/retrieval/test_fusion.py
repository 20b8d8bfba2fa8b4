"""What the fused score obeys, whatever the weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.retrieval.fusion import Signals, fuse, nominate

SIZE = 6
NAMES = tuple(Signals.__dataclass_fields__)


def row_of(low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    number = st.floats(low, high, width=32)
    return st.lists(number, min_size=SIZE, max_size=SIZE).map(lambda row: np.array(row, dtype=np.float32))


def made(size: int, **rows: list[float]) -> Signals:
    """Signals that are 0 but for the rows given."""
    return Signals(**{name: np.array(rows.get(name, [0.0] * size), dtype=np.float32) for name in NAMES})


RANGES = {"dense": (-1, 1), "dense_title": (-1, 1), "coverage": (0, 1), "matched": (0, 40)}
SIGNALS = st.fixed_dictionaries({name: row_of(*RANGES.get(name, (0, 30))) for name in NAMES}).map(
    lambda rows: Signals(**rows)
)


def test_all_alike_is_a_tie() -> None:
    scores = fuse(made(SIZE, **dict.fromkeys(NAMES, [1.0] * SIZE)))
    assert len(set(scores.tolist())) == 1


@given(SIGNALS)
def test_scores_are_finite_and_follow_the_rows(signals: Signals) -> None:
    scores = fuse(signals)
    assert scores.shape == (SIZE,)
    assert np.isfinite(scores).all()
    turned = Signals(*(getattr(signals, name)[::-1] for name in NAMES))
    np.testing.assert_allclose(fuse(turned), scores[::-1], rtol=1e-5, atol=1e-6)


@given(SIGNALS)
def test_a_row_that_is_best_in_everything_is_first(signals: Signals) -> None:
    best = Signals(*(np.append(getattr(signals, n), getattr(signals, n).max()) for n in NAMES))
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
    named = made(2, body=[0.0, 9.0], coverage=[1.0, 0.0], matched=[30.0, 0.0])
    half = made(2, body=[0.0, 9.0], coverage=[0.5, 0.0], matched=[15.0, 0.0])
    assert np.argmax(fuse(named)) == 0
    assert np.argmax(fuse(half)) == 1


@pytest.mark.parametrize("name", ["dense", "dense_title", "body", "phrase", "document"])
def test_each_signal_breaks_a_tie(name: str) -> None:
    assert np.argmax(fuse(made(3, **{name: [0.1, 0.5, 0.2]}))) == 1


def test_no_candidates_give_no_scores() -> None:
    assert fuse(made(0)).shape == (0,)


@given(SIGNALS)
def test_a_row_without_any_match_is_not_nominated(signals: Signals) -> None:
    none = np.zeros(1, dtype=np.float32)
    columns = [np.append(getattr(signals, name), none) for name in ("coverage", "matched", "body", "phrase")]
    assert nominate(*columns)[-1] == pytest.approx(0.0)


def test_the_nearest_in_meaning_is_among_the_first_five_unless_a_title_is_named() -> None:
    rows = 9
    words = [30.0 - 3.0 * row for row in range(rows)]
    dense = [0.9 - 0.01 * row for row in range(rows - 1)] + [
        0.95
    ]  # nearest, though it has fewest of the words
    place = np.argsort(
        -fuse(made(rows, dense=dense, body=words, phrase=words, document=words)), kind="stable"
    ).tolist()
    assert place.index(rows - 1) == 4
    assert [row for row in place if row != rows - 1] == list(range(rows - 1))
    title = [1.0] + [0.0] * (rows - 1)
    signals = made(
        rows,
        dense=dense,
        body=words,
        phrase=words,
        document=words,
        coverage=title,
        matched=[20 * share for share in title],
    )
    named = np.argsort(-fuse(signals), kind="stable").tolist()
    assert named.index(rows - 1) > 4
