"""Long conversations: what of the older messages stays, within the budget."""

from __future__ import annotations

from pathlib import Path

from agent_fakes import FakeSkill, make_agent
from hypothesis import given
from hypothesis import strategies as st

from agent.digest import BUDGET, condensed
from skills.records import Turn

TURNS = st.lists(
    st.builds(
        Turn,
        st.sampled_from(["user", "assistant"]),
        st.sampled_from(["What is metformin?", "and its dose?", "I weigh 80 kg", "thanks", "x" * 2000]),
        st.sampled_from(["medical", "finance", ""]),
    ),
    max_size=40,
)


def conversation(*texts: str, domain: str = "medical") -> list[Turn]:
    return [turn for text in texts for turn in (Turn("user", text, domain), Turn("assistant", "So.", domain))]


def test_a_follow_up_after_thirty_turns_still_has_its_subject(tmp_path: Path) -> None:
    skill = FakeSkill("medical")
    agent = make_agent({"medical": skill}, tmp_path / "sessions.sqlite")
    agent.ask("What is medical metformin?", session="s")
    for _ in range(30):
        agent.ask("and for how long?", session="s")
    assert skill.requests[-1].search_query == "What is medical metformin? and for how long?"
    assert len(skill.requests[-1].history) == 7


def test_each_domain_keeps_its_own_subject(tmp_path: Path) -> None:
    medical, finance = FakeSkill("medical"), FakeSkill("finance")
    agent = make_agent({"medical": medical, "finance": finance}, tmp_path / "sessions.sqlite")
    agent.ask("What is medical metformin?", session="s")
    for number in range(10):
        agent.ask(f"What does finance note number {number} say?", session="s")
    agent.ask("and what is its medical dose?", session="s")
    assert medical.requests[-1].search_query == "What is medical metformin? and what is its medical dose?"


def test_figures_stay_and_chat_does_not() -> None:
    turns = conversation("I weigh 80 kg", "What is metformin?", "thanks", *["and then?"] * 5)
    kept = condensed(turns, 4)
    assert [turn.text for turn in kept[:-4]] == ["I weigh 80 kg", "What is metformin?"]
    assert list(kept[-4:]) == turns[-4:]


def test_a_topic_among_the_last_messages_needs_no_older_one() -> None:
    turns = conversation("What is metformin?", "What is aspirin?")
    assert condensed(turns, 2) == tuple(turns[-2:])
    assert condensed(turns, 0) == ()


@given(TURNS, st.integers(min_value=0, max_value=10))
def test_the_digest_is_within_its_budget_and_invents_nothing(turns: list[Turn], recent: int) -> None:
    kept = condensed(turns, recent)
    size = min(recent, len(turns))
    assert kept[len(kept) - size :] == tuple(turns[len(turns) - size :])
    assert sum(len(turn.text) for turn in kept[: len(kept) - size]) <= BUDGET
    assert all(turn in turns for turn in kept)
