"""A tool call that changes things: asked about, then made once or never.

    remember -> approve (waits for a decision) -> act -> END
                                              \\-> END (refused)

Waiting is LangGraph's ``interrupt``: the session holds the call, so it outlives the process. That a call was begun is
saved before it is made, and only who wrote that makes it: after a crash in between nobody knows whether it came to an
end, so it is not made again, and the answer says so. A call is never made twice.

Knows the turn's state and the college's tools; not who decides, or how they were asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, TypedDict, cast
from uuid import uuid4

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.channels import UntrackedValue
from langgraph.config import get_stream_writer
from langgraph.types import interrupt

import prompts
from agent.composition import College
from agent.events import Answer, Awaiting, Event
from agent.memory import APPROVAL
from skills.errors import ToolFailed, ToolInputError
from skills.records import SkillAnswer, Token, ToolCalled, ToolMatch
from skills.tool_use import failed_call, failure, told, written


class Approval(TypedDict):
    """A call that waits, as it is saved with the session."""

    id: str
    tool: str
    arguments: dict[str, Any]
    domain: str
    chinese: bool
    started: bool


class ApprovalState(TypedDict):
    """What of a turn's state the nodes here see."""

    approval: Approval | None
    claimed: Annotated[bool, UntrackedValue]
    """It was this run that saved the call as begun. Not saved itself, so it is gone after a crash."""


def awaiting_of(waiting: SkillAnswer) -> Awaiting | None:
    """The call that a skill's answer waits for, under a new name."""
    match = waiting.awaits
    return Awaiting(uuid4().hex[:8], match.tool, dict(match.arguments), waiting.domain) if match else None


def approval_of(answer: Answer, *, chinese: bool) -> Approval | None:
    """What the session keeps of an answer that waits."""
    one = answer.awaiting
    if one is None:
        return None
    return Approval(
        id=one.id,
        tool=one.tool,
        arguments=dict(one.arguments),
        domain=one.domain,
        chinese=chinese,
        started=False,
    )


def awaiting_in(values: Mapping[str, Any]) -> Awaiting | None:
    """The call that a saved session waits for."""
    saved = cast(Approval | None, values.get(APPROVAL))
    if saved is None:
        return None
    return Awaiting(saved["id"], saved["tool"], saved["arguments"], saved["domain"], saved["started"])


class ApprovalNodes:
    """The graph's nodes after ``remember``."""

    def __init__(self, college: College) -> None:
        self._college = college

    def approve(self, state: ApprovalState) -> dict[str, Any]:
        """Wait for the decision; a yes is saved before anything is done."""
        approval = cast(Approval, state[APPROVAL])
        if interrupt(dict(approval)) is True:
            return {APPROVAL: {**approval, "started": True}, "claimed": True}
        text = _say("approval_refused", approval, call=written(approval["tool"], approval["arguments"]))
        return self._end(approval, "no", Answer("declined", text, confidence=1.0, reason="refused"))

    def act(self, state: ApprovalState) -> dict[str, Any]:
        """Make the call, if it was this run that claimed it."""
        approval = cast(Approval, state[APPROVAL])
        match = ToolMatch(approval["tool"], approval["arguments"])
        if not state.get("claimed"):
            text = _say("approval_unknown", approval, call=written(match.tool, match.arguments))
            return self._end(approval, "yes", Answer("declined", text, reason="unknown_outcome"))
        emit: Any = get_stream_writer()
        try:
            call = self._college.caller(approval["domain"]).call(match)
            answer = Answer("answered", told(call), tools=(call,), confidence=1.0)
        except ToolInputError as error:
            answer = Answer("clarify", str(error), confidence=1.0, reason="bad_argument")
        except ToolFailed as error:
            call = failed_call(match, error)
            text = failure(call, chinese=approval["chinese"])
            answer = Answer("declined", text, tools=(call,), confidence=1.0, reason="tool_failed")
        for event in (*(ToolCalled(call) for call in answer.tools), Token(answer.text, approval["domain"])):
            emit(cast(Event, event))
        return self._end(approval, "yes", answer)

    def _end(self, approval: Approval, decision: str, answer: Answer) -> dict[str, Any]:
        note = {"status": answer.status, "domains": [approval["domain"]], "reason": answer.reason}
        return {
            "answer": replace(answer, domains=(approval["domain"],)),
            "messages": [
                HumanMessage(decision),
                AIMessage(answer.text, additional_kwargs={"collegium": note}),
            ],
            APPROVAL: None,
        }


def after_remember(state: Mapping[str, Any]) -> str:
    return "approve" if state.get(APPROVAL) else "__end__"


def after_approve(state: Mapping[str, Any]) -> str:
    return "act" if state.get(APPROVAL) else "__end__"


def _say(name: str, approval: Approval, **values: str) -> str:
    return prompts.load(f"{name}_zh" if approval["chinese"] else name).render(**values)
