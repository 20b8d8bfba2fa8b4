"""The progress bars of all commands: on standard error, on a terminal only, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def terminal_bars(*, elapsed: bool = False) -> Progress:
    """Rich's bars, a context; ``elapsed``: with the time that has passed too."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    passed = (TimeElapsedColumn(), TextColumn("left")) if elapsed else ()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *passed,
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


@contextmanager
def row_bars() -> Generator[Callable[[str, int, int], Callable[[], None]]]:
    """Gives a function that adds a bar (label, rows in all, rows done); what it returns moves that on by a row."""
    with terminal_bars(elapsed=True) as bars:

        def add(label: str, total: int, done: int) -> Callable[[], None]:
            task = bars.add_task(label, total=total, completed=done)
            return lambda: bars.advance(task)

        yield add


@contextmanager
def step_bar(label: str) -> Generator[Callable[[int, int, str], None]]:
    """Gives a function that sets the bar (steps done, steps in all, what to say in place of the label)."""
    with terminal_bars() as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total, message: bars.update(task, completed=done, total=total, description=message)
