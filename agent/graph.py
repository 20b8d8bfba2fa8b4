"""One turn as a LangGraph graph.

    route -> plan -> skill (one each, in parallel) -> compose -> remember (-> approve -> act, see approval.py)
                 \\-> compose (nobody owns the question)

Events leave through the stream mode "custom" in the order in which they happen. The conversation is the
only state that outlives a turn; what a turn passes between its nodes is never saved. Knows skills, router and
tools by their seams only; not engines, stores or the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from agent.approval import (
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
from agent.consent import worth_offering
from agent.conversation import Pending, domain_of, pending_of, unclear_of
from agent.digest import condensed
from agent.events import Event, Routed
from agent.facts import ANY, Fact, UserMemory
from agent.memory import turns_of
from agent.plan import TOOLS, Plan, Step
from agent.planner import make_plan
from agent.recall import resolved, tells_place
from agent.record import Trace, recorded
from agent.remembering import Recalled, Resolved, Wish, pending_with, recalled_for, used_in, wish_of
from agent.turn import SkillTask, TurnCancelled, TurnInput, TurnOptions, TurnOutput, TurnState
from skills.errors import CollegiumError, ModelError
from skills.records import (
    Language,
    Retrieved,
    SkillAnswer,
    SkillRequest,
    Token,
    ToolCalled,
    ToolMatch,
    Turn,
)
from skills.retrieval.text import says_chinese

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
            return {
                "routed": routed,
                "asked": question,
                "completed": None,
                "remember": None,
                "resolved": Resolved(),
            }
        last_domain, pending = state.get("last_domain", ""), state.get("pending")
        if options.history:
            last_domain = options.domain or domain_of(options.history, self._college.router.route)
            pending = None
            if last_domain:
                pending = pending_of(options.history, last_domain, self._college.caller(last_domain))
            asks = partial(self._asks_the_subject, options.memory.style.language)
            pending = pending or unclear_of(options.history, asks)
        wish = wish_of(question, state.get("offer", ""), options.memory)
        asked, completed = self._reply(question, None if wish else pending, options.domain)
        known = pending["domain"] if pending is not None and completed is not None else options.domain
        if known is not None:
            self._college.member(known)
        facts = options.memory.facts if completed is None else ()
        start = time.perf_counter()
        routed, read = self._route(asked, known, self._turns(state, options), facts)
        # What it is about is asked once: what stays unclear is out of scope.
        unclear = routed.unclear and asked == question
        routed = replace(routed, milliseconds=_since(start) if known is None else 0.0, unclear=unclear)
        get_stream_writer()(routed)
        changes: dict[str, Any] = {
            "routed": routed,
            "asked": asked,
            "completed": completed,
            "remember": wish,
            "resolved": read,
        }
        return {**changes, "last_domain": last_domain, "pending": pending} if options.history else changes

    def _reply(
        self, question: str, pending: Pending | None, domain: str | None
    ) -> tuple[str, ToolMatch | None]:
        """The question, after the one that waits if it replies to that; and the call that it completes."""
        if pending is None:
            return question, None
        asked = f"{pending['question']} {question}"
        if not pending["domain"]:
            return (question if any(clause.asks for clause in clauses(question)) else asked), None
        if domain not in (None, pending["domain"]):
            return question, None
        caller = self._college.caller(pending["domain"])
        completed = caller.complete(pending["question"], question, pending["arguments"])
        return (question if completed is None else asked), completed

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
        options, read = _options(runtime), state["resolved"]
        plan = self._plan(state, options, read)
        if not all(fact.visible_to(step.domain) for fact in read.facts for step in plan.steps):
            # It goes to another domain than the router's: a follow-up, a calculation or a red flag.
            read = Resolved()
            plan = self._plan(state, options, read)
        recalled = {step.domain: self._recalled(step, state, options) for step in plan.steps}
        return {"plan": plan, "recalled": recalled, "resolved": read}

    def _plan(self, state: TurnState, options: TurnOptions, read: Resolved) -> Plan:
        routed = state["routed"]
        if options.plan is not None:
            return options.plan
        if flagged := self._college.flagged(state["question"]):
            # Whoever the request went to: the router does not hear a cry for help. Nor is it just remembered.
            own = [domain for domain in routed.domains if domain in flagged]
            return Plan((Step((*own, *flagged)[0]),))
        if state["remember"] is not None:
            return Plan((), "remember")
        if state["completed"] is not None:
            return Plan((Step(routed.domains[0]),))
        plan = make_plan(
            read.text or state["asked"],
            routed,
            history=self._turns(state, options),
            last_domain=state.get("last_domain", "") if options.domain is None else options.domain,
            must_answer=options.passages is not None or options.store is not None,
        )
        brought = options.domain is not None or options.passages is not None or options.store is not None
        alone = len(plan.steps) == 1 or plan.reason in ("out_of_scope", "unclear")
        if alone and not brought and (owner := self._owner_of_tool(state["question"], bool(plan.steps))):
            plan = plan if owner in (step.domain for step in plan.steps) else Plan((Step(owner),))
        if read.text:
            plan = replace(plan, steps=tuple(_searching(step, read.text) for step in plan.steps))
        return self._workable(plan, options)

    def _recalled(self, step: Step, state: TurnState, options: TurnOptions) -> Recalled:
        if step.tool:
            return Recalled()
        pending = state.get("pending")
        waited = pending is not None and pending["domain"] == step.domain  # else a red flag came in between
        return recalled_for(
            step.domain,
            step.question or state["asked"],
            self._college.caller(step.domain),
            options.memory,
            history=self._turns(state, options),
            completed=state["completed"] if waited else None,
            pending=pending,
        )

    @staticmethod
    def _own_words(step: Step, state: TurnState) -> str:
        """What a step is asked without what memory put into it; empty: memory put nothing in."""
        text, asked = state["resolved"].text, state["asked"]
        return step.search_query.replace(text, asked) or asked if text else ""

    def fan_out(self, state: TurnState, runtime: Runtime[TurnOptions]) -> list[Send] | str:
        """One task a step; straight to compose where the question is declined."""
        options, steps = _options(runtime), state["plan"].steps
        style = options.memory.style
        sends: list[Send] = []
        for step in steps:
            recalled = state["recalled"][step.domain]
            request = SkillRequest(
                question=step.question or state["asked"],
                search_query=step.search_query,
                own_words=self._own_words(step, state),
                history=self._turns(state, options),
                passages=options.passages,
                configuration=options.configuration,
                where=options.where,
                tool=ToolMatch(step.tool, step.arguments) if step.tool else recalled.tool,
                can_wait=self._remembers,
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
            wish = state["remember"]
            kept = None if wish is None else self._keep(wish, state, options.memory)
            titles = [domain.title for domain in domains if kept is None or kept.visible_to(domain.name)]
            language = options.memory.style.language
            answer = without_skills(state["question"], plan, titles, language=language, kept=kept)
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
        recalled, read = state["recalled"], state["resolved"]
        used = dict.fromkeys(
            remembered for one in given for remembered in used_in(one, recalled[one.domain], read)
        )
        # A yes to an offer must not be taken for one to a call that waits, nor the other way round.
        offers = options.memory.offers and answer.awaiting is None
        asks = offers and answer.reason not in ("remember", "red_flag")
        offer = worth_offering(state["question"], options.memory.facts) if asks else ""
        record = recorded(
            state["question"],
            state["routed"],
            plan.steps,
            options.configuration,
            state.get("traces", {}),
            answer.tools,
        )
        answer = replace(
            answer, timings=timings, plan=plan.steps, remembered=tuple(used), offer=offer, record=record
        )
        return {"answer": answer, "offer": offer}

    def _keep(self, wish: Wish, state: TurnState, memory: UserMemory) -> Fact:
        """Remember something, for the domain that it is about. Where the user is concerns all of them."""
        assert memory.add is not None  # noqa: S101  there is no wish otherwise
        owners = () if tells_place(wish.text) else self._college.router.route(wish.text).domains
        turn = sum(isinstance(message, HumanMessage) for message in state["messages"]) + 1
        return memory.add(wish.text, owners[0] if len(owners) == 1 else ANY, wish.consent, turn)

    def remember(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """The turn as messages, and the question that waits for an argument, if one does."""
        options = _options(runtime)
        if options.cancelled.is_set():
            raise TurnCancelled
        answer, question = state["answer"], state["question"]
        chinese = says_chinese(options.memory.style.language, question)
        note = {"status": answer.status, "domains": list(answer.domains), "reason": answer.reason}
        changes: dict[str, Any] = {
            "messages": [
                HumanMessage(question),
                AIMessage(answer.text, additional_kwargs={"collegium": note}),
            ],
            "pending": self._pending(state),
            "approval": approval_of(answer, chinese=chinese),
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
        answer, asked = state["answer"], state["asked"]
        if answer.reason == "unclear":
            return Pending(domain="", question=asked, arguments={})
        if answer.status != "clarify" or len(answer.domains) != 1 or answer.awaiting is not None:
            return None
        domain = answer.domains[0]
        recalled = state["recalled"][domain]
        match = recalled.tool or self._college.caller(domain).match(asked)
        return pending_with(domain, asked, match, recalled) if match else None

    def _asks_the_subject(self, language: Language, question: str) -> str:
        """What is said to an unclear question."""
        titles = [domain.title for domain in self._college.domains if not domain.error]
        return without_skills(question, Plan((), "unclear"), titles, language=language).text

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


def _searching(step: Step, text: str) -> Step:
    """A step that is asked the whole question searches for what memory makes of that."""
    return step if step.search_query or step.question else replace(step, search_query=text)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
