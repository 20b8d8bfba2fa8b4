"""A conversation that the caller keeps: ``ask(history=...)`` answers as a session of those messages would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from agent_fakes import FakeSkill, calculating, make_agent

from agent.app import Agent
from skills.errors import UserError
from skills.records import Turn

BOTH = "What is the weight? What is the height?"


@pytest.fixture
def finance() -> FakeSkill:
    return FakeSkill("finance")


@pytest.fixture
def agent(finance: FakeSkill, tmp_path: Path) -> Iterator[Agent]:
    skills = {"medical": FakeSkill("medical", calculating), "finance": finance}
    with make_agent(skills, tmp_path / "sessions.sqlite") as made:
        yield made


def turns(*texts: str) -> tuple[Turn, ...]:
    """The user's and the assistant's messages in turn, the user's first."""
    return tuple(Turn("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(texts))


@pytest.mark.parametrize(
    "questions",
    [
        ("calculate the medical BMI at 180 cm", "80 kg"),
        ("calculate the medical BMI", "80 kg", "180 cm"),
        ("calculate the medical BMI", "finance: what is a bond?"),
        ("calculate the medical BMI", "80 kg", "180 cm", "finance: what is a bond?", "and why?"),
        ("finance: what is a bond?", "and why?", "what about it?"),
        ("perhaps a bond", "it is about finance"),
        ("perhaps a bond", "perhaps an agent"),
        ("perhaps a bond", "what is finance about?"),
    ],
)
def test_history_and_session_give_the_same_answers(agent: Agent, questions: Sequence[str]) -> None:
    history: tuple[Turn, ...] = ()
    for question in questions:
        kept = agent.ask(question, session="s")
        replayed = agent.ask(question, history=history)
        assert (replayed.status, replayed.text, replayed.domains) == (kept.status, kept.text, kept.domains)
        history += turns(question, replayed.text)


def test_a_value_that_was_asked_for_completes_the_calculation(agent: Agent) -> None:
    history = turns("calculate the medical BMI", BOTH, "80 kg", "What is the height?")
    answer = agent.ask("180 cm", history=history)
    assert answer.text == "BMI is 24.7."
    assert dict(answer.tools[0].arguments) == {"weight": 80.0, "height": 180.0}


def test_a_follow_up_stays_with_the_domain_and_is_made_whole(agent: Agent, finance: FakeSkill) -> None:
    history = turns("finance: what is a bond?", "A loan.")
    assert agent.ask("and why?", history=history).domains == ("finance",)
    assert finance.requests[-1].search_query == "finance: what is a bond? and why?"
    assert finance.requests[-1].history == history


def test_nothing_is_remembered_and_a_session_excludes_a_history(agent: Agent) -> None:
    agent.ask("finance?", history=turns("finance: what is a bond?", "A loan."))
    assert agent.sessions() == []
    with pytest.raises(UserError, match="either a session, which remembers its messages, or a history"):
        agent.ask("finance?", session="s", history=turns("a", "b"))


def test_an_unclear_question_is_asked_about_once_and_taken_up_with_the_reply(
    agent: Agent, finance: FakeSkill
) -> None:
    first = agent.ask("perhaps a bond", session="s")
    assert (first.status, first.reason, first.domains) == ("clarify", "unclear", ())
    assert "Medical, Finance" in first.text
    answer = agent.ask("it is about finance", session="s")
    assert answer.domains == ("finance",)
    assert finance.requests[-1].question == "perhaps a bond it is about finance"


def test_what_stays_unclear_is_declined(agent: Agent) -> None:
    agent.ask("perhaps a bond", session="s")
    assert agent.ask("perhaps an agent", session="s").reason == "out_of_scope"


def test_a_question_in_reply_stands_for_itself(agent: Agent, finance: FakeSkill) -> None:
    agent.ask("perhaps a bond", session="s")
    agent.ask("what is finance about?", session="s")
    assert finance.requests[-1].question == "what is finance about?"
