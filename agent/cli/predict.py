"""``collegium predict``: what a trained model says of a file's rows: a text's label, or a tag for each of its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.batch import Row, run_batch
from skills.errors import UserError


def command(
    model: Annotated[
        Path, typer.Option("--model", help="RUN/best of `collegium train classify` or `train tokens`.")
    ],
    source: Annotated[Path, typer.Option("--in", help="JSON Lines: {text}, or {tokens} for a tagger.")],
    target: Annotated[
        Path,
        typer.Option("--out", help="JSON Lines: the rows with {label, probabilities, ms}, or {tags, ms}."),
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Keep --out's finished rows and go on.")] = False,
) -> None:
    """Predict the label of each row's text with calibrated probabilities, or the BIO tag of each of its words."""
    import time

    from skills.files import read_json

    described = model / "collegium.json"
    method = read_json(described).get("method") if described.is_file() else None
    if method not in _METHODS:
        raise UserError(
            f"--model {str(model)!r} holds no model that predicts; expected RUN/best of `collegium train classify` "
            "or `collegium train tokens`",
            subject=model,
        )
    field, load, check = _METHODS[method]
    predict = load(model)

    def answer(row: Row) -> Row:
        started = time.perf_counter()
        found = predict(row[field])
        return {**found, "ms": round((time.perf_counter() - started) * 1000, 3)}

    run_batch(source, target, resume=resume, required=(field,), check=check, answer=answer, label="predict")


def _classifier(folder: Path) -> Callable[[Any], Row]:
    from skills.learning.classifier import load_classifier

    classifier = load_classifier(folder)
    classifier.logits(["warm up"])

    def predict(text: str) -> Row:
        shares = classifier.probabilities([text])[0]
        found = {name: round(float(share), 6) for name, share in zip(classifier.labels, shares, strict=True)}
        return {"label": classifier.labels[int(shares.argmax())], "probabilities": found}

    return predict


def _tagger(folder: Path) -> Callable[[Any], Row]:
    from skills.learning.tagger import load_tagger

    tagger = load_tagger(folder)
    tagger.tags(["warm", "up"])
    return lambda words: {"tags": tagger.tags(words)}


def _check_text(row: Row) -> None:
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"'text' should be a text that is not empty, got {text!r}")


def _check_words(row: Row) -> None:
    words = row["tokens"]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f"'tokens' should be a list of words, got {words!r}")


_METHODS: dict[str, tuple[str, Callable[[Path], Callable[[Any], Row]], Callable[[Row], None]]] = {
    "classify": ("text", _classifier, _check_text),
    "tokens": ("tokens", _tagger, _check_words),
}
"""By method: the field that is read, what loads the model, and what a row has to be."""
