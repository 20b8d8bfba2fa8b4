"""What a request asks of whom: clauses go to their owners, with what they lean on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from agent.asking import divided, shared_out
from agent.clauses import clauses

SIGNS = {"dose": "medical", "taxed": "finance", "sue": "legal", "recipe": "nobody"}


def shares(text: str) -> Mapping[str, float]:
    """Sure of a text with one of SIGNS, undecided else."""
    owners = [owner for sign, owner in SIGNS.items() if sign in text]
    named = {"medical": 0.2, "finance": 0.3, "legal": 0.4, "nobody": 0.1}
    return {name: 0.85 if name == owners[-1] else 0.05 for name in named} if owners else named


def asked(text: str, among: Collection[str] | None = None) -> list[tuple[str, str]]:
    found = clauses(text)
    parts = (
        divided(found, shares, "nobody")
        if among is None
        else shared_out(text, found, shares, "nobody", among)
    )
    return [(part.domain, part.text) for part in parts]


TOLD = "My mother fell at work."


@pytest.mark.parametrize("among", [None, ("legal", "medical")])
def test_each_owner_is_asked_its_questions_and_hears_what_is_told(among: Collection[str] | None) -> None:
    text = f"{TOLD} What dose of it is safe, and can she sue? When is the next dose?"
    assert asked(text, among) == [
        ("medical", f"{TOLD} What dose of it is safe When is the next dose?"),
        ("legal", f"{TOLD} can she sue?"),
    ]


def test_a_question_that_is_nobodys_for_sure_follows_the_one_before_it() -> None:
    assert asked("Can she sue? And how long would that be?") == [
        ("legal", "Can she sue? And how long would that be?")
    ]
    assert asked("How long is it? Can she sue?") == [("legal", "How long is it? Can she sue?")]


def test_a_question_leans_on_what_was_said_before_it() -> None:
    text = "What dose is safe? They say that winnings are taxed. True?"
    assert asked(text) == [
        ("medical", "They say that winnings are taxed. What dose is safe?"),
        ("finance", "They say that winnings are taxed. True?"),
    ]


def test_what_is_out_of_scope_is_left_out() -> None:
    text = "Can she sue? What is a recipe for soup? Is a gift taxed?"
    assert asked(text) == [("legal", "Can she sue?"), ("finance", "Is a gift taxed?")]
    assert asked(text, ["legal", "finance"]) == asked(text)


def test_only_those_who_are_asked_get_a_part_and_each_gets_one() -> None:
    """What a clause sounds like by itself does not count against what the whole asks."""
    text = "Can she sue? Can he sue? Is the dose deductible?"
    assert [name for name, _ in asked(text)] == ["legal", "medical"]
    assert asked(text, ["finance", "legal"]) == [
        ("legal", "Can she sue? Can he sue?"),
        ("finance", "Is the dose deductible?"),
    ]


def test_a_clause_that_is_sure_of_no_one_leans_on_what_was_said() -> None:
    text = "The winnings are taxed. True? Can she sue?"
    assert asked(text, ["finance", "legal"])[0] == ("finance", "The winnings are taxed. True?")


def test_with_fewer_clauses_than_domains_the_request_is_cut_finer_or_asked_whole() -> None:
    text = "She wants to sue her landlord, needs a new dose of iron"
    assert asked(text, ["legal", "medical"]) == [
        ("legal", "She wants to sue her landlord"),
        ("medical", "needs a new dose of iron"),
    ]
    whole = "Explain how winnings are taxed and sued over."
    assert asked(whole, ["finance", "legal"]) == [("finance", whole), ("legal", whole)]


@pytest.mark.parametrize("text", ["What is a stop-loss order?", "什么是止损单？"])
def test_a_text_that_joins_nothing_is_one_question(text: str) -> None:
    assert asked(text, ["finance", "legal"]) == []


def test_of_many_clauses_each_goes_to_its_likeliest_owner() -> None:
    text = " ".join(["Can she sue?"] * 5 + ["Is it taxed?"] * 4)
    assert [name for name, _ in asked(text, ["finance", "legal"])] == ["legal", "finance"]
