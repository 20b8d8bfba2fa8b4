"""``collegium eval gate``: an exit code for CI. Knows options, not the rule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from skills.errors import UserError


def command(
    baseline: Annotated[
        Path, typer.Option("--baseline", help="The --out folder of the run to hold against.")
    ],
    run: Annotated[Path, typer.Option("--run", help="The --out folder of the new run.")],
    max_drop: Annotated[
        list[str], typer.Option("--max-drop", help="METRIC=DROP, for example f1=0.02; may be repeated.")
    ],
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here.")] = None,
) -> None:
    """Exit 0 when no metric has, plausibly, dropped by more than is allowed, else 1.

    Plausibly: the worse end of the 95 % interval of the paired difference lies beyond the allowed drop.
    """
    from agent.cli.render import clean
    from agent.evaluation.gate import gate, write_junit
    from agent.evaluation.run_files import Run

    cases = gate(Run(baseline), Run(run), dict(_allowed(text) for text in max_drop))
    for case in cases:
        print(clean(f"{case.outcome:<7} {case.set} {case.config} {case.metric}: {case.message}"))
    if junit is not None:
        write_junit(junit, cases)
    if any(case.outcome != "passed" for case in cases):
        raise typer.Exit(1)


def _allowed(text: str) -> tuple[str, float]:
    metric, sign, drop = text.partition("=")
    try:
        value = float(drop)
    except ValueError:
        value = math.nan
    if not metric or not sign or not 0 <= value < math.inf:
        raise UserError(
            f"--max-drop {text!r}: expected METRIC=DROP with a drop of 0 or more, for example f1=0.02"
        )
    return metric, value
