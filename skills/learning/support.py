"""`collegium train support`: a checker that says whether a source supports a sentence, and if not, what is wrong.

A multinomial logistic model over the signs of skills.grounding.alignment, which a bundled encoder's token states give:
one class for "supported", one for each kind of alteration (skills.learning.alterations). It learns from the rows that
it is asked about at run time: those that the rules let pass and that are no quotes. The threshold is set on dev, so
that a given share of the supported sentences passes. Nothing is drawn at random: a run is the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from safetensors.numpy import save_file

from skills.errors import UserError
from skills.files import read_jsonl, sha256_file, write_json
from skills.grounding.alignment import SIGNS, reading, signs
from skills.grounding.checker import Aligner, Checker, TokenReader, margin, quoted
from skills.grounding.support import check
from skills.learning.alterations import ALTERATIONS
from skills.learning.card import training_card
from skills.learning.loop import Progress, quiet
from skills.learning.run import Run, TrainingConfig
from skills.learning.support_report import report, report_table
from skills.weights import ensure

KINDS = tuple(ALTERATIONS)
KEYS = ("sentence", "parts", "kind", "supported")
"""What every row has; ``context`` and ``question`` may be missing."""


class SupportConfig(TrainingConfig):
    """Settings of `train support`. Rows: {sentence, parts, context?, question?, kind, supported} of `data support`."""

    encoder: str = "all-minilm-l6-v2"
    accept: float = Field(default=0.985, gt=0, lt=1)
    """Share of the supported dev sentences that the threshold lets pass, of those that the rules let pass."""
    strength: float = Field(default=1.0, gt=0)
    """Inverse of the weight of the L2 penalty."""


def train(config: SupportConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Fit on the train files, set the threshold and score on the dev files. The artefact is in ``out/best``.

    Raises UserError for rows of an unknown kind or when none is left, ModelError without the encoder.
    """
    from sklearn.linear_model import LogisticRegression

    run = Run(config, "support")
    read = TokenReader(config.encoder, threads=config.threads)
    asked = list(_asked(config.train))
    labels = [_label(row) for row in asked]
    if len(set(labels)) < 2 or 0 not in labels:
        raise UserError("no supported and altered rows are left that the rules let pass; check --train")
    measured: list[list[float]] = []
    for number, row in enumerate(asked, start=1):
        measured.append(signs(reading(*_arguments(row)), read))
        progress(number, len(asked), "signs")
    data = np.array(measured)  # (rows, signs)
    mean, scale = data.mean(axis=0), np.maximum(data.std(axis=0), 1e-6)
    model: Any = LogisticRegression(C=config.strength, max_iter=3000).fit((data - mean) / scale, labels)
    # A kind that no row had is never named: its score stays far below all others.
    weight, bias = np.zeros((1 + len(KINDS), len(SIGNS))), np.full(1 + len(KINDS), -1e6)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # sklearn keeps one row for two classes
        coefficients, intercepts = (np.vstack([-c / 2, c / 2]) for c in (coefficients, intercepts[:, None]))
        intercepts = intercepts[:, 0]
    weight[model.classes_] = coefficients / scale
    bias[model.classes_] = intercepts - weight[model.classes_] @ mean

    aligner = Aligner(read, weight, bias)
    dev = [row for path in config.dev for row in read_jsonl(path, required=KEYS)]
    checker = Checker(aligner, KINDS, threshold := _threshold(aligner, dev, config.accept))
    with run.save("best") as partial:
        save_file({"weight": weight, "bias": bias}, partial / "head.safetensors")
        encoder = {
            "encoder": config.encoder,
            "encoder_sha256": sha256_file(ensure(config.encoder) / "model.safetensors"),
        }
        described = {"method": "support", **encoder, "kinds": KINDS, "signs": SIGNS, "threshold": threshold}
        write_json(partial / "collegium.json", described)
    table = report(dev, [_passes(checker, row) for row in dev])
    metrics = {"rows": len(asked), "threshold": threshold, **table["altered"]}
    card = training_card("Sentence checker", run.described, metrics)
    run.finish({**metrics, "report": table}, f"{card}\n## By kind, on dev\n\n{report_table(table)}")
    return metrics


def _arguments(row: Mapping[str, Any]) -> tuple[str, list[str], str, str]:
    """Sentence, parts, question and context of a row."""
    return row["sentence"], row["parts"], row.get("question", ""), row.get("context", "")


def _is_asked(row: Mapping[str, Any]) -> bool:
    """Whether the rules let the row pass and it is no quote: then the model is asked."""
    sentence, parts, question, context = _arguments(row)
    return check(sentence, parts, question, context=context).supported and not quoted(sentence, parts)


def _asked(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    return (
        row for path in paths for row in read_jsonl(path, required=KEYS) if row["parts"] and _is_asked(row)
    )


def _label(row: Mapping[str, Any]) -> int:
    """0: supported; else 1 + index of the kind."""
    if row["supported"]:
        return 0
    if row["kind"] not in KINDS:
        raise UserError(f"unknown kind {row['kind']!r}; expected one of {', '.join(KINDS)}", subject=row)
    return 1 + KINDS.index(row["kind"])


def _passes(checker: Checker, row: Mapping[str, Any]) -> bool:
    sentence, parts, question, context = _arguments(row)
    return checker.check(sentence, parts, question, context=context).supported


def _threshold(aligner: Aligner, rows: Sequence[Mapping[str, Any]], accept: float) -> float:
    """The log-odds that ``accept`` of the supported rows reach or need not reach, of those the rules let pass."""
    kept = [row for row in rows if row["supported"] and _passes_rules(row)]
    asked = [row for row in kept if _is_asked(row)]
    if not asked:
        return 0.0
    margins = [margin(aligner.scores(reading(*_arguments(row)))) for row in asked]
    lost = min(1.0, (1 - accept) * len(kept) / len(asked))
    return round(float(np.quantile(margins, lost)) - 5e-4, 3)


def _passes_rules(row: Mapping[str, Any]) -> bool:
    sentence, parts, question, context = _arguments(row)
    return check(sentence, parts, question, context=context).supported
