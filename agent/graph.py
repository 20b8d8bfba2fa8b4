"""One turn as a LangGraph graph.

    route -> plan -> skill (one each, in parallel) -> compose -> remember
                 \\-> compose (nobody owns the question)

Events leave through the stream mode "custom" in the order in which they happen. The conversation is the
only state that outlives a turn; what a turn passes between its nodes is never saved. Knows skills, router and
tools by their seams only; not engines, stores or the terminal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from agent.compose import compose, without_skills
from agent.composition import College
from agent.consent import worth_offering
from agent.conversation import Pending, domain_of, pending_of
from agent.digest import condensed
from agent.events import Answer, Event, Routed
from agent.facts import ANY, Fact, UserMemory
from agent.memory import turns_of
from agent.plan import Plan, Step
from agent.planner import make_plan
from agent.recall import resolved, tells_place
from agent.remembering import Recalled, Resolved, Wish, pending_with, recalled_for, used_in, wish_of
from skills.errors import CollegiumError, ModelError
from skills.records import (
    Configuration,
    Filter,
    Passage,
    SkillAnswer,
    SkillRequest,
    Token,
    ToolCalled,
    ToolMatch,
    Turn,
)


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How one turn is to be answered: the graph's runtime context."""

    domain: str | None = None
    """Ask this skill; None: the router decides."""
    passages: tuple[Passage, ...] | None = None
    """Evidence to use instead of a store."""
    store: Path | None = None
    """Index folder to use instead of the pack's own."""
    configuration: Configuration = "lora+rag"
    where: Filter | None = None
    """Which passages of the store may be used; None: all."""
    history: tuple[Turn, ...] = ()
    """Messages before the question, for a turn without a session."""
    plan: Plan | None = None
    """What to do, made by the caller; None: router and planner decide."""
    memory: UserMemory = field(default_factory=UserMemory)
    """What is remembered about the user."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set it to stop the turn; it then raises TurnCancelled."""


class TurnCancelled(Exception):
    """The caller no longer wants the answer. Not an error of anyone; nothing is remembered."""


def _merge(old: dict[str, SkillAnswer], new: dict[str, SkillAnswer]) -> dict[str, SkillAnswer]:
    """Collect the skills' answers; an empty dict clears."""
    return {**old, **new} if new else {}


class TurnInput(TypedDict):
    question: str


class TurnState(TypedDict):
    # Saved with the session.
    messages: Annotated[list[AnyMessage], add_messages]
    last_domain: str
    pending: Pending | None
    offer: str
    """What the last answer asked consent for."""
    # Of this turn only.
    question: Annotated[str, UntrackedValue]
    remember: Annotated[Wish | None, UntrackedValue]
    resolved: Annotated[Resolved, UntrackedValue]
    recalled: Annotated[dict[str, Recalled], UntrackedValue]
    routed: Annotated[Routed, UntrackedValue]
    completed: Annotated[ToolMatch | None, UntrackedValue]
    plan: Annotated[Plan, UntrackedValue]
    answers: Annotated[dict[str, SkillAnswer], _merge]
    answer: Annotated[Answer, UntrackedValue]


class TurnOutput(TypedDict):
    messages: list[AnyMessage]
    answer: Answer


class SkillTask(TypedDict):
    """What a fan-out sends to one skill."""

    step: Step
    request: SkillRequest
    live: bool
    """Whether its tokens may be shown as they come: it is the only skill of the turn."""


Graph = CompiledStateGraph[TurnState, TurnOptions, TurnInput, TurnOutput]


