"""`train answer` on a tiny model: it learns, keeps its best, resumes after a kill, and refuses bad input."""

import json
from pathlib import Path

import pytest

from skills.errors import UserError
from skills.files import read_json, write_jsonl
from skills.learning import answer
from skills.learning.answer import AnswerConfig, train

DRUGS = {"alpha": "nausea", "beta": "rash", "gamma": "fever"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    made = [
        {
            "question": f"what is the side effect of {drug} ?",
            "evidence": f"side effect of {drug} : {effect} .",
            "answer": f"{effect} [ 1 ] .",
        }
        for drug, effect in DRUGS.items()
    ]
    write_jsonl(path, made * 8)
    return path


def config(rows: Path, out: Path, base: Path, **more: object) -> AnswerConfig:
    values: dict[str, object] = {
        "train": (rows,), "dev": (rows,), "out": out, "base": str(base), "system": "you are a test", "epochs": 6,
        "batch_tokens": 256, "learning_rate": 0.02, "evaluations": 3, "dropout": 0.0, "threads": 1,
    }  # fmt: skip
    return AnswerConfig.model_validate(values | more)


def test_the_loss_on_dev_falls_and_the_run_is_whole(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    out = tmp_path / "run"
    metrics = train(config(rows, out, tiny_base))
    curve = [json.loads(line) for line in (out / "curves.jsonl").read_text().splitlines()]
    assert metrics["dev_loss"] < 0.6 * curve[0]["dev_loss"]
    assert metrics["examples"] == 24
    assert {path.name for path in (out / "best").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "collegium.json",
    }
    described = read_json(out / "best" / "collegium.json")
    assert (described["method"], len(described["base_sha256"])) == ("answer", 64)
    assert "| dev_loss |" in (out / "CARD.md").read_text()
    assert not (out / "checkpoint").exists()


def test_a_killed_run_resumes_to_the_same_result(
    rows: Path, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config(rows, tmp_path / "whole", tiny_base, dropout=0.1))

    def stop(done: int, total: int, message: str) -> None:
        if done > total * 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(rows, tmp_path / "cut", tiny_base, dropout=0.1), stop)
    with pytest.raises(UserError, match="--resume"):
        train(config(rows, tmp_path / "cut", tiny_base, dropout=0.1))
    resumed = train(config(rows, tmp_path / "cut", tiny_base, dropout=0.1, resume=True))
    assert resumed["dev_loss"] == pytest.approx(whole["dev_loss"], rel=1e-3)
    assert resumed["steps"] == whole["steps"]


def test_a_run_goes_on_from_an_adapter(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    """The first evaluation of the second run is the best of the first."""
    first = train(config(rows, tmp_path / "first", tiny_base))
    train(config(rows, tmp_path / "second", tiny_base, start=tmp_path / "first" / "best", epochs=0.2))
    curve = [json.loads(line) for line in (tmp_path / "second" / "curves.jsonl").read_text().splitlines()]
    assert curve[0]["dev_loss"] == pytest.approx(first["dev_loss"], abs=0.05)


def test_a_start_without_an_adapter_is_refused(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="holds no adapter"):
        train(config(rows, tmp_path / "run", tiny_base, start=tmp_path))


def test_the_loss_is_on_the_answer_alone(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    examples, _ = answer._examples((rows,), tokenizer, config(rows, tmp_path / "run", tiny_base))  # pyright: ignore[reportPrivateUsage]
    trained = tokenizer.decode(examples[0].ids[examples[0].answer_start :])
    assert trained == "nausea [ 1 ] . </s>"


def test_a_finished_run_is_not_overwritten(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    settings = config(rows, tmp_path / "run", tiny_base, epochs=0.2)
    train(settings)
    with pytest.raises(UserError, match="finished run"):
        train(settings)


def test_other_data_under_the_same_folder_is_refused(rows: Path, tmp_path: Path, tiny_base: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(rows, tmp_path / "run", tiny_base), stop)
    with pytest.raises(UserError, match="other settings or data"):
        train(config(rows, tmp_path / "run", tiny_base, resume=True, seed=1))


def test_malformed_rows_are_named(tmp_path: Path, tiny_base: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "q", "evidence": "e", "answer": "a"}\n{"question": "q"}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl:2.*evidence"):
        train(config(path, tmp_path / "run", tiny_base))


def test_missing_file_is_named(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="absent"):
        train(config(tmp_path / "absent.jsonl", tmp_path / "run", tiny_base))
