"""``collegium eval feedback``: users' ratings beside a finished run. Knows options, not rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON Lines: {id, rating, comment?, set?, config?}; higher is better."
        ),
    ],
    run: Annotated[Path, typer.Option("--run", help="The --out folder of the run that they are about.")],
) -> None:
    """Keep users' ratings beside a run, for its report; rows that are there already are not added again."""
    from agent.evaluation.feedback import import_feedback, means, rated
    from agent.evaluation.run_files import Run

    finished = Run(run)
    ratings = import_feedback(finished, source)
    found = means(rated(finished, ratings))
    shown = [{"set": name, "config": config, **one.to_json()} for (name, config), one in found.items()]
    print(json.dumps({"ratings": len(ratings), "means": shown}, ensure_ascii=False, indent=1))
