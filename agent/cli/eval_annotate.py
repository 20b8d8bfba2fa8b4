"""``collegium eval annotate``: two answers, a key for the better one. Knows the terminal, not statistics."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skills.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from agent.evaluation.annotation import Judgement, Pair, Side

KEYS = "1 the first is better, 2 the second, t tie, s skip, q stop"


def command(
    a: Annotated[
        str, typer.Argument(metavar="A", help="DIR#CONFIGURATION of a run; DIR if it has only one.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="What to hold it against, in the same form.")],
    out: Annotated[Path, typer.Option("--out", help="JSON Lines of the choices; may hold several people's.")],
    annotator: Annotated[
        str | None, typer.Option("--annotator", help="Who chooses; default: the user's login name.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Order of the items, and which answer stands first.")
    ] = 0,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Print preference and agreement as JSON; ask nothing.")
    ] = False,
) -> None:
    """Choose the better of two answers without knowing whose it is. Stop at any time; the same command goes on."""
    from agent.evaluation.annotation import pairs, read_judgements, side

    one, two = side(a), side(b)
    made = read_judgements(out, one, two)
    if not statistics:
        made = _annotate(pairs(one, two, seed=seed), made, out, annotator or getpass.getuser(), (one, two))
    _report(made)


def _annotate(
    todo: Sequence[Pair], made: list[Judgement], out: Path, annotator: str, sides: tuple[Side, Side]
) -> list[Judgement]:
    """Ask for what this annotator has not judged; gives all choices."""
    from rich.console import Console

    from agent.evaluation.annotation import Judgement, append

    done = {(one.set, one.id) for one in made if one.annotator == annotator}
    left = [pair for pair in todo if (pair.a.set, pair.a.id) not in done]
    console = Console(highlight=False, stderr=True)
    if not out.parent.is_dir():
        raise UserError(f"no folder {str(out.parent)!r} for --out; make it first", subject=out)
    for number, pair in enumerate(left, start=1):
        _show(console, pair, f"{number} of {len(left)}")
        key = _key(console)
        if key == "q":
            break
        choice = pair.choice(int(key)) if key in ("1", "2") else "tie" if key == "t" else "skip"
        judgement = Judgement(
            annotator=annotator,
            set=pair.a.set,
            id=pair.a.id,
            a=sides[0].name,
            b=sides[1].name,
            choice=choice,
        )
        append(out, judgement)
        made = [*made, judgement]
    return made


def _show(console: Console, pair: Pair, place: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from agent.cli.render import clean

    table = Table(box=box.ROUNDED, expand=True, title=Text(f"{place}: {clean(pair.a.question)}"))
    for name in ("1", "2"):
        table.add_column(name, ratio=1, overflow="fold")
    table.add_row(*(Text(clean(one.text) or "(no answer)") for one in pair.shown))
    console.print(table)


def _key(console: Console) -> str:
    """One of 1, 2, t, s, q. The end of the input stops."""
    while True:
        console.print(f"{KEYS}: ", end="")
        line = sys.stdin.readline()
        key = {"tie": "t", "skip": "s", "quit": "q"}.get(line.strip().lower(), line.strip().lower())
        if not line or key in ("1", "2", "t", "s", "q"):
            return key or "q"


def _report(made: Sequence[Judgement]) -> None:
    from agent.evaluation.annotation import agreements, preference

    people = sorted({one.annotator for one in made})
    print(
        json.dumps(
            {
                "judgements": len(made),
                "skipped": sum(one.choice == "skip" for one in made),
                "preference_for_b": preference(made).to_json(),
                "by_annotator": {
                    name: preference(one for one in made if one.annotator == name).to_json()
                    for name in people
                },
                "agreement": [asdict(one) for one in agreements(made)],
            },
            ensure_ascii=False,
            indent=1,
        )
    )
