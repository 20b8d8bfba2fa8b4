"""``collegium bench``: speed and memory on this machine, next to peers in the same run; and a soak."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

import typer

SHORT = 8
"""Tokens of an answer of the soak."""


def command(
    what: Annotated[
        Literal["all", "latency", "memory", "engine", "embed", "soak"],
        typer.Argument(help="What to measure."),
    ] = "all",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Repeats of each measurement.")] = 3,
    requests: Annotated[int, typer.Option("--requests", min=1, help="Requests of the soak.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure starts, answers, memory, and the engine next to its peers. Medians with ranges."""
    if what == "soak":
        _soak(requests)
        return
    from agent.evaluation.bench import PARTS, measure

    figures = measure(what, repeats)
    if as_json:
        print(json.dumps(figures, indent=1))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "median", "low", "high")
    for part in PARTS:
        for name, value in figures.get(part, {}).items():
            table.add_row(name.replace("_", " "), *_cells(value))
    console = Console()
    console.print(table)
    console.print(", ".join(f"{key} {value}" for key, value in figures["machine"].items()))


def _cells(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(value[key]) for key in ("median", "low", "high")]
    return [str(value), "", ""]


def _soak(requests: int) -> None:
    """Prints one JSON object; exit 1 when a request was lost or got another's words, or memory grew."""
    from agent.cli.progress import row_bars
    from agent.evaluation.bench.prompts import short_requests
    from agent.evaluation.bench.soak import soak
    from skills import weights
    from skills.llm import load_engine
    from skills.pack import discover

    packs = [pack for pack in discover()[0] if pack.adapter is not None]
    adapters = {pack.name: pack.adapter for pack in packs if pack.adapter is not None}
    asked = [request for pack in packs for request in short_requests(pack, 4, SHORT)]
    kinds = [*asked, *(replace(request, adapter=None) for request in asked[::2])]
    engine = load_engine("llamacpp", weights.DEFAULT_BASE, adapters)
    try:
        with row_bars() as bars:
            result = soak(engine, kinds, requests, done=bars("soak", requests, 0))
    finally:
        engine.close()
    print(json.dumps(asdict(result)))
    if not result.clean:
        raise typer.Exit(1)
