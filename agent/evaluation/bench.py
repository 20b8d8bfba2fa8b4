"""What `collegium bench` measures: whole processes for latency and memory, engines side by side for speed.

Every figure is the median of repeats with its range; ratios are taken within one run, since machines differ.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import prompts
from skills.errors import ModelError
from skills.llm import load_engine
from skills.llm.engine import ChatTurn, Engine, GenerationRequest
from skills.pack import discover

QUESTIONS = (
    "What are common side effects of metformin?",
    "What is the difference between APR and APY?",
    "How long does a defendant have to answer a complaint in US federal court?",
)
"""One per shipped domain; each is answered from its store."""

_EVIDENCE = (
    "The common side effects of this medicine are nausea, diarrhoea, stomach pain and loss of appetite. They are most "
    "frequent in the first weeks and often fade. Taking it with meals makes an upset stomach less likely."
)
_DECODED = 64


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else ""
    return {
        "cores": os.cpu_count(),
        "cpu": model,
        "system": platform.system(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def latency(repeats: int) -> dict[str, Any]:
    """Cold start to first token, warm answers and peak memory, each repeat in a process of its own."""
    runs = [_probe() for _ in range(repeats)]
    return {
        "cold_first_token_s": _spread([run["first_token_s"] for run in runs]),
        "cold_answer_s": _spread([run["answers_s"][0] for run in runs]),
        "warm_answer_s": _spread([seconds for run in runs for seconds in run["answers_s"][1:]]),
        "peak_memory_mb": _spread([run["peak_bytes"] / 1e6 for run in runs]),
    }


def engines(repeats: int) -> dict[str, Any]:
    """Decode and prefill speed: llama.cpp with and without an adapter, and transformers + PEFT as the peer."""
    packs = [pack for pack in discover()[0] if pack.adapter is not None]
    if not packs or packs[0].adapter is None:
        raise ModelError(
            "no pack with an adapter is installed; expected at least one (see: collegium domains)"
        )
    adapters: dict[str, Path] = {packs[0].name: packs[0].adapter}
    figures: dict[str, Any] = {}
    for kind in ("llamacpp", "torch"):
        engine = load_engine(kind, "smollm2-135m-instruct", adapters)
        try:
            for label, adapter in (("base", None), ("adapter", packs[0].name)):
                speeds = [_speed(engine, adapter) for _ in range(repeats + 1)][1:]  # the first warms up
                figures[f"{kind}_{label}_tokens_per_s"] = _spread(speeds)
        finally:
            engine.close()
    figures["adapter_speed_over_peft"] = round(
        figures["llamacpp_adapter_tokens_per_s"]["median"] / figures["torch_adapter_tokens_per_s"]["median"],
        2,
    )
    return figures


def measure(what: str, repeats: int) -> dict[str, Any]:
    """All figures of ``what``: latency, engine or all."""
    parts: dict[str, Callable[[int], dict[str, Any]]] = {"latency": latency, "engine": engines}
    chosen = parts if what == "all" else {what: parts[what]}
    return {
        "machine": machine(),
        "repeats": repeats,
        **{name: part(repeats) for name, part in chosen.items()},
    }


def _probe() -> dict[str, Any]:
    command = [sys.executable, "-m", "agent.evaluation.probe", str(time.time()), *QUESTIONS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ModelError(f"the measured process failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _speed(engine: Engine, adapter: str | None) -> float:
    """Tokens per second between the first and the last token of an answer."""
    user = prompts.load("evidence").render(
        evidence=_EVIDENCE, question="Describe the side effects at length, one by one."
    )
    request = GenerationRequest(turns=(ChatTurn("user", user),), adapter=adapter, max_tokens=_DECODED)
    first = last = 0.0
    tokens = 0
    for piece in engine.stream(request):
        now = time.perf_counter()
        first = first or now
        last = now
        tokens = piece.completion_tokens or tokens
    return (tokens - 1) / (last - first) if tokens > 1 and last > first else 0.0


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
    }
