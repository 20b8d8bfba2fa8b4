"""What goes through the graph of a turn: how it is to be answered, and its state.

Plain declarations; what the nodes do with them is in planning.py, graph.py and approval.py.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypedDict, TypeVar, cast

from langchain_core.messages import AnyMessage
from langgraph.channels import UntrackedValue
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime

from agent.approval import Approval
from agent.conversation import Pending
from agent.events import Answer, Routed
from agent.facts import UserMemory
from agent.plan import Plan, Step
from agent.record import Trace
from agent.remembering import Recalled, Resolved, Wish
from skills.records import Configuration, Filter, Passage, SkillAnswer, SkillRequest, ToolMatch, Turn


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


def options_of(runtime: Runtime[TurnOptions]) -> TurnOptions:
    """The turn's options; the defaults where the graph is run without a context."""
    return cast(TurnOptions | None, runtime.context) or TurnOptions()


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
    offer: str
    """What the last answer asked consent for."""
    # Of this turn only.
    question: Annotated[str, UntrackedValue]
    asked: Annotated[str, UntrackedValue]
    """The question, after the one that it replies to."""
    remember: Annotated[Wish | None, UntrackedValue]
    resolved: Annotated[Resolved, UntrackedValue]
    recalled: Annotated[dict[str, Recalled], UntrackedValue]
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
    holds: bool
    """Whether it keeps to itself that it found nothing, since another one is asked then."""


def found_nothing(answer: SkillAnswer) -> bool:
    """Whether nothing supports an answer: another domain's store may have what does."""
    return answer.reason == "no_evidence" and not answer.tools
