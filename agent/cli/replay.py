"""``collegium replay``: a recorded answer, asked again. Knows options and lines, not what makes an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="RECORD", help="DIR#set/id/config of a run, or a file with the output of: ask --json."
        ),
    ],
    diff: Annotated[bool, typer.Option("--diff", help="Say what changed.")] = False,
    store: Annotated[
        Path | None, typer.Option("--store", help="Use this index instead of the recorded one.")
    ] = None,
    passages: Annotated[
        Path | None,
        typer.Option("--passages", help="JSON Lines {id, text}: the passages that came with the question."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a recorded question again, with its route and configuration; exit 1 if the answer is another one."""
    from dataclasses import asdict

    from agent import Agent
    from agent.cli.render import clean
    from agent.evaluation.replay import lines, read_recorded, replay
    from skills.files import read_jsonl

    before = read_recorded(reference)
    given = None if passages is None else list(read_jsonl(passages, required=("id", "text")))
    with Agent.from_settings() as agent:
        found = replay(before, agent, store=store, passages=given)
    if as_json:
        changes = [asdict(change) for change in found.changes()]
        print(json.dumps({"same": found.same, "stage": found.stage, "changes": changes}, ensure_ascii=False))
    else:
        print("the same answer" if found.same else f"another answer; changed first: {found.stage}")
        for line in lines(found) if diff else ():
            print(clean(line))
    if not found.same:
        raise typer.Exit(1)
