"""A turn's dealings with memory: what is to be kept, what each skill is given, and what of that took part.

Between the graph, which runs the turn, and recall.py and consent.py, which know words. Keeps nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

from agent.consent import agrees, asked_to_remember
from agent.conversation import Pending
from agent.events import Remembered
from agent.facts import Consent, Fact, UserMemory
from agent.recall import completed_call, place_of
from skills.records import SkillAnswer, ToolMatch, Turn
from skills.tool_calls import ToolCaller


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants remembered."""

    text: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class Resolved:
    """The question as memory completes it; empty: as it was asked."""

    text: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """What memory gives one skill."""

    tool: ToolMatch | None = None
    """The completed call of its calculator; None: it looks for one itself."""
    arguments: tuple[Remembered, ...] = ()
    place: str = ""
    located: Remembered | None = None
    """How the place is known."""


def wish_of(question: str, offer: str, memory: UserMemory) -> Wish | None:
    """What the message asks to be remembered, or agrees to."""
    if memory.add is None:
        return None
    if offer and agrees(question):
        return Wish(offer, "confirmed")
    text = asked_to_remember(question)
    return Wish(text, "command") if text else None


def recalled_for(
    domain: str,
    question: str,
    caller: ToolCaller,
    memory: UserMemory,
    *,
    history: Sequence[Turn] = (),
    completed: ToolMatch | None = None,
    pending: Pending | None = None,
) -> Recalled:
    """What memory and conversation give to a domain. ``completed``: the call that a reply to ``pending`` completed."""
    facts = [fact for fact in memory.facts if fact.visible_to(domain)]
    place, located = place_of(facts, memory.style)
    match = completed
    if match is None and (facts or history or memory.style.currency):
        match = caller.match(question)
    if match is None:
        return Recalled(None, (), place, located)
    before: list[Remembered] = []
    if completed is not None and pending is not None:
        before = [
            Remembered(*one)
            for one in pending.get("remembered", ())
            if completed.arguments.get(one[2]) == pending["arguments"].get(one[2])
        ]
    match, used = completed_call(match, question, caller, facts=facts, history=history, style=memory.style)
    return Recalled(match if used else completed, (*before, *used), place, located)


def pending_with(domain: str, question: str, match: ToolMatch, recalled: Recalled) -> Pending:
    """A question that waits for an argument, with what memory has given to it."""
    remembered: list[tuple[str, str, str]] = [astuple(one) for one in recalled.arguments]
    return Pending(domain=domain, question=question, arguments=dict(match.arguments), remembered=remembered)


def used_in(given: SkillAnswer, recalled: Recalled, resolved: Resolved) -> Iterator[Remembered]:
    """What was remembered and took part in a skill's answer."""
    called = [given.awaits.tool] if given.awaits else [call.name for call in given.tools if not call.error]
    if recalled.tool is not None and called[:1] == [recalled.tool.tool]:
        yield from recalled.arguments
    elif given.status == "answered" and given.reason != "red_flag":
        yield from (Remembered(fact.id, fact.text, "question") for fact in resolved.facts)
    if given.place and recalled.located is not None:
        yield recalled.located
