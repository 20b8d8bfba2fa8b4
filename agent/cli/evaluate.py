"""``collegium eval``: what parts of the agent are worth, on sets that ship with it. Knows commands, not scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skills.errors import UserError

app = typer.Typer(help="Scores of parts of the agent on sets that ship with it.", no_args_is_help=True)

Split = Annotated[str, typer.Option("--split", help="dev, to choose by, or test, to report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def group() -> None:
    """Scores of parts of the agent on sets that ship with it."""


@app.command("planning")
def planning(
    split: Split = "test",
    as_json: AsJson = False,
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
    _show(found, as_json)


@app.command("memory")
def memory(split: Split = "test", as_json: AsJson = False) -> None:
    """What remembered facts are worth: the same questions with recall and without, with 95 % intervals. No fact of
    yours is read or touched."""
    from tempfile import TemporaryDirectory

    from agent import Agent
    from agent.evaluation.planning import SPLITS
    from agent.evaluation.recall import scores

    if split not in SPLITS:
        raise UserError(f"--split {split!r}: expected one of {SPLITS}")
    with TemporaryDirectory() as folder, Agent.from_settings(sessions=Path(folder) / "s.sqlite") as agent:
        _show(scores(split, agent), as_json)


def _show(found: dict[str, dict[str, float]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, figure in found.items():
        interval = f"{figure['low']:.2f} to {figure['high']:.2f}"
        print(f"{name:<48}{figure['share']:.3f}  ({interval}, n {figure['n']:.0f})")
