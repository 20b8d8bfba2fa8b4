"""A question with all values of a calculator goes to the domain that has it, whatever the router made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_fakes import FakeSkill, calculating, make_agent

from agent.app import Agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    skills = {"medical": FakeSkill("medical", calculating), "finance": FakeSkill("finance")}
    with make_agent(skills, tmp_path / "sessions.sqlite") as made:
        yield made


@pytest.mark.parametrize("question", ["BMI of 80 kg at 180 cm", "finance of a BMI of 80 kg at 180 cm"])
def test_a_complete_calculation_goes_to_its_domain(agent: Agent, question: str) -> None:
    answer = agent.ask(question)
    assert (answer.domains, answer.text) == (("medical",), "BMI is 24.7.")


@pytest.mark.parametrize(
    ("question", "domains"),
    [
        ("finance of a BMI of 80 kg", ("finance",)),
        ("medical and finance BMI of 80 kg at 180 cm", ("medical", "finance")),
    ],
)
def test_an_incomplete_one_or_one_of_several_domains_is_left_to_the_router(
    agent: Agent, question: str, domains: tuple[str, ...]
) -> None:
    assert {step.domain for step in agent.ask(question).plan} == set(domains)


def test_who_is_told_the_domain_asks_it(agent: Agent) -> None:
    assert agent.ask("a BMI of 80 kg at 180 cm", domain="finance").domains == ("finance",)
