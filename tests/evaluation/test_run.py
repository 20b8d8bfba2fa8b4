"""A run over a whole agent with scripted skills: what is written, what a kill leaves, and what failures become."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.composition import College
from agent.evaluation.items import LoadedSet, load_sets
from agent.evaluation.resources import Measured
from agent.evaluation.run import RESULTS, TIMINGS, run, work_of
from agent.evaluation.suite import ItemSet
from agent.evaluation.summary import resources, write_summary
from agent.evaluation.system import System
from agent.settings import make_settings
from skills.errors import ModelError, UserError
from skills.llm import GenerationRequest, Piece
from skills.llm.chat_model import CollegiumChatModel
from skills.llm.scripted import ScriptedEngine
from skills.records import Citation, SkillAnswer, SkillEvent, SkillRequest, Token, ToolCall
from skills.retrieval.embedder import HashingEmbeddings
from tests.agent.agent_fakes import FakeSkill, WordRouter, member

ITEMS: list[dict[str, Any]] = [
    {
        "id": "a",
        "question": "medical: how much?",
        "answer": "5 mg",
        "gold": ["p1"],
        "passages": [{"id": "p1", "text": "Take 5 mg."}],
    },
    {"id": "b", "question": "medical: unknown?", "answerable": False},
    {"id": "c", "question": "medical: crash?", "answer": "x"},
    {"id": "d", "question": "", "answer": "x"},
    {"id": "e", "question": "finance: what?", "answer": "a bond"},
]
CONFIGS = ("lora+rag", "rag", "oracle-route")


def script(request: SkillRequest) -> Iterator[SkillEvent]:
    if "crash" in request.question:
        raise ModelError("the engine stopped")
    if "unknown" in request.question:
        yield SkillAnswer("medical", "declined", "Nothing.", confidence=0.8, reason="no_evidence")
        return
    text = "5 mg [1]." if request.configuration == "lora+rag" else "some amount [1]."
    yield Token(text, "medical")
    citation = Citation(1, "p1", "Take 5 mg.", 0, 10)
    yield SkillAnswer("medical", "answered", text, (citation,), confidence=0.9)


def finance(request: SkillRequest) -> Iterator[SkillEvent]:
    if "unknown" in request.question:  # asked after the medical skill found nothing
        yield SkillAnswer("finance", "declined", "Nothing.", confidence=0.8, reason="no_evidence")
        return
    yield Token("A bond.", "finance")
    yield SkillAnswer(
        "finance", "answered", "A bond.", tools=(ToolCall("sum", {"a": 1}, "1"),), confidence=0.7
    )


def system(skill: FakeSkill | None = None) -> System:
    skills = {"medical": skill or FakeSkill("medical", script), "finance": FakeSkill("finance", finance)}
    college = College([member(name, one) for name, one in skills.items()], lambda: WordRouter(list(skills)))
    return System(make_settings(), college=college)


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are compared by an encoder that needs no weights."""
    monkeypatch.setattr("skills.retrieval.embedder.load_embedder", lambda name: HashingEmbeddings())


@pytest.fixture
def sets(home: Path, tmp_path: Path) -> list[LoadedSet]:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps(item) for item in ITEMS) + "\nnot JSON\n")
    spec = ItemSet(name="mine", task="grounded", file=str(path))
    return load_sets([spec], ["medical", "finance"], limit=None, seed=0, note=print)


def plan(sets: Sequence[LoadedSet], **changes: Any) -> dict[str, Any]:
    data = {one.name: {"path": one.spec.file, "sha256": one.sha256, "rows": len(one.items)} for one in sets}
    fixed = {"configs": list(CONFIGS), "data": data, "metrics": {}, "seed": 0}
    return {**fixed, "base": "b", "engine": "scripted", "workers": 1, **changes}


