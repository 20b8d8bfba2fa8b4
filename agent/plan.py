"""A plan: who is asked what in a turn. Typed data, which a program may make itself and a user may see (`/plan`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skills.records import ToolCall

MOST_STEPS = 3
"""Skills that answer one request together."""
TOOLS = "tools"
"""Name of the skill that has all tools and no documents: it runs what a user calls by name, and finds the tools that
every skill may call for questions that no domain owns."""


@dataclass(frozen=True, slots=True)
class Step:
    """One skill's part of the plan."""

    domain: str
    search_query: str = ""
    """The question made self-contained from history and memory; empty: the question itself."""
    question: str = ""
    """What this skill is asked where the turn asks several things; empty: the turn's question."""
    tool: str = ""
    """The tool that this skill has to call; the skill "tools" may call any. Empty: the one the question is for."""
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    """Of that tool, by parameter name, in the parameter's unit."""
    needs: str = ""
    """The domain of another step, whose result this one's question refers to ("on that amount"): it is asked then."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a turn does."""

    steps: tuple[Step, ...]
    """Who is asked, together; empty: nobody."""
    reason: str = ""
    """Why nobody is asked: out_of_scope, unclear, a courtesy, "arithmetic", or "remember"."""
    call: ToolCall | None = None
    """The sum that the question is, worked out."""