def build_graph(
    college: College, *, history: int, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> Graph:
    """Compile the graph. ``history``: messages of the session that router and skills see."""
    nodes = _Nodes(college, history)
    graph = StateGraph(TurnState, TurnOptions, input_schema=TurnInput, output_schema=TurnOutput)
    graph.add_node("route", nodes.route)
    graph.add_node("plan", nodes.plan)
    graph.add_node("skill", nodes.skill, input_schema=SkillTask)
    graph.add_node("compose", nodes.compose)
    graph.add_node("remember", nodes.remember)
    graph.add_edge(START, "route")
    graph.add_edge("route", "plan")
    graph.add_conditional_edges("plan", nodes.fan_out, ["skill", "compose"])
    graph.add_edge("skill", "compose")
    graph.add_edge("compose", "remember")
    graph.add_edge("remember", END)
    return graph.compile(checkpointer=checkpointer)


class _Nodes:
    """The graph's nodes: each takes the state and gives the part it changes."""

    def __init__(self, college: College, history: int) -> None:
        self._college, self._history = college, history

    def route(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who owns the question: the domain told, the one that waits for this reply, or the router's."""
        options, question = _options(runtime), state["question"]
        if options.plan is not None:
            domains = tuple(step.domain for step in options.plan.steps)
            return {"routed": Routed(domains, dict.fromkeys(domains, 1.0), 0.0), "completed": None}
        last_domain, pending = state.get("last_domain", ""), state.get("pending")
        if options.history:
            last_domain = options.domain or domain_of(options.history, self._college.router.route)
            pending = None
            if last_domain:
                pending = pending_of(options.history, last_domain, self._college.caller(last_domain))
        wish = wish_of(question, state.get("offer", ""), options.memory)
        if wish is not None and self._college.alarms(wish.text):
            wish = None  # a skill has to answer that
        completed: ToolMatch | None = None
        if wish is None and pending is not None and options.domain in (None, pending["domain"]):
            caller = self._college.caller(pending["domain"])
            completed = caller.complete(pending["question"], question, pending["arguments"])
        known = pending["domain"] if pending is not None and completed is not None else options.domain
        if known is not None:
            self._college.member(known)
        start = time.perf_counter()
        routed, told = self._route(question, known, self._turns(state, options), options.memory.facts)
        routed = replace(routed, milliseconds=_since(start) if known is None else 0.0)
        get_stream_writer()(routed)
        changes: dict[str, Any] = {
            "routed": routed,
            "completed": completed,
            "remember": wish,
            "resolved": told,
        }
        return {**changes, "last_domain": last_domain, "pending": pending} if options.history else changes

    def _route(
        self, question: str, known: str | None, turns: Sequence[Turn], facts: Sequence[Fact]
    ) -> tuple[Routed, Resolved]:
        """Who owns the question, read with what memory makes of it if all who own it may see that."""

        def owners(text: str) -> Routed:
            return Routed((known,), {known: 1.0}, 0.0) if known else self._college.router.route(text, turns)

        text, used = resolved(question, facts)
        if used:
            routed = owners(text)
            if routed.domains and all(fact.visible_to(name) for fact in used for name in routed.domains):
                return routed, Resolved(text, used)
        return owners(question), Resolved()

    def plan(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who answers what, and what memory gives to that."""
        options, plan = _options(runtime), self._plan(state, _options(runtime))
        recalled = {step.domain: self._recalled(step, state, options) for step in plan.steps}
        return {"plan": plan, "recalled": recalled}

    def _plan(self, state: TurnState, options: TurnOptions) -> Plan:
        routed, text = state["routed"], state.get("resolved", Resolved()).text
        if options.plan is not None:
            return options.plan
        if state.get("remember") is not None:
            return Plan((), "remember")
        if state["completed"] is not None:
            return Plan((Step(routed.domains[0]),))
        plan = make_plan(
            text or state["question"],
            routed,
            history=self._turns(state, options),
            last_domain=state.get("last_domain", "") if options.domain is None else options.domain,
            must_answer=options.passages is not None or options.store is not None,
        )
        if text:
            plan = replace(
                plan,
                steps=tuple(replace(step, search_query=step.search_query or text) for step in plan.steps),
            )
        return self._workable(plan, options)

    def _recalled(self, step: Step, state: TurnState, options: TurnOptions) -> Recalled:
        return recalled_for(
            step.domain,
            step.question or self._asked(state),
            self._college.caller(step.domain),
            options.memory,
            history=self._turns(state, options),
            completed=state.get("completed"),
            pending=state.get("pending"),
        )

    @staticmethod
    def _own_words(step: Step, state: TurnState) -> str:
        """What a step is asked without what memory put into it; empty: memory put nothing in."""
        text, question = state.get("resolved", Resolved()).text, state["question"]
        return step.search_query.replace(text, question) or question if text else ""

    @staticmethod
    def _asked(state: TurnState) -> str:
        """The question, with the one that waited for it."""
        pending, question = state.get("pending"), state["question"]
        waited = state.get("completed") is not None and pending is not None
        return f"{pending['question']} {question}" if waited and pending is not None else question

    def fan_out(self, state: TurnState, runtime: Runtime[TurnOptions]) -> list[Send] | str:
        """One task a step; straight to compose where the question is declined."""
        options, steps = _options(runtime), state["plan"].steps
        question, style = self._asked(state), options.memory.style
        sends: list[Send] = []
        for step in steps:
            recalled = state["recalled"][step.domain]
            request = SkillRequest(
                question=step.question or question,
                search_query=step.search_query,
                own_words=self._own_words(step, state),
                history=self._turns(state, options),
                passages=options.passages,
                configuration=options.configuration,
                where=options.where,
                tool=recalled.tool,
                place=recalled.place,
                length=style.length,
                language=style.language,
                level=style.level,
            )
            sends.append(Send("skill", SkillTask(step=step, request=request, live=len(steps) == 1)))
        return sends or "compose"

    def skill(self, state: SkillTask, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Run one skill and pass its events on. Several skills' tokens are shown by ``compose``, in order."""
        options, domain = _options(runtime), state["step"].domain
        emit: Callable[[Event], None] = get_stream_writer()
        events = self._college.skill(domain, options.store).stream(state["request"])
        shown, answer = "", None
        try:
            for event in events:
                if options.cancelled.is_set():
                    raise TurnCancelled
                match event:
                    case SkillAnswer():
                        answer = event
                    case Token():
                        shown += event.text
                        if state["live"]:
                            emit(event)
                    case _:
                        emit(event)
        finally:
            # Closing a generator stops the engine behind it.
            close: Callable[[], None] = getattr(events, "close", lambda: None)
            close()
        if answer is None:
            raise ModelError(f"skill {domain!r} ended without an answer", subject=domain)
        if state["live"] and answer.text.startswith(shown) and answer.text != shown:
            emit(Token(answer.text.removeprefix(shown), domain))
        return {"answers": {domain: answer}}

    def compose(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Join the skills' answers; a single one is left as it is."""
        if _options(runtime).cancelled.is_set():
            raise TurnCancelled
        emit: Callable[[Event], None] = get_stream_writer()
        plan, answers = state["plan"], state.get("answers", {})
        given = [answers[step.domain] for step in plan.steps]
        domains = [domain for domain in self._college.domains if not domain.error]
        options = _options(runtime)
        if not given:
            wish = state.get("remember")
            kept = None if wish is None else self._keep(wish, state, options.memory)
            titles = [domain.title for domain in domains if kept is None or kept.visible_to(domain.name)]
            language = options.memory.style.language
            answer = without_skills(state["question"], plan, titles, language=language, kept=kept)
            if plan.call is not None:
                emit(ToolCalled(plan.call))
        else:
            titles = {domain.name: domain.title for domain in domains}
            answer = compose(given, titles, apart=any(step.question for step in plan.steps))
        if len(given) != 1:
            emit(Token(answer.text, answer.domains[0] if len(answer.domains) == 1 else ""))
        timings = {"route": state["routed"].milliseconds, **answer.timings}
        recalled, told = state["recalled"], state.get("resolved", Resolved())
        used = tuple(
            dict.fromkeys(used for one in given for used in used_in(one, recalled[one.domain], told))
        )
        asks = options.memory.offers and answer.reason not in ("remember", "red_flag")
        offer = worth_offering(state["question"], options.memory.facts) if asks else ""
        answer = replace(answer, timings=timings, plan=plan.steps, remembered=used, offer=offer)
        return {"answer": answer, "offer": offer}

    def _keep(self, wish: Wish, state: TurnState, memory: UserMemory) -> Fact:
        """Remember something, for the domain that it is about. Where the user is concerns all of them."""
        assert memory.add is not None  # noqa: S101  there is no wish otherwise
        owners = () if tells_place(wish.text) else self._college.router.route(wish.text).domains
        turn = sum(isinstance(message, HumanMessage) for message in state["messages"]) + 1
        return memory.add(wish.text, owners[0] if len(owners) == 1 else ANY, wish.consent, turn)

    def remember(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """The turn as messages, and the question that waits for an argument, if one does."""
        if _options(runtime).cancelled.is_set():
            raise TurnCancelled
        answer, question = state["answer"], state["question"]
        note = {"status": answer.status, "domains": list(answer.domains), "reason": answer.reason}
        changes: dict[str, Any] = {
            "messages": [
                HumanMessage(question),
                AIMessage(answer.text, additional_kwargs={"collegium": note}),
            ],
            "pending": self._pending(state),
            "answers": {},
        }
        if answer.domains:
            changes["last_domain"] = answer.domains[0]
        return changes

    def _pending(self, state: TurnState) -> Pending | None:
        """A single skill asked back, and for the argument of a tool: what it asked about."""
        answer, question = state["answer"], self._asked(state)
        if answer.status != "clarify" or len(answer.domains) != 1:
            return None
        domain = answer.domains[0]
        recalled = state["recalled"][domain]
        match = recalled.tool or self._college.caller(domain).match(question)
        return pending_with(domain, question, match, recalled) if match else None

    def _workable(self, plan: Plan, options: TurnOptions) -> Plan:
        """Of several skills those that can work; a single one, or the last, is left to say what is wrong."""
        if len(plan.steps) < 2:
            return plan
        working: list[Step] = []
        for step in plan.steps:
            try:
                self._college.skill(step.domain, options.store)
                working.append(step)
            except CollegiumError:  # kept by the college: see Agent.domains
                continue
        return replace(plan, steps=tuple(working) or plan.steps[:1])

    def _turns(self, state: TurnState, options: TurnOptions) -> tuple[Turn, ...]:
        return condensed(options.history or turns_of(state["messages"]), self._history)


def _options(runtime: Runtime[TurnOptions]) -> TurnOptions:
    """The turn's options; the defaults where the graph is run without a context."""
    return cast(TurnOptions | None, runtime.context) or TurnOptions()


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
