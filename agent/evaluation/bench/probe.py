"""One measured process: start, load everything, answer, report. Run by `collegium bench`, each time anew.

Prints one JSON object: seconds to the first token and to the end of the first answer since the process was
started, decode speed, and peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main(started: float, questions: list[str]) -> None:
    """``started``: wall-clock time (time.time()) at which the parent started this process."""
    from agent import Agent
    from skills.records import Token

    first_token: float | None = None
    seconds: list[float] = []
    with Agent.from_settings() as agent:
        for number, question in enumerate(questions):
            begun = time.time()
            for event in agent.stream(question):
                if isinstance(event, Token) and first_token is None:
                    first_token = time.time() - started
            seconds.append(time.time() - (started if number == 0 else begun))
        agent.warm_up()  # all skills, whatever the questions were routed to
        peak = peak_bytes()
    print(json.dumps({"first_token_s": first_token, "answers_s": seconds, "peak_bytes": peak}))


def peak_bytes() -> int:
    """Largest resident size of this process so far, bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
