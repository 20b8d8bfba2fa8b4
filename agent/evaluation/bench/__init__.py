"""What ``collegium bench`` measures. Every figure is the median of repeats with its range; ratios are taken within one
round, since machines differ and do other things too."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

PARTS = {"latency": "process", "memory": "process", "engine": "engine", "embed": "embed"}
"""What can be measured -> the module that has the function of that name."""


def measure(what: str, repeats: int) -> dict[str, Any]:
    """The figures of one of PARTS, or of "all". Raises ModelError when something cannot run."""
    from agent.evaluation.bench.machine import machine

    figures: dict[str, Any] = {"machine": machine(), "repeats": repeats}
    for name in PARTS if what == "all" else (what,):
        part: Callable[[int], dict[str, Any]] = getattr(
            import_module(f"agent.evaluation.bench.{PARTS[name]}"), name
        )
        figures[name] = part(repeats)
    return figures
