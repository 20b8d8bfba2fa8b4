"""What a turn is asked: the keywords of ``Agent.ask`` and its siblings, and all that is checked before any work.

Knows which domains and tools there are; not how a turn runs or where sessions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypedDict, get_args

from agent.composition import College
from agent.facts import UserMemory
from agent.memory import thread_id
from agent.plan import MOST_STEPS, Plan, Step
from agent.turn import TurnOptions
from skills.errors import UserError
from skills.records import Configuration, Filter, Passage, Turn

LONGEST_QUESTION = 20_000
"""Characters."""
MOST_NESTED = 2
"""Turns that one turn's tools may ask for in each other: a tool that asks the agent, whose tool asks the agent."""
_UNDER_WAY: ContextVar[tuple[str, ...]] = ContextVar("collegium_turns", default=())
"""Sessions of the turns that the code here is called from, outermost first; empty texts for those without."""

Given = Passage | Mapping[str, object]
"""A passage, or its row: {"id", "text", "title"?, "source"?, ...}."""


class AskOptions(TypedDict, total=False):
    """The keywords of ``Agent.ask``, ``stream`` and ``astream``."""

    session: str | None
    """Name of the conversation that the question belongs to; None: it stands alone and leaves nothing behind."""
    user: str | None
    """Whose session and memory; None: the local user's, if there is a session, else nobody's."""
    history: Sequence[Turn]
    """The messages before this question, of a conversation that the caller keeps; no session."""
    domain: str | None
    """Ask this skill; None: the router decides."""
    passages: Sequence[Given] | None
    """Evidence to use instead of a store."""
    store: Path | str | None
    """Index folder to use instead of the skill's own."""
    configuration: Configuration
    """Which parts take part (see ``skills.records.Configuration``); left out: "lora+rag"."""
    where: Filter | None
    """Which passages of the store may be used (see ``skills.records.Filter``); None: all."""
    plan: Plan | None
    """Who is to be asked what, or which tool is to be called, instead of router and planner."""


@dataclass(frozen=True, slots=True)
class Request:
    """A turn to run. Raises UserError where it is asked by a tool too deep down, or by its own session's turn."""

    question: str
    options: TurnOptions
    session: str = ""
    thread: str = ""
    """Key of the session in the checkpointer; empty: nothing is remembered."""
    decision: bool | None = None
    """On the tool call that the session waits with; None: this is a question."""
    call: str | None = None
    """Id of that call; None: whichever waits."""
    outer: tuple[str, ...] = field(default_factory=_UNDER_WAY.get)
    """Sessions of the turns whose tools this turn is asked by."""

    def __post_init__(self) -> None:
        if len(self.outer) > MOST_NESTED:
            raise UserError(
                f"a tool asked the agent, whose tool asked the agent, and so on: at most {MOST_NESTED} deep"
            )
        if self.thread and self.thread in self.outer:
            raise UserError(
                f"session {self.session!r} is held by the turn whose tool asks; ask without a session",
                subject=self,
            )

    def enter(self) -> None:
        """Mark the code that runs from here on, in this thread, as this turn's."""
        _UNDER_WAY.set((*self.outer, self.thread))


def make_request(
    text: str,
    options: AskOptions,
    college: College,
    memory: Callable[[str | None, str | None], UserMemory],
) -> Request:
    """The turn of a question.

    memory: gives what is remembered about the user of (session, user).

    Raises TypeError for an unknown keyword, UserError for what cannot be asked, DataError for a broken pack.
    """
    if unknown := options.keys() - AskOptions.__annotations__.keys():
        raise TypeError(
            f"unexpected keyword argument {min(unknown)!r}; known: {', '.join(AskOptions.__annotations__)}"
        )
    session, user = options.get("session"), options.get("user")
    history, passages, store = options.get("history", ()), options.get("passages"), options.get("store")
    domain, plan = options.get("domain"), options.get("plan")
    configuration = options.get("configuration", "lora+rag")
    question = text.strip()
    if not question:
        raise UserError("the question is empty; expected some text", subject=text)
    if len(question) > LONGEST_QUESTION:
        raise UserError(
            f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} can be answered"
        )
    if configuration not in get_args(Configuration):
        known = ", ".join(get_args(Configuration))
        raise UserError(f"unknown configuration {configuration!r}; known: {known}", subject=configuration)
    if domain is not None:
        college.member(domain)
    if plan is not None:
        _check_plan(plan, domain, college)
        if any(step.tool for step in plan.steps) and (
            passages is not None or configuration in ("base", "lora")
        ):
            raise UserError("a plan that calls a tool takes no passages, and no configuration without tools")
    if history and session is not None:
        raise UserError("give either a session, which remembers its messages, or a history", subject=session)
    turn = TurnOptions(
        domain=domain,
        passages=None if passages is None else _given_passages(passages),
        store=None if store is None else Path(store),
        configuration=configuration,
        where=options.get("where"),
        history=tuple(history),
        plan=plan,
        memory=memory(session, user),
    )
    return Request(question, turn, session or "", "" if session is None else thread_id(session, user))


def _check_plan(plan: Plan, domain: str | None, college: College) -> None:
    if domain is not None:
        raise UserError("give either a plan, which names its domains, or a domain", subject=plan)
    domains = [step.domain for step in plan.steps]
    if not 1 <= len(domains) <= MOST_STEPS or len(set(domains)) < len(domains):
        raise UserError(
            f"the plan asks {domains}; expected 1 to {MOST_STEPS} domains, each once", subject=plan
        )
    for step in plan.steps:
        college.member(step.domain)
        _check_needs(step, {one.domain: one.needs for one in plan.steps}, plan)
        if step.tool:
            college.tools.get(step.tool, skill=step.domain)
        elif step.arguments:
            raise UserError(f"the plan gives {step.domain!r} arguments, but no tool", subject=step)


def _check_needs(step: Step, needs: Mapping[str, str], plan: Plan) -> None:
    """Raises UserError for a step that needs one that is not in the plan, or that waits for itself in the end."""
    seen, domain = {step.domain}, step.needs
    while domain:
        if domain not in needs or domain in seen:
            raise UserError(
                f"step {step.domain!r} needs {domain!r}: expected another step of the plan that does not wait for it",
                subject=plan,
            )
        seen.add(domain)
        domain = needs[domain]


def _given_passages(rows: Sequence[Given]) -> tuple[Passage, ...]:
    """Passages from rows. Raises UserError for a row without text or id, and for an id that comes twice."""
    found: dict[str, Passage] = {}
    for position, row in enumerate(rows):
        if isinstance(row, Passage):
            passage = row
        else:
            values = {field.name: row.get(field.name) for field in fields(Passage)}
            if not isinstance(values["text"], str) or values["id"] is None:
                raise UserError(f"passages[{position}]: expected an object with 'id' and 'text'", subject=row)
            passage = Passage(**{key: str(value) for key, value in values.items() if value is not None})
        if passage.id in found:
            raise UserError(
                f"passages[{position}]: id {passage.id!r} comes twice; ids must differ", subject=row
            )
        found[passage.id] = passage
    return tuple(found.values())
