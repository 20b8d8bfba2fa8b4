"""What a conversation told about its case goes with a question that leaves it open, and with no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.case import with_case
from agent.events import Part, Routed
from agent.planner import make_plan
from skills.records import Turn


def _said(*texts: str) -> list[Turn]:
    return [turn for text in texts for turn in (Turn("user", text), Turn("assistant", "In France it is so."))]


@pytest.mark.parametrize(
    ("said", "question", "whole"),
    [
        (["I was fired yesterday", "Germany"], "do I get severance", "do I get severance in Germany?"),
        (["evicted in Texas"], "how long do I have?", "how long do I have in Texas?"),
        (["evicted in Texas"], "and in Ohio?", "and in Ohio?"),
        (["I rent in Munich"], "how much deposit?", "how much deposit in Germany?"),
        (["I work in Toronto, Canada"], "notice?", "notice in Ontario?"),
        (["a Japanese car"], "is tax due?", "is tax due in Japan?"),
        (["I moved from France to Spain"], "do I owe tax?", "do I owe tax?"),
        (["my 3 year old has a fever"], "paracetamol how much", "paracetamol how much for a child?"),
        (["our 5-month-old coughs"], "honey?", "honey for a child?"),
        (["my 30 year old car broke down"], "paracetamol how much", "paracetamol how much"),
        (["my 16 year old has a fever"], "paracetamol how much", "paracetamol how much"),
        (["the baby has a cold"], "can I take ibuprofen myself?", "can I take ibuprofen myself?"),
        (["the baby has a cold"], "and my husband?", "and my husband?"),
        (["the baby has a cold", "my husband has it too"], "ibuprofen?", "ibuprofen?"),
        (["I'm pregnant"], "can I take ibuprofen?", "can I take ibuprofen in pregnancy?"),
        (["is sertraline ok while breastfeeding?"], "ibuprofen?", "ibuprofen while breastfeeding?"),
        (["孩子3岁，发烧"], "布洛芬吃多少", "孩子布洛芬吃多少"),
        (["我怀孕了"], "能吃布洛芬吗", "孕妇能吃布洛芬吗"),
        (["我在香港被解雇"], "有赔偿吗", "香港有赔偿吗"),
        (["what is gout?"], "and cherries?", "and cherries?"),
    ],
)
def test_what_was_told_goes_with_the_question(said: list[str], question: str, whole: str) -> None:
    assert with_case(question, _said(*said), same=True) == whole


def test_a_person_is_not_taken_to_another_domain_but_a_place_is() -> None:
    history = _said("my 3 year old was hurt in a shop in Spain")
    assert with_case("what does a lawyer cost?", history, same=False) == "what does a lawyer cost in Spain?"


def test_what_is_long_past_is_forgotten() -> None:
    history = _said("fired in Germany", "what is notice?", "what is severance?", "what is garden leave?")
    assert with_case("how long do I have?", history, same=True) == "how long do I have?"


def test_a_plan_searches_with_the_case() -> None:
    routed = Routed(("legal",), {"legal": 0.95, "general": 0.05}, 0.0, leans=False)
    for last in ("legal", "medical"):
        plan = make_plan("What severance is owed?", routed, history=_said("Germany"), last_domain=last)
        assert plan.steps[0].search_query == "Germany What severance is owed?"
    parts = (Part("legal", "What severance is owed?"), Part("finance", "Is it taxed?"))
    both = replace(routed, domains=("legal", "finance"), parts=parts)
    plan = make_plan(
        "What severance is owed? Is it taxed?", both, history=_said("Germany"), last_domain="medical"
    )
    assert [step.search_query for step in plan.steps] == [
        "What severance is owed in Germany?",
        "Is it taxed in Germany?",
    ]
    assert make_plan("What severance is owed?", routed).steps[0].search_query == ""


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=4), st.booleans())
def test_any_texts(question: str, said: list[str], same: bool) -> None:
    whole = with_case(question, _said(*said), same=same)
    assert whole == question or len(whole) >= len(question.rstrip(" ?.!"))
