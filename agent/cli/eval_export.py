"""``collegium eval export``: a finished run in the formats of neighbours. Knows options, not formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of: collegium eval run.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new files.")],
    format_: Annotated[
        Literal["trec", "lm-eval", "inspect"],
        typer.Option("--format", help="trec: rankings for trec_eval; the others: results, as they log them."),
    ] = "trec",
) -> None:
    """Write a run's rankings or results for other tools; prints the files."""
    from agent.evaluation.export import WRITERS
    from agent.evaluation.run_files import Run

    for path in WRITERS[format_](Run(folder), out):
        print(path)
