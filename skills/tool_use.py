"""Tools within a skill: the call that a question asks for, is asked back for, or has to be approved; and a skill of
tools alone.

Knows what a result, a refusal and a failure look like in an answer; not how tools are found (tool_calls) and run
(tool_runs), nor who approves (agent.approval).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import prompts
from skills.errors import ToolFailed, ToolInputError
from skills.records import SkillAnswer, SkillEvent, SkillRequest, Token, ToolCall, ToolCalled, ToolMatch
from skills.retrieval.text import says_chinese
from skills.tool_calls import ToolCaller


def use_tool(domain: str, tools: ToolCaller, request: SkillRequest) -> Iterator[SkillEvent]:
    """Run the tool that the question is for; no event if it is for none.

    The last event is a SkillAnswer, or the ToolCalled of a call that failed: the answer then has to come from
    elsewhere (see ``after_failure``).
    """
    match = request.tool or tools.match(request.question)
    if match is None:
        return
    if match.missing:
        ask = (
            match.ask
            if request.language == "auto"
            else tools.ask(match, says_chinese(request.language, request.question))
        )
        yield from _said(domain, ask, "missing_argument")
        return
    started = time.perf_counter()
    try:
        if tools.terms(match.tool).risk == "writes":
            tools.check(match)
            yield from _approval(domain, match, request)
            return
        call = tools.call(match)
    except ToolInputError as error:
        yield from _said(domain, str(error), "bad_argument")
        return
    except ToolFailed as error:
        yield ToolCalled(failed_call(match, error))
        return
    yield ToolCalled(call)
    text = told(call)
    yield Token(text, domain)
    milliseconds = round((time.perf_counter() - started) * 1000, 2)
    yield SkillAnswer(
        domain, "answered", text, tools=(call,), confidence=1.0, timings={"tools": milliseconds}
    )


def after_failure(
    domain: str, call: ToolCall, events: Iterator[SkillEvent], *, chinese: bool
) -> Iterator[SkillEvent]:
    """What a skill reports without the tool that failed: first that it failed, then what the events say."""
    notice = f"{failure(call, chinese=chinese)}\n\n"
    yield Token(notice, domain)
    for event in events:
        if isinstance(event, SkillAnswer):
            event = replace(event, text=notice + event.text, tools=(call, *event.tools))
        yield event


def told(call: ToolCall) -> str:
    """A result as an answer: the tool's own words, and the source of its formula."""
    if not call.source:
        return call.text
    return prompts.load("tool_answer").render(result=call.text, source=call.source)


def failed_call(match: ToolMatch, error: ToolFailed) -> ToolCall:
    return ToolCall(match.tool, dict(match.arguments), "", error=error.why)


def failure(call: ToolCall, *, chinese: bool) -> str:
    """A failure in words."""
    return prompts.load("tool_failed_zh" if chinese else "tool_failed").render(
        tool=call.name, error=call.error
    )


def written(tool: str, arguments: Mapping[str, object]) -> str:
    """``name(argument=value, ...)``, whole: who approves a call has to see all of it."""
    values = (
        f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in arguments.items()
    )
    return f"{tool}({', '.join(values)})"


def _approval(domain: str, match: ToolMatch, request: SkillRequest) -> Iterator[SkillEvent]:
    name = "approval_ask" if request.can_wait else "approval_no_session"
    text = prompts.load(f"{name}_zh" if says_chinese(request.language, request.question) else name).render(
        call=written(match.tool, match.arguments)
    )
    if request.can_wait:
        yield from _said(domain, text, "approval", match)
    else:
        yield Token(text, domain)
        yield SkillAnswer(domain, "declined", text, confidence=1.0, reason="needs_approval")


def _said(domain: str, text: str, reason: str, awaits: ToolMatch | None = None) -> Iterator[SkillEvent]:
    yield Token(text, domain)
    yield SkillAnswer(domain, "clarify", text, confidence=1.0, reason=reason, awaits=awaits)


class ToolSkill:
    """A skill of tools alone: it has no documents, and declines what none of its tools is for."""

    def __init__(self, name: str, tools: ToolCaller) -> None:
        self.name = name
        self._tools = tools

    def stream(self, request: SkillRequest) -> Iterator[SkillEvent]:
        """Answer one request with a tool."""
        last: SkillEvent | None = None
        for last in use_tool(self.name, self._tools, request):
            yield last
        if isinstance(last, SkillAnswer):
            return
        chinese = says_chinese(request.language, request.question)
        text = prompts.load("decline_no_tool_zh" if chinese else "decline_no_tool").render()
        reason, calls = "no_tool", ()
        if isinstance(last, ToolCalled):
            text, reason, calls = failure(last.call, chinese=chinese), "tool_failed", (last.call,)
        yield Token(text, self.name)
        yield SkillAnswer(self.name, "declined", text, tools=calls, confidence=1.0, reason=reason)
