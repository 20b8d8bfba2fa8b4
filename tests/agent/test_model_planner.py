"""A plan by the base model is followed where it names domains and asks what was said; else the rules' stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_fakes import FakeSkill, WordRouter, member
from hypothesis import given
from hypothesis import strategies as st

from agent.app import Agent
from agent.composition import College
from agent.model_planner import ModelPlanner, by_rules
from agent.plan import Plan, Step
from skills.llm.chat_model import CollegiumChatModel
from skills.llm.scripted import ScriptedEngine
from skills.llm.scripted import Step as Scripted
from skills.records import Turn

DOMAINS = {"finance": "Money.", "legal": "Rights.", "medical": "Health."}
RULES = Plan((Step("finance", "the search of the rules"),))
REQUEST = "I was fired in May. What is my severance, and what tax do I pay on that amount?"


def _planner(*script: Scripted) -> tuple[ModelPlanner, ScriptedEngine]:
    engine = ScriptedEngine(script)
    return ModelPlanner(CollegiumChatModel(engine=engine), DOMAINS), engine


def _plan(*steps: tuple[str, str, str]) -> str:
    return json.dumps(
        {"steps": [{"domain": domain, "question": asked, "needs": needs} for domain, asked, needs in steps]}
    )


def test_steps_in_the_models_order_and_what_they_need() -> None:
    asked, owed = "What is my severance", "what tax do I pay on that amount?"
    planner, engine = _planner(_plan(("legal", asked, ""), ("finance", owed, "legal")))
    assert planner(REQUEST, RULES) == Plan(
        (Step("legal", question=asked), Step("finance", question=owed, needs="legal"))
    )
    request = engine.requests[0]
    assert request.json_schema is not None
    assert request.temperature == 0.0
    assert all(answers in request.turns[0].text for answers in DOMAINS.values())
    assert REQUEST in request.turns[-1].text


def test_what_one_domain_is_asked_twice_is_one_step() -> None:
    planner, _ = _planner(_plan(("legal", "What is my severance", ""), ("legal", "fired in May", "legal")))
    assert planner(REQUEST, RULES) == Plan((Step("legal"),))


@pytest.mark.parametrize(
    "reply",
    [
        _plan(("legal", "What is my pension?", "")),  # nobody asked that
        _plan(("cooking", "What is my severance", "")),
        _plan(("legal", "  ", "")),
        _plan(),
        '{"steps": [{"domain": "legal"',  # cut off
        '{"steps": [{"domain": "legal", "question": "severance", "needs": "", "tool": "rm"}]}',
        "I would ask a lawyer.",
    ],
)
def test_a_plan_that_does_not_hold_leaves_the_rules(reply: str) -> None:
    planner, engine = _planner(reply)
    assert planner(REQUEST, RULES) is RULES
    engine.assert_done()


@pytest.mark.parametrize("rules", [Plan((), "out_of_scope"), Plan((Step("legal", tool="severance"),))])
def test_the_model_is_not_asked_where_nobody_is_or_a_tool_was_named(rules: Plan) -> None:
    planner, _ = _planner()
    assert planner(REQUEST, rules) is rules


def test_a_follow_up_is_searched_with_what_was_said() -> None:
    history = [Turn("user", "Is metformin safe in pregnancy?"), Turn("assistant", "Often, yes.")]
    whole = "Is metformin safe for children?"
    planner, engine = _planner(_plan(("medical", whole, "")))
    assert planner("And for children?", RULES, history) == Plan((Step("medical", whole),))
    assert "metformin" in engine.requests[0].turns[-1].text


def test_a_turn_follows_the_models_plan_and_without_one_the_rules(tmp_path: Path) -> None:
    skills = {name: FakeSkill(name) for name in DOMAINS}
    members = [member(name, skill) for name, skill in skills.items()]
    text = "legal severance, finance tax"
    planner, engine = _planner(_plan(("legal", "severance", ""), ("finance", "tax", "")))
    for sessions, over in (("one", planner), ("two", by_rules)):
        college = College(members, lambda: WordRouter(list(DOMAINS)), planner=lambda over=over: over)
        with Agent(college, sessions=tmp_path / sessions) as agent:
            agent.ask(text)
    engine.assert_done()
    assert [request.question for request in skills["legal"].requests] == ["severance", text]
    assert skills["medical"].requests == []


@given(st.text(max_size=300))
def test_any_reply_gives_a_plan(reply: str) -> None:
    planner, _ = _planner(reply)
    assert planner(REQUEST, RULES) is RULES
