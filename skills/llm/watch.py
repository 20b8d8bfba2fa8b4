"""Ends a connection on which nothing useful has come in time, whatever else keeps arriving on it.

A read time-out of a socket is not enough: servers send headers and signs of life long before the first token,
and one limit would have to serve both for the first token and for those after it.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

_LONGEST = 3600.0
"""Seconds that the thread sleeps at most; the system's waits have no infinity."""


class Watch:
    """Time allowed until a token comes, from ``allow`` to ``pause``; in a ``with`` block."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._deadline = time.monotonic() + seconds
        self._wakes = math.inf  # when the thread looks again
        self._socket: socket.socket | None = None
        self._done = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._wait, name="remote-watch", daemon=True)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """httpx's extension "trace": takes note of the socket when it is connected."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            with self._changed:
                self._socket = info["return_value"].get_extra_info("socket")

    def allow(self, seconds: float) -> None:
        """Count from now."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            if self._deadline < self._wakes:
                self._changed.notify()

    def pause(self) -> None:
        """Count no more: the caller is busy with what has come."""
        with self._changed:
            self._deadline = math.inf

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._done = True
            self._changed.notify()

    def _wait(self) -> None:
        with self._changed:
            while not self._done:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.expired = True
                    if self._socket is not None:
                        with suppress(OSError):  # it has ended by itself
                            # Of the plain socket: TLS would first want to say good-bye.
                            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                        return
                    left = 0.05  # still connecting, which has a limit of its own
                left = min(left, _LONGEST)
                self._wakes = time.monotonic() + left
                self._changed.wait(left)
