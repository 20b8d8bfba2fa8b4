"""``collegium replay``: the same agent gives the same answer; where it does not, what changed is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.evaluation.run_folder import row, write_run


@pytest.fixture
def asked(run: Run, tmp_path: Path) -> Any:
    """``asked("question")``: the output of ``collegium ask --json``, as a file and as a dict."""

    def ask(question: str) -> tuple[Path, dict[str, Any]]:
        printed = run("ask", question, "--json").out
        path = tmp_path / "answer.json"
        path.write_text(printed)
        return path, json.loads(printed)

    return ask


def changed(path: Path, row: dict[str, Any], record: dict[str, Any], answer: str | None = None) -> Path:
    """The file with something else in the record, and other words if they are given."""
    own = {} if answer is None else {"answer": answer}
    path.write_text(json.dumps({**row, **own, "record": {**row["record"], **record}}))
    return path


@pytest.mark.parametrize("question", ["Is metformin safe?", "calculate my BMI", "unknown drug", "weather?"])
def test_a_turn_is_repeated_from_its_record(run: Run, asked: Any, question: str) -> None:
    path, _ = asked(question)
    result = run("replay", path, "--diff")
    assert (result.code, result.out.strip()) == (0, "the same answer"), result.err


def test_a_row_of_a_run_is_repeated(run: Run, asked: Any, tmp_path: Path) -> None:
    _, answer = asked("Is metformin safe?")
    rows = [
        row(0, id="a/b#c", answer=answer["answer"], record={**answer["record"], "config": {"store": None}})
    ]
    folder = write_run(tmp_path / "run", rows)
    assert run("replay", f"{folder}#medquad/a/b#c/lora+rag").code == 0
    missing = run("replay", f"{folder}#medquad/q7/lora+rag")
    assert missing.code == 2
    assert f"for example {folder}#medquad/a/b#c/lora+rag" in " ".join(missing.err.split())


def test_what_changed_first_is_named(run: Run, asked: Any) -> None:
    path, answer = asked("Is metformin safe?")
    passages = {"medical": [{"id": "other", "score": 0.9}]}
    evidence = {"medical": [{"id": "metformin#side-effects", "score": 0.9}]}
    cases = {
        "tool": {"tools": [{"name": "bmi", "arguments": {"weight": 1}, "result": "2"}]},
        "retrieval": {"passages": passages, "index": {"medical": "1d"}},
        "evidence": {"evidence": {"medical": [{"id": "other", "score": 0.9}]}},
        "adapter": {"adapter": {"medical": "another"}, "evidence": evidence},
        "generation": {},
    }
    for stage, changes in cases.items():
        result = run("replay", changed(path, answer, changes, "Other words."), "--diff")
        assert result.code == 1
        first, *rest = result.out.splitlines()
        assert first == f"another answer; changed first: {stage}"
        assert "  - Other words." in rest
        if stage == "retrieval":
            assert any(line.startswith("passages: other -> ") for line in rest)


def test_a_router_that_decides_otherwise_is_told(run: Run, asked: Any) -> None:
    """The recorded route is asked all the same, so that the rest of the turn can be compared."""
    path, answer = asked("Is metformin safe?")
    plan = [{"domain": "finance", "search_query": "", "question": ""}]
    other = changed(path, answer, {"domains": ["finance"], "plan": plan}, "Something else.")
    result = run("replay", other, "--json")
    found = json.loads(result.out)
    assert (result.code, found["same"], found["stage"]) == (1, False, "route")
    assert {"what": "route", "before": "finance", "after": "medical"} in found["changes"]


def test_passages_that_came_with_the_question_have_to_come_again(
    run: Run, asked: Any, tmp_path: Path
) -> None:
    path, answer = asked("Is metformin safe?")
    given = changed(
        path, answer, {"passages": {"medical": [{"id": "p", "score": 1.0}]}, "index": {"medical": ""}}
    )
    result = run("replay", given)
    assert result.code == 2
    assert "--passages FILE" in result.err
    passages = tmp_path / "passages.jsonl"
    passages.write_text(json.dumps({"id": "p", "text": "Metformin is taken with meals."}) + "\n")
    result = run("replay", given, "--passages", passages, "--diff")
    assert result.code == 1
    assert "Metformin is taken with meals" in result.out


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", '{"status": "answered", "answer": "x"}', '{"status": "great", "record": {"question": "x"}}'],
)
def test_a_file_without_a_record_is_a_usage_error(run: Run, tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    result = run("replay", path)
    assert result.code in (1, 2)
    assert "error: " in result.err
    assert "unexpected" not in result.err


def test_what_is_not_there_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    for reference in (tmp_path / "absent.json", f"{tmp_path}#s/i/c"):
        assert run("replay", reference).code == 2
