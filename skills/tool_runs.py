"""Running one tool so that whatever it does, the turn goes on: limits on time and size, and failures with a name.

A tool runs in a thread of its own. When its time is up the turn goes on without it, but nothing ends the thread:
what the tool does it may still do, it keeps its memory and its processor until it returns or the process ends, and
code that never lets go of the interpreter (a regular expression, a C extension) holds up the time limit as well. A
tool that nobody can trust with that belongs in a process of its own (see agent.mcp).

Knows LangChain tools; not questions, patterns or skills.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Literal, cast

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from pydantic import ValidationError

from skills.errors import CollegiumError, ToolFailed, ToolInputError

Risk = Literal["none", "reads", "writes"]
"""none: computes from its arguments alone; reads: looks at files or the network; writes: changes things."""

SECONDS = 10.0
"""How long a tool may take."""
LONGEST_RESULT = 8000
"""Characters of a tool's text that are kept."""
LONGEST_VALUES = 8000
"""Characters of JSON that are kept of a tool's values."""
MOST_RUNNING = 8
"""Calls of one tool that may be under way; those given up on count until they return."""


@dataclass(frozen=True, slots=True)
class ToolTerms:
    """On which terms a tool runs."""

    risk: Risk = "none"
    """A tool that writes runs when it was approved, see agent.approval."""
    seconds: float = SECONDS


DEFAULT = ToolTerms()


def run_tool(
    tool: BaseTool, arguments: Mapping[str, object], seconds: float
) -> tuple[str, dict[str, object]]:
    """(text, values) of a call, both within their limits.

    Raises pydantic's ValidationError for arguments that the schema refuses, ToolInputError as the tool raises it,
    and ToolFailed when it raises anything else, takes longer than ``seconds`` or gives something else than text.
    """
    name = f"tool-{tool.name}"
    if sum(thread.name == name for thread in threading.enumerate()) >= MOST_RUNNING:
        raise ToolFailed(tool.name, f"{MOST_RUNNING} calls of it have not come back; start the program again")
    request = {"type": "tool_call", "id": tool.name, "name": tool.name, "args": dict(arguments)}
    results: SimpleQueue[object] = SimpleQueue()
    context = copy_context()

    def work() -> None:
        try:
            results.put(context.run(tool.invoke, cast(Any, request)))
        except BaseException as error:
            results.put(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except Empty:
        raise ToolFailed(tool.name, f"no result within {seconds:g} seconds") from None
    match result:
        case ValidationError() | ToolInputError() | ToolFailed():
            raise result
        case CollegiumError():
            raise ToolFailed(tool.name, str(result)) from result
        case BaseException():
            raise ToolFailed(tool.name, repr(result)) from result
        case ToolMessage():
            return _within_limits(str(result.text), cast(object, result.artifact))
        case _:
            raise ToolFailed(tool.name, f"it gave {type(result).__name__}, not (text, values)")


def _within_limits(text: str, artifact: object) -> tuple[str, dict[str, object]]:
    """Text and values, cut where they are too long; the end of the text then says so."""
    given = cast(dict[str, object], artifact) if isinstance(artifact, dict) else {}
    values: dict[str, object] = {}
    size = 0
    for key, value in given.items():
        value = _plain(value)
        size += len(json.dumps({key: value}, ensure_ascii=False))
        if size <= LONGEST_VALUES:
            values[key] = value
    notes = [f"cut: {len(text):,} characters"] * (len(text) > LONGEST_RESULT)
    notes += [f"without {len(given) - len(values)} of {len(given)} values"] * (len(values) < len(given))
    if notes:
        note = f" [{'; '.join(notes)}] …"
        text = text[: LONGEST_RESULT - len(note)] + note
    return text, values


def _plain(value: object) -> object:
    """A value that JSON can hold; anything else as its text."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)[:LONGEST_VALUES]
    return value
