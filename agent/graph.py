"""One turn as a LangGraph graph.

    route -> plan -> skill (one each, in parallel) -> further -> compose -> remember (-> approve -> act)
                 |     ^------------------------------/ (who needed its result, or is asked after it found nothing)
                 \\-> compose (nobody owns the question)

Route, plan and further are in planning.py, approve and act in approval.py, the others here.

Events leave through the stream mode "custom" in the order in which they happen. The conversation is the
only state that outlives a turn; what a turn passes between its nodes is never saved. Knows skills, router and
tools by their seams only; not engines, stores or the terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agent.approval import (
    ApprovalNodes,
    ApprovalState,
    after_approve,
    after_remember,
    approval_of,
    awaiting_of,
)
from agent.compose import compose, without_skills
from agent.composition import College
from agent.consent import worth_offering
from agent.conversation import Pending
from agent.events import Event
from agent.facts import ANY, Fact, UserMemory
from agent.plan import TOOLS
from agent.planning import PlanningNodes
from agent.recall import tells_place
from agent.record import Trace, recorded
from agent.remembering import Wish, pending_with, used_in
from agent.turn import (
    SkillTask,
    TurnCancelled,
    TurnInput,
    TurnOptions,
    TurnOutput,
    TurnState,
    found_nothing,
    options_of,
)
from skills.errors import ModelError
from skills.records import Retrieved, SkillAnswer, Token, ToolCalled
from skills.retrieval.text import says_chinese

Graph = CompiledStateGraph[TurnState, TurnOptions, TurnInput, TurnOutput]


def build_graph(
    college: College, *, history: int, checkpointer: BaseCheckpointSaver[Any] | None = None
) -> Graph:
    """Compile the graph. ``history``: messages of the session that router and skills see."""
    planning = PlanningNodes(college, history, remembers=checkpointer is not None)
    skills, approval = _SkillNodes(college), ApprovalNodes(college)
    graph = StateGraph(TurnState, TurnOptions, input_schema=TurnInput, output_schema=TurnOutput)
    graph.add_node("route", planning.route)
    graph.add_node("plan", planning.plan)
    graph.add_node("skill", skills.skill, input_schema=SkillTask)
    graph.add_node("further", planning.further)
    graph.add_node("compose", skills.compose)
    graph.add_node("remember", skills.remember)
    graph.add_edge(START, "route")
    graph.add_edge("route", "plan")
    graph.add_conditional_edges("plan", planning.fan_out, ["skill", "compose"])
    graph.add_edge("skill", "further")
    graph.add_conditional_edges("further", planning.fan_out, ["skill", "compose"])
    graph.add_edge("compose", "remember")
    graph.add_node("approve", approval.approve, input_schema=ApprovalState)
    graph.add_node("act", approval.act, input_schema=ApprovalState)
    graph.add_conditional_edges("remember", after_remember, ["approve", END])
    graph.add_conditional_edges("approve", after_approve, ["act", END])
    graph.add_edge("act", END)
    return graph.compile(checkpointer=checkpointer)


class _SkillNodes:
    """The graph's nodes between plan and approval: each takes the state and gives the part it changes."""

    def __init__(self, college: College) -> None:
        self._college = college

    def skill(self, state: SkillTask, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Run one skill and pass its events on. Several skills' tokens are shown by ``compose``, in order."""
        options, domain = options_of(runtime), state["step"].domain
        emit: Callable[[Event], None] = get_stream_writer()
        events = self._college.skill(domain, options.store).stream(state["request"])
        shown, answer, retrieved, live = "", None, None, state["live"]
        try:
            for event in events:
                if options.cancelled.is_set():
                    raise TurnCancelled
                match event:
                    case SkillAnswer():
                        answer = event
                    case Token():
                        if live:
                            shown += event.text
                            emit(event)
                    case _:
                        if isinstance(event, Retrieved):
                            retrieved = event
                            live = live and not (state["holds"] and not event.evidence)
                        emit(event)
        finally:
            # Closing a generator stops the engine behind it.
            close: Callable[[], None] = getattr(events, "close", lambda: None)
            close()
        if answer is None:
            raise ModelError(f"skill {domain!r} ended without an answer", subject=domain)
        live = state["live"] and not (state["holds"] and found_nothing(answer))
        if live and answer.text.startswith(shown) and answer.text != shown:
            emit(Token(answer.text.removeprefix(shown), domain))
        identity = self._college.identity(domain, options.store, options.configuration)
        return {"answers": {domain: answer}, "traces": {domain: Trace(identity, retrieved)}}

    def compose(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Join the skills' answers; a single one is left as it is."""
        options = options_of(runtime)
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
            language = options.memory.style.language
            answer = compose(given, titles, apart=apart, question=state["question"], language=language)
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
        options = options_of(runtime)
        if options.cancelled.is_set():
            raise TurnCancelled
        answer, question = state["answer"], state["question"]
        chinese = says_chinese(options.memory.style.language, question)
        note = {
            "status": answer.status,
            "domains": list(answer.domains),
            "reason": answer.reason,
            "topic": _topic(answer.citations[0].title, question) if answer.citations else "",
        }
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


def _topic(title: str, question: str) -> str:
    """What a passage with that title is about: its section where the question names that and not its document, else
    that."""
    document, _, section = title.partition(": ")
    asked = question.lower()
    return section if section and section.lower() in asked and document.lower() not in asked else document
