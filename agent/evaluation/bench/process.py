"""Latency and memory of whole processes, each repeat in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from agent.evaluation.bench.figures import spread
from skills.errors import ModelError

QUESTIONS = (
    "What are common side effects of metformin?",
    "What is the difference between APR and APY?",
    "How long does a defendant have to answer a complaint in US federal court?",
)
"""One per shipped domain; each is answered from its store."""


def latency(repeats: int) -> dict[str, Any]:
    """Cold start to the first token and to the answer, further answers, and peak memory."""
    runs = [_probe("agent.evaluation.bench.probe", str(time.time()), *QUESTIONS) for _ in range(repeats)]
    return {
        "cold_first_token_s": spread([run["first_token_s"] for run in runs]),
        "cold_answer_s": spread([run["answers_s"][0] for run in runs]),
        "warm_answer_s": spread([seconds for run in runs for seconds in run["answers_s"][1:]]),
        "peak_memory_mb": spread([run["peak_bytes"] / 1e6 for run in runs]),
    }


def memory(repeats: int) -> dict[str, Any]:
    """Peak memory of a process with nothing but the engine: one adapter, and all of them."""
    one = [_probe("agent.evaluation.bench.engine_probe", "1") for _ in range(repeats)]
    all_of_them = [_probe("agent.evaluation.bench.engine_probe", "0") for _ in range(repeats)]
    return {
        "engine_one_adapter_mb": spread([run["peak_bytes"] / 1e6 for run in one]),
        "engine_all_adapters_mb": spread([run["peak_bytes"] / 1e6 for run in all_of_them]),
        "adapters": all_of_them[0]["adapters"],
    }


def _probe(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ModelError(f"the measured process failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.splitlines()[-1])
