"""A red flag reaches the skill whose guard it is, wherever the router would have sent the request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agent_fakes import FakeSkill, calculating, make_agent, member

from agent.app import Agent
from skills.grounding.guards import raised
from skills.pack import Guard, Pack, discover

GUARD = Guard(
    name="flag", patterns=("help me",), unless=("story",), action="answer", message="x", message_zh="x"
)
PACKS, _ = discover()


@pytest.fixture
def guarded() -> FakeSkill:
    return FakeSkill("guarded")


@pytest.fixture
def agent(guarded: FakeSkill, tmp_path: Path) -> Iterator[Agent]:
    skills = {"medical": FakeSkill("medical", calculating), "finance": FakeSkill("finance")}
    extra = [replace(member("guarded", guarded), guards=(GUARD,))]
    with make_agent(skills, tmp_path / "sessions.sqlite", extra=extra) as made:
        yield made


@pytest.mark.parametrize("text", ["help me", "finance: help me", "finance and medical: help me"])
def test_it_is_heard_out_of_scope_and_in_other_domains(agent: Agent, guarded: FakeSkill, text: str) -> None:
    answer = agent.ask(text)
    assert answer.domains == ("guarded",)
    assert guarded.requests[-1].question == text


def test_it_is_heard_in_the_middle_of_a_calculation_and_where_a_domain_is_told(
    agent: Agent, guarded: FakeSkill
) -> None:
    agent.ask("calculate the medical BMI at 180 cm", session="s")
    assert agent.ask("80 kg, help me", session="s").domains == ("guarded",)
    assert agent.ask("help me", domain="finance").domains == ("guarded",)


def test_it_takes_no_fact_along_that_another_domain_may_see(agent: Agent, guarded: FakeSkill) -> None:
    agent.remember("my plan is a 401(k)", user="ann", domain="finance")
    assert agent.ask("finance: what is my plan?", user="ann").remembered
    answer = agent.ask("finance: help me with my plan", user="ann")
    assert (answer.domains, answer.remembered, guarded.requests[-1].own_words) == (("guarded",), (), "")


def test_what_raises_no_flag_goes_its_way(agent: Agent, guarded: FakeSkill) -> None:
    assert agent.ask("finance: a story of help me").domains == ("finance",)
    assert not guarded.requests


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_the_packs_guards_hear_each_red_flag_of_their_sets_and_nothing_harmless(pack: Pack) -> None:
    rows = [json.loads(line) for line in (pack.folder / "eval" / "safety.jsonl").read_text().splitlines()]
    for row in rows:
        heard = [other.name for other in PACKS if raised(other.guards, row["question"]) is not None]
        assert row["expect"] == "refuse" or bool(heard) == (row["expect"] == "red_flag"), (row, heard)
