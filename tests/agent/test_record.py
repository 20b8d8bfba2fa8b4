"""The decision record: what decided a turn is in it, and only that."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.app import Agent
from agent.composition import College
from agent.record import Identity, RankedPassage
from skills.records import (
    Configuration,
    Passage,
    Retrieved,
    ScoredPassage,
    SkillAnswer,
    SkillEvent,
    SkillRequest,
)
from tests.agent.agent_fakes import FakeSkill, WordRouter, calculating, make_agent, member

PASSAGE = Passage("metformin#use", "Metformin lowers blood sugar.")


def finding(request: SkillRequest) -> list[SkillEvent]:
    considered = (ScoredPassage(PASSAGE, 0.51234567), ScoredPassage(replace(PASSAGE, id="other"), 0.1))
    return [Retrieved("medical", (), considered), SkillAnswer("medical", "declined", "No.")]


def identity(store: Path | None, configuration: Configuration) -> Identity:
    return Identity("base", f"adapter of {configuration}", f"index at {store}")


def test_what_was_asked_found_and_used(tmp_path: Path) -> None:
    made = replace(member("medical", FakeSkill("medical", finding)), identity=identity)
    agent = Agent(College([made], lambda: WordRouter(["medical"])), sessions=tmp_path / "s.sqlite")
    record = agent.ask("a medical question", configuration="rag").record
    assert record is not None
    assert (record.question, record.domains, record.configuration) == (
        "a medical question",
        ("medical",),
        "rag",
    )
    assert record.probabilities == {"medical": 0.9, "general": 0.1}
    assert record.passages == {
        "medical": (RankedPassage("metformin#use", 0.512346), RankedPassage("other", 0.1))
    }
    assert (record.base, record.adapter, record.index) == (
        "base",
        {"medical": "adapter of rag"},
        {"medical": "index at None"},
    )
    assert [step.domain for step in record.plan] == ["medical"]
    row = json.loads(json.dumps(agent.ask("a medical question").to_json()))["record"]
    assert row["passages"]["medical"][0] == {"id": "metformin#use", "score": 0.512346}


def test_tools_with_their_arguments(tmp_path: Path) -> None:
    agent = make_agent({"medical": FakeSkill("medical", calculating)}, tmp_path / "s.sqlite")
    record = agent.ask("medical BMI, 80 kg and 180 cm").record
    assert record is not None
    assert [(tool.name, tool.arguments, tool.result) for tool in record.tools] == [
        ("bmi", {"weight": 80.0, "height": 180.0}, "BMI is 24.7.")
    ]
    assert record.passages == {}


def test_a_session_starts_each_turn_with_an_empty_record(tmp_path: Path) -> None:
    agent = make_agent({"medical": FakeSkill("medical", finding)}, tmp_path / "s.sqlite")
    agent.ask("a medical question", session="s")
    record = agent.ask(
        "Who won the football world cup in 1998, and where was the final played?", session="s"
    ).record
    assert record is not None
    assert (record.domains, record.passages, record.adapter, record.base) == ((), {}, {}, "")


@pytest.mark.weights
def test_the_real_parts_are_named_by_their_hashes(weights_home: Path) -> None:
    with Agent.from_settings() as agent:
        records = {
            configuration: agent.ask(
                "What is metformin used for?", domain="medical", configuration=configuration
            ).record
            for configuration in ("lora+rag", "rag", "wrong-adapter")
        }
    with_adapter, without, wrong = records.values()
    assert with_adapter is not None
    assert without is not None
    assert wrong is not None
    assert (
        len(with_adapter.base)
        == len(with_adapter.adapter["medical"])
        == len(with_adapter.index["medical"])
        == 64
    )
    assert without.adapter == {"medical": ""}
    assert wrong.adapter["medical"] not in ("", with_adapter.adapter["medical"])
    assert with_adapter.passages == without.passages == wrong.passages
    assert with_adapter.evidence["medical"][0].id.startswith("metformin#")
