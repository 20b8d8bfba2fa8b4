"""Runs in the formats of neighbours: read back by their own tools."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.evaluation.run_folder import CONFIGS, HOSTILE, full_run, record, row, write_run


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


def test_results_are_lm_evals(tmp_path: Path, real_run: Run) -> None:
    run = full_run(tmp_path / "run", items=4)
    files = [
        Path(line)
        for line in real_run(
            "eval", "export", run, "--format", "lm-eval", "--out", tmp_path / "lm"
        ).out.splitlines()
    ]
    assert len(files) == len(CONFIGS) * 4
    results = json.loads(
        next(path for path in files if path.parent.name == "rag" and "results_" in path.name).read_text()
    )
    summary = json.loads((run / "summary.json").read_text())
    figure = summary["sets"]["medquad"]["metrics"]["rag"]["f1"]["value"]
    assert results["results"]["medquad"]["f1,none"] == figure
    assert results["higher_is_better"]["medquad"] == {"f1": True, "correct": True, "ece": False}
    assert results["n-samples"]["medquad"] == {"original": 4, "effective": 4}
    samples = [json.loads(line) for line in next(p for p in files if "samples_medquad_" in p.name).open()]
    assert [one["doc"]["id"] for one in samples] == ["q0", "q1", "q2", "q3"]
    assert samples[0]["resps"] == [[HOSTILE]]

    utils = pytest.importorskip("lm_eval.utils")
    assert f"{figure:.4f}" in utils.make_table(results)
    names = [str(path) for path in files]
    assert len(utils.get_results_filenames(names)) == len(CONFIGS)
    assert {utils.get_file_task_name(Path(n).name) for n in utils.get_sample_results_filenames(names)} >= {
        "medquad"
    }
    assert utils.hash_string("x") == hashlib.sha256(b"x").hexdigest()


def test_results_are_inspects(tmp_path: Path, real_run: Run) -> None:
    inspect_log = pytest.importorskip("inspect_ai.log")
    run = full_run(tmp_path / "run", items=4)
    result = real_run("eval", "export", run, "--format", "inspect", "--out", tmp_path / "logs")
    assert len(result.out.splitlines()) == 3 * len(CONFIGS)
    path = next(line for line in result.out.splitlines() if "medquad.rag.json" in line)
    log = inspect_log.read_eval_log(path)
    assert (log.status, log.eval.task, log.eval.model, log.results.total_samples) == (
        "success",
        "medquad",
        "collegium/rag",
        4,
    )
    value = json.loads((run / "summary.json").read_text())["sets"]["medquad"]["metrics"]["rag"]["f1"]["value"]
    assert {score.name: score.metrics["value"].value for score in log.results.scores}["f1"] == value
    assert log.samples[0].input == log.samples[0].output.completion == HOSTILE
    assert log.samples[0].metadata["record"]["question"] == "What does metformin do?"


def test_a_format_whose_library_is_missing_names_the_extra(
    tmp_path: Path, real_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    run = write_run(tmp_path / "run", [row(0)])
    result = real_run("eval", "export", run, "--format", "inspect", "--out", tmp_path / "logs")
    assert result.code == 2
    assert "pip install 'collegium[harness]'" in " ".join(result.err.split())
