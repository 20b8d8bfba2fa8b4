"""One turn as a LangGraph graph.

    route -> plan -> skill (one each, in parallel) -> compose -> remember (-> approve -> act, see approval.py)
                 \\-> compose (nobody owns the question)

Events leave through the stream mode "custom" in the order in which they happen. The conversation is the
only state that outlives a turn; what a turn passes between its nodes is never saved. Knows skills, router and
tools by their seams only; not engines, stores or the terminal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypedDict, TypeVar, cast

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels import UntrackedValue
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from agent.approval import (
    Approval,
    ApprovalNodes,
    ApprovalState,
    after_approve,
    after_remember,
    approval_of,
    awaiting_of,
)
from agent.clauses import clauses
from agent.compose import compose, without_skills
from agent.composition import College
from agent.conversation import Pending, domain_of, pending_of, unclear_of
from agent.events import Answer, Event, Routed
from agent.memory import turns_of
from agent.plan import TOOLS, Plan, Step
from agent.planner import make_plan
from agent.record import Trace, recorded
from skills.errors import CollegiumError, ModelError
from skills.records import (
    Configuration,
    Filter,
    Passage,
    Retrieved,
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
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set it to stop the turn; it then raises TurnCancelled."""


class TurnCancelled(Exception):
    """The caller no longer wants the answer. Not an error of anyone; nothing is remembered."""


_Value = TypeVar("_Value")


def _merge(old: dict[str, _Value], new: dict[str, _Value]) -> dict[str, _Value]:
    """Collect by skill; an empty dict clears."""
    return {**old, **new} if new else {}


class TurnInput(TypedDict):
    question: str


class TurnState(TypedDict):
    # Saved with the session.
    messages: Annotated[list[AnyMessage], add_messages]
    last_domain: str
    pending: Pending | None
    approval: Approval | None
    # Of this turn only.
    question: Annotated[str, UntrackedValue]
    asked: Annotated[str, UntrackedValue]
    """The question, after the one that it says the subject of."""
    routed: Annotated[Routed, UntrackedValue]
    completed: Annotated[ToolMatch | None, UntrackedValue]
    plan: Annotated[Plan, UntrackedValue]
    answers: Annotated[dict[str, SkillAnswer], _merge]
    traces: Annotated[dict[str, Trace], _merge]
    answer: Annotated[Answer, UntrackedValue]
    claimed: Annotated[bool, UntrackedValue]


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
    nodes, approval = _Nodes(college, history, remembers=checkpointer is not None), ApprovalNodes(college)
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
    graph.add_node("approve", approval.approve, input_schema=ApprovalState)
    graph.add_node("act", approval.act, input_schema=ApprovalState)
    graph.add_conditional_edges("remember", after_remember, ["approve", END])
    graph.add_conditional_edges("approve", after_approve, ["act", END])
    graph.add_edge("act", END)
    return graph.compile(checkpointer=checkpointer)