def rows(folder: Path, name: str = RESULTS) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_every_item_in_every_configuration_in_order(sets: list[LoadedSet], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with system() as under_test:
        run(work_of(sets, CONFIGS), under_test, out, plan=plan(sets), resume=False)
    found = rows(out)
    ids = ["a", "b", "c", "d", "e", "line 6"]
    assert [(row["id"], row["config"]) for row in found] == [
        (one, name) for one in ids for name in sorted(CONFIGS)
    ]
    by_key = {(row["id"], row["config"]): row for row in found}

    right = by_key["a", "lora+rag"]
    assert (right["status"], right["answer"], right["domains"]) == ("answered", "5 mg [1].", ["medical"])
    assert right["scores"]["f1"] == right["scores"]["em"] == right["scores"]["right"] == 1.0
    assert right["scores"]["quotes_exact"] == right["scores"]["citations_gold"] == 1.0
    assert right["record"]["config"] == {"configuration": "lora+rag", "domain": None, "store": None}
    assert right["record"]["decision"]["plan"][0]["domain"] == "medical"
    assert by_key["a", "rag"]["scores"]["f1"] == 0.0
    assert by_key["b", "rag"]["scores"] == {"unsupported_rate": 0.0, "right": 1.0}
    assert by_key["c", "rag"]["error"] == "the engine stopped"
    assert by_key["d", "rag"]["error"].startswith("'question' should be a text")
    assert by_key["line 6", "rag"]["error"].startswith("not valid JSON")
    assert by_key["e", "rag"]["record"]["tools"] == [{"name": "sum", "arguments": {"a": 1}, "result": "1"}]
    assert [row["id"] for row in rows(out, TIMINGS)] == [row["id"] for row in found]

    summary = write_summary(out, command="collegium eval")
    mine = summary["sets"]["mine"]
    assert mine["counts"]["rag"] == {"answered": 2, "clarify": 0, "declined": 1, "failed": 3}
    assert mine["metrics"]["lora+rag"]["f1"]["n"] == 3  # a, c and e; the failed one counts as 0
    assert mine["metrics"]["lora+rag"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    gap = next(one for one in mine["differences"] if one["against"] == "rag" and one["metric"] == "f1")
    assert gap["difference"] == pytest.approx(1 / 3, abs=1e-4)
    assert gap["p"] <= gap["p_holm"] <= 1.0
    assert mine["metrics"]["lora+rag"]["routing_regret"]["value"] == 0.0
    assert summary["worst"][0]["reason"].startswith("failed: ")
    assert summary["resources"]["rag"]["latency_ms"]["p50"] > 0
    assert "cost" not in summary["resources"]["rag"]


def test_a_killed_run_goes_on_and_leaves_the_same_bytes(sets: list[LoadedSet], tmp_path: Path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    work = work_of(sets, CONFIGS)
    with system() as under_test:
        run(work, under_test, whole, plan=plan(sets), resume=False, workers=3)
    wanted = (whole / RESULTS).read_bytes()
    for kept in (0, 1, len(wanted) // 3, len(wanted) // 2, len(wanted) - 1, len(wanted)):
        with system() as under_test:
            run(work[:1], under_test, torn, plan=plan(sets), resume=False)
        (torn / RESULTS).write_bytes(wanted[:kept])
        (torn / TIMINGS).write_bytes((whole / TIMINGS).read_bytes())
        skill = FakeSkill("medical", script)
        with system(skill) as under_test:
            run(work, under_test, torn, plan=plan(sets), resume=True, workers=2)
        assert (torn / RESULTS).read_bytes() == wanted
        assert len(rows(torn, TIMINGS)) == len(work)
        if kept == len(wanted):
            assert not skill.requests  # nothing was left to ask
        for file in torn.iterdir():
            file.unlink()


def test_finished_work_is_not_lost_by_accident(sets: list[LoadedSet], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with system() as under_test:
        run(work_of(sets, CONFIGS), under_test, out, plan=plan(sets), resume=False)
        with pytest.raises(UserError, match="holds results; go on with --resume"):
            run(work_of(sets, CONFIGS), under_test, out, plan=plan(sets), resume=False)
        with pytest.raises(UserError, match="begun with another 'base'"):
            run(work_of(sets, CONFIGS), under_test, out, plan=plan(sets, base="other"), resume=True)


def test_an_item_that_takes_too_long_fails(sets: list[LoadedSet], tmp_path: Path) -> None:
    def endless(request: SkillRequest) -> Iterator[SkillEvent]:
        while True:
            yield Token("more ", "medical")

    skills = {"medical": FakeSkill("medical", endless)}
    college = College([member(name, one) for name, one in skills.items()], lambda: WordRouter(list(skills)))
    with System(make_settings(), college=college, timeout=0.05) as under_test:
        run(work_of(sets, ("rag",))[:1], under_test, tmp_path / "out", plan=plan(sets), resume=False)
    assert rows(tmp_path / "out")[0]["error"] == "no answer within 0.05 s"
    assert skills["medical"].closed == 1


def test_the_oracle_is_told_the_domain(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps({"question": "no word of it", "answer": "5 mg", "domain": "medical"}) + "\n")
    loaded = load_sets(
        [ItemSet(name="mine", task="qa", file=str(path))], ["medical"], limit=None, seed=0, note=print
    )
    with system() as under_test:
        run(
            work_of(loaded, ("lora+rag", "oracle-route")),
            under_test,
            tmp_path / "out",
            plan=plan(loaded),
            resume=False,
        )
    routed, told = rows(tmp_path / "out")
    assert (routed["status"], routed["domains"]) == ("declined", [])
    assert (told["status"], told["domains"]) == ("answered", ["medical"])


def test_limits_draw_the_same_items_for_one_seed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(json.dumps({"id": n, "text": f"t{n}", "label": "medical"}) for n in range(50)))
    spec = ItemSet(name="mine", task="routing", file=str(path), limit=5)

    def ids(seed: int, limit: int | None = None) -> list[str]:
        return [item.id for item in load_sets([spec], [], limit=limit, seed=seed, note=print)[0].items]

    assert len(ids(0)) == 5
    assert ids(0) == ids(0) != ids(1)
    assert ids(0) == sorted(ids(0), key=int)
    assert len(ids(0, 20)) == 20


class Timed(ScriptedEngine):
    """Says that it computed for half a second."""

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        *pieces, last = super().stream(request)
        yield from pieces
        yield replace(last, seconds=0.5)


def test_a_row_says_what_the_model_took_of_it() -> None:
    model = CollegiumChatModel(engine=Timed(["5 mg", "twice a day"]))
    with Measured() as measured:
        model.invoke("How much?")
        list(model.stream("How often?"))
    with Measured() as nothing:
        pass
    found = measured.to_json()
    assert (found["model_ms"], found["completion_tokens"] > 0) == (1000.0, True)
    assert found["prompt_tokens"] > 0
    assert nothing.to_json()["model_ms"] == nothing.to_json()["prompt_tokens"] == 0


def test_tokens_have_a_price_if_one_is_given() -> None:
    timing = {"config": "rag", "ms": 1.0, "model_ms": 1.0, "peak_mb": 1.0}
    rows = [timing | {"prompt_tokens": 1000, "completion_tokens": 100}] * 2
    assert resources(rows, (0.5, 2.0))["rag"]["cost"] == pytest.approx(0.0014)
    del rows[0]["model_ms"]  # of a run that was begun before that was measured
    assert resources(rows)["rag"]["seconds"] == 0.0


@pytest.mark.parametrize("price", ["1", "a,b", "-1,2", "nan,1", "1,2,3"])
def test_a_price_that_is_none_is_refused_before_anything_is_asked(price: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        app, ["eval", "run", "medical", "--out", str(tmp_path / "x"), "--price", price]
    )
    assert isinstance(found.exception, UserError) or "--price" in found.output
    assert not (tmp_path / "x").exists()
