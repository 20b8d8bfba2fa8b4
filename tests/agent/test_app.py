"""Agent: asking, streaming, cancelling, composing and what it does with parts that fail."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.app import Agent
from agent.composition import College, Domain
from agent.events import Answered, Failed, Routed
from agent.plan import Plan, Step
from agent.request import LONGEST_QUESTION
from agent.turn import TurnOptions
from skills.errors import CollegiumError, DataError, ModelError, UserError
from skills.records import (
    Filter,
    Passage,
    Retrieved,
    SkillAnswer,
    SkillEvent,
    SkillRequest,
    Token,
    ToolCall,
    ToolCalled,
    Verified,
)
from tests.agent.agent_fakes import Endless, FakeSkill, answered, broken_member, citation, make_agent, member


@pytest.fixture
def skills() -> dict[str, FakeSkill]:
    return {name: FakeSkill(name) for name in ("medical", "finance")}


@pytest.fixture
def agent(skills: dict[str, FakeSkill], tmp_path: Path) -> Iterator[Agent]:
    with make_agent(skills, tmp_path / "sessions.sqlite") as made:
        yield made


def test_one_skill_is_left_untouched(agent: Agent, skills: dict[str, FakeSkill]) -> None:
    answer = agent.ask("  a medical question ")
    assert answer.status == "answered"
    assert answer.text == "medical says a medical question"
    assert answer.domains == ("medical",)
    assert answer.confidence == 0.9
    assert {"route", "generate", "total"} <= answer.timings.keys()
    assert answer.timings["total"] >= answer.timings["route"]
    assert skills["finance"].requests == []


def test_stream_reports_in_order_and_tokens_are_the_text(agent: Agent) -> None:
    events = list(agent.stream("a medical question"))
    assert [event.kind for event in events] == ["routed", "token", "token", "answered"]
    assert isinstance(events[0], Routed)
    assert isinstance(events[-1], Answered)
    tokens = [event.text for event in events if isinstance(event, Token)]
    assert "".join(tokens) == events[-1].answer.text


def test_text_that_a_skill_did_not_stream_is_streamed_at_the_end(tmp_path: Path) -> None:
    def script(request: SkillRequest) -> list[SkillEvent]:
        return [
            Verified("One.", True),
            Token("One.", "medical"),
            SkillAnswer("medical", "answered", "One. Two."),
        ]

    agent = make_agent({"medical": FakeSkill("medical", script)}, tmp_path / "s")
    events = list(agent.stream("medical"))
    assert [event.text for event in events if isinstance(event, Token)] == ["One.", " Two."]
    assert [event.kind for event in events] == ["routed", "verified", "token", "token", "answered"]


def test_two_domains_answer_under_their_titles(tmp_path: Path) -> None:
    skills = {
        "medical": FakeSkill(
            "medical", lambda _: answered("medical", "A [1]. B [2].", [citation(1), citation(2, "q")])
        ),
        "finance": FakeSkill("finance", lambda _: answered("finance", "C [1].", [citation(1, "r")])),
    }
    agent = make_agent(skills, tmp_path / "s")
    events = list(agent.stream("medical and finance"))
    last = events[-1]
    assert isinstance(last, Answered)
    answer = last.answer
    assert answer.text == "**Medical**\nA [1]. B [2].\n\n**Finance**\nC [3]."
    assert [(one.number, one.passage_id) for one in answer.citations] == [(1, "p"), (2, "q"), (3, "r")]
    assert answer.domains == ("medical", "finance")
    assert [(one.domain, one.text) for one in answer.segments] == [
        ("medical", "A [1]. B [2]."),
        ("finance", "C [3]."),
    ]
    assert "".join(event.text for event in events if isinstance(event, Token)) == answer.text
    assert answer.timings["generate"] == 4.0


@pytest.mark.parametrize(
    ("first", "second", "status", "text"),
    [
        (("declined", "no", "no_evidence"), ("answered", "yes", ""), "answered", "yes"),
        (("clarify", "how much?", "missing_argument"), ("answered", "yes", ""), "answered", "yes"),
        (
            ("declined", "no", "no_evidence"),
            ("clarify", "how much?", "missing_argument"),
            "clarify",
            "how much?",
        ),
        (("declined", "no", "no_evidence"), ("declined", "nor I", "no_evidence"), "declined", "no"),
        (("answered", "yes", ""), ("answered", "Call 112.", "red_flag"), "answered", "Call 112."),
    ],
)
def test_of_two_domains_the_better_one_is_shown(
    tmp_path: Path, first: tuple[str, str, str], second: tuple[str, str, str], status: str, text: str
) -> None:
    def script(name: str, given: tuple[str, str, str]) -> FakeSkill:
        return FakeSkill(name, lambda _: [SkillAnswer(name, given[0], given[1], reason=given[2])])  # type: ignore[arg-type]

    agent = make_agent(
        {"medical": script("medical", first), "finance": script("finance", second)}, tmp_path / "s"
    )
    answer = agent.ask("medical and finance")
    assert (answer.status, answer.text) == (status, text)


@pytest.mark.parametrize(("other", "shown"), [(0.9, ("medical", "finance")), (0.4, ("medical",))])
def test_an_answer_far_less_sure_is_not_shown_beside_another(
    tmp_path: Path, other: float, shown: tuple[str, ...]
) -> None:
    def script(name: str, confidence: float) -> FakeSkill:
        return FakeSkill(name, lambda _: [SkillAnswer(name, "answered", name, confidence=confidence)])

    skills = {"medical": script("medical", 0.95), "finance": script("finance", other)}
    assert make_agent(skills, tmp_path / "s").ask("medical and finance").domains == shown


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Who won the match?", "That is outside the fields I can answer from. I cover: Medical, Finance."),
        ("谁赢了比赛？", "这个问题不在我能回答的领域之内。我可以回答的领域：Medical、Finance。"),
    ],
)
def test_out_of_scope_is_declined(
    agent: Agent, skills: dict[str, FakeSkill], question: str, text: str
) -> None:
    events = list(agent.stream(question))
    last = events[-1]
    assert isinstance(last, Answered)
    assert (last.answer.status, last.answer.reason, last.answer.domains) == ("declined", "out_of_scope", ())
    assert last.answer.text == text
    assert [event.text for event in events if isinstance(event, Token)] == [text]
    assert not any(skill.requests for skill in skills.values())


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        ("what is 15% of 240?", "answered", "15% of 240 = 36"),
        ("hello", "clarify", "Hello. Ask me anything about: Medical, Finance."),
        ("谢谢", "clarify", "不客气。还有问题请继续问：Medical、Finance。"),
    ],
)
def test_a_sum_or_a_courtesy_asks_no_skill(
    agent: Agent, skills: dict[str, FakeSkill], message: str, status: str, text: str
) -> None:
    events = list(agent.stream(message))
    last = events[-1]
    assert isinstance(last, Answered)
    assert (last.answer.status, last.answer.text, last.answer.domains) == (status, text, ())
    assert len(last.answer.tools) == sum(isinstance(event, ToolCalled) for event in events)
    assert not any(skill.requests for skill in skills.values())


def test_a_program_brings_its_plan(agent: Agent, skills: dict[str, FakeSkill]) -> None:
    steps = (Step("finance", question="Is it taxed?"), Step("medical", question="Is it safe?"))
    answer = agent.ask("Who won the match?", plan=Plan(steps))
    assert answer.domains == ("finance", "medical")
    assert answer.plan == steps
    assert skills["finance"].requests[0].question == "Is it taxed?"
    assert skills["medical"].requests[0].question == "Is it safe?"


def _computed(value: float) -> FakeSkill:
    call = ToolCall("severance", {}, f"It is ${value:,.2f}.", {"severance": value, "months": 5})
    return FakeSkill(
        "medical", lambda _: [ToolCalled(call), SkillAnswer("medical", "answered", call.text, tools=(call,))]
    )


def test_a_step_waits_for_the_figure_that_it_needs(tmp_path: Path) -> None:
    finance = FakeSkill("finance")
    steps = (
        Step("finance", question="What tax is due on that amount?", needs="medical"),
        Step("medical", question="How much is it?"),
    )
    with make_agent({"medical": _computed(60000.5), "finance": finance}, tmp_path / "s") as agent:
        answer = agent.ask("How much is it, and what tax is due on that amount?", plan=Plan(steps))
    assert finance.requests[0].question == "What tax is due on $60,000.50?"
    assert answer.plan[0].question == "What tax is due on $60,000.50?"
    assert answer.domains == ("finance", "medical")


def test_a_step_whose_figure_does_not_come_is_asked_as_it_is(tmp_path: Path) -> None:
    skills = {"medical": FakeSkill("medical"), "finance": FakeSkill("finance")}
    steps = (
        Step("medical", question="How much is it?"),
        Step("finance", question="What tax is due on that?", needs="medical"),
    )
    with make_agent(skills, tmp_path / "s") as agent:
        agent.ask("How much is it, and what tax is due on that?", plan=Plan(steps))
    assert skills["finance"].requests[0].question == "What tax is due on that?"


def _finds_nothing(name: str) -> FakeSkill:
    def script(_: SkillRequest) -> Iterator[SkillEvent]:
        yield Retrieved(name, ())
        yield Token(f"{name} has nothing.", name)
        yield SkillAnswer(name, "declined", f"{name} has nothing.", reason="no_evidence")

    return FakeSkill(name, script)


def test_where_the_likeliest_domain_finds_nothing_the_next_one_is_asked(tmp_path: Path) -> None:
    skills = {"medical": _finds_nothing("medical"), "finance": FakeSkill("finance")}
    with make_agent(skills, tmp_path / "s") as agent:
        *events, last = agent.stream("a medical question")
        assert isinstance(last, Answered)
        assert (last.answer.status, last.answer.domains) == ("answered", ("finance",))
        assert [step.domain for step in last.answer.plan] == ["medical", "finance"]
        shown = "".join(event.text for event in events if isinstance(event, Token))
        assert shown == last.answer.text == "finance says a medical question"
        told = agent.ask("a medical question", domain="medical")
    assert (told.status, told.domains, len(told.plan)) == ("declined", ("medical",), 1)


def test_where_nobody_finds_anything_the_first_says_so_once(tmp_path: Path) -> None:
    skills = {name: _finds_nothing(name) for name in ("medical", "finance")}
    with make_agent(skills, tmp_path / "s") as agent:
        *events, last = agent.stream("a medical question")
    assert isinstance(last, Answered)
    assert (last.answer.status, last.answer.text) == ("declined", "medical has nothing.")
    assert "".join(event.text for event in events if isinstance(event, Token)) == "medical has nothing."
    assert all(len(skill.requests) == 1 for skill in skills.values())


def test_what_two_domains_say_differently_of_one_question_is_named(tmp_path: Path) -> None:
    def says(name: str, text: str) -> FakeSkill:
        return FakeSkill(name, lambda _: [SkillAnswer(name, "answered", text, confidence=0.9)])

    skills = {
        "medical": says("medical", "Keep it for 7 years [1]."),
        "finance": says("finance", "Keep it for 10 years."),
    }
    with make_agent(skills, tmp_path / "s") as agent:
        answer = agent.ask("How long do I keep it?", plan=Plan((Step("medical"), Step("finance"))))
        assert "These answers differ" in answer.text
        assert len(answer.segments) == 2
        alike = agent.ask("Who keeps it?", plan=Plan((Step("medical"), Step("finance"))))
    assert "differ" not in alike.text


def test_of_different_questions_each_is_answered_or_declined(tmp_path: Path) -> None:
    no = FakeSkill(
        "medical", lambda _: [SkillAnswer("medical", "declined", "Not known.", reason="no_evidence")]
    )
    steps = (Step("medical", question="Is it safe?"), Step("finance", question="Is it taxed?"))
    with make_agent({"medical": no, "finance": FakeSkill("finance")}, tmp_path / "s") as agent:
        answer = agent.ask("Is it safe and is it taxed?", plan=Plan(steps))
    assert (answer.status, answer.domains, answer.confidence) == ("answered", ("finance", "medical"), 0.9)
    assert "finance says Is it taxed?" in answer.text
    assert "Not known." in answer.text


@pytest.mark.parametrize(
    ("steps", "domain", "message"),
    [
        ((), None, "expected 1 to 3 domains"),
        ((Step("finance"), Step("finance")), None, "each once"),
        ((Step("gardening"),), None, "gardening"),
        ((Step("finance"),), "finance", "either a plan"),
        ((Step("finance", needs="medical"),), None, "step 'finance' needs 'medical'"),
        ((Step("finance", needs="finance"), Step("medical")), None, "does not wait for it"),
        ((Step("finance", needs="medical"), Step("medical", needs="finance")), None, "does not wait for it"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(
    agent: Agent, steps: tuple[Step, ...], domain: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        agent.ask("x", plan=Plan(steps), domain=domain)


def test_given_evidence_goes_to_the_likeliest_domain_instead_of_declining(
    agent: Agent, skills: dict[str, FakeSkill]
) -> None:
    agent.ask("Who won?", passages=[{"id": 7, "text": "T", "title": "t", "more": 1}])
    assert skills["medical"].requests[0].passages == (Passage("7", "T", "t"),)


def test_options_reach_the_skill(agent: Agent, skills: dict[str, FakeSkill]) -> None:
    where = Filter(jurisdiction="US", as_of="2024-01-01")
    agent.ask("Who won?", domain="finance", passages=[Passage("a", "b")], configuration="rag", where=where)
    request = skills["finance"].requests[0]
    assert (request.configuration, request.passages) == ("rag", (Passage("a", "b"),))
    assert request.where == where


def test_a_store_is_opened_once(tmp_path: Path) -> None:
    made: list[Path | None] = []
    skill = FakeSkill("medical")
    one = member("medical", skill)

    def build(store: Path | None) -> FakeSkill:
        made.append(store)
        return skill

    college = College([type(one)(one.domain, build, one.caller)], lambda: pytest.fail("not to be routed"))
    agent = Agent(college, sessions=tmp_path / "s")
    for _ in range(2):
        agent.ask("x", domain="medical", store=tmp_path / "index")
        agent.ask("x", domain="medical")
    assert made == [tmp_path / "index", None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": " \n"}, "question is empty"),
        ({"text": "x" * (LONGEST_QUESTION + 1)}, "20,001 characters; at most 20,000"),
        ({"text": "x", "domain": "law"}, "unknown domain 'law'; known: finance, medical"),
        ({"text": "x", "configuration": "all"}, "unknown configuration 'all'; known: base, lora, rag"),
        ({"text": "x", "passages": [{"id": "a"}]}, r"passages\[0\]: expected an object with 'id' and 'text'"),
        ({"text": "x", "passages": [Passage("a", "b"), {"id": "a", "text": "c"}]}, "id 'a' comes twice"),
        ({"text": "x", "session": ""}, "session name ''"),
        ({"text": "x", "session": "s", "user": " "}, "user name ' '"),
    ],
)
def test_bad_requests_are_refused_at_once(agent: Agent, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        agent.ask(**arguments)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        agent.stream(**arguments)  # type: ignore[arg-type]


def test_an_unknown_keyword_is_a_type_error(agent: Agent) -> None:
    with pytest.raises(
        TypeError, match="unexpected keyword argument 'sesion'; known: session, user, history"
    ):
        agent.ask("x", sesion="s")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'sesion'"):
        agent.stream("x", sesion="s")  # type: ignore[call-arg]


def test_a_broken_skill_is_named_and_the_others_work(skills: dict[str, FakeSkill], tmp_path: Path) -> None:
    broken = broken_member("legal", DataError("no index 'x'; run: collegium index build"))
    agent = make_agent(skills, tmp_path / "s", extra=[broken])
    agent.warm_up()
    assert {domain.name: domain.error for domain in agent.domains} == {
        "medical": "",
        "finance": "",
        "legal": "no index 'x'; run: collegium index build",
    }
    with pytest.raises(DataError, match="no index 'x'"):
        agent.ask("a legal question")
    assert agent.ask("a medical question").status == "answered"
    assert list(agent.stream("a legal question"))[-1] == Failed(
        "no index 'x'; run: collegium index build", "DataError"
    )
    assert "Legal" not in agent.ask("something else").text


def test_a_skill_that_breaks_unexpectedly_is_broken_too(skills: dict[str, FakeSkill], tmp_path: Path) -> None:
    agent = make_agent(skills, tmp_path / "s", extra=[broken_member("legal", KeyError("titles"))])
    agent.warm_up()
    assert agent.domains[-1].error == "domain 'legal' cannot be loaded: KeyError('titles')"
    with pytest.raises(DataError, match="domain 'legal' cannot be loaded"):
        agent.ask("a legal question")


def test_a_broken_pack_is_listed(skills: dict[str, FakeSkill], tmp_path: Path) -> None:
    college = College(
        [], lambda: pytest.fail("no router"), broken=[Domain("law", "law", error="no 'pack.toml'")]
    )
    agent = Agent(college, sessions=tmp_path / "s")
    assert [(domain.name, domain.error) for domain in agent.domains] == [("law", "no 'pack.toml'")]
    with pytest.raises(DataError, match=r"domain 'law' is broken: no 'pack\.toml'"):
        agent.ask("x", domain="law")


def test_warm_up_fails_when_no_skill_works(tmp_path: Path) -> None:
    missing = ModelError("no base; run: collegium models pull")
    agent = make_agent(
        {}, tmp_path / "s", extra=[broken_member("legal", missing), broken_member("law", missing)]
    )
    with pytest.raises(ModelError, match="collegium models pull"):
        agent.warm_up()


def test_a_skill_that_ends_without_an_answer_is_an_error(tmp_path: Path) -> None:
    agent = make_agent({"medical": FakeSkill("medical", lambda _: [Token("a", "medical")])}, tmp_path / "s")
    with pytest.raises(ModelError, match="skill 'medical' ended without an answer"):
        agent.ask("medical")


def test_an_unexpected_exception_is_not_swallowed(tmp_path: Path) -> None:
    def script(request: SkillRequest) -> list[SkillEvent]:
        raise ZeroDivisionError("bug")

    agent = make_agent({"medical": FakeSkill("medical", script)}, tmp_path / "s")
    with pytest.raises(ZeroDivisionError):
        agent.ask("medical")
    with pytest.raises(ZeroDivisionError):
        list(agent.stream("medical"))


def test_closing_the_stream_stops_the_skill_and_leaves_the_session(tmp_path: Path) -> None:
    endless = Endless()
    skill = FakeSkill("medical", endless)
    agent = make_agent({"medical": skill}, tmp_path / "sessions.sqlite")
    endless.on = False
    agent.ask("medical one", session="s")
    before = agent.turns("s")
    endless.on = True

    events = agent.stream("medical two", session="s")
    assert next(events).kind == "routed"
    assert next(events).kind == "token"
    events.close()  # type: ignore[attr-defined]
    assert skill.closed == 2
    assert agent.turns("s") == before
    endless.on = False
    assert agent.ask("medical three", session="s").status == "answered"
    assert [turn.text for turn in agent.turns("s") if turn.role == "user"] == ["medical one", "medical three"]


def test_an_interrupt_stops_the_turn(tmp_path: Path) -> None:
    skill = FakeSkill("medical", Endless())
    agent = make_agent({"medical": skill}, tmp_path / "sessions.sqlite")
    events = agent.stream("medical", session="new")
    assert [next(events).kind, next(events).kind] == ["routed", "token"]
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert skill.closed == 1
    assert agent.sessions() == []


def test_astream_gives_the_same_events(agent: Agent) -> None:
    async def collect() -> list[str]:
        return [event.kind async for event in agent.astream("a medical question")]

    assert asyncio.run(collect()) == ["routed", "token", "token", "answered"]


def test_astream_reports_failures(skills: dict[str, FakeSkill], tmp_path: Path) -> None:
    agent = make_agent(skills, tmp_path / "s", extra=[broken_member("legal", DataError("gone"))])

    async def last() -> object:
        return [event async for event in agent.astream("legal")][-1]

    assert asyncio.run(last()) == Failed("gone", "DataError")


def test_cancelling_an_astream_task_stops_the_skill(tmp_path: Path) -> None:
    endless = Endless()
    skill = FakeSkill("medical", endless)
    agent = make_agent({"medical": skill}, tmp_path / "sessions.sqlite")

    async def consume() -> None:
        async for _ in agent.astream("medical", session="s"):
            pass

    async def cancel() -> None:
        task = asyncio.create_task(consume())
        await asyncio.to_thread(endless.reached.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert skill.closed == 1
    assert agent.sessions() == []


def test_the_graph_can_be_run_by_itself(agent: Agent) -> None:
    config = {"configurable": {"thread_id": "local/mine"}}
    result = agent.graph.invoke({"question": "a medical question"}, config)  # type: ignore[arg-type]
    assert result["answer"].text == "medical says a medical question"
    assert [message.text for message in result["messages"]] == ["a medical question", result["answer"].text]
    options = TurnOptions(domain="finance")
    result = agent.graph.invoke({"question": "x"}, config, context=options)  # type: ignore[arg-type]
    assert result["answer"].domains == ("finance",)
    assert len(agent.turns("mine")) == 4


def test_of_two_domains_the_one_that_works_answers(skills: dict[str, FakeSkill], tmp_path: Path) -> None:
    broken = [broken_member(name, DataError(f"no {name} index")) for name in ("legal", "tax")]
    agent = make_agent(skills, tmp_path / "s", extra=broken)
    assert agent.ask("a medical and legal question").text == "medical says a medical and legal question"
    assert {domain.name: domain.error for domain in agent.domains}["legal"] == "no legal index"
    with pytest.raises(DataError, match="no legal index"):
        agent.ask("a legal and tax question")


def test_errors_of_one_of_two_skills_fail_the_turn(tmp_path: Path) -> None:
    def fails(request: SkillRequest) -> list[SkillEvent]:
        raise ModelError("the engine stopped")

    skills = {"medical": FakeSkill("medical"), "finance": FakeSkill("finance", fails)}
    agent = make_agent(skills, tmp_path / "s")
    with pytest.raises(CollegiumError, match="the engine stopped"):
        agent.ask("medical and finance", session="s")
    assert agent.sessions() == []


def test_importing_agent_is_cheap() -> None:
    code = (
        "import sys, agent\n"
        "heavy = ('torch', 'transformers', 'langgraph', 'langchain_core', 'faiss', 'pydantic')\n"
        "assert not [name for name in heavy if name in sys.modules], sys.modules\n"
        "from agent import Agent\n"
        "heavy = ('torch', 'transformers', 'peft', 'sentence_transformers', 'faiss')\n"
        "assert not [name for name in heavy if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
