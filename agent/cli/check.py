"""``collegium check``: whether sentences are supported by their sources, for a file. Knows rows, not checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.batch import Row, run_batch
from skills.errors import UserError

if TYPE_CHECKING:
    from skills.grounding.support import Check


def command(
    source: Annotated[
        Path, typer.Option("--in", help="JSON Lines: {id, sentence, parts: \\[text], question?, context?}.")
    ],
    target: Annotated[Path, typer.Option("--out", help="JSON Lines: the rows with {passes, reason}.")],
    checker: Annotated[
        Path | None, typer.Option("--checker", help="Artefact of `train support`, default: the shipped one.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Rules only, no model.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
) -> None:
    """Check sentences against the sentences and table rows of their sources, as answers are checked."""
    check = _check(checker, rules)

    def answer(row: Row) -> Row:
        verdict = check(
            row["sentence"], row["parts"], row.get("question", ""), context=row.get("context", "")
        )
        return {"passes": verdict.supported, "reason": verdict.reason}

    run_batch(
        source,
        target,
        resume=resume,
        required=("sentence", "parts"),
        check=_usable,
        answer=answer,
        label="check",
    )


def _check(checker: Path | None, rules: bool) -> Check:
    from skills.grounding.checker import load_checker
    from skills.grounding.support import check

    return check if rules else load_checker(checker).check


def _usable(row: Row) -> None:
    if not isinstance(row["sentence"], str):
        raise UserError(f"'sentence' should be a text, got {row['sentence']!r}")
    if not isinstance(row["parts"], list) or not all(isinstance(part, str) for part in row["parts"]):
        raise UserError(f"'parts' should be a list of texts, got {row['parts']!r}")
