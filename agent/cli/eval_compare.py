"""``collegium eval compare``: what changed from one finished run to another. Knows tables, not statistics."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agent.evaluation.compare import Comparison
    from agent.evaluation.report.tables import Table

WIDTH = 200
"""Columns of a table that goes to a file or a pipe."""


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="The --out folder of the earlier run.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The --out folder of the later run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Differences by set, configuration and metric, paired by item; and the stage in which outcomes changed first."""
    from agent.evaluation.compare import compare
    from agent.evaluation.run_files import Run

    found = compare(Run(first), Run(second))
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
    else:
        _show(found)


def _show(found: Comparison) -> None:
    from agent.cli.render import clean
    from agent.evaluation.report.tables import score_changes, stage_changes

    print(f"{found.shared} answers in both runs, {found.changed} with another outcome")
    for what, keys in (("first", found.only_first), ("second", found.only_second)):
        if keys:
            print(f"only in the {what} run: {len(keys)}, for example {clean('/'.join(keys[0]))}")
    for name in found.other_data:
        print(f"set {clean(name)!r}: the runs used different files")
    for one in (score_changes(found), stage_changes(found)):
        if one.rows:
            _print(one)


def _print(one: Table) -> None:
    """A table in columns, without lines or colours."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Columns
    from rich.text import Text

    from agent.cli.render import clean

    columns = Columns(box=box.SIMPLE_HEAD, title=one.title, title_justify="left", title_style="")
    for place, name in enumerate(one.header):
        columns.add_column(
            Text(clean(name)),
            justify="left" if place < one.labels else "right",
            overflow="fold",
            no_wrap=place >= one.labels,
        )
    for row in one.rows:
        columns.add_row(
            *(Text(clean(" ".join([cell.text, *(f"({note})" for note in cell.notes)]))) for cell in row)
        )
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH).print(columns)
