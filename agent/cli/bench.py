"""``collegium bench``: speed and memory on this machine, next to a peer in the same run."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer


def command(
    what: Annotated[Literal["all", "latency", "engine"], typer.Argument(help="What to measure.")] = "all",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Repeats of each measurement.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure cold start, answers, memory, and the engine against transformers + PEFT. Medians with ranges."""
    from agent.evaluation.bench import measure

    figures = measure(what, repeats)
    if as_json:
        print(json.dumps(figures, indent=1))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "median", "low", "high")
    for part in ("latency", "engine"):
        for name, value in figures.get(part, {}).items():
            cells = (
                [str(value[key]) for key in ("median", "low", "high")]
                if isinstance(value, dict)
                else [str(value), "", ""]
            )
            table.add_row(name.replace("_", " "), *cells)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{key} {value}" for key, value in figures["machine"].items()))
