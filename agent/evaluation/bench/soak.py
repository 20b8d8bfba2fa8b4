"""Many short requests at once, adapters and prompts mixed at random: none lost, none answered with another's words."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from skills.errors import BusyError
from skills.llm.engine import Engine, GenerationRequest

CLIENTS = 6
"""Requests at once."""
CANCELLED = 0.1
"""Share that is given up after the first piece."""
FLAT = 0.05
"""Share of its memory by which the process may grow in the second half."""


@dataclass(slots=True)
class Soak:
    """What came of a soak; ``collegium bench soak`` fails unless it is ``clean``."""

    requests: int = 0
    answered: int = 0
    cancelled: int = 0
    busy: int = 0
    """Refusals; each was asked again."""
    crossed: list[int] = field(default_factory=list[int])
    """Numbers of the requests that got another text than alone."""
    lost: int = 0
    """Neither answered nor given up."""
    threads_left: int = 0
    memory_mb: float = 0.0
    """Resident half-way."""
    memory_growth_mb: float = 0.0
    """Of the second half."""

    @property
    def clean(self) -> bool:
        flat = self.memory_growth_mb <= FLAT * self.memory_mb
        return not self.crossed and not self.lost and self.threads_left <= 0 and flat


def soak(
    engine: Engine,
    kinds: Sequence[GenerationRequest],
    requests: int,
    *,
    seed: int = 0,
    done: Callable[[], None] = lambda: None,
) -> Soak:
    """Ask ``kinds`` at random, CLIENTS at a time. Each kind is asked alone first: that is what it has to answer.

    ``done`` is called after each request.
    """
    alone = ["".join(piece.text for piece in engine.stream(kind)) for kind in kinds]
    draw = random.Random(seed)
    plan = [(draw.randrange(len(kinds)), draw.random() < CANCELLED) for _ in range(requests)]
    result = Soak(requests)
    lock = threading.Lock()
    threads = threading.active_count()

    def ask(number: int) -> None:
        kind, give_up = plan[number]
        text = _text(engine, kinds[kind], give_up, result, lock)
        with lock:
            if number == requests // 2:
                result.memory_mb = round(_resident_mb(), 1)
            if text is None:
                result.cancelled += 1
            elif text == alone[kind]:
                result.answered += 1
            else:
                result.crossed.append(number)

    with ThreadPoolExecutor(CLIENTS) as clients:
        for _ in clients.map(ask, range(requests)):
            done()
    result.lost = requests - result.answered - result.cancelled - len(result.crossed)
    result.threads_left = threading.active_count() - threads
    result.memory_growth_mb = round(_resident_mb() - result.memory_mb, 1)
    return result


def _text(
    engine: Engine, request: GenerationRequest, give_up: bool, result: Soak, lock: threading.Lock
) -> str | None:
    """The answer; None: given up after its first piece."""
    while True:
        stream = engine.stream(request)
        try:
            if give_up:
                next(stream, None)
                return None
            return "".join(piece.text for piece in stream)
        except BusyError:
            with lock:
                result.busy += 1
            threading.Event().wait(0.01)
        finally:
            stream.close()  # pyright: ignore[reportAttributeAccessIssue]


def _resident_mb() -> float:
    status = Path("/proc/self/status")
    rows = status.read_text().splitlines() if status.is_file() else []
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("VmRSS:")), 0.0)
