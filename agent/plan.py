"""A plan: who is asked what in a turn. Typed data, which a program may make itself and a user may see (`/plan`)."""

from __future__ import annotations

from dataclasses import dataclass

from skills.records import ToolCall

MOST_STEPS = 3
"""Skills that answer one request together."""


@dataclass(frozen=True, slots=True)
class Step:
    """One skill's part of the plan."""

    domain: str
    search_query: str = ""
    """The question made self-contained from history and memory; empty: the question itself."""
    question: str = ""
    """What this skill is asked where the turn asks several things; empty: the turn's question."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a turn does."""

    steps: tuple[Step, ...]
    """Who is asked, together; empty: nobody."""
    reason: str = ""
    """Why nobody is asked: out_of_scope, a courtesy, "arithmetic", or "remember"."""
    call: ToolCall | None = None
    """The sum that the question is, worked out."""
