"""``collegium eval report`` and ``collegium eval table``: a finished run for people and for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of: collegium eval run.")]


def report(
    folder: Folder,
    against: Annotated[
        Path | None, typer.Option("--against", help="An earlier run: show what has changed since.")
    ] = None,
) -> None:
    """Write report.html and report.md of a run anew, from its results and summary."""
    from agent.evaluation.report import write_report

    write_report(folder, against)
    print(folder / "report.html")


def table(
    folder: Folder,
    format_: Annotated[
        Literal["latex", "markdown", "csv"], typer.Option("--format", help="How the table is written.")
    ] = "markdown",
) -> None:
    """Print the scores of a run as tables to paste into a paper, or as CSV with one row a figure."""
    from agent.evaluation.report.formats import render
    from agent.evaluation.run_files import Run

    print(render(Run(folder).summary, format_), end="")
