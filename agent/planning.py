"""Who is asked what in a turn, and with what memory gives to that.

    route -> plan -> one task a skill, or none -> further: those that waited for what these gave

Between the graph, which runs the turn, and router.py and planner.py, which know words: knows the college too, so which
tools there are, which red flags a question raises, and which skills work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.runtime import Runtime
from langgraph.types import Send

from agent.case import with_case
from agent.clauses import clauses
from agent.compose import without_skills
from agent.composition import College
from agent.conversation import Pending, domain_of, pending_of, unclear_of
from agent.dependence import filled
from agent.digest import condensed
from agent.events import Routed
from agent.facts import Fact
from agent.memory import turns_of
from agent.plan import TOOLS, Plan, Step
from agent.planner import is_follow_up, make_plan
from agent.recall import resolved
from agent.remembering import Recalled, Resolved, recalled_for, wish_of
from agent.router import GENERAL
from agent.turn import SkillTask, TurnOptions, TurnState, found_nothing, options_of
from skills.errors import CollegiumError
from skills.records import Language, SkillRequest, ToolMatch, Turn

NEXT = 0.02
"""Probability from which another domain is asked where the likeliest one found nothing."""


class PlanningNodes:
    """The graph's nodes before the skills."""

    def __init__(self, college: College, history: int, *, remembers: bool) -> None:
        """``history``: messages that router and skills see. ``remembers``: the turn is saved, so a call can wait."""
        self._college, self._history, self._remembers = college, history, remembers

    def route(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who owns the question: the domain told, the one that waits for this reply, or the router's."""
        options, question = options_of(runtime), state["question"]
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
        routed, read = self._route(asked, known, self._turns(state, options), last_domain, facts)
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
        self,
        question: str,
        known: str | None,
        turns: Sequence[Turn],
        last_domain: str,
        facts: Sequence[Fact],
    ) -> tuple[Routed, Resolved]:
        """Who owns the question, read with what memory makes of it if all who own it may see that."""

        def owners(text: str) -> Routed:
            return (
                Routed((known,), {known: 1.0}, 0.0)
                if known
                else self._college.router.route(text, turns, last_domain)
            )

        text, used = resolved(question, facts)
        if used:
            routed = owners(text)
            if routed.domains and all(fact.visible_to(name) for fact in used for name in routed.domains):
                return routed, Resolved(text, used)
        return owners(question), Resolved()

    def plan(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Who answers what, and what memory gives to that."""
        options, read = options_of(runtime), state["resolved"]
        plan = self._plan(state, options, read)
        if not all(fact.visible_to(step.domain) for fact in read.facts for step in plan.steps):
            # It goes to another domain than the router's: a follow-up, a calculation or a red flag.
            read = Resolved()
            plan = self._plan(state, options, read)
        recalled = {step.domain: self._recalled(step, state, options) for step in plan.steps}
        # What an interrupted turn left behind is none of this one's.
        return {"plan": plan, "recalled": recalled, "resolved": read, "answers": {}, "traces": {}}

    def further(self, state: TurnState, runtime: Runtime[TurnOptions]) -> dict[str, Any]:
        """Give the steps that waited for another one's result that result; where the only domain asked found nothing,
        ask the next likely one."""
        options, answers = options_of(runtime), state["answers"]
        other = self._next_likely(state, options)
        if other is not None and found_nothing(answers[state["plan"].steps[0].domain]):
            plan = replace(state["plan"], steps=(*state["plan"].steps, other))
            recalled = {other.domain: self._recalled(other, state, options)}
            return {"plan": plan, "recalled": {**state["recalled"], **recalled}}
        steps = [
            replace(step, question=filled(step.question, answers[step.needs]))
            if step.needs in answers and step.domain not in answers and step.question
            else step
            for step in state["plan"].steps
        ]
        changed = [step for step, before in zip(steps, state["plan"].steps, strict=True) if step != before]
        recalled = {step.domain: self._recalled(step, state, options) for step in changed}
        return {
            "plan": replace(state["plan"], steps=tuple(steps)),
            "recalled": {**state["recalled"], **recalled},
        }

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
        if not brought:
            plan = self._college.planner(read.text or state["asked"], plan, self._turns(state, options))
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

    def _alone(self, step: Step, state: TurnState, options: TurnOptions) -> tuple[str, ...]:
        """What a step is asked without the conversation but for the case it told of, and without its place; empty where
        it leans on the conversation, or was told how to search."""
        if options.plan is not None or not step.search_query or is_follow_up(state["asked"]):
            return ()
        text = step.question or state["resolved"].text or state["asked"]
        same = step.domain == state.get("last_domain", "")
        turns = self._turns(state, options)
        ways = (with_case(text, turns, same=same, placed=placed) for placed in (True, False))
        return tuple(dict.fromkeys(ways))

    def _repeats(self, state: TurnState, options: TurnOptions) -> bool:
        """Whether what was told already may be told again: not where one question follows another."""
        said = [turn.text for turn in self._turns(state, options) if turn.role == "user"][-1:]
        return not all(any(clause.asks for clause in clauses(text)) for text in (*said, state["asked"]))

    def _next_likely(self, state: TurnState, options: TurnOptions) -> Step | None:
        """Who is asked next if the only domain that the router chose finds nothing; None where several or another than
        that are asked, or no other one is likely enough."""
        steps, routed = state["plan"].steps, state["routed"]
        told = options.domain is not None or options.plan is not None or state["completed"] is not None
        brought = options.passages is not None or options.store is not None
        if told or brought or len(steps) != 1 or steps[0].search_query:
            return None
        others = {
            name: share
            for name, share in routed.probabilities.items()
            if name not in (GENERAL, steps[0].domain) and share >= NEXT
        }
        if not others:
            return None
        best = max(others, key=lambda name: others[name])
        try:
            self._college.skill(best, options.store)
        except CollegiumError:
            return None
        return Step(best)

    def fan_out(self, state: TurnState, runtime: Runtime[TurnOptions]) -> list[Send] | str:
        """One task for each step whose turn it is: not asked yet, and what it needs is there. To compose where there is
        none, as where the question is declined."""
        options, steps = options_of(runtime), state["plan"].steps
        style = options.memory.style
        sends: list[Send] = []
        answers = state.get("answers", {})
        for step in steps:
            if step.domain in answers or (step.needs and step.needs not in answers):
                continue
            recalled = state["recalled"][step.domain]
            request = SkillRequest(
                question=step.question or state["asked"],
                search_query=step.search_query,
                alone=self._alone(step, state, options),
                repeats=self._repeats(state, options),
                moves=bool(step.search_query) and step.domain != state.get("last_domain", ""),
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
            task = SkillTask(
                step=step,
                request=request,
                live=len(steps) == 1,
                holds=self._next_likely(state, options) is not None,
            )
            sends.append(Send("skill", task))
        return sends or "compose"

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
        left = {step.domain for step in working}
        working = [step if step.needs in left else replace(step, needs="") for step in working]
        return replace(plan, steps=tuple(working) or plan.steps[:1])

    def _turns(self, state: TurnState, options: TurnOptions) -> tuple[Turn, ...]:
        return condensed(options.history or turns_of(state["messages"]), self._history)


def _searching(step: Step, text: str) -> Step:
    """A step that is asked the whole question searches for what memory makes of that."""
    return step if step.search_query or step.question else replace(step, search_query=text)


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
