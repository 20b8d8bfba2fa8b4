"""How many threads a computation on this machine should use.

llama.cpp's threads wait for each other several hundred times a token. One thread per physical core is
fastest on an idle machine; a thread whose core is taken by something else holds all of them up (measured on
2 cores with other work running: 2 threads 3-8 tokens/s, 1 thread 35).
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path


def default_threads() -> int:
    """Threads for a computation that starts now: one per free physical core, at least one."""
    return max(1, min(physical_cores(), (os.cpu_count() or 1) - busy_cpus(), _quota()))


def physical_cores() -> int:
    """Physical cores this process may run on."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores: set[str] = set()
    for cpu in allowed:
        try:
            cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


def busy_cpus(samples: int = 5) -> int:
    """Other threads that want to run now: the least of a few samples; 0 where it cannot be known."""
    least = math.inf
    for sample in range(samples):
        if sample:
            time.sleep(0.002)
        try:
            running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[0]
            least = min(least, int(running) - 1)  # this thread runs too
        except (OSError, IndexError, ValueError):
            return 0
    return max(0, int(least))


def _quota() -> int:
    """CPUs that a container's limit allows, rounded up; without a limit, any number."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return os.cpu_count() or 1
