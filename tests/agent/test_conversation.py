"""Follow-ups and questions that wait for an argument, through the agent and in the planner's rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.app import Agent
from agent.events import Answered, Part, Routed, Segment
from agent.planner import in_conversation, is_follow_up, make_plan, search_query
from skills.records import Turn
from tests.agent.agent_fakes import FakeSkill, calculating, make_agent

MEDICAL = {"medical": 0.1, "finance": 0.1, "general": 0.8}
HISTORY = (
    Turn("user", "What is metformin?"),
    Turn("assistant", "A medicine."),
    Turn("user", "And its side effects?"),
    Turn("assistant", "Nausea."),
)


@pytest.fixture
def skills() -> dict[str, FakeSkill]:
    return {"medical": FakeSkill("medical", calculating), "finance": FakeSkill("finance")}


@pytest.fixture
def agent(skills: dict[str, FakeSkill], tmp_path: Path) -> Agent:
    return make_agent(skills, tmp_path / "sessions.sqlite")


@pytest.mark.parametrize(
    "question",
    [
        "And its side effects?",
        "What about children?",
        "Is it safe in pregnancy?",
        "How often?",
        "Why is that?",
        "Can I take them with alcohol?",
        "那孕妇呢？",
        "它有什么副作用？",
        "儿童呢？",
    ],
)
def test_questions_that_lean_on_the_last_one(question: str) -> None:
    assert is_follow_up(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is metformin?",
        "How much is the capital gains tax?",
        "Is it legal to record a phone call with my landlord?",
        "Thanks!",
        "ok thank you",
        "谢谢",
        "Why is blood pressure measured twice?",
        "高血压应该怎么治疗？",
        "My landlord kept the deposit, they will not pay it back, can I sue him for this in small claims?",
    ],
)
def test_questions_that_stand_alone(question: str) -> None:
    assert not is_follow_up(question)


def test_a_follow_up_is_searched_with_the_question_behind_it() -> None:
    assert search_query("Is it safe?", HISTORY) == "What is metformin? Is it safe?"
    assert search_query("Is it safe?", ()) == ""


@pytest.mark.parametrize("said", ["thanks!", "yes", "80 kg", "是的", "ok", "and for children?"])
def test_what_has_no_topic_is_not_what_a_follow_up_is_about(said: str) -> None:
    history = (*HISTORY, Turn("user", said), Turn("assistant", "Noted."))
    assert search_query("Is it safe?", history) == "What is metformin? Is it safe?"


@pytest.mark.parametrize(
    ("question", "domains", "probabilities", "expected"),
    [
        ("Is it safe?", (), MEDICAL, "medical"),
        ("Is it safe?", ("finance",), {"medical": 0.3, "finance": 0.6, "general": 0.1}, "medical"),
        ("Can I deduct it?", ("finance",), {"medical": 0.05, "finance": 0.9, "general": 0.05}, "finance"),
        ("Is it safe?", ("finance", "medical"), {"medical": 0.4, "finance": 0.5, "general": 0.1}, "medical"),
        ("pregnancy dose?", (), MEDICAL, "medical"),
    ],
)
def test_where_a_follow_up_goes(
    question: str, domains: tuple[str, ...], probabilities: dict[str, float], expected: str
) -> None:
    plan = make_plan(question, Routed(domains, probabilities, 0.0), history=HISTORY, last_domain="medical")
    assert [step.domain for step in plan.steps] == [expected]
    assert plan.steps[0].search_query == f"What is metformin? And its side effects? {question}"


def test_a_message_is_read_after_the_last_ones_and_what_they_are_about() -> None:
    said = ["Is gout curable?", "and beer?", "how often?", "thanks!", "and wine?", "and with meals?"]
    history = [
        turn for text in said for turn in (Turn("user", text, "medical"), Turn("assistant", "So.", "medical"))
    ]
    history[2:2] = [Turn("user", "What is an ETF?", "finance"), Turn("assistant", "A fund.", "finance")]
    text = in_conversation("for how long?", history, "medical")
    assert text == "Is gout curable? how often? and wine? and with meals? for how long?"
    other = in_conversation("for how long?", history, "legal")
    assert other == "What is an ETF? how often? and wine? and with meals? for how long?"
    assert in_conversation("for how long?", (), "legal") == ""
    long = [Turn("user", f"What is {letter * 400}?", "medical") for letter in "ab"]
    assert in_conversation("why?", long, "medical") == f"{long[1].text} why?"


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Thanks!", "thanks"),
        ("What is the weather like in Paris today, please tell me?", "out_of_scope"),
        ("2 + 2?", "arithmetic"),
    ],
)
def test_what_asks_nobody_in_a_session_too(question: str, reason: str) -> None:
    nowhere = {"medical": 0.02, "general": 0.98}
    plan = make_plan(question, Routed((), nowhere, 0.0), history=HISTORY, last_domain="medical")
    assert (plan.steps, plan.reason) == ((), reason)


@pytest.mark.parametrize("question", ["Who won the 1998 World Cup?", "How do I get to Berlin by train?"])
def test_a_question_with_names_stands_by_itself(question: str) -> None:
    nowhere = {"medical": 0.2, "general": 0.8}
    plan = make_plan(question, Routed((), nowhere, 0.0), history=HISTORY, last_domain="medical")
    assert (plan.steps, plan.reason) == ((), "out_of_scope")


@pytest.mark.parametrize("keywords", ["60 kg woman 1.65 m bmi", "mortgage rates", "贷款利率计算公式"])
def test_keywords_are_a_question(keywords: str) -> None:
    elsewhere = Routed(("finance",), {"medical": 0.0, "finance": 0.99, "general": 0.01}, 0.0)
    plan = make_plan(keywords, elsewhere, history=HISTORY, last_domain="medical")
    assert [step.domain for step in plan.steps] == ["finance"]


@pytest.mark.parametrize("told", ["he's 79 and has Parkinson's", "I scored 14", "我已经吃了两片"])
def test_what_only_tells_more_stays_where_it_was(told: str) -> None:
    elsewhere = Routed(("finance",), {"medical": 0.0, "finance": 0.99, "general": 0.01}, 0.0)
    plan = make_plan(told, elsewhere, history=HISTORY, last_domain="medical")
    assert [step.domain for step in plan.steps] == ["medical"]


def test_at_most_three_domains_are_asked() -> None:
    shares = {"a": 0.3, "b": 0.3, "c": 0.2, "d": 0.2, "general": 0.0}
    plan = make_plan("A question about everything there is", Routed(("a", "b", "c", "d"), shares, 0.0))
    assert [step.domain for step in plan.steps] == ["a", "b", "c"]


def test_nothing_can_answer_without_domains() -> None:
    plan = make_plan("x", Routed((), {"general": 1.0}, 0.0), must_answer=True)
    assert (plan.steps, plan.reason) == ((), "out_of_scope")


def test_a_follow_up_in_a_session(agent: Agent, skills: dict[str, FakeSkill]) -> None:
    agent.ask("medical facts on aspirin", session="s")
    answer = agent.ask("And for children?", session="s")
    assert answer.domains == ("medical",)
    request = skills["medical"].requests[1]
    assert request.question == "And for children?"
    assert request.search_query == "medical facts on aspirin And for children?"
    assert agent.ask("And for children?").status == "declined"


def test_a_reply_completes_the_calculation(agent: Agent, skills: dict[str, FakeSkill]) -> None:
    asked = agent.ask("medical: calculate my BMI, I am 180 cm", session="s")
    assert (asked.status, asked.text, asked.reason) == ("clarify", "What is the weight?", "missing_argument")
    events = list(agent.stream("80 kg", session="s"))
    assert isinstance(events[0], Routed)
    assert events[0].domains == ("medical",)
    last = events[-1]
    assert isinstance(last, Answered)
    assert last.answer.text == "BMI is 24.7."
    assert last.answer.tools[0].arguments == {"weight": 80, "height": 180}
    assert last.answer.segments == (Segment("medical", "answered", "BMI is 24.7."),)
    assert skills["medical"].requests[1].question == "medical: calculate my BMI, I am 180 cm 80 kg"


def test_arguments_may_come_one_by_one(agent: Agent) -> None:
    assert (
        agent.ask("medical: calculate my BMI", session="s").text == "What is the weight? What is the height?"
    )
    assert agent.ask("80 kg", session="s").text == "What is the height?"
    assert agent.ask("180", session="s").text == "BMI is 24.7."


def test_a_bare_number_completes_it_once(agent: Agent) -> None:
    agent.ask("medical: calculate my BMI at 180 cm", session="s")
    assert agent.ask("80", session="s").text == "BMI is 24.7."
    assert agent.ask("80", session="s").tools == ()


def test_a_new_question_drops_the_old_one(agent: Agent) -> None:
    agent.ask("medical: calculate my BMI, I am 180 cm", session="s")
    assert agent.ask("What does finance say about medical bills?", session="s").status == "answered"
    answer = agent.ask("80 kg", session="s")
    assert answer.tools == ()


def test_a_pending_question_belongs_to_its_session_and_domain(
    agent: Agent, skills: dict[str, FakeSkill]
) -> None:
    agent.ask("medical: calculate my BMI, I am 180 cm", session="s")
    assert agent.ask("80 kg", session="other").status == "declined"
    agent.ask("80 kg", session="s", domain="finance")
    assert skills["finance"].requests[-1].tool is None


def test_each_skill_is_asked_its_part() -> None:
    parts = (Part("finance", "Is it taxed?"), Part("legal", "Is it legal?"))
    routed = Routed(("finance", "legal"), {"finance": 0.5, "legal": 0.5, "general": 0.0}, 0.0, parts)
    plan = make_plan("Is it taxed and is it legal?", routed)
    assert [(step.domain, step.question) for step in plan.steps] == [
        ("finance", "Is it taxed?"),
        ("legal", "Is it legal?"),
    ]
