"""What a conversation implies that its caller kept: its domain, and a question that waits for a reply.

A session remembers both. A request that brings its own messages instead (``Agent.ask(history=...)``) has only
their words, so both are worked out again, from router and tool patterns. Knows no session and no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NotRequired, TypedDict

from agent.events import Routed
from skills.errors import CollegiumError, ToolInputError
from skills.records import ToolMatch, Turn
from skills.tool_calls import ToolCaller

_LOOKED_AT = 12
"""Messages, from the end."""


class Pending(TypedDict):
    """A question that waits for a tool argument, or for word of what it is about."""

    domain: str
    """Whose it is; empty: that is what was asked back."""
    question: str
    arguments: dict[str, Any]
    remembered: NotRequired[list[tuple[str, str, str]]]
    """Which of the arguments memory gave: fields of ``agent.events.Remembered``."""


def domain_of(history: Sequence[Turn], route: Callable[[str, Sequence[Turn]], Routed]) -> str:
    """The domain of the last question that has one, read with what came before it; empty if there is none."""
    recent = history[-_LOOKED_AT:]
    for place in reversed(range(len(recent))):
        if recent[place].role != "user":
            continue
        domains = route(recent[place].text, recent[:place]).domains
        if domains:
            return domains[0]
    return ""


def pending_of(history: Sequence[Turn], domain: str, caller: ToolCaller) -> Pending | None:
    """The question of ``domain`` that the last message asked a value for; None if it did not."""
    pending: Pending | None = None
    recent = history[-_LOOKED_AT:]
    for said, replied in pairwise(recent):
        if (said.role, replied.role) != ("user", "assistant"):
            continue
        question, match = said.text, None
        if pending is not None:
            match = caller.complete(pending["question"], said.text, pending["arguments"])
            question = f"{pending['question']} {said.text}" if match is not None else question
        match = match or caller.match(said.text)
        waits = match is not None and replied.text.strip() == _asked_back(caller, match).strip()
        pending = (
            Pending(domain=domain, question=question, arguments=dict(match.arguments))
            if match and waits
            else None
        )
    return pending if recent and recent[-1].role == "assistant" else None


def unclear_of(history: Sequence[Turn], asks: Callable[[str], str]) -> Pending | None:
    """The question that the last message asked the subject of; None if it did not. ``asks``: what it says then."""
    said = history[-2:]
    if [turn.role for turn in said] != ["user", "assistant"] or said[1].text.strip() != asks(
        said[0].text
    ).strip():
        return None
    return Pending(domain="", question=said[0].text, arguments={})


def _asked_back(caller: ToolCaller, match: ToolMatch) -> str:
    """What a skill says when the tool cannot be called; empty if it can."""
    if match.missing:
        return match.ask
    try:
        if caller.terms(match.tool).risk == "none":
            caller.call(match)
        else:  # not to be made again to see what it says
            caller.check(match)
    except ToolInputError as error:
        return str(error)
    except CollegiumError:
        return ""
    return ""
