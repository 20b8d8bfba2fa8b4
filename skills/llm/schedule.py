"""Who computes next: requests in front of an engine's slots.

Slots compute one adapter at a time: mixed adapters share no batch in llama.cpp and slow each other down. ``Line`` is
the order of the waiting, pure logic; ``Scheduler`` runs it on threads. Knows adapters by name and nothing of models.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from skills.errors import BusyError, ModelError
from skills.llm.engine import Priority

PATIENCE = 8
"""How often later requests may go before one that waits."""


@dataclass(slots=True, eq=False)
class Ticket:
    """One request that waits or computes."""

    adapter: str | None
    priority: Priority
    work: Callable[[], None]
    overtaken: int = 0
    """How often a later one went first."""


class Line:
    """Waiting tickets, oldest first, and those that compute. Not safe for threads by itself.

        1 one whose patience has run out goes first, the oldest of them
        2 then interactive before batch
        3 then those of the adapter that computes, or computed last; then the oldest

    While slots compute one adapter, only its tickets join, and none does once another's patience has run out. So a
    ticket with n older ones before it begins after at most n + PATIENCE others.
    """

    def __init__(self, slots: int, capacity: int, patience: int = PATIENCE) -> None:
        self.slots, self.capacity, self.patience = slots, capacity, patience
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self._last: str | None = None  # adapter that computed last

    def add(self, ticket: Ticket) -> bool:
        """False when the line is full."""
        if len(self.waiting) >= self.capacity:
            return False
        self.waiting.append(ticket)
        return True

    def withdraw(self, ticket: Ticket) -> bool:
        """Give its place up. False when it does not wait any more."""
        if ticket not in self.waiting:
            return False
        self.waiting.remove(ticket)
        return True

    def take(self) -> Ticket | None:
        """The next ticket, which now computes; None when there is none or it has to wait for what computes."""
        if not self.waiting or len(self.running) >= self.slots:
            return None
        due = next((ticket for ticket in self.waiting if ticket.overtaken >= self.patience), None)
        chosen = due or min(
            self.waiting, key=lambda t: (t.priority != "interactive", t.adapter != self._last)
        )
        if self.running and chosen.adapter != self._last:
            return None
        for ticket in self.waiting[: self.waiting.index(chosen)]:
            ticket.overtaken += 1
        self.waiting.remove(chosen)
        self.running.append(chosen)
        self._last = chosen.adapter
        return chosen

    def done(self, ticket: Ticket) -> None:
        self.running.remove(ticket)


class Scheduler:
    """Runs work on as many threads as there are slots, in the order of a ``Line``."""

    def __init__(
        self, slots: int, capacity: int, name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = Line(slots, capacity)
        self._clock = clock
        self._seconds = 1.0  # a request takes, as far as is known
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(max_workers=slots, thread_name_prefix=name)

    def submit(
        self, work: Callable[[], None], adapter: str | None, priority: Priority
    ) -> Callable[[], object]:
        """Have ``work`` run on some thread when it is its turn.

        Returns what withdraws it: while it waits it then never runs, and its place is free at once. Raises BusyError
        when as many wait as may, ModelError after ``close``.
        """
        ticket = Ticket(adapter, priority, work)
        with self._changed:
            if not self._line.add(ticket):
                waiting = len(self._line.waiting)
                seconds = max(1, math.ceil(self._seconds * waiting / self._line.slots))
                raise BusyError(
                    f"{waiting} requests wait already, as many as may; try again in {seconds} s",
                    retry_after=seconds,
                )
            try:
                # One run for each ticket, whichever it takes: a withdrawn ticket leaves a run that finds none.
                self._threads.submit(self._run)
            except RuntimeError as error:
                self._line.withdraw(ticket)
                raise ModelError("this engine is closed") from error
        return lambda: self._withdraw(ticket)

    def close(self) -> None:
        """What waits still runs; nothing can be submitted any more."""
        self._threads.shutdown(wait=False)

    def _withdraw(self, ticket: Ticket) -> None:
        with self._changed:
            if self._line.withdraw(ticket):
                self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while (ticket := self._line.take()) is None:
                if not self._line.waiting:
                    return
                self._changed.wait()
        started = self._clock()
        try:
            ticket.work()
        finally:
            with self._changed:
                self._line.done(ticket)
                self._seconds += (self._clock() - started - self._seconds) / 8
                self._changed.notify_all()
