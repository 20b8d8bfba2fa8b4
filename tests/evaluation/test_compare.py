"""Two runs: seeded faults are found and laid at the right stage's door; a gate lets through what it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from agent.evaluation.attribution import gain
from agent.evaluation.compare import compare
from agent.evaluation.run_files import Run as FinishedRun
from skills.errors import UserError
from tests.cli.conftest import Run
from tests.evaluation.run_folder import record, row, write_run

CALL = {"name": "loan_payment", "arguments": {"rate": 0.05}, "result": "The payment is 536.82."}
OTHER = {"status": "declined", "answer": "No idea.", "scores": {"f1": 0.0, "correct": 0.0}}
Fault = Callable[[dict[str, Any]], dict[str, Any]]


def forced_router(good: dict[str, Any]) -> dict[str, Any]:
    plan = [{"domain": "legal", "search_query": "", "question": ""}]
    wrong = record(
        domains=["legal"], plan=plan, passages={"legal": [{"id": "rent", "score": 1}]}, adapter={"legal": "x"}
    )
    return {**good, **OTHER, "domains": ["legal"], "record": wrong}


def emptied_index(good: dict[str, Any]) -> dict[str, Any]:
    return {
        **good,
        **OTHER,
        "record": record(passages={"medical": []}, evidence={"medical": []}, index={"medical": "e"}),
    }


def edited_index(good: dict[str, Any]) -> dict[str, Any]:
    """The same ids, other texts under them."""
    return {**good, "answer": "It raises blood sugar [1].", "record": record(index={"medical": "other"})}


def shuffled_evidence(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, **OTHER, "record": record(evidence={"medical": []})}


def swapped_adapter(good: dict[str, Any]) -> dict[str, Any]:
    return {
        **good,
        "answer": "Sugar.",
        "scores": {"f1": 0.2, "correct": 0.0},
        "record": record(adapter={"medical": "x"}),
    }


def flipped_tool(good: dict[str, Any]) -> dict[str, Any]:
    call = {**CALL, "result": "The payment is -536.82."}
    return {
        **good,
        "answer": call["result"],
        "scores": {"f1": 0.0},
        "record": record(tools=[call], passages={}),
    }


def checks_off(good: dict[str, Any]) -> dict[str, Any]:
    answer = good["answer"] + " It cures diabetes [1]."
    return {**good, "answer": answer, "scores": {"f1": 0.5, "correct": 0.0}}


def checks_off_by_configuration(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "answer": "It cures diabetes [1].", "record": record(configuration="no-verify")}


def refused_answer(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, **OTHER}


def other_words(good: dict[str, Any]) -> dict[str, Any]:
    return {**good, "answer": "Sugar falls [1]."}


def broken_engine(good: dict[str, Any]) -> dict[str, Any]:
    return {
        **good,
        "status": "failed",
        "answer": None,
        "scores": {},
        "record": None,
        "error": "ModelError: gone",
    }


FAULTS: dict[Fault, str] = {
    forced_router: "route",
    emptied_index: "retrieval",
    edited_index: "retrieval",
    shuffled_evidence: "evidence",
    swapped_adapter: "adapter",
    flipped_tool: "tool",
    checks_off: "verification",
    checks_off_by_configuration: "verification",
    refused_answer: "verification",
    other_words: "generation",
    broken_engine: "failure",
}


def good_rows(items: int = 20) -> list[dict[str, Any]]:
    """Every fourth is answered by a calculator."""
    rows = [row(number) for number in range(items)]
    for one in rows[::4]:
        one.update(answer=CALL["result"], record=record(tools=[CALL], passages={}, evidence={}))
    return rows


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_seeded_fault_is_found_at_its_stage(tmp_path: Path, fault: Fault) -> None:
    good = good_rows()
    of_tools = fault is flipped_tool
    struck = [number for number in range(20) if (number % 4 == 0) == of_tools][:5]
    bad = [fault(one) if number in struck else one for number, one in enumerate(good)]
    found = compare(FinishedRun(write_run(tmp_path / "a", good)), FinishedRun(write_run(tmp_path / "b", bad)))
    assert [(one.stage, len(one.items)) for one in found.stages] == [(FAULTS[fault], 5)]
    assert {key[1] for key in found.stages[0].items} == {f"q{number}" for number in struck}


def test_a_run_is_the_same_as_itself(tmp_path: Path) -> None:
    run = FinishedRun(write_run(tmp_path, good_rows()))
    found = compare(run, run)
    assert (found.shared, found.changed, found.stages) == (20, 0, ())
    assert {(one.paired.difference, one.paired.p, one.p_holm) for one in found.scores} == {(0.0, 1.0, 1.0)}


def test_differences_are_paired_and_corrected_for_their_number(tmp_path: Path) -> None:
    before = [row(n, scores={"f1": 0.1 * (n % 10), "ece": 0.2}) for n in range(30)]
    after = [row(n, scores={"f1": 0.1 * (n % 10) - 0.05, "ece": 0.2}) for n in range(30)]
    found = compare(
        FinishedRun(write_run(tmp_path / "a", before)), FinishedRun(write_run(tmp_path / "b", after))
    )
    f1, ece = found.scores
    assert f1.metric == "f1"
    assert f1.paired.difference == pytest.approx(-0.05)
    assert f1.paired.low == pytest.approx(-0.05)  # every item lost as much: nothing is uncertain about it
    assert f1.paired.p < 0.01
    assert f1.p_holm == pytest.approx(2 * f1.paired.p)
    assert ece.paired.p == 1.0
    assert (found.stages[0].worse, found.stages[0].better) == (30, 0)


def test_items_and_files_that_differ_are_said(tmp_path: Path, real_run: Run) -> None:
    first = write_run(tmp_path / "a", [row(0), row(1)])
    second = write_run(
        tmp_path / "b",
        [row(1), row(2)],
        data={"medquad": {"path": "m", "sha256": "other", "rows": 2, "task": "answer"}},
    )
    printed = real_run("eval", "compare", first, second).out
    assert "1 answers in both runs, 0 with another outcome" in printed
    assert "only in the first run: 1, for example medquad/q0/lora+rag" in printed
    assert "set 'medquad': the runs used different files" in printed
    shown = json.loads(real_run("eval", "compare", first, second, "--json").out)
    assert shown["only_second"] == [["medquad", "q2", "lora+rag"]]
    with pytest.raises(UserError, match="no set, item and configuration in common"):
        compare(FinishedRun(first), FinishedRun(write_run(tmp_path / "c", [row(9)])))


def test_figures_of_a_known_task_are_compared_as_it_counts_them(tmp_path: Path) -> None:
    """Citation precision is a share of all citations, not a mean of answers; the record lies under "decision"."""

    def rows(*gold: int) -> list[dict[str, Any]]:
        return [
            row(
                n,
                task="grounded",
                scores={"f1": 0.5, "citations": 4, "citations_gold": right, "quotes_exact": 4},
                record={"decision": record()},
            )
            for n, right in enumerate(gold)
        ]

    found = compare(
        FinishedRun(write_run(tmp_path / "a", rows(4, 2, 0))),
        FinishedRun(write_run(tmp_path / "b", rows(4, 0, 0))),
    )
    precision = next(one for one in found.scores if one.metric == "citation_precision")
    assert (precision.first, precision.second) == (pytest.approx(6 / 12), pytest.approx(4 / 12))
    assert not [one for one in found.scores if one.metric in ("citations", "citations_gold")]
    assert [(one.stage, len(one.items)) for one in found.stages] == [("generation", 1)]


def test_what_is_better_is_told_by_what_is_right_and_not_by_counts(tmp_path: Path) -> None:
    before = [row(0, task="grounded", scores={"f1": 0.9, "right": 1.0, "numbers": 0, "citations": 1})]
    after = [row(0, task="grounded", scores={"f1": 0.1, "right": 0.0, "numbers": 43, "citations": 1})]
    one, two = (
        FinishedRun(write_run(tmp_path / name, rows)).results for name, rows in (("a", before), ("b", after))
    )
    key = ("medquad", "q0", "lora+rag")
    assert gain(one[key], two[key]) == pytest.approx(-1.8)


# ------------------------------------------------------------------ the gate


def scored(values: list[float], metric: str = "f1") -> list[dict[str, Any]]:
    return [row(number, scores={metric: value}) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("after", "drop", "code"),
    [
        ([0.5] * 40, 0.0, 0),  # the same
        ([0.6] * 40, 0.0, 0),  # better
        ([0.49] * 40, 0.02, 0),  # worse, by less than is allowed
        ([0.45] * 40, 0.02, 1),  # worse, by more
        ([0.0, 1.0] * 20, 0.02, 1),  # no worse in the mean, but it plausibly is
    ],
)
def test_a_gate_asks_for_the_worse_end_of_the_interval(
    tmp_path: Path,
    real_run: Run,
    after: list[float],
    drop: float,
    code: int,
) -> None:
    baseline, run = write_run(tmp_path / "a", scored([0.5] * 40)), write_run(tmp_path / "b", scored(after))
    assert gated(real_run, baseline, run, f"f1={drop}").code == code


def gated(run: Run, baseline: Path, new: Path, *drops: str, junit: Path | None = None):
    options = [word for drop in drops for word in ("--max-drop", drop)]
    return run(
        "eval", "gate", "--baseline", baseline, "--run", new, *options, *(["--junit", junit] if junit else [])
    )


def test_of_a_cost_a_rise_is_a_drop(tmp_path: Path, real_run: Run) -> None:
    low, high = (
        write_run(tmp_path / "a", scored([0.1] * 9, "ece")),
        write_run(tmp_path / "b", scored([0.3] * 9, "ece")),
    )
    assert gated(real_run, low, high, "ece=0.02").code == 1
    assert gated(real_run, high, low, "ece=0.02").code == 0


def test_a_run_does_not_pass_by_leaving_out_what_is_hard(tmp_path: Path, real_run: Run) -> None:
    baseline = write_run(tmp_path / "a", scored([0.5] * 4))
    for name, rows in {
        "short": scored([0.9] * 3),
        "broken": [*scored([0.9] * 3), broken_engine(row(3))],
    }.items():
        result = gated(real_run, baseline, write_run(tmp_path / name, rows), "f1=0.5")
        assert result.code == 1
        assert "1 items of the baseline are missing or failed, the first is 'q3'" in result.out


def test_junit_has_a_case_for_each_set_configuration_and_metric(tmp_path: Path, real_run: Run) -> None:
    def rows(f1: float) -> list[dict[str, Any]]:
        return [
            row(n, set=name, config=config, scores={"f1": f1 if config == "rag" else 0.5, "correct": 1.0})
            for n in range(5)
            for name in ("a<b\x1b", "zh")
            for config in ("base", "rag")
        ]

    baseline, run = write_run(tmp_path / "a", rows(0.5)), write_run(tmp_path / "b", rows(0.1))
    junit = tmp_path / "junit.xml"
    assert gated(real_run, baseline, run, "f1=0.02", "correct=0", junit=junit).code == 1
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "2", "0")
    failed = [(case.get("classname"), case.get("name")) for case in suite if case.find("failure") is not None]
    assert failed == [("a<b\ufffd.rag", "f1"), ("zh.rag", "f1")]


@pytest.mark.parametrize("drop", ["f1", "f1=", "=1", "f1=-1", "f1=nan", "unheard=0.1"])
def test_a_gate_that_cannot_be_meant_is_a_usage_error(tmp_path: Path, real_run: Run, drop: str) -> None:
    run = write_run(tmp_path, scored([0.5]))
    result = gated(real_run, run, run, drop)
    assert result.code == 2
    assert result.err.startswith("error: ")