class _Nodes:
    """The graph's nodes: each takes the state and gives the part it changes."""

    def __init__(self, college: College, history: int, *, remembers: bool) -> None:
        self._college, self._history, self._remembers = college, history, remembers

    def route(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who owns the question: the domain told, the one that waits for this reply, or the router's."""
        options, question = _options(runtime), state["question"]
        if options.plan is not None:
            domains = tuple(step.domain for step in options.plan.steps)
            routed = Routed(domains, dict.fromkeys(domains, 1.0), 0.0)
            return {"routed": routed, "completed": None, "asked": question}
        last_domain, pending = state.get("last_domain", ""), state.get("pending")
        if options.history:
            last_domain = options.domain or domain_of(options.history, self._college.router.route)
            pending = None
            if last_domain:
                pending = pending_of(options.history, last_domain, self._college.caller(last_domain))
            pending = pending or unclear_of(options.history, self._asks_the_subject)
        completed: ToolMatch | None = None
        unclear = pending["question"] if pending is not None and not pending["domain"] else ""
        told = unclear and not any(clause.asks for clause in clauses(question))
        asked = f"{unclear} {question}" if told else question
        if pending is not None and pending["domain"] and options.domain in (None, pending["domain"]):
            caller = self._college.caller(pending["domain"])
            completed = caller.complete(pending["question"], question, pending["arguments"])
        known = pending["domain"] if pending is not None and completed is not None else options.domain
        if known is not None:
            self._college.member(known)
            routed = Routed((known,), {known: 1.0}, 0.0)
        else:
            start = time.perf_counter()
            routed = self._college.router.route(asked, self._turns(state, options))
            # It is asked once: what stays unclear is out of scope.
            routed = replace(routed, milliseconds=_since(start), unclear=routed.unclear and not told)
        get_stream_writer()(routed)
        changes = {"routed": routed, "completed": completed, "asked": asked}
        return {**changes, "last_domain": last_domain, "pending": pending} if options.history else changes

    def plan(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who answers what."""
        options, routed = _options(runtime), state["routed"]
        if options.plan is not None:
            return {"plan": options.plan}
        if flagged := self._college.flagged(state["question"]):
            # Whoever the request went to: the router does not hear a cry for help.
            own = [domain for domain in routed.domains if domain in flagged]
            return {"plan": Plan((Step((*own, *flagged)[0]),))}
        if state["completed"] is not None:
            return {"plan": Plan((Step(routed.domains[0]),))}
        plan = make_plan(
            state["asked"],
            routed,
            history=self._turns(state, options),
            last_domain=state.get("last_domain", "") if options.domain is None else options.domain,
            must_answer=options.passages is not None or options.store is not None,
        )
        brought = options.domain is not None or options.passages is not None or options.store is not None
        alone = len(plan.steps) == 1 or plan.reason in ("out_of_scope", "unclear")
        if alone and not brought and (owner := self._owner_of_tool(state["question"], bool(plan.steps))):
            plan = plan if owner in (step.domain for step in plan.steps) else Plan((Step(owner),))
        return {"plan": self._workable(plan, options)}

    def fan_out(self, state: TurnState, runtime: Runtime[TurnOptions]) -> list[Send] | str:
        """One task a step; straight to compose where the question is declined."""
        options, steps = _options(runtime), state["plan"].steps
        completed, pending, question = state.get("completed"), state.get("pending"), state["asked"]
        if completed is not None and pending is not None:
            question = f"{pending['question']} {question}"
        sends: list[Send] = []
        for step in steps:
            request = SkillRequest(
                question=step.question or question,
                search_query=step.search_query,
                history=self._turns(state, options),
                passages=options.passages,
                configuration=options.configuration,
                where=options.where,
                tool=ToolMatch(step.tool, step.arguments) if step.tool else completed,
                can_wait=self._remembers,
            )
            sends.append(Send("skill", SkillTask(step=step, request=request, live=len(steps) == 1)))
        return sends or "compose"

    def skill(self, state: SkillTask, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Run one skill and pass its events on. Several skills' tokens are shown by ``compose``, in order."""
        options, domain = _options(runtime), state["step"].domain
        emit: Callable[[Event], None] = get_stream_writer()
        events = self._college.skill(domain, options.store).stream(state["request"])
        shown, answer, retrieved = "", None, None
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
                        retrieved = event if isinstance(event, Retrieved) else retrieved
                        emit(event)
        finally:
            # Closing a generator stops the engine behind it.
            close: Callable[[], None] = getattr(events, "close", lambda: None)
            close()
        if answer is None:
            raise ModelError(f"skill {domain!r} ended without an answer", subject=domain)
        if state["live"] and answer.text.startswith(shown) and answer.text != shown:
            emit(Token(answer.text.removeprefix(shown), domain))
        identity = self._college.identity(domain, options.store, options.configuration)
        return {"answers": {domain: answer}, "traces": {domain: Trace(identity, retrieved)}}

    def compose(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Join the skills' answers; a single one is left as it is."""
        options = _options(runtime)
        if options.cancelled.is_set():
            raise TurnCancelled
        emit: Callable[[Event], None] = get_stream_writer()
        plan, answers = state["plan"], state.get("answers", {})
        given = [answers[step.domain] for step in plan.steps]
        waiting = next((one for one in given if one.awaits), None)
        given = [one for one in given if one is waiting or one.awaits is None]  # one decision at a time
        domains = [domain for domain in self._college.domains if not domain.error]
        if not given:
            answer = without_skills(state["question"], plan, [domain.title for domain in domains])
            if plan.call is not None:
                emit(ToolCalled(plan.call))
        else:
            titles = {domain.name: domain.title for domain in domains}
            apart = waiting is not None or any(step.question for step in plan.steps)
            answer = compose(given, titles, apart=apart)
            if waiting is not None and waiting.domain in answer.domains:
                answer = replace(answer, status="clarify", awaiting=awaiting_of(waiting))
        if len(plan.steps) != 1:
            emit(Token(answer.text, answer.domains[0] if len(answer.domains) == 1 else ""))
        timings = {"route": state["routed"].milliseconds, **answer.timings}
        record = recorded(
            state["question"],
            state["routed"],
            plan.steps,
            options.configuration,
            state.get("traces", {}),
            answer.tools,
        )
        return {"answer": replace(answer, timings=timings, plan=plan.steps, record=record)}

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
            "approval": approval_of(answer, question),
            "answers": {},
            "traces": {},
        }
        if answer.domains and answer.domains[0] != TOOLS:
            changes["last_domain"] = answer.domains[0]
        return changes

    def _owner_of_tool(self, question: str, owned: bool) -> str:
        """The one domain whose calculator a question gives all values for, whatever the router made of it; empty: there
        is none. A question that is nobody's (not ``owned``) goes to a tool that every skill may call first."""
        if not owned and self._college.caller(TOOLS).match(question):
            return TOOLS
        owners: list[str] = []
        for domain in self._college.domains:
            with suppress(CollegiumError):  # a broken domain has no tools
                match = self._college.caller(domain.name).match(question)
                owners += [domain.name] if match is not None and not match.missing else []
        return owners[0] if len(owners) == 1 else ""

    def _pending(self, state: TurnState) -> Pending | None:
        """What was asked back: the subject of a question, or, by a single skill, the argument of a tool."""
        answer, completed, earlier = state["answer"], state.get("completed"), state.get("pending")
        if answer.reason == "unclear":
            return Pending(domain="", question=state["asked"], arguments={})
        if answer.status != "clarify" or len(answer.domains) != 1 or answer.awaiting is not None:
            return None
        domain, question = answer.domains[0], state["question"]
        if completed is not None and earlier is not None:
            joined = f"{earlier['question']} {question}"
            return Pending(domain=domain, question=joined, arguments=dict(completed.arguments))
        match = self._college.caller(domain).match(question)
        return Pending(domain=domain, question=question, arguments=dict(match.arguments)) if match else None

    def _asks_the_subject(self, question: str) -> str:
        """What is said to an unclear question."""
        titles = [domain.title for domain in self._college.domains if not domain.error]
        return without_skills(question, Plan((), "unclear"), titles).text

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
        turns = options.history or turns_of(state["messages"])
        return turns[len(turns) - self._history :] if len(turns) > self._history else turns


def _options(runtime: Runtime[TurnOptions]) -> TurnOptions:
    """The turn's options; the defaults where the graph is run without a context."""
    return cast(TurnOptions | None, runtime.context) or TurnOptions()


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
