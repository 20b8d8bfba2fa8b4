"""Collegium's public face: ``from agent import Agent``.

Importing this package loads nothing heavy; ``Agent`` and its companions load on first use of their name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.app import Agent
    from agent.events import Answer, Event
    from agent.facts import Fact
    from agent.plan import Plan, Step
    from agent.settings import Settings
    from agent.style import Style

__all__ = ["Agent", "Answer", "Event", "Fact", "Plan", "Settings", "Step", "Style"]

_HOME = {
    "Agent": "agent.app",
    "Answer": "agent.events",
    "Event": "agent.events",
    "Fact": "agent.facts",
    "Plan": "agent.plan",
    "Settings": "agent.settings",
    "Step": "agent.plan",
    "Style": "agent.style",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
