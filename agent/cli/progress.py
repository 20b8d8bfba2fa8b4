"""The progress bar of commands that work through rows: with the time left, on standard error, on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def progress_bars() -> Generator[Callable[[str, int, int], Callable[[], None]]]:
    """Gives a function that adds a bar (label, rows in all, rows done); what it returns moves that on by a row."""
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
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def add(label: str, total: int, done: int) -> Callable[[], None]:
            task = progress.add_task(label, total=total, completed=done)
            return lambda: progress.advance(task)

        yield add
