"""`train support` on a tiny encoder: it learns, sets its threshold, and what it saves checks; the report."""

from pathlib import Path

import pytest

from skills.errors import DataError, ModelError, UserError
from skills.files import read_json, write_json, write_jsonl
from skills.grounding.alignment import SIGNS
from skills.grounding.checker import load_checker
from skills.learning.support import SupportConfig, train
from skills.learning.support_report import report, report_table

DRUGS, EFFECTS = ("alpha", "beta", "gamma"), ("nausea", "rash", "fever")
PARTS = [
    f"the side effect of {drug} is {effect} and red ." for drug, effect in zip(DRUGS, EFFECTS, strict=True)
]


def make_rows() -> list[dict[str, object]]:
    """Who has which side effect, the end left out: exchanged, every word stands in the source all the same."""
    return [
        {
            "sentence": f"is {effect} what the side effect of {drug} is ?",
            "parts": PARTS,
            "question": f"what is {effect} {drug} ?",
            "kind": "written" if true == effect else "entity_near",
            "supported": true == effect,
        }
        for drug, true in zip(DRUGS, EFFECTS, strict=True)
        for effect in EFFECTS
    ]


@pytest.fixture
def config(tmp_path: Path, tiny_encoder: Path) -> SupportConfig:
    write_jsonl(tmp_path / "rows.jsonl", make_rows() * 8)
    rows = (tmp_path / "rows.jsonl",)
    return SupportConfig(train=rows, dev=rows, out=tmp_path / "run", encoder=str(tiny_encoder), threads=1)


def test_it_learns_and_what_it_saves_checks(config: SupportConfig) -> None:
    metrics = train(config)
    assert metrics["accepted"] > 0.9
    assert "| entity_near |" in (config.out / "CARD.md").read_text()
    described = read_json(config.out / "best" / "collegium.json")
    assert described["signs"] == list(SIGNS)
    checker = load_checker(config.out / "best", threads=1)
    found = [
        checker.check(str(row["sentence"]), PARTS, str(row["question"]))
        for row in make_rows()
        if row["supported"]
    ]
    assert all(verdict.supported for verdict in found)


def test_rows_of_an_unknown_kind_are_refused(config: SupportConfig) -> None:
    write_jsonl(config.train[0], [row | {"kind": "odd"} for row in make_rows()])
    with pytest.raises(UserError, match="unknown kind 'odd'"):
        train(config)


def test_a_checker_of_other_signs_or_another_encoder_is_refused(config: SupportConfig) -> None:
    train(config)
    file = config.out / "best" / "collegium.json"
    described = read_json(file)
    write_json(file, described | {"encoder_sha256": "0" * 64})
    row = make_rows()[0]
    with pytest.raises(ModelError, match="another"):
        load_checker(file.parent).check(str(row["sentence"]), PARTS, str(row["question"]))
    write_json(file, described | {"signs": ["mean"]})
    with pytest.raises(ModelError, match="train it again"):
        load_checker(file.parent)


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
