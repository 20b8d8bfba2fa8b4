"""``collegium eval``: what parts of the agent are worth, on sets that ship with it. Knows commands, not scores."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from agent.cli import eval_compare, eval_gate, eval_report
from skills.errors import UserError

app = typer.Typer(help="Scores of parts of the agent on sets that ship with it.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Scores of parts of the agent on sets that ship with it."""


@app.command("planning")
def planning(
    split: Annotated[str, typer.Option("--split", help="dev, to choose by, or test, to report.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Requests to several domains, follow-ups and calculators: the right ones, with 95 % intervals."""
    from agent.evaluation.planning import SPLITS, scores
    from agent.router import Router
    from agent.settings import make_settings
    from skills.pack import discover
    from skills.tool_calls import ToolCaller

    if split not in SPLITS:
        raise UserError(f"--split {split!r}: expected one of {SPLITS}")
    settings = make_settings()
    packs, _ = discover(settings.domains, settings.trusted_domains)
    found = scores(split, Router.load(packs), {pack.name: ToolCaller.for_pack(pack) for pack in packs})
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, figure in found.items():
        interval = f"{figure['low']:.2f} to {figure['high']:.2f}"
        print(f"{name:<48}{figure['share']:.3f}  ({interval}, n {figure['n']:.0f})")


app.command("report")(eval_report.report)
app.command("table")(eval_report.table)
app.command("compare")(eval_compare.command)
app.command("gate")(eval_gate.command)
