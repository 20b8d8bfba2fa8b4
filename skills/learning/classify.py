"""`collegium train classify`: a text classifier from a bundled sentence encoder.

LoRA on the encoder's linear layers and a linear head on [CLS] and mean state; cross-entropy, each label weighed so that
rare ones count (square root of the inverse frequency). The temperature of its probabilities is fitted on dev (Guo et
al. 2017). `collegium predict` runs it (skills.retrieval.classifier).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from safetensors.numpy import save_file

from skills.errors import UserError
from skills.files import read_jsonl, sha256_file, write_json
from skills.learning.card import training_card
from skills.learning.linear import expected_calibration_error, fit_temperature, softmax
from skills.learning.loop import LoopConfig, Progress, fit, make_batches, padded, quiet, set_up
from skills.learning.lora import lora_encoder, save_lora
from skills.learning.run import Run
from skills.retrieval.embedder import ENGLISH, PREFIXES
from skills.retrieval.encoder_files import MULTILINGUAL, encoder_folder
from skills.retrieval.text import is_chinese

if TYPE_CHECKING:
    import torch


class ClassifyConfig(LoopConfig):
    """Settings of `train classify`. Rows: {text, label}."""

    encoder: str = ""
    """A bundled encoder; "": the multilingual one if a fifth of the texts is Chinese."""
    start: Path | None = None
    """Artefact to go on from; None: a fresh LoRA and head. Its rank and alpha hold."""
    learning_rate: float = Field(default=8e-4, gt=0)
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

    rows, judge = _rows(config.train), _rows(config.dev)
    labels = sorted({label for _, label in rows})
    if len(labels) < 2:
        raise UserError(f"--train has {len(labels)} label; expected rows of at least two")
    if unknown := sorted({label for _, label in judge} - set(labels)):
        raise UserError(
            f"--dev: label {unknown[0]!r} is not in the training rows; known: {', '.join(labels)}"
        )
    name = config.encoder or _encoder_for([text for text, _ in rows])
    folder = encoder_folder(name)
    run = Run(config, "classify")
    device = set_up(config)
    items = _labelled(rows, labels, name, config.max_tokens)
    dev = _labelled(judge, labels, name, config.max_tokens)[: config.dev_limit]

    encoder = lora_encoder(folder, config, config.start, device)
    head = torch.nn.Linear(2 * encoder.config.hidden_size, len(labels)).to(device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    if config.start is not None:
        _load_head(head, config.start, labels)
    trainable = {key: parameter for key, parameter in encoder.named_parameters() if parameter.requires_grad}
    trainable |= {f"head.{key}": parameter for key, parameter in head.named_parameters()}
    counts = Counter(item.label for item in items)
    weights = torch.tensor([counts[place] ** -0.5 for place in range(len(labels))], device=device)
    weights = weights / weights.mean()

    def logits_of(batch: Sequence[Labelled]) -> torch.Tensor:
        """(texts, labels)"""
        ids = padded([item.ids for item in batch], device)
        mask = padded([[1] * len(item.ids) for item in batch], device)
        hidden = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weight = mask.unsqueeze(-1).float()
        mean = (hidden * weight).sum(1) / weight.sum(1)  # (texts, width of the encoder)
        return head(torch.cat([hidden[:, 0], mean], dim=1))

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
        tensors = {"weight": head.weight, "bias": head.bias}
        save_file(
            {key: value.detach().float().cpu().numpy() for key, value in tensors.items()},
            partial / "head.safetensors",
        )
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
        trainable,
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_loss",),
        save=save,
        progress=progress,
    )
    metrics = {"rows": len(items), "dev_rows": len(dev), "labels": len(labels), **scores}
    run.finish(metrics, training_card("Classifier", run.described, metrics, run.folder / "curves.jsonl"))
    return metrics


def _rows(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """(text, label) of all rows. Raises UserError naming file and row of one that has no text or label."""
    found: list[tuple[str, str]] = []
    for path in paths:
        for number, row in enumerate(read_jsonl(path, required=("text", "label")), start=1):
            text, label = row["text"], row["label"]
            if not isinstance(text, str) or not text.strip() or not isinstance(label, str) or not label:
                raise UserError(
                    f"{path}: row {number}: 'text' and 'label' should be non-empty strings", subject=row
                )
            found.append((text, label))
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: no rows; expected {{text, label}} on each line")
    return found


def _encoder_for(texts: Sequence[str]) -> str:
    return MULTILINGUAL if sum(map(is_chinese, texts)) * 5 >= len(texts) else ENGLISH


def _labelled(
    rows: Sequence[tuple[str, str]], labels: Sequence[str], encoder: str, max_tokens: int
) -> list[Labelled]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(encoder_folder(encoder) / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    prefix = PREFIXES.get(encoder, {"query": ""})["query"]
    encoded = tokenizer.encode_batch([f"{prefix}{text}" for text, _ in rows])
    places = {label: place for place, label in enumerate(labels)}
    return [Labelled(tuple(item.ids), places[label]) for item, (_, label) in zip(encoded, rows, strict=True)]


def _load_head(head: torch.nn.Linear, start: Path, labels: Sequence[str]) -> None:
    from safetensors.torch import load_file

    from skills.files import read_json

    if read_json(start / "collegium.json").get("labels") != list(labels):
        raise UserError(f"start {str(start)!r} was trained for other labels; leave it out to begin anew")
    head.load_state_dict(load_file(start / "head.safetensors"))


def _macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Mean F1 over the labels that occur in ``targets``."""
    found: list[float] = []
    for label in np.unique(targets):
        hits = int(((predicted == label) & (targets == label)).sum())
        total = int((predicted == label).sum() + (targets == label).sum())
        found.append(2 * hits / total)
    return float(np.mean(found))
