"""`train support` on a tiny encoder: it learns, sets its threshold, and is loaded without torch; the report."""

import json
from pathlib import Path

import pytest

from skills.errors import DataError
from skills.files import read_json, write_jsonl
from skills.grounding.checker import load_checker
from skills.learning.support import SupportConfig, train
from skills.learning.support_report import report, report_table

DRUGS, SIGNS = ("alpha", "beta", "gamma"), ("nausea", "rash", "fever")


def make_rows() -> list[dict[str, object]]:
    """Who has which side effect: exchanged, every word stands in the source all the same."""
    parts = [f"the side effect of {drug} is {sign} ." for drug, sign in zip(DRUGS, SIGNS, strict=True)]
    made: list[dict[str, object]] = []
    for drug, true in zip(DRUGS, SIGNS, strict=True):
        for sign in SIGNS:
            kind = "short" if sign == true else "entity_near"
            question = f"what is the side effect of {drug} ?"
            made.append(
                {"id": f"{drug}-{sign}", "sentence": sign, "parts": parts, "question": question, "kind": kind,
                 "supported": sign == true}
            )  # fmt: skip
    return made


def config(folder: Path, encoder: Path, name: str, **settings: object) -> SupportConfig:
    write_jsonl(folder / "rows.jsonl", make_rows() * 8)
    given: dict[str, object] = {
        "train": (folder / "rows.jsonl",), "dev": (folder / "rows.jsonl",), "out": folder / name,
        "encoder": str(encoder), "rank": 8, "alpha": 16, "epochs": 30, "learning_rate": 0.02,
        "batch_tokens": 1024, "dropout": 0.0, "threads": 1, "patience": 5, "dev_limit": 9,
    }  # fmt: skip
    return SupportConfig.model_validate(given | settings)


def test_it_learns_and_what_it_saves_checks_without_torch(tmp_path: Path, tiny_encoder: Path) -> None:
    train(config(tmp_path, tiny_encoder, "run", epochs=4))
    curve = [json.loads(line) for line in (tmp_path / "run" / "curves.jsonl").read_text().splitlines()]
    metrics = read_json(tmp_path / "run" / "metrics.json")
    assert metrics["dev_loss"] < curve[0]["dev_loss"]
    assert metrics["accepted"] > 0.8
    assert "| entity_near |" in (tmp_path / "run" / "CARD.md").read_text()
    checker = load_checker(tmp_path / "run" / "best", threads=1)
    row = make_rows()[0]
    verdict = checker.check(str(row["sentence"]), list(row["parts"]), str(row["question"]))  # type: ignore[call-overload]
    assert verdict.part == 0


def test_it_goes_on_from_the_lora_of_another_method(tmp_path: Path, tiny_encoder: Path) -> None:
    from skills.learning.evidence import EvidenceConfig
    from skills.learning.evidence import train as train_evidence

    rows = tmp_path / "evidence.jsonl"
    write_jsonl(rows, [{"question": "what is red ?", "positives": ["red ."], "negatives": ["blue ."]}] * 4)
    train_evidence(
        EvidenceConfig(
            train=(rows,),
            dev=(rows,),
            out=tmp_path / "evidence",
            encoder=str(tiny_encoder),
            epochs=1,
            threads=1,
        )
    )
    done = train(config(tmp_path, tiny_encoder, "run", start=tmp_path / "evidence" / "best", epochs=1))
    assert done["steps"] > 0
    assert read_json(tmp_path / "run" / "best" / "adapter_config.json")["r"] == 32


def test_a_folder_without_a_checker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_checker(tmp_path)


def test_the_report() -> None:
    rows = [
        {"kind": "verbatim", "supported": True},
        {"kind": "verbatim", "supported": True},
        {"kind": "number", "supported": False},
        {"kind": "unit", "supported": False},
    ]
    found = report(rows, [True, False, False, True])
    assert found["altered"] == {
        "supported_rows": 2, "altered_rows": 2, "precision": 0.5, "recall": 0.5, "accepted": 0.5,
    }  # fmt: skip
    assert found["kinds"]["number"] == {"rows": 1, "precision": 0.6667, "recall": 1.0}
    assert found["kinds"]["unit"]["recall"] == 0.0
    assert "| **all** | 2 | 0.500 | 0.500 |" in report_table(found)
