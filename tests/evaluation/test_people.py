"""What people say about a run: blind choices that resume, how far they agree, and ratings beside a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from agent.evaluation.annotation import Judgement, agreements, pairs, preference, side
from agent.evaluation.report import write_report
from tests.cli.conftest import Run
from tests.evaluation.run_folder import HOSTILE, row, write_run


@pytest.fixture
def sides(tmp_path: Path) -> tuple[str, str]:
    """One run in two configurations, twelve items; the last answer is the same in both."""
    rows = [
        row(
            number, config=config, answer="the same" if number == 11 else f"{config} says {number}. {HOSTILE}"
        )
        for number in range(12)
        for config in ("base", "rag")
    ]
    folder = write_run(tmp_path / "run", rows)
    return f"{folder}#base", f"{folder}#rag"


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_choices_are_blind_kept_at_once_and_go_on(
    tmp_path: Path, sides: tuple[str, str], real_run: Run
) -> None:
    out = tmp_path / "choices.jsonl"
    common = ("eval", "annotate", *sides, "--out", out, "--annotator", "ann", "--seed", 3)
    first = real_run(*common, stdin="1\n2\nnonsense\nt\nq\n")
    assert first.code == 0
    assert "1 of 11" in first.err  # an item with the same answers needs no choice
    assert "base" not in first.err.replace("base says", "").replace("#base", "")
    assert [one["choice"] for one in rows_of(out)][2] == "tie"
    second = real_run(*common, stdin="s\n" + "1\n" * 20)
    assert "1 of 8" in second.err
    made = rows_of(out)
    assert len({(one["set"], one["id"]) for one in made}) == len(made) == 11
    shown = json.loads(second.out)
    assert (shown["judgements"], shown["skipped"]) == (11, 1)
    # Whose answer stood first is undone: "1" was not always the same configuration.
    assert {one["choice"] for one in made} == {"a", "b", "tie", "skip"}


def test_order_and_sides_come_from_the_seed(sides: tuple[str, str]) -> None:
    a, b = side(sides[0]), side(sides[1])
    order = [[(pair.a.id, pair.swapped) for pair in pairs(a, b, seed=seed)] for seed in (0, 0, 1)]
    assert order[0] == order[1] != order[2]
    for pair in pairs(a, b):
        assert pair.shown[0 if pair.choice(1) == "a" else 1].config == "base"
        assert {pair.choice(1), pair.choice(2)} == {"a", "b"}


def test_choices_about_other_answers_are_not_mixed_in(
    tmp_path: Path, sides: tuple[str, str], real_run: Run
) -> None:
    out = tmp_path / "choices.jsonl"
    real_run("eval", "annotate", *sides, "--out", out, "--annotator", "ann", stdin="1\nq\n")
    swapped = real_run("eval", "annotate", *reversed(sides), "--out", out, "--statistics")
    assert swapped.code == 2
    assert "choose another --out" in swapped.err
    out.write_text('{"annotator": "x"}\n')
    assert real_run("eval", "annotate", *sides, "--out", out, "--statistics").code == 2
    assert real_run("eval", "annotate", sides[0], sides[1] + "x", "--out", out).code == 2


def choices(annotator: str, *made: str) -> list[Judgement]:
    return [
        Judgement.model_validate(
            {"annotator": annotator, "set": "s", "id": str(n), "a": "base@1", "b": "rag@1", "choice": choice}
        )
        for n, choice in enumerate(made)
    ]


def test_agreement_is_cohens_kappa() -> None:
    one, two = ("a", "a", "b", "tie", "b", "a", "skip"), ("a", "b", "b", "tie", "a", "a", "b")
    (found,) = agreements([*choices("x", *one), *choices("y", *two)])
    assert found.n == 6
    assert found.agreed == pytest.approx(4 / 6)
    assert found.kappa == pytest.approx(cohen_kappa_score(one[:6], two[:6]))
    (same,) = agreements([*choices("x", "a", "a"), *choices("y", "a", "a")])
    assert (same.agreed, same.kappa) == (1.0, None)
    assert agreements(choices("x", "a")) == []


def test_preference_leaves_ties_out() -> None:
    found = preference(choices("x", "a", "b", "b", "b", "tie", "skip"))
    assert (found.a, found.b, found.tie, found.share) == (1, 3, 1, 0.75)
    assert 0 < found.low < 0.75 < found.high < 1
    assert preference(choices("x", "tie")).low == 0.0


# ------------------------------------------------------------------ feedback


def feedback(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_feedback_is_kept_beside_the_run_and_shown(tmp_path: Path, real_run: Run) -> None:
    rows = [row(n, config=config) for n in range(3) for config in ("base", "rag")]
    run = write_run(
        tmp_path / "run", rows, worst=[{"set": "medquad", "id": "q0", "config": "rag", "reason": "bad"}]
    )
    given = feedback(
        tmp_path / "f.jsonl",
        {"id": "q0", "rating": 1, "comment": HOSTILE, "config": "rag"},
        {"id": "q1", "rating": 5},
    )
    for _ in range(2):  # importing twice adds nothing
        result = real_run("eval", "feedback", given, "--run", run)
        shown = json.loads(result.out)
        assert shown["ratings"] == 2
        assert {one["config"]: one["mean"] for one in shown["means"]} == {"rag": 3.0, "base": 5.0}
    write_report(run)
    page = (run / "report.html").read_text()
    assert "Ratings of users" in page
    assert "1: &lt;script&gt;alert(1)" in page
    assert "## Ratings of users" in (run / "report.md").read_text()


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "q9", "rating": 1},
        {"id": "q0", "rating": "good"},
        {"id": "q0", "rating": float("nan")},
        {"id": "q0"},
        {"id": "q0", "rating": 1, "stars": 2},
        {"id": "q0", "rating": 1, "config": "magic"},
    ],
)
def test_feedback_about_nothing_is_refused_whole(tmp_path: Path, real_run: Run, bad: dict[str, Any]) -> None:
    run = write_run(tmp_path / "run", [row(0)])
    result = real_run(
        "eval", "feedback", feedback(tmp_path / "f.jsonl", {"id": "q0", "rating": 1}, bad), "--run", run
    )
    assert result.code == 2
    assert "f.jsonl:2" in "".join(result.err.split())
    assert not (run / "feedback.jsonl").exists()
