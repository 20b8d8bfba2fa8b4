"""`collegium check`, `data support` and `score` of verdicts, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from skills.errors import UserError
from skills.files import read_jsonl, write_jsonl

PARTS = ["The deposit is 300 euros.", "The rent is due on the first day of the month."]
ROWS = [
    {
        "id": "a",
        "sentence": "The deposit is 300 euros.",
        "parts": PARTS,
        "kind": "verbatim",
        "supported": True,
    },
    {
        "id": "b",
        "sentence": "The deposit is 400 euros.",
        "parts": PARTS,
        "kind": "number",
        "supported": False,
    },
]


def collegium(*words: object) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def test_sentences_are_checked_and_the_verdicts_scored(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    collegium("check", "--rules", "--in", tmp_path / "rows.jsonl", "--out", tmp_path / "out.jsonl")
    found = list(read_jsonl(tmp_path / "out.jsonl"))
    assert [(row["passes"], row["reason"]) for row in found] == [(True, ""), (False, "number")]
    scored = collegium("score", "--gold", tmp_path / "rows.jsonl", "--pred", tmp_path / "out.jsonl")
    assert json.loads(scored.stdout)["altered"]["recall"] == 1.0


def test_a_row_without_parts_is_named(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "rows.jsonl", [{"id": "a", "sentence": "The deposit is due.", "parts": "one text"}]
    )
    with pytest.raises(UserError, match=r"rows.jsonl:1: 'parts' should be a list"):
        collegium("check", "--rules", "--in", tmp_path / "rows.jsonl", "--out", tmp_path / "out.jsonl")


def test_rows_are_made_from_notes(tmp_path: Path) -> None:
    corpus = tmp_path / "pack" / "corpus"
    corpus.mkdir(parents=True)
    for number in range(20):
        text = f"The deposit of flat {number} is {number + 3}00 euros. It may be paid by the tenant in May."
        (corpus / f"note-{number}.md").write_text(f"---\ntitle: Flat {number}\n---\n## Deposit\n{text}\n")
    asked = [
        {"question": "q?", "answer": "Its deposit is a number of euros [1].", "gold": ["note-3#deposit"]}
    ]
    write_jsonl(tmp_path / "answers.jsonl", asked)
    ids: list[str] = []
    for split in ("train", "dev", "test"):
        out = tmp_path / f"{split}.jsonl"
        options = ("--corpus", corpus, "--questions", tmp_path / "answers.jsonl", "--split", split)
        collegium("data", "support", *options, "--out", out)
        ids += [row["id"] for row in read_jsonl(out)]
    assert len(ids) == len(set(ids)) > 60
    with pytest.raises(UserError, match="--split"):
        collegium("data", "support", "--out", tmp_path / "x.jsonl")
