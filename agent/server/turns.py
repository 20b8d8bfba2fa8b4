"""How many turns are under way at a time, and how many more may wait. Knows neither HTTP nor agents."""

from __future__ import annotations

import asyncio
import math
import time
from types import TracebackType

from skills.errors import BusyError


class Turns:
    """An asynchronous context: entering waits for one of ``parallel`` places.

    Raises BusyError at once when ``waiting`` others wait already.
    """

    def __init__(self, parallel: int, waiting: int) -> None:
        self._places = asyncio.Semaphore(parallel)
        self._parallel, self._limit = parallel, waiting
        self._waiting = 0
        self._finished: list[float] = []  # when the last few turns ended, seconds

    async def __aenter__(self) -> None:
        if self._places.locked() and self._waiting >= self._limit:
            seconds = self._expected_wait()
            raise BusyError(
                f"{self._waiting} questions wait already, as many as may; ask again in {seconds} s",
                retry_after=seconds,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places.release()
        self._finished = [*self._finished[-8:], time.monotonic()]

    def _expected_wait(self) -> int:
        """Seconds until all that wait have begun, at the pace of the last turns; a second each if none has ended."""
        if len(self._finished) < 2:
            return max(1, math.ceil(self._waiting / self._parallel))
        pace = (self._finished[-1] - self._finished[0]) / (len(self._finished) - 1)
        return min(600, max(1, math.ceil(self._waiting * pace)))
