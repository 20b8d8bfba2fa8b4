"""`collegium train classify`: a text classifier from a bundled sentence encoder.

LoRA on the encoder's linear layers and a linear head on [CLS] and mean state; cross-entropy, each label weighed so that
rare ones count (square root of the inverse frequency). The temperature of its probabilities is fitted on dev (Guo et
al. 2017). `collegium predict` runs it (skills.learning.classifier).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from skills.errors import UserError
from skills.files import read_json, sha256_file, write_json
from skills.learning.card import training_card
from skills.learning.heads import make_head, outputs_of, save_head, trainable_of
from skills.learning.linear import expected_calibration_error, fit_temperature, softmax
from skills.learning.loop import Progress, fit, make_batches, quiet, set_up
from skills.learning.lora import EncoderConfig, lora_encoder, save_lora
from skills.learning.route import Example, read_examples
from skills.learning.run import Run
from skills.retrieval.embedder import ENGLISH, PREFIXES
from skills.retrieval.encoder_files import MULTILINGUAL, encoder_folder
from skills.retrieval.text import mostly_chinese

if TYPE_CHECKING:
    import torch


class ClassifyConfig(EncoderConfig):
    """Settings of `train classify`. Rows: {text, label}."""

    epochs: float = Field(default=4, gt=0)
    batch_tokens: int = Field(default=2048, ge=128)
    max_tokens: int = Field(default=128, ge=8)
    """Tokens of a text; longer ones are cut."""
    dev_limit: int = Field(default=1000, ge=1)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Token ids of a text and its label's place."""

    ids: tuple[int, ...]
    label: int

    @property
    def tokens(self) -> int:
        return len(self.ids)


def train(config: ClassifyConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Run the training, return its metrics. LoRA, head, labels and temperature are in ``out/best``.

    Raises UserError for malformed rows or a run folder that cannot be used, ModelError without the encoder.
    """
    import torch

    rows = [row for path in config.train for row in read_examples(path)]
    judge = [row for path in config.dev for row in read_examples(path)]
    labels = sorted({row.label for row in rows})
    if len(labels) < 2:
        raise UserError(f"--train has {len(labels)} label; expected rows of at least two")
    if unknown := sorted({row.label for row in judge} - set(labels)):
        raise UserError(
            f"--dev: label {unknown[0]!r} is not in the training rows; known: {', '.join(labels)}"
        )
    name = config.encoder or (MULTILINGUAL if mostly_chinese(row.text for row in rows) else ENGLISH)
    folder = encoder_folder(name)
    run = Run(config, "classify")
    device = set_up(config)
    items = _labelled(rows, labels, name, config.max_tokens)
    dev = _labelled(judge, labels, name, config.max_tokens)[: config.dev_limit]

    encoder = lora_encoder(folder, config, device)
    head = make_head(encoder, len(labels), _head_to_go_on_from(config.start, labels), device)
    counts = Counter(item.label for item in items)
    weights = torch.tensor([counts[place] ** -0.5 for place in range(len(labels))], device=device)
    weights = weights / weights.mean()

    def logits_of(batch: Sequence[Labelled]) -> torch.Tensor:
        """(texts, labels)"""
        return outputs_of(encoder, head, [item.ids for item in batch])

    def loss_of(batch: Sequence[Labelled]) -> torch.Tensor:
        encoder.train()
        targets = torch.tensor([item.label for item in batch], device=device)
        return torch.nn.functional.cross_entropy(logits_of(batch), targets, weight=weights)

    targets = np.array([item.label for item in dev])
    temperature = 1.0

    def evaluate() -> Mapping[str, float]:
        nonlocal temperature
        encoder.eval()
        order = sorted(range(len(dev)), key=lambda index: dev[index].tokens)
        logits = np.zeros((len(dev), len(labels)), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), 16):
                part = order[start : start + 16]
                logits[part] = logits_of([dev[index] for index in part]).cpu().numpy()
        temperature = fit_temperature(logits, targets)
        shares = softmax(logits / np.float32(temperature))
        right = shares.argmax(1) == targets
        return {
            "dev_accuracy": float(right.mean()),
            "dev_macro_f1": _macro_f1(shares.argmax(1), targets),
            "dev_ece": expected_calibration_error(shares, targets),
            "dev_errors": float(1 - right.mean()),
            "dev_loss": float(-np.log(np.maximum(shares[np.arange(len(dev)), targets], 1e-12)).mean()),
        }

    def save(partial: Path) -> None:
        save_lora(encoder, partial, base=name)
        save_head(head, partial)
        described = {
            "method": "classify",
            "encoder": name,
            "encoder_sha256": sha256_file(folder / "model.safetensors"),
            "max_tokens": config.max_tokens,
            "labels": labels,
            "temperature": round(temperature, 4),
        }
        write_json(partial / "collegium.json", described)

    scores = fit(
        run,
        config,
        make_batches(items, config),
        trainable_of(encoder, head),
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_loss",),
        save=save,
        progress=progress,
    )
    metrics = {"rows": len(items), "dev_rows": len(dev), "labels": len(labels), **scores}
    run.finish(metrics, training_card("Classifier", run.described, metrics, run.folder / "curves.jsonl"))
    return metrics


def _labelled(
    rows: Sequence[Example], labels: Sequence[str], encoder: str, max_tokens: int
) -> list[Labelled]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(encoder_folder(encoder) / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    prefix = PREFIXES.get(encoder, {"query": ""})["query"]
    encoded = tokenizer.encode_batch([f"{prefix}{row.text}" for row in rows])
    places = {label: place for place, label in enumerate(labels)}
    return [Labelled(tuple(item.ids), places[row.label]) for item, row in zip(encoded, rows, strict=True)]


def _head_to_go_on_from(start: Path | None, labels: Sequence[str]) -> Path | None:
    """``start`` where its head is of the same labels; None: what its encoder knows is of use, its head is not."""
    if start is None or read_json(start / "collegium.json").get("labels") != list(labels):
        return None
    return start


def _macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 over the labels that occur in ``targets``."""
    found: list[float] = []
    for label in np.unique(targets):
        hits = int(((predicted == label) & (targets == label)).sum())
        total = int((predicted == label).sum() + (targets == label).sum())
        found.append(2 * hits / total)
    return float(np.mean(found))
