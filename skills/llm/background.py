"""A computation that reports piece by piece, turned into an iterator whose closing cancels it.

Knows queues and threads, not models. Shared by the engines that compute on another thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from skills.llm.engine import Piece

Submit = Callable[[Callable[[], None]], Callable[[], object]]
"""Have work run on another thread; returns what withdraws it if it has not begun."""
Emit = Callable[[Piece], bool]
"""Hand over a piece (an empty one is not passed on); True asks the producer to stop."""


def iterate(produce: Callable[[Emit], None], submit: Submit) -> Iterator[Piece]:
    """Run ``produce`` through ``submit`` (on some other thread) and yield what it emits.

    An exception in ``produce`` is raised here. Closing the iterator withdraws the work, or makes its next ``emit``
    return True.
    """
    arrived: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
    cancelled = threading.Event()

    def emit(piece: Piece) -> bool:
        if not cancelled.is_set() and (piece.text or piece.finish_reason):
            arrived.put(piece)
        return cancelled.is_set()

    def work() -> None:
        try:
            if not cancelled.is_set():
                produce(emit)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    withdraw = submit(work)
    try:
        while (item := arrived.get()) is not None:
            if isinstance(item, BaseException):
                try:
                    raise item
                finally:
                    del item  # a frame that holds its own exception is not freed, nor is what it refers to
            yield item
    finally:
        cancelled.set()
        withdraw()
