"""The CRF of a tagger: what it learns of words by sight, and what becomes of a damaged one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import DataError
from skills.learning.word_crf import WordCrf, train_crf, word_features

LABELS = ["B-Drug", "O"]
ROWS = [
    (["take", "Metoprolol", "daily"], ["O", "B-Drug", "O"]),
    (["stop", "Atenolol", "now"], ["O", "B-Drug", "O"]),
    (["take", "it", "daily"], ["O", "O", "O"]),
    (["stop", "that", "now"], ["O", "O", "O"]),
] * 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crf") / "words.crf"
    train_crf(ROWS, path)
    return path


def test_an_unseen_word_is_known_by_its_ending(model: Path) -> None:
    found = WordCrf(model, LABELS).log_probabilities(["take", "Bisoprolol", "daily"])
    assert found.argmax(1).tolist() == [1, 0, 1]
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-4)


def test_the_same_rows_give_the_same_model(model: Path, tmp_path: Path) -> None:
    train_crf(ROWS, tmp_path / "again.crf")
    assert (tmp_path / "again.crf").read_bytes() == model.read_bytes()


def test_no_words_and_tags_that_never_occur(model: Path) -> None:
    crf = WordCrf(model, [*LABELS, "B-Name"])
    assert crf.log_probabilities([]).shape == (0, 3)
    assert crf.log_probabilities(["Atenolol"])[0].argmax() == 0
    assert crf.log_probabilities(["Atenolol"])[0, 2] < -13


def test_what_is_no_model_or_of_other_tags_is_damaged(model: Path, tmp_path: Path) -> None:
    (tmp_path / "words.crf").write_bytes(b"spoilt" * 100)
    with pytest.raises(DataError, match="damaged"):
        WordCrf(tmp_path / "words.crf", LABELS)
    with pytest.raises(DataError, match="B-Drug"):
        WordCrf(model, ["O"])


@given(st.lists(st.text(min_size=1, max_size=12), max_size=8))
def test_each_word_has_features_whatever_it_is_made_of(words: list[str]) -> None:
    found = word_features(words)
    assert len(found) == len(words)
    assert all(f"word={word.lower()}" in own for word, own in zip(words, found, strict=True))
