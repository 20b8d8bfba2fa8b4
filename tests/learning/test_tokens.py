"""`train tokens` on a tiny encoder, `collegium predict` with what it leaves, and the rules of tags."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.cli.main import app
from skills.errors import DataError, UserError
from skills.files import read_json, read_jsonl, write_json, write_jsonl
from skills.learning.tagger import best_tags, entities, load_tagger, windows
from skills.learning.tokens import TokensConfig, train

ROWS = [
    {"tokens": ["side", "effect", "of", "alpha"], "tags": ["O", "O", "O", "B-Drug"]},
    {"tokens": ["alpha", "drug", "nausea"], "tags": ["B-Drug", "I-Drug", "O"]},
    {"tokens": ["capital", "of", "red", "city"], "tags": ["O", "O", "O", "O"]},
    {"tokens": ["Beta", "of", "city"], "tags": ["B-Name", "O", "O"]},
]


def _train(rows: Path, encoder: Path, out: Path, **settings: object) -> Path:
    values = {
        "train": (rows,), "dev": (rows,), "out": out, "encoder": str(encoder), "rank": 8, "alpha": 16, "epochs": 12,
        "learning_rate": 0.02, "batch_tokens": 128, "dropout": 0.0, "threads": 1, **settings,
    }  # fmt: skip
    train(TokensConfig.model_validate(values))
    return out / "best"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "rows.jsonl", ROWS * 6)
    return tmp_path / "rows.jsonl"


@pytest.fixture
def model(rows: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    return _train(rows, tiny_encoder, tmp_path / "run")


def test_words_get_their_tags_in_the_served_model_too(model: Path) -> None:
    assert read_json(model.parent / "metrics.json")["dev_f1"] == 1.0
    tagger = load_tagger(model, threads=1)
    assert [tagger.tags(row["tokens"]) for row in ROWS] == [row["tags"] for row in ROWS]
    assert tagger.tags([]) == []


def test_a_row_longer_than_the_encoder_reads_is_tagged_throughout(
    rows: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    tagger = load_tagger(_train(rows, tiny_encoder, tmp_path / "short", max_tokens=16), threads=1)
    words = ["side", "effect", "of", "alpha"] * 40
    assert tagger.tags(words) == ["O", "O", "O", "B-Drug"] * 40


def test_predict_keeps_rows_in_order_with_their_fields(model: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"id": 7, "tokens": ROWS[1]["tokens"]}, {"tokens": []}])
    arguments = ["predict", "--model", str(model), "--in", str(tmp_path / "in.jsonl")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "o.jsonl")])
    assert result.exit_code == 0, result.output
    first, second = read_jsonl(tmp_path / "o.jsonl")
    assert (first["id"], first["tags"], second["tags"]) == (7, ROWS[1]["tags"], [])


def test_a_row_without_words_stops_predict_before_any_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"tokens": "alpha"}) + "\n")
    arguments = ["predict", "--model", str(model), "--in", str(tmp_path / "in.jsonl")]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "o.jsonl")])
    assert isinstance(result.exception, UserError)
    assert "'tokens' should be a list of words" in str(result.exception)
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "row 1: 'tokens' and 'tags' should be lists"),
        ({"tokens": ["a"], "tags": ["Drug"]}, "row 1: tag 'Drug' should be O, B-NAME or I-NAME"),
        ({"tokens": ["a"], "tags": ["O"]}, "marks nothing"),
    ],
)
def test_rows_that_teach_nothing_are_refused(
    tmp_path: Path, tiny_encoder: Path, row: dict[str, object], message: str
) -> None:
    write_jsonl(tmp_path / "bad.jsonl", [row])
    with pytest.raises(UserError, match=message):
        _train(tmp_path / "bad.jsonl", tiny_encoder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_model_is_no_tagger(model: Path) -> None:
    write_json(model / "collegium.json", read_json(model / "collegium.json") | {"method": "classify"})
    with pytest.raises(DataError, match="holds no tagger"):
        load_tagger(model)


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(1, 20))
def test_windows_keep_each_word_once_and_fit(sizes: list[int], limit: int) -> None:
    found = windows(sizes, limit)
    assert [word for window in found for word in range(*window.kept)] == list(range(len(sizes)))
    for window in found:
        assert window.start <= window.kept[0] <= window.kept[1] <= window.stop
        assert sum(sizes[window.start : window.stop]) <= limit or window.stop - window.start == 1


LABELS = ("B-X", "B-Y", "I-X", "I-Y", "O")


@given(st.lists(st.lists(st.floats(-5, 5), min_size=5, max_size=5), min_size=1, max_size=5))
def test_the_best_tags_are_the_best_of_all_that_bio_allows(scores: list[list[float]]) -> None:
    from itertools import pairwise, product

    table = np.array(scores, dtype=np.float32)

    def allowed(tags: tuple[str, ...]) -> bool:
        return all(
            not tag.startswith("I-") or before[2:] == tag[2:] for before, tag in pairwise(("O", *tags))
        )

    def total(tags: tuple[str, ...] | list[str]) -> float:
        return float(sum(row[LABELS.index(tag)] for row, tag in zip(table, tags, strict=True)))

    best = max(total(tags) for tags in product(LABELS, repeat=len(scores)) if allowed(tags))
    found = best_tags(table, LABELS)
    assert allowed(tuple(found))
    assert np.isclose(total(found), best, atol=1e-4)


def test_entities_are_spans_with_their_type() -> None:
    tags = ["B-X", "I-X", "B-X", "O", "I-Y", "I-X"]
    assert entities(tags) == {(0, 2, "X"), (2, 3, "X"), (4, 5, "Y"), (5, 6, "X")}
