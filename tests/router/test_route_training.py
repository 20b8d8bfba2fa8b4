"""`train route`: rows in, a head on disk out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skills.errors import DataError, UserError
from skills.files import write_jsonl
from skills.learning.route import (
    Embed,
    Example,
    HeadSettings,
    RouteConfig,
    RouteModel,
    balanced,
    fit,
    fit_certainty,
    fit_threshold,
    language_of,
    read_examples,
    train,
)
from tests.router.router_examples import questions

TOPICS = ("garden", "sailing", "general")


def _rows(start: int, count: int) -> list[dict[str, str]]:
    return [{"text": text, "label": topic} for topic in TOPICS for text in questions(topic, start, count)]


@pytest.fixture
def config(tmp_path: Path) -> RouteConfig:
    write_jsonl(tmp_path / "train.jsonl", _rows(0, 40))
    write_jsonl(tmp_path / "dev.jsonl", _rows(100, 20))
    files = {"train": (tmp_path / "train.jsonl",), "dev": (tmp_path / "dev.jsonl",)}
    return RouteConfig(**files, out=tmp_path / "run", buckets=1 << 12)


def test_a_run_leaves_head_metrics_config_and_card(config: RouteConfig, embed: Embed) -> None:
    metrics = train(config, embed=embed)
    assert metrics["accuracy"] > 0.95
    assert metrics["out_of_scope_recall"] > 0.9
    assert 0.15 <= metrics["threshold"] <= 0.5
    assert {path.name for path in config.out.iterdir()} == {"best", "metrics.json", "config.json", "CARD.md"}
    assert json.loads((config.out / "metrics.json").read_text()) == metrics
    assert "train.jsonl" in (config.out / "CARD.md").read_text()


def test_what_is_read_back_decides_alike(config: RouteConfig, embed: Embed) -> None:
    train(config, embed=embed, about={"made": "for a test"})
    model = RouteModel.load(config.out / "best")
    assert model.labels == TOPICS
    assert model.about["made"] == "for a test"
    found = model.probabilities(questions("sailing", 200, 10), embed)
    assert set(found.argmax(axis=1)) == {1}
    assert found.sum(axis=1) == pytest.approx(np.ones(10), abs=1e-5)


def test_two_runs_give_the_same_bytes(config: RouteConfig, embed: Embed) -> None:
    other = config.model_copy(update={"out": config.out.with_name("again")})
    train(config, embed=embed)
    train(other, embed=embed)
    for name in ("head.safetensors", "head.json"):
        assert (config.out / "best" / name).read_bytes() == (other.out / "best" / name).read_bytes()


def test_a_finished_run_is_not_overwritten(config: RouteConfig, embed: Embed) -> None:
    train(config, embed=embed)
    with pytest.raises(UserError, match="finished run"):
        train(config, embed=embed)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "  ", "label": "garden"}, "non-empty"),
        ({"text": "roses", "label": 3}, "non-empty"),
        ({"text": "roses", "label": "garden", "weight": -1}, "'weight'"),
        ({"text": "roses"}, "'label'"),
    ],
)
def test_an_unusable_row_is_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"text": "fine", "label": "garden"}, row])
    with pytest.raises(UserError, match=message) as caught:
        read_examples(tmp_path / "rows.jsonl")
    assert "rows.jsonl" in str(caught.value)
    assert "2" in str(caught.value)


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n")
    with pytest.raises(UserError, match="no rows"):
        read_examples(tmp_path / "rows.jsonl")


def test_out_of_scope_rows_are_required(config: RouteConfig, embed: Embed) -> None:
    write_jsonl(config.train[0], [row for row in _rows(0, 10) if row["label"] != "general"])
    with pytest.raises(UserError, match="'general'"):
        train(config, embed=embed)
    assert not config.out.exists()


def test_a_dev_label_that_training_lacks_is_an_error(config: RouteConfig, embed: Embed) -> None:
    write_jsonl(config.dev[0], [{"text": "checkmate in two", "label": "chess"}])
    with pytest.raises(UserError, match="'chess'"):
        train(config, embed=embed)


def test_a_language_without_rows_is_general(embed: Embed) -> None:
    rows = [Example(row["text"], row["label"], "en") for row in _rows(0, 20)]
    model = fit(rows, TOPICS, embed, HeadSettings(buckets=1 << 12))
    assert set(model.heads) == {"en"}
    assert model.probabilities(["玫瑰花怎么种？"], embed)[0].tolist() == [0.0, 0.0, 1.0]


def test_a_head_that_fits_too_closely_is_softened(embed: Embed) -> None:
    rows = [Example(row["text"], row["label"], "en") for row in _rows(0, 30)]
    strong = fit(rows, TOPICS, embed, HeadSettings(buckets=1 << 12, strength=100.0))
    weak = fit(rows, TOPICS, embed, HeadSettings(buckets=1 << 12, strength=0.1))
    assert strong.heads["en"].temperature > weak.heads["en"].temperature


def test_a_label_with_too_few_rows_is_an_error(config: RouteConfig, embed: Embed) -> None:
    write_jsonl(config.train[0], [*_rows(0, 10), {"text": "checkmate in two", "label": "chess"}])
    with pytest.raises(UserError, match="'chess' has too few rows"):
        train(config, embed=embed)


def test_labels_count_alike_when_balanced() -> None:
    rows = [Example("a", "x", "en")] * 30 + [Example("b", "y", "en", weight=2.0)] * 5
    found = balanced(rows)
    assert found[:30].sum() == pytest.approx(found[30:].sum())
    assert found.mean() == pytest.approx(1.0)
    assert balanced(rows, 0.0)[34] == pytest.approx(2 * balanced(rows, 0.0)[0])


def test_the_threshold_lets_few_wrong_domains_in() -> None:
    # 100 rows of garden; one has sailing at .45, two at .3, the others at .05
    second = np.asarray([0.45, 0.3, 0.3] + [0.05] * 97)
    probabilities = np.stack([0.95 - second, second, np.full(100, 0.05)], axis=1).astype(np.float32)
    threshold = fit_threshold(probabilities, np.zeros(100, dtype=np.int64), TOPICS)
    assert (second >= threshold).sum() <= 3
    assert 0.15 <= threshold <= 0.5


def test_a_damaged_head_is_an_error(config: RouteConfig, embed: Embed) -> None:
    train(config, embed=embed)
    best = config.out / "best"
    whole = (best / "head.safetensors").read_bytes()
    (best / "head.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        RouteModel.load(best)
    (best / "head.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="format 99"):
        RouteModel.load(best)
    (best / "head.json").unlink()
    with pytest.raises(DataError, match="missing"):
        RouteModel.load(best)


@pytest.mark.parametrize(
    ("text", "language"),
    [("What is a bond?", "en"), ("什么是债券？", "zh"), ("ETF 是什么", "zh"), ("", "en"), ("!!! 123", "en")],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_certain_labels_are_right_as_often_as_wanted() -> None:
    """On new questions of the same kind: of 400 sets of 99 the mean is near, whatever the probabilities are like."""
    chance = np.random.default_rng(0)
    covered = [
        float((chance.beta(5, 1, 200) >= fit_certainty(chance.beta(5, 1, 99).astype(np.float32), 0.9)).mean())
        for _ in range(400)
    ]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_few_questions_make_no_label_certain_that_a_question_denies() -> None:
    assert fit_certainty(np.array([0.9, 0.2, 0.7], dtype=np.float32), 0.9) == pytest.approx(0.2)
