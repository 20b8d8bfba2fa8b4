"""``collegium eval`` over the real agent, from the command to the summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run


@pytest.mark.weights
def test_the_command_over_the_real_agent(weights_home: Path, tmp_path: Path, real_run: Run) -> None:
    suite = tmp_path / "suite.yaml"
    sets: dict[str, list[dict[str, Any]]] = {
        "grounded": [
            {
                "question": "Which side effects of metformin are common?",
                "gold": ["metformin#common-side-effects"],
                "answer": "Diarrhoea.",
            }
        ],
        "retrieval": [
            {"question": "common side effects of metformin", "gold": ["metformin#common-side-effects"]}
        ],
        "routing": [{"text": "What is a bond?", "label": "finance"}],
        "choice": [
            {"question": "What does metformin treat?", "choices": ["diabetes", "gout"], "answer": "A"}
        ],
        "tools": [{"text": "BMI at 80 kg and 180 cm?", "tool": "bmi"}],
    }
    lines = ["configs: [lora+rag, rag]", "sets:"]
    for task, rows in sets.items():
        (tmp_path / f"{task}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        route = str(task != "grounded").lower()
        lines.append(
            f"  - {{name: {task}, task: {task}, file: {task}.jsonl, domain: medical, route: {route}}}"
        )
    suite.write_text("\n".join(lines))
    out = tmp_path / "out"
    assert real_run("eval", suite, "--out", out).code == 0  # the command without "run"
    results = (out / "results.jsonl").read_bytes()
    summary = json.loads((out / "summary.json").read_text())
    for name, figure in (
        ("grounded", "citation_precision"),
        ("retrieval", "hit@5"),
        ("routing", "accuracy"),
        ("tools", "right_tool"),
    ):
        assert summary["sets"][name]["metrics"]["lora+rag"][figure]["value"] == 1.0, name
    assert summary["resources"]["rag"]["tokens"] > 0
    assert summary["resources"]["rag"]["peak_memory_mb"] > 100
    (out / "results.jsonl").write_bytes(results[: len(results) // 2])
    assert real_run("eval", "run", suite, "--out", out, "--resume").code == 0
    assert (out / "results.jsonl").read_bytes() == results


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["medical"], "give --out DIR"),
        (
            ["run", "medical", "--out", "x", "--configs", "magic"],
            "--configs: unknown 'magic'; known: base, lora",
        ),
        (["astrology", "--out", "x"], "'astrology' is no domain"),
        (["public", "--out", "x", "--set", "DATA"], "expected NAME=VALUE"),
        (["public", "--out", "x"], "give --set DATA=PATH"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(real_run: Run, arguments: list[str], message: str) -> None:
    result = real_run("eval", *arguments)
    assert result.code == 2
    assert message in result.err
