"""A circuit breaker: what has failed several times in a row is left alone for a while, then tried once.

Knows counts and a clock, not what is tried.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Breaker:
    """Closed: all may try. Open: nobody. After its rest one may try, and how that goes closes or opens it again.

    Whoever was let in reports with exactly one of ``worked``, ``failed`` and ``gave_up``.
    """

    def __init__(
        self, failures: int = 5, rest: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``failures``: in a row, until it opens. ``rest``: seconds."""
        self._limit, self._rest, self._clock = failures, rest, clock
        self._lock = threading.Lock()  # over the three fields below
        self._failures = 0
        self._until = 0.0
        self._probing = False

    def enter(self) -> float:
        """0: go on. Else seconds until it is worth trying again; nothing is to be reported then."""
        with self._lock:
            if self._failures < self._limit:
                return 0.0
            left = self._until - self._clock()
            if left <= 0 and not self._probing:
                self._probing = True
                return 0.0
            return max(left, 1.0)

    def worked(self) -> None:
        """It answered, were it with a refusal."""
        with self._lock:
            self._failures, self._probing = 0, False

    def failed(self) -> None:
        """It gave no answer."""
        with self._lock:
            self._failures, self._probing = self._failures + 1, False
            self._until = self._clock() + self._rest

    def gave_up(self) -> None:
        """The caller went away before it was known."""
        with self._lock:
            self._probing = False
