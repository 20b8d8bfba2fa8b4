"""``collegium score``: an answer file against its gold answers, with 95 % intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skills.errors import UserError


def command(
    gold: Annotated[Path, typer.Option("--gold", help="Rows {id, answer?, gold?, answerable?}.")],
    predicted: Annotated[Path, typer.Option("--pred", help="Output of `collegium ask --in`.")],
    against: Annotated[
        Path | None, typer.Option("--against", help="Another output, to compare with pairwise.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="KEY=VALUE: score gold rows with this value only.")
    ] = None,
) -> None:
    """Token F1, coverage, citations and number support of answers; all means with intervals."""
    from agent.evaluation.answers import difference, estimate, score
    from skills.files import read_jsonl

    rows = list(read_jsonl(gold, required=("id",)))
    if only is not None:
        key, sign, value = only.partition("=")
        if not sign:
            raise UserError(f"--only {only!r}: expected KEY=VALUE, for example answer_type=span")
        rows = [row for row in rows if str(row.get(key)) == value]
    have = list(read_jsonl(predicted, required=("id", "status")))
    shown: dict[str, object] = {
        name: estimate(values).to_json() for name, values in score(rows, have).items()
    }
    if against is not None:
        other = list(read_jsonl(against, required=("id", "status")))
        shown["f1_difference"] = difference(rows, have, other).to_json()
    print(json.dumps(shown, indent=1))
