"""``collegium score``: answers against gold answers, with 95 % intervals; verdicts on sentences against the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skills.errors import UserError


def command(
    gold: Annotated[
        Path, typer.Option("--gold", help="Rows {id, answer?, gold?, answerable?}, or {id, kind, supported}.")
    ],
    predicted: Annotated[
        Path, typer.Option("--pred", help="Output of `collegium ask --in`, or of `check --in`.")
    ],
    against: Annotated[
        Path | None, typer.Option("--against", help="Another output, to compare with pairwise.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="KEY=VALUE: score gold rows with this value only.")
    ] = None,
) -> None:
    """Token F1, coverage, citations and number support of answers, all means with intervals; of verdicts on
    sentences, precision and recall by kind."""
    from agent.evaluation.answers import difference, estimate, pair, score
    from skills.files import read_jsonl
    from skills.learning.support_report import report

    rows = list(read_jsonl(gold, required=("id",)))
    if only is not None:
        key, sign, value = only.partition("=")
        if not sign:
            raise UserError(f"--only {only!r}: expected KEY=VALUE, for example answer_type=span")
        rows = [row for row in rows if str(row.get(key)) == value]
    if rows and all("supported" in row and "kind" in row for row in rows):
        checked = pair(rows, list(read_jsonl(predicted, required=("id", "passes"))))
        print(json.dumps(report(rows, [verdict["passes"] for _, verdict in checked]), indent=1))
        return
    have = list(read_jsonl(predicted, required=("id", "status")))
    shown: dict[str, object] = {
        name: estimate(values).to_json() for name, values in score(rows, have).items()
    }
    if against is not None:
        other = list(read_jsonl(against, required=("id", "status")))
        shown["f1_difference"] = difference(rows, have, other).to_json()
    print(json.dumps(shown, indent=1))
