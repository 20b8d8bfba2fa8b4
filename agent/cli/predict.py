"""``collegium predict``: labels of a file's texts by a classifier of `collegium train classify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.batch import Row, run_batch
from skills.errors import UserError


def command(
    model: Annotated[Path, typer.Option("--model", help="RUN/best of `collegium train classify`.")],
    source: Annotated[Path, typer.Option("--in", help="JSON Lines: {text}.")],
    target: Annotated[
        Path, typer.Option("--out", help="JSON Lines: the rows with {label, probabilities, ms}.")
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
) -> None:
    """Predict the label of each row's text, with a calibrated probability for every label."""
    import time

    from skills.learning.classifier import load_classifier

    if not (model / "collegium.json").is_file():
        raise UserError(
            f"--model {str(model)!r} holds no trained model; expected RUN/best of `collegium train classify`",
            subject=model,
        )
    classifier = load_classifier(model)
    classifier.logits(["warm up"])

    def answer(row: Row) -> Row:
        started = time.perf_counter()
        shares = classifier.probabilities([row["text"]])[0]
        label = classifier.labels[int(shares.argmax())]
        found = {name: round(float(share), 6) for name, share in zip(classifier.labels, shares, strict=True)}
        return {
            "label": label,
            "probabilities": found,
            "ms": round((time.perf_counter() - started) * 1000, 3),
        }

    run_batch(source, target, resume=resume, required=("text",), check=_check, answer=answer, label="predict")


def _check(row: Row) -> None:
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"'text' should be a text that is not empty, got {text!r}")
