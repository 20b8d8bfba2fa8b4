"""Rows from public sets: denied claims, chunks, and what is read for which method (on sets made here)."""

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from skills.files import read_jsonl, write_jsonl
from skills.learning.public_sets import answer_rows, evidence_rows, turned

CLAUSE = "The Recipient may keep one copy for its records."


@pytest.mark.parametrize(
    ("claim", "denial"),
    [
        ("Recipient shall not copy.", "Recipient may copy."),
        ("Recipient may keep a copy.", "Recipient shall not keep a copy."),
        ("Recipient shall return all.", "Recipient need not return all."),
        ("Information shall only include plans.", "Information may include more than plans."),
        ("Some duties of it may survive its end.", "None of the duties of it shall survive its end."),
    ],
)
@pytest.mark.parametrize(("answer", "other"), [("Yes [1].", "No [1]."), ("No [1].", "Yes [1].")])
def test_a_denied_claim_has_the_other_answer(claim: str, denial: str, answer: str, other: str) -> None:
    row = {"question": f'Is it true that "{claim}"', "evidence": CLAUSE, "answer": answer}
    assert turned(row) == {**row, "question": f'Is it true that "{denial}"', "answer": other}


def test_what_cannot_be_denied_is_an_error() -> None:
    with pytest.raises(ValueError, match="no modal verb"):
        turned({"question": 'Is it true that "it rains"', "evidence": CLAUSE, "answer": "Yes [1]."})
    with pytest.raises(ValueError, match="no claim"):
        turned({"question": "What is it?", "evidence": CLAUSE, "answer": "Yes [1]."})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    legal = tmp_path / "legal"
    legal.mkdir()
    claim = 'In the agreement "nda": is it true that "Recipient may keep a copy."'
    for split in ("train", "dev"):
        write_jsonl(
            legal / f"contractnli_retrieval.{split}.jsonl",
            [{"question": claim, "gold": ["nda#1"], "answer": "yes"}],
        )
        write_jsonl(
            legal / f"contractnli_nli.{split}.jsonl",
            [
                {
                    "text": f"Clause: {CLAUSE}\nHypothesis: Recipient shall return all.",
                    "label": "contradiction",
                }
            ],
        )
        write_jsonl(
            legal / f"cuad_retrieval.{split}.jsonl",
            [
                {"question": "Governing law?", "gold": ["c#1"], "answer": "Texas"},
                {"question": "Expiry?", "gold": ["c#1"], "answer": "see clause"},
                *({"question": f"Licence {n}?", "gold": ["c#1"], "answer": "Yes"} for n in range(4)),
            ],
        )
    write_jsonl(
        legal / "cuad_clause_type.train.jsonl",
        [
            {"text": "You may not assign this contract.", "label": "Anti-Assignment"},
            {"text": "We may inspect your books.", "label": "Audit Rights"},
        ],
    )
    write_jsonl(legal / "contractnli_retrieval.passages.jsonl", [{"id": "nda#1", "text": CLAUSE}])
    clauses = ["The laws of Texas govern this contract.", "The contract ends in ten years."]
    write_jsonl(
        legal / "cuad_retrieval.passages.jsonl",
        [{"id": f"c#{number}", "text": text} for number, text in enumerate(clauses, start=1)],
    )
    return tmp_path


def test_training_rows_hold_claims_and_denials_in_equal_number(folder: Path) -> None:
    rows = list(answer_rows(folder, "legal", "train"))
    claims = [row["answer"] for row in rows if "is it true" in row["question"].lower()]
    assert sorted(claims) == ["No [1].", "No [1].", "Yes [1].", "Yes [1]."]
    assert [row["answer"] for row in rows if "Licence" in row["question"]] == ["Yes [1]."]
    assert any(row["answer"] == "Texas [1]." for row in rows)


def test_dev_rows_are_left_as_they_are(folder: Path) -> None:
    answers = [row["answer"] for row in answer_rows(folder, "legal", "dev")]
    assert sorted(answers) == ["No [1].", "Texas [1].", "Yes [1].", "Yes [1]."]


@pytest.mark.weights
def test_rows_for_the_encoder_keep_the_stores_they_searched(
    folder: Path, tmp_path: Path, weights_home: Path
) -> None:
    rows = list(evidence_rows(folder, "legal", "train", tmp_path / "stores"))
    texas = next(row for row in rows if row["question"] == "Governing law?")
    assert texas["positives"] == ["The laws of Texas govern this contract."]
    assert texas["negatives"] == ["The contract ends in ten years."]
    assert (tmp_path / "stores" / "legal" / "cuad_retrieval" / "manifest.json").is_file()
    assert list(evidence_rows(folder, "legal", "train", tmp_path / "stores")) == rows


def test_the_written_questions_about_statutes_are_distinct_and_name_articles() -> None:
    path = Path(str(resources.files("skills.retrieval").joinpath("tuned/questions.jsonl")))
    rows = list(read_jsonl(path, required=("question", "gold")))
    assert len({row["question"] for row in rows}) == len(rows) > 2500
    for row in rows:
        assert row["gold"], row
        assert all(re.fullmatch(r"law-\w+-第\w+条(?:之\w+)?", name) for name in row["gold"]), row


def test_the_written_clauses_are_distinct_and_questions_are_written_about_each_of_their_kinds() -> None:
    folder = resources.files("skills.learning")
    rows = list(read_jsonl(Path(str(folder.joinpath("clauses.jsonl"))), required=("text", "kinds")))
    assert len({row["text"] for row in rows}) == len(rows) > 600
    questions = tomllib.loads(folder.joinpath("clause_questions.toml").read_text("utf-8"))
    assert {kind for row in rows for kind in row["kinds"]} <= set(questions)
    assert all(len(set(texts)) == len(texts) >= 3 for texts in questions.values())
    assert sum(not row["kinds"] for row in rows) > 40
