"""``collegium models``: fetch, list and verify the weights on this machine.

Shows what ``skills.weights`` does; knows neither engines nor hashes.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="Fetch, list and verify model weights.", no_args_is_help=True)


@app.command()
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="A name of 'models list', a hub id 'owner/model' or 'owner/model/file.gguf', or a path. "
            "Without any: all that the shipped domains need."
        ),
    ] = None,
) -> None:
    """Fetch weights and verify them. What is already here and whole is left alone."""
    from rich.console import Console

    from skills import weights

    console = Console(stderr=True)
    for name in names or list(weights.MODELS):
        with console.status(f"fetching {name}") as status:
            # On a terminal the line is replaced; elsewhere (a log, a pipe) each step is one line.
            path = weights.pull(name, progress=status.update if console.is_terminal else console.print)
        print(f"{name}\t{path}")


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
) -> None:
    """Show the known models and the ones on this machine."""
    from rich.console import Console
    from rich.table import Table

    from skills import weights

    rows = weights.installed()
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("name", "what", "here", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row["name"], row["description"], row["path"] or "no (collegium models pull)")
    Console().print(table)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Without any: every model on this machine.")
    ] = None,
) -> None:
    """Read weights and compare their hashes. Exit code 1 at the first that differs."""
    from skills import weights

    for name in names or [row["name"] for row in weights.installed() if row["path"]]:
        weights.verify(name)
        print(f"{name}\tok")
