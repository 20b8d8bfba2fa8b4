"""BM25 against its formula, written out."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import DataError
from skills.retrieval.lexical import LexicalField, Postings, PostingsBuilder
from skills.retrieval.tensors import load_tensors, save_tensors

DOCUMENTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), min_size=1, max_size=8)


def bm25(documents: list[list[str]], query: list[str], k1: float = 1.2, b: float = 0.75) -> list[float]:
    mean = sum(map(len, documents)) / len(documents)
    scores: list[float] = []
    for document in documents:
        score, counts = 0.0, Counter(document)
        for term in query:
            holders = sum(term in other for other in documents)
            if counts[term]:
                idf = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
                score += idf * counts[term] / (counts[term] + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


@given(DOCUMENTS, st.lists(st.sampled_from("abcdefxyz"), unique=True, max_size=5))
def test_scores_are_those_of_the_formula(documents: list[list[str]], query: list[str]) -> None:
    found = LexicalField.build(Postings.of(documents)).scores(dict.fromkeys(query, 1.0))
    assert found.shape == (len(documents),)
    np.testing.assert_allclose(found, bm25(documents, query), rtol=1e-5, atol=1e-6)


@given(DOCUMENTS)
def test_weights_scale_a_terms_part(documents: list[list[str]]) -> None:
    field = LexicalField.build(Postings.of(documents))
    both = field.scores({"a": 2.0, "b": 1.0})
    np.testing.assert_allclose(both, 2 * field.scores({"a": 1.0}) + field.scores({"b": 1.0}), rtol=1e-5)


def test_a_rare_term_is_worth_more() -> None:
    unseen, rare, common = LexicalField.build(Postings.of([["a", "b"], ["a"], ["a"]])).rarity(
        ["unseen", "b", "a"]
    )
    assert unseen > rare > common > 0


@given(DOCUMENTS)
def test_shares_say_how_much_of_a_row_a_query_has(documents: list[list[str]]) -> None:
    field, total = LexicalField.build_shares(Postings.of(documents))
    everything = dict.fromkeys("abcdef", 1.0)
    np.testing.assert_allclose(
        field.scores(everything), [1.0 if document else 0.0 for document in documents], rtol=1e-5
    )
    only_a = field.scores({"a": 1.0}) * total
    np.testing.assert_allclose(
        only_a, [field.rarity(["a"])[0] * ("a" in document) for document in documents], rtol=1e-5
    )


@given(DOCUMENTS)
def test_what_was_indexed_comes_back_row_by_row(documents: list[list[str]]) -> None:
    kept = LexicalField.build(Postings.of(documents), keep=True)
    copied = PostingsBuilder(kept.postings())
    for row in range(len(documents)):
        copied.copy(row)
    again = LexicalField.build(copied.done(), keep=True).tensors("body")
    for name, values in kept.tensors("body").items():
        np.testing.assert_array_equal(again[name], values)


def test_a_field_that_kept_nothing_says_so() -> None:
    with pytest.raises(DataError, match="how often"):
        LexicalField.build(Postings.of([["x"]])).postings()


def test_a_saved_field_comes_back(tmp_path: Path) -> None:
    documents = [["gold", "糖尿病"], [], ["gold", "gold"]]
    field = LexicalField.build(Postings.of(documents))
    save_tensors(tmp_path / "x", field.tensors("body"))
    again = LexicalField.from_tensors(load_tensors(tmp_path / "x"), "body", 3)
    query = {"gold": 1.0, "糖尿病": 0.5}
    np.testing.assert_array_equal(again.scores(query), field.scores(query))
    np.testing.assert_array_equal(again.rarity(list(query)), field.rarity(list(query)))


def test_the_bytes_depend_on_the_texts_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_tensors(
            tmp_path / name, LexicalField.build(Postings.of([["x", "y"], ["y", "z"]])).tensors("body")
        )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_index_without_terms_scores_nothing(tmp_path: Path) -> None:
    field = LexicalField.build(Postings.of([[], []]))
    save_tensors(tmp_path / "x", field.tensors("title"))
    assert LexicalField.from_tensors(load_tensors(tmp_path / "x"), "title", 2).scores(
        {"a": 1.0}
    ).tolist() == [0, 0]


def test_arrays_that_do_not_fit_are_refused() -> None:
    tensors = LexicalField.build(Postings.of([["x"], ["y"]])).tensors("body")
    with pytest.raises(DataError, match="do not fit 1 rows"):
        LexicalField.from_tensors(tensors, "body", 1)
    with pytest.raises(DataError, match=r"no array 'title\.keys'"):
        LexicalField.from_tensors(tensors, "title", 2)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "lexical.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    with pytest.raises(DataError, match=r"lexical\.safetensors.*holds no arrays of a store"):
        load_tensors(tmp_path / "lexical.safetensors")
