"""``collegium ask``: to the screen, as JSON, and over files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_answer_comes_with_its_skill_sources_and_disclaimer(run: Run) -> None:
    result = run("ask", "What does metformin do?")
    assert result.code == 0
    assert result.out.splitlines() == [
        "Medical:",
        "Metformin often causes nausea and diarrhoea [1]. Asked before: 0.",
        "  [1] Metformin: side effects. FDA label (as of 2025-01): "
        "“Metformin often causes nausea and diarrhoea.”",
        "This is not medical advice.",
    ]


def test_tool_results_and_declines_are_shown_as_such(run: Run) -> None:
    assert "bmi(weight=80): bmi = 24.7\nMedical:\nThe BMI is 24.7.\n" in run("ask", "calculate my BMI").out
    declined = run("ask", "unknown drug")
    assert declined.code == 0
    assert "The store says nothing on that." in declined.out
    assert "(declined: nothing in the store supports an answer)" in declined.out
    assert "(declined: outside the installed domains)" in run("ask", "weather?").out


def test_json_is_one_object(run: Run) -> None:
    row = json.loads(run("ask", "--json", "Is metformin safe?").out)
    assert row["question"] == "Is metformin safe?"
    assert row["status"] == "answered"
    assert row["answer"].startswith("Metformin often causes")
    assert row["citations"][0]["passage_id"] == "metformin#side-effects"
    assert row["domains"] == ["medical"]
    assert row["timings"]["total"] > 0


def test_the_question_may_come_through_a_pipe(run: Run) -> None:
    assert "Finance:" in run("ask", stdin="What is a bond?\n").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("",), "the question is empty"),
        (("  \n",), "the question is empty"),
        (("x" * 100_000,), "100,000 characters"),
        (("hi", "--domain", "astrology"), "unknown domain 'astrology'; known: finance, medical"),
        (("hi", "--in", "q.jsonl", "--out", "a.jsonl"), "either a question or --in"),
        (("--in", "q.jsonl"), "--in and --out go together"),
        (("hi", "--resume"), "--resume needs --in"),
    ],
)
def test_what_cannot_be_asked_exits_with_2(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run("ask", *arguments)
    assert result.code == 2
    assert says in result.err
    assert len(result.err) < 300


def test_a_failing_engine_exits_with_1(run: Run) -> None:
    result = run("ask", "crash please")
    assert result.code == 1
    assert result.err == "error: the engine stopped; run: collegium doctor\n"


def test_a_session_is_remembered(run: Run) -> None:
    for before in range(3):
        assert f"Asked before: {before}." in run("ask", "metformin?", "--session", "s").out
    assert "Asked before: 0." in run("ask", "metformin?").out


def test_rows_may_bring_sessions_and_passages(run: Run, tmp_path: Path) -> None:
    own = [{"id": "p7", "text": "Aspirin thins the blood.", "title": "Aspirin"}]
    source = write(
        tmp_path / "q.jsonl",
        {"id": 1, "question": "first?", "session": "a", "gold": "kept"},
        {"id": 2, "question": "second?", "session": "a"},
        {"id": 3, "question": "third?", "passages": own},
    )
    assert run("ask", "--in", source, "--out", tmp_path / "a.jsonl", "--domain", "finance").code == 0
    first, second, third = rows_of(tmp_path / "a.jsonl")
    assert first["gold"] == "kept"
    assert "Asked before: 0." in first["answer"]
    assert "Asked before: 1." in second["answer"]
    assert third["citations"][0] | {"number": 1} == third["citations"][0]
    assert third["citations"][0]["passage_id"] == "p7"
    assert third["domains"] == ["finance"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": " "}, "'question' should be a text that is not empty"),
        ({"question": 7}, "'question' should be a text that is not empty"),
        ({"question": "x" * 100_000}, "100,000 characters"),
        ({"question": "x", "session": 3}, "'session' should be a name"),
        ({"question": "x", "passages": [{"text": "no id"}]}, "'passages' should be a list"),
        ({"question": "x", "passages": [{"id": "a", "text": "1"}, {"id": "a", "text": "2"}]}, "an id twice"),
    ],
)
def test_a_bad_row_is_named_before_anything_is_asked(
    run: Run, tmp_path: Path, row: dict[str, Any], says: str
) -> None:
    source = write(tmp_path / "q.jsonl", {"question": "fine"}, row)
    result = run("ask", "--in", source, "--out", tmp_path / "a.jsonl")
    assert result.code == 2
    assert f"{source}:2: " in result.err
    assert says in result.err
    assert not (tmp_path / "a.jsonl").exists()


def test_a_kill_loses_one_row_at_most_and_resume_goes_on(run: Run, tmp_path: Path, home: Path) -> None:
    rows = [{"id": number, "question": f"question {number}"} for number in range(5)]
    source = write(tmp_path / "q.jsonl", *rows[:3], {"id": 3, "question": "slow one"}, rows[4])
    target = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "tests.fake_agent", "ask", "--in", str(source), "--out", str(target)]
    child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "COLLEGIUM_HOME": str(home)})
    try:
        while not target.exists() or target.read_bytes().count(b"\n") < 3:
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    assert [row["id"] for row in rows_of(target)] == [0, 1, 2]
    finished = target.read_bytes()
    write(source, *rows)
    assert run("ask", "--in", source, "--out", target, "--resume").code == 0
    assert [row["id"] for row in rows_of(target)] == [0, 1, 2, 3, 4]
    assert target.read_bytes().startswith(finished)
