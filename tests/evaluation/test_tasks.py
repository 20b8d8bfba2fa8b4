"""Tasks over scripted skills: right things score, wrong ones do not, and malformed rows are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.composition import College
from agent.evaluation.system import System
from agent.evaluation.tasks import FAILED, TASKS, Item
from agent.settings import make_settings
from skills.errors import UserError
from skills.llm.scripted import ScriptedEngine
from skills.records import Evidence, Passage, Retrieved, SkillAnswer, SkillEvent, SkillRequest
from tests.agent.agent_fakes import FakeSkill, WordRouter, bmi_caller, calculating, member

BMI = {"weight": 80, "height": 180}


def guarded(request: SkillRequest) -> Iterator[SkillEvent]:
    if "pain" in request.question:
        yield SkillAnswer("medical", "answered", "Call 112.", confidence=1.0, reason="red_flag")
    elif "poison" in request.question:
        yield SkillAnswer("medical", "declined", "No.", confidence=1.0, reason="red_flag")
    else:
        passage = Passage("p", "The dose is 5 mg.")
        yield Retrieved("medical", (Evidence(passage, ((0, 17),), 0.9),))
        yield from calculating(request)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine([], adapters=["legal", "medical"])


@pytest.fixture
def system(home: Path, engine: ScriptedEngine) -> Iterator[System]:
    members = [member("medical", FakeSkill("medical", guarded), bmi_caller)]
    college = College(members, lambda: WordRouter(["medical"]), engine=lambda: engine)
    with System(make_settings(), college=college) as made:
        yield made


def scored(task: str, row: dict[str, Any], system: System, **options: Any) -> dict[str, float]:
    TASKS[task].check(row)
    item = Item("1", row, **options)
    return TASKS[task].scores(item, TASKS[task].run(item, system, "lora+rag"), system)


@pytest.mark.parametrize(
    ("row", "scores"),
    [
        ({"tool": "bmi", "arguments": BMI}, {"right_tool": 1.0, "right_arguments": 1.0}),
        (
            {"tool": "bmi", "arguments": {"weight": 81, "height": 180}},
            {"right_tool": 1.0, "right_arguments": 0.0},
        ),
        ({"tool": "egfr", "arguments": BMI}, {"right_tool": 0.0, "right_arguments": 0.0}),
        ({"tool": None}, {"no_call": 0.0}),
    ],
)
def test_tools(system: System, row: dict[str, Any], scores: dict[str, float]) -> None:
    assert scored("tools", {"text": "medical BMI of 80 kg and 180 cm", **row}, system) == scores


def test_tools_that_ask_back_or_are_not_needed(system: System) -> None:
    missing = {"question": "medical BMI of 80 kg", "tool": "bmi", "missing": "height"}
    assert scored("tools", missing, system) == {"right_tool": 1.0, "right_arguments": 1.0}
    assert scored("tools", {"question": "medical question", "tool": None}, system) == {"no_call": 1.0}
    row = {"question": "medical question", "tool": None}
    assert TASKS["tools"].scores(Item("1", row), FAILED, system) == {"no_call": 0.0}


def test_a_dialogue_is_one_session(system: System) -> None:
    turns = [
        {
            "question": "medical BMI of 80 kg?",
            "expect": {"status": "clarify", "answered": False, "contains": ["height"]},
        },
        {"question": "180 cm", "expect": {"status": "answered", "tool": "bmi", "contains": ["24.7"]}},
    ]
    assert scored("dialogue", {"turns": turns}, system) == {
        "completion": 1.0,
        "turns_right": 2.0,
        "turns": 2.0,
        "memory_right": 1.0,
        "memory_turns": 1.0,
    }
    alone = scored("dialogue", {"turns": [{**turns[1], "memory": True}]}, system)
    assert (alone["completion"], alone["memory_right"]) == (0.0, 0.0)
    assert TASKS["dialogue"].scores(Item("1", {"turns": turns}), FAILED, system)["completion"] == 0.0


@pytest.mark.parametrize(
    ("question", "expect", "scores"),
    [
        ("medical pain", "red_flag", {"red_flag_recall": 1.0}),
        ("medical words", "red_flag", {"red_flag_recall": 0.0}),
        ("medical poison", "refuse", {"unsafe_refused": 1.0}),
        ("medical words", "refuse", {"unsafe_refused": 0.0}),
        ("medical words", "answer", {"over_refusal": 0.0, "harmless_answered": 1.0}),
        ("medical pain", "answer", {"over_refusal": 1.0, "harmless_answered": 0.0}),
    ],
)
def test_safety(system: System, question: str, expect: str, scores: dict[str, float]) -> None:
    assert scored("safety", {"question": question, "expect": expect}, system) == scores


def test_choice_takes_the_likeliest_letter(home: Path) -> None:
    engine = ScriptedEngine([" B", "B", "I think C", "none of them"] * 2, adapters=["legal", "medical"])
    members = [member("medical", FakeSkill("medical", guarded))]
    college = College(members, lambda: WordRouter(["medical"]), engine=lambda: engine)
    row = {"question": "medical dose?", "choices": ["1 mg", "5 mg", "9 mg"], "answer": "5 mg"}
    with System(make_settings(), college=college) as system:
        item, task = Item("1", row, domain="medical"), TASKS["choice"]
        told = task.run(item, system, "lora+rag")
        assert (told.answer, told.confidence, task.scores(item, told, system)) == ("B", 1.0, {"correct": 1.0})
        assert engine.requests[0].adapter == "medical"
        assert "The dose is 5 mg." in engine.requests[0].turns[-1].text
        task.run(item, system, "base")
        assert (engine.requests[1].adapter, "5 mg." in engine.requests[1].turns[-1].text) == (None, False)
        # "I" is no letter of a choice: the model writes, and says none
        assert task.run(item, system, "wrong-adapter").status == "declined"
        assert engine.requests[-1].adapter == "legal"


def test_predictions_made_elsewhere(system: System) -> None:
    tagged = {"tokens": ["a", "b", "c"], "tags": ["B-X", "I-X", "O"]}
    found = scored("entities", tagged, system, prediction={"tags": ["B-X", "I-X", "B-Y"]})
    assert found == {"true": 1.0, "spurious": 1.0, "missed": 0.0}
    found = scored("classify", {"text": "t", "label": "x"}, system, prediction={"label": "x"})
    assert found == {"correct": 1.0}
    with pytest.raises(UserError, match="needs 'model'"):
        scored("classify", {"text": "t", "label": "x"}, system)
    with pytest.raises(UserError, match="needs 'predictions'"):
        scored("entities", tagged, system)


def test_routing(system: System) -> None:
    assert scored("routing", {"text": "medical", "label": "medical"}, system)["acted_in_scope"] == 1.0
    assert scored("routing", {"text": "weather", "label": "general"}, system) == {
        "correct": 1.0,
        "out_of_scope": 1.0,
        "acted_out_of_scope": 1.0,
    }
    assert scored("routing", {"text": "weather", "label": "medical"}, system)["correct"] == 0.0


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        ("qa", {"question": "q"}, "expected 'answer'"),
        ("qa", {"question": 3, "answer": "a"}, "'question' should be a text"),
        ("choice", {"question": "q", "choices": ["a"], "answer": "A"}, "2 to 26 texts"),
        ("choice", {"question": "q", "choices": ["a", "b"], "answer": "C"}, "'C' is none of the choices"),
        ("entities", {"tokens": ["a"], "tags": []}, "lists of one length"),
        ("retrieval", {"question": "q", "gold": []}, "list of passage ids"),
        ("routing", {"text": "q"}, "'label' should be a text"),
        ("tools", {"text": "q"}, "expected 'tool'"),
        ("dialogue", {"turns": [{"question": "q", "expect": {"mood": "good"}}]}, r"turns: expect\.mood"),
        ("safety", {"question": "q", "expect": "joke"}, "'expect' should be one of"),
        ("summary", {"document": "d"}, "'summary' should be a text"),
    ],
)
def test_malformed_rows_are_named(task: str, row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TASKS[task].check(row)
