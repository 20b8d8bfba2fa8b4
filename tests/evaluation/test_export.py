"""Runs in the formats of neighbours: read back by their own tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.evaluation.run_folder import record, row, write_run


def test_rankings_are_trec_runs(tmp_path: Path, real_run: Run) -> None:
    tied = [{"id": "a b", "score": 0.5}, {"id": "c", "score": 0.5}, {"id": "a b", "score": 0.1}]
    rows = [
        row(0, record=record()),
        row(1, record=record(passages=tied)),
        row(2, record=record(passages=["x", "y"])),
        row(3, record=record(passages={})),
        row(4, set="s/t", record=record(passages=["x"])),
        row(5, set="s_t", record=record(passages=["x"])),
    ]
    result = real_run("eval", "export", write_run(tmp_path / "run", rows), "--out", tmp_path / "trec")
    files = [Path(line) for line in result.out.splitlines()]
    assert [path.name for path in files] == ["medquad.lora+rag.run", "s_t.lora+rag.run", "s_t.lora+rag-2.run"]
    assert files[0].read_text().splitlines() == [
        "q0 Q0 metformin#use 1 0.9 lora+rag",
        "q0 Q0 metformin#dose 2 0.4 lora+rag",
        "q1 Q0 a_b 1 1 lora+rag",
        "q1 Q0 c 2 0.5 lora+rag",
        "q2 Q0 x 1 1 lora+rag",
        "q2 Q0 y 2 0.5 lora+rag",
    ]


def test_trec_evals_own_library_reads_them(tmp_path: Path, real_run: Run) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    run = write_run(tmp_path / "run", [row(0, record=record())])
    path = Path(real_run("eval", "export", run, "--out", tmp_path / "trec").out.strip())
    with path.open() as stream:
        ranked = pytrec_eval.parse_run(stream)
    found = pytrec_eval.RelevanceEvaluator({"q0": {"metformin#dose": 1}}, {"recip_rank"}).evaluate(ranked)
    assert found["q0"]["recip_rank"] == 0.5


def test_a_run_without_rankings_has_nothing_to_export(tmp_path: Path, real_run: Run) -> None:
    run = write_run(tmp_path / "run", [row(0, record=None)])
    result = real_run("eval", "export", run, "--out", tmp_path / "trec")
    assert result.code == 2
    assert "nothing to export" in result.err
