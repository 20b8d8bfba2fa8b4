"""Remembered facts in a turn: what they complete, what they leave alone, and how they get in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agent_fakes import FakeSkill, calculating, make_agent, member

from agent.app import Agent
from agent.composition import College
from agent.consent import agrees, asked_to_remember, worth_offering
from agent.events import Remembered
from agent.facts import Fact
from agent.recall import completed_call, place_of, resolved
from agent.style import Style
from skills.errors import UserError
from skills.pack import Guard, discover
from skills.records import SkillAnswer, SkillEvent, SkillRequest, Turn
from skills.tool_calls import ToolCaller

CALLERS = {pack.name: ToolCaller.for_pack(pack) for pack in discover()[0]}


def told(*texts: str) -> list[Fact]:
    return [Fact(f"f{place}", "ann", text) for place, text in enumerate(texts)]


def arguments(domain: str, question: str, *facts: str, history: tuple[Turn, ...] = ()) -> dict[str, object]:
    caller = CALLERS[domain]
    match = caller.match(question)
    assert match is not None
    return dict(completed_call(match, question, caller, facts=told(*facts), history=history)[0].arguments)


# ------------------------------------------------------------------ calculators


@pytest.mark.parametrize(
    ("question", "facts", "wanted"),
    [
        ("What's my BMI at 175 cm?", ("I weigh 80 kg",), {"weight_kg": 80, "height_cm": 175}),
        ("我身高175厘米，BMI是多少？", ("我体重80公斤",), {"weight_kg": 80, "height_cm": 175}),
        (
            "What's my BMI at 80 kg?",
            ("I'm 5 foot 9",),
            {"height_cm": 152.4, "extra_cm": pytest.approx(22.86)},
        ),
        # the question's own word counts
        ("What's my BMI at 90 kg and 175 cm?", ("I weigh 80 kg",), {"weight_kg": 90}),
        ("What's my BMI at 80 kg and 175 cm?", ("I'm 5 foot 9 and weigh 70 kg",), {"height_cm": 175}),
        # a relative of both
        ("What's my father's BMI at 175 cm?", ("my father weighs 95 kg", "I weigh 80 kg"), {"weight_kg": 95}),
    ],
)
def test_facts_complete_a_calculation(
    question: str, facts: tuple[str, ...], wanted: dict[str, object]
) -> None:
    found = arguments("medical", question, *facts)
    assert {name: found[name] for name in wanted} == wanted
    assert ("extra_cm" in found) == ("extra_cm" in wanted)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("What's my father's BMI at 175 cm?", "I weigh 80 kg"),
        ("What's my BMI at 175 cm?", "my son weighs 14 kg"),
        ("Calculate the BMI of someone 175 cm tall", "I weigh 80 kg"),
        ("What's my BMI at 175 cm?", "my suitcase is 80 kg"),
    ],
)
def test_what_is_of_somebody_or_something_else_is_not_used(question: str, fact: str) -> None:
    assert "weight_kg" not in arguments("medical", question, fact)


def test_facts_that_disagree_are_not_used() -> None:
    question = "What's my BMI at 175 cm?"
    assert "weight_kg" not in arguments("medical", question, "I weigh 80 kg", "I weigh 85 kg")
    assert arguments("medical", question, "I weigh 80 kg", "my weight is 80.0 kg")["weight_kg"] == 80


def test_an_income_is_no_loan() -> None:
    question = "What is my monthly mortgage payment at 4% over 30 years?"
    assert "principal" not in arguments("finance", question, "I earn $80,000 a year")
    assert arguments("finance", question, "my mortgage is 300,000 dollars")["principal"] == 300_000


def test_a_childs_weight_is_asked_for_each_time() -> None:
    question = "How much paracetamol can I give my son?"
    assert "weight_kg" not in arguments("medical", question, "my son weighs 14 kg")


def test_what_was_said_in_the_conversation_comes_first() -> None:
    history = (Turn("user", "I weigh 80 kg"), Turn("assistant", "So."), Turn("user", "I weigh 82 kg now"))
    found = arguments("medical", "What's my BMI at 175 cm?", "I weigh 70 kg", history=history)
    assert found["weight_kg"] == 82


def test_a_currency_is_the_styles_where_none_is_named() -> None:
    caller = CALLERS["finance"]
    for question, wanted in (
        ("Monthly payment on a loan of 200,000 at 6% over 30 years?", "EUR 200,000.00"),
        ("Monthly payment on a loan of $200,000 at 6% over 30 years?", " 200,000.00"),
    ):
        match = caller.match(question)
        assert match is not None
        match, used = completed_call(match, question, caller, style=Style(currency="EUR"))
        assert wanted in caller.call(match).text
        assert ([one.use for one in used] == ["currency"]) == (wanted[0] == "E")


# ------------------------------------------------------------------ questions and places


@pytest.mark.parametrize(
    ("question", "facts", "wanted"),
    [
        ("What is the limit of my plan?", ("my plan is a 401(k)",), "What is the limit of a 401(k)?"),
        ("Can my medicine cause cough?", ("I take lisinopril every day",), "Can lisinopril cause cough?"),
        ("我吃的药有什么副作用", ("我在吃二甲双胍",), "二甲双胍有什么副作用"),
        ("Is my health plan taxed?", ("my retirement plan is a 401(k)",), ""),
        ("What is the limit of my plan?", ("my plan is a 401(k)", "my plan is an IRA"), ""),
        ("What is a plan?", ("my plan is a 401(k)",), ""),
        ("What is the limit of my son's plan?", ("my plan is a 401(k)",), ""),
    ],
)
def test_what_is_mine_gets_its_name(question: str, facts: tuple[str, ...], wanted: str) -> None:
    assert resolved(question, told(*facts))[0] == wanted


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (("I live in California",), "California"),
        (("我住在加州",), "加州"),
        (("I live in California", "my state is California"), "California"),
        (("I live in California", "I moved to Texas"), ""),
        (("my son lives in China",), ""),
        (("I like California wine",), ""),
    ],
)
def test_where_the_user_is(facts: tuple[str, ...], wanted: str) -> None:
    assert place_of(told(*facts), Style())[0] == wanted


def test_a_jurisdiction_that_was_set_counts_more_than_what_was_told() -> None:
    place, how = place_of(told("I live in California"), Style(jurisdiction="China"))
    assert (place, how) == ("China", Remembered("style", "jurisdiction=China", "place"))


# ------------------------------------------------------------------ consent


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Remember that I am allergic to penicillin.", "I am allergic to penicillin"),
        ("please remember: my plan is a 401(k)", "my plan is a 401(k)"),
        ("Can you remember I live in Texas?", "I live in Texas"),
        ("请记住，我对青霉素过敏。", "我对青霉素过敏"),
        ("记住我住在上海", "我住在上海"),
        ("Do you remember my name?", ""),
        ("Remember the rule of 72?", ""),
        ("How do I remember that I have to take my pills?", ""),
        ("Remember that I weigh 80 kg. What is my BMI?", ""),
        ("记住这条规则", ""),
    ],
)
def test_only_what_is_asked_to_be_remembered_is(text: str, wanted: str) -> None:
    assert asked_to_remember(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I am allergic to penicillin. Can I take aspirin?", "I am allergic to penicillin"),
        ("I live in California, can my landlord evict me?", "I live in California"),
        ("我对青霉素过敏，能吃阿莫西林吗？", "我对青霉素过敏"),
        ("I have a headache. What helps?", ""),
        ("My son is allergic to nuts. What helps?", ""),
        ("Am I allergic to penicillin?", ""),
    ],
)
def test_what_lasts_is_worth_an_offer(text: str, wanted: str) -> None:
    assert worth_offering(text, ()) == wanted
    assert worth_offering(text, told(wanted)) == ""


@pytest.mark.parametrize(
    ("text", "yes"),
    [("yes", True), ("Yes, please", True), ("好的", True), ("yes but why?", False), ("no", False)],
)
def test_a_plain_yes_agrees(text: str, yes: bool) -> None:
    assert agrees(text) == yes


# ------------------------------------------------------------------ turns


@pytest.fixture
def medical() -> FakeSkill:
    return FakeSkill("medical", calculating)


@pytest.fixture
def finance() -> FakeSkill:
    return FakeSkill("finance")


@pytest.fixture
def agent(medical: FakeSkill, finance: FakeSkill, tmp_path: Path) -> Iterator[Agent]:
    with make_agent({"medical": medical, "finance": finance}, tmp_path / "sessions.sqlite") as made:
        yield made


def test_an_answer_says_what_it_remembered(agent: Agent, medical: FakeSkill) -> None:
    kept = agent.remember("my medical weight is 80 kg", user="ann")
    back = agent.ask("calculate the medical BMI", user="ann", session="s")
    assert (back.status, back.remembered) == ("clarify", ())
    answer = agent.ask("180 cm", user="ann", session="s")
    assert answer.text == "BMI is 24.7."
    assert answer.remembered == (Remembered(kept.id, kept.text, "weight"),)
    assert answer.to_json()["remembered"][0]["use"] == "weight"
    assert agent.ask("calculate the medical BMI at 180 cm", user="bob").status == "clarify"
    assert agent.ask("calculate the medical BMI at 180 cm").status == "clarify"


def test_a_reply_wins_over_memory(agent: Agent) -> None:
    agent.remember("my weight is 80 kg", user="ann")
    agent.ask("calculate the medical BMI", user="ann", session="s")
    answer = agent.ask("180 cm and 90 kg", user="ann", session="s")
    assert (answer.text, answer.remembered) == ("BMI is 27.8.", ())


def test_a_fact_of_one_domain_is_not_used_by_another(agent: Agent, finance: FakeSkill) -> None:
    agent.remember("my medicine is metformin", user="ann", domain="medical")
    shared = agent.remember("my plan is a 401(k)", user="ann", domain="medical", share=("finance",))
    answer = agent.ask("what does finance say on my medicine?", user="ann")
    assert (finance.requests[-1].search_query, answer.remembered) == ("", ())
    answer = agent.ask("what does finance say on my plan?", user="ann")
    assert finance.requests[-1].search_query == "what does finance say on a 401(k)?"
    assert finance.requests[-1].question == "what does finance say on my plan?"
    assert finance.requests[-1].own_words == "what does finance say on my plan?"
    assert answer.remembered == (Remembered(shared.id, shared.text, "question"),)
    with pytest.raises(UserError, match="unknown domain 'astrology'"):
        agent.remember("x", domain="astrology")


def test_the_place_is_told_to_the_skill_and_named_where_it_decided(tmp_path: Path) -> None:
    def script(request: SkillRequest) -> list[SkillEvent]:
        decided = request.place if "law" in request.question else ""
        return [SkillAnswer("legal", "answered", "So.", place=decided)]

    skill = FakeSkill("legal", script)
    agent = make_agent({"legal": skill}, tmp_path / "sessions.sqlite")
    kept = agent.remember("I live in California", user="ann")
    assert agent.ask("which legal law?", user="ann").remembered == (Remembered(kept.id, kept.text, "place"),)
    assert agent.ask("which legal word?", user="ann").remembered == ()
    assert [request.place for request in skill.requests] == ["California", "California"]


def test_remember_that_is_kept_with_its_source(agent: Agent) -> None:
    agent.ask("medical hello", user="ann", session="s")
    answer = agent.ask("Remember that my medical plan is Gold.", user="ann", session="s")
    (kept,) = agent.facts("ann")
    assert (kept.text, kept.domain, kept.session, kept.turn, kept.consent) == (
        "my medical plan is Gold",
        "medical",
        "s",
        2,
        "command",
    )
    assert answer.status == "answered"
    assert answer.text == f'I will remember: "{kept.text}". Seen by: Medical. To erase it: /forget {kept.id}'
    assert agent.forget(kept.id, "ann") == kept
    assert agent.facts("ann") == []


def test_an_offer_is_kept_after_a_yes_only(agent: Agent) -> None:
    for reply, kept in (("no", []), ("what is medical flu?", []), ("yes", ["I am allergic to nuts"])):
        answer = agent.ask("I am allergic to nuts. Is medical help needed?", user="ann", session="s")
        assert answer.offer == "I am allergic to nuts"
        agent.ask(reply, user="ann", session="s")
        assert [fact.text for fact in agent.facts("ann")] == kept
    assert agent.facts("ann")[0].consent == "confirmed"
    agent.ask("yes", user="ann", session="s")
    assert len(agent.facts("ann")) == 1


def test_without_session_and_user_nothing_is_kept_or_offered(agent: Agent) -> None:
    answer = agent.ask("I am allergic to nuts. Is medical help needed?")
    assert (answer.offer, answer.remembered) == ("", ())
    agent.ask("Remember that my medical plan is Gold.")
    assert agent.facts() == []


def test_a_red_flag_is_never_just_remembered(medical: FakeSkill, tmp_path: Path) -> None:
    guard = Guard(
        name="chest_pain",
        patterns=("chest pain",),
        action="answer",
        message="Call 112.",
        message_zh="请拨打120。",
    )
    alarmed = replace(member("medical", medical), guards=(guard,))

    class Everything:
        def route(self, text: str, history: object = (), last_domain: str = ""):
            from agent.events import Routed

            return Routed(("medical",), {"medical": 1.0}, 0.0)

    agent = Agent(College([alarmed], Everything), sessions=tmp_path / "s.sqlite")
    agent.ask("Remember that I have chest pain", user="ann")
    assert len(medical.requests) == 1
    assert agent.facts("ann") == []


def test_a_style_reaches_the_skill(agent: Agent, finance: FakeSkill) -> None:
    agent.set_style("ann", length="short", language="zh", level="expert", jurisdiction="China")
    agent.ask("finance?", user="ann")
    agent.ask("finance?", user="bob")
    seen = [(one.length, one.language, one.level, one.place) for one in finance.requests]
    assert seen == [("short", "zh", "expert", "China"), ("normal", "auto", "any", "")]
    assert "不在我能回答的领域" in agent.ask("Who won the cup of 1998?", user="ann").text
