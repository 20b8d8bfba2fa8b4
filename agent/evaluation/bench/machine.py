"""The machine that figures were measured on, and what its memory allows."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

ELEMENTS = 8_000_000
"""Of each array of the triad: 64 MB, more than caches hold."""


def machine() -> dict[str, Any]:
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else ""
    return {
        "cores": os.cpu_count(),
        "cpu": model,
        "system": platform.system(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def bandwidth() -> float:
    """Bytes a second that one thread moves, best of five: STREAM's triad a = b + s * c (McCalpin 1995).

    numpy needs two passes for it, which move five arrays.
    """
    first, second, result = (np.ones(ELEMENTS) for _ in range(3))
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        np.multiply(second, 3.0, out=result)
        np.add(result, first, out=result)
        best = min(best, time.perf_counter() - started)
    return 5 * 8 * ELEMENTS / best
