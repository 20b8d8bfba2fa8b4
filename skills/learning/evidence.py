"""`collegium train evidence`: an encoder that says whether a passage answers a question.

A cross-encoder (Nogueira & Cho 2019, arXiv:1901.04085) from a bundled sentence encoder: LoRA on its linear
layers and a linear head on [CLS] and mean state. Each question is seen with one passage that answers it and
hard negatives; the loss is a softmax over them plus a binary cross-entropy a pair, so that scores rank and
can be read alone. A question that nothing answers is seen with its negatives alone. Thresholds are fitted
elsewhere (skills.learning.calibration).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from skills.errors import UserError
from skills.files import read_jsonl, sha256_file, write_json
from skills.learning.card import training_card
from skills.learning.heads import make_head, outputs_of, save_head, trainable_of
from skills.learning.loop import Progress, fit, make_batches, quiet, set_up
from skills.learning.lora import EncoderConfig, lora_encoder, save_lora
from skills.learning.run import Run
from skills.retrieval.encoder_files import encoder_folder

if TYPE_CHECKING:
    import torch


class EvidenceConfig(EncoderConfig):
    """Settings of `train evidence`. Rows: {question, positives: [text], negatives: [text]}, positives empty where
    nothing answers; see `data negatives`."""

    encoder: str = "all-minilm-l6-v2"
    rank: int = Field(default=32, ge=1, le=256)
    alpha: int = Field(default=64, ge=1)
    batch_tokens: int = Field(default=6144, ge=128)
    negatives: int = Field(default=3, ge=1)
    """Hard negatives a question is seen with."""
    max_tokens: int = Field(default=224, ge=32)
    """Tokens of question and passage together; longer passages are cut."""
    dev_limit: int = Field(default=300, ge=1)


@dataclass(frozen=True, slots=True)
class Group:
    """Token ids of a question with its passages."""

    pairs: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """(ids, token types) by passage, the right one first."""
    answered: bool
    """Whether there is a right one."""

    @property
    def tokens(self) -> int:
        return max(len(ids) for ids, _ in self.pairs) * len(self.pairs)


def train(config: EvidenceConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Run the training, return its metrics. LoRA and head are in ``out/best``.

    Raises UserError for malformed rows or a run folder that cannot be used, ModelError without the encoder.
    """
    import torch

    folder = encoder_folder(config.encoder)
    run = Run(config, "evidence")
    device = set_up(config)

    # Each epoch sees a question with other negatives, and the right one among its positives drawn anew.
    draws = max(1, math.ceil(config.epochs))
    groups = _groups(config.train, folder, config, draws)
    dev = sorted(_groups(config.dev, folder, config, 1)[: config.dev_limit], key=lambda group: group.tokens)
    if not groups or not any(group.answered for group in dev):
        raise UserError("no question with a positive and a negative is left; check --train and --dev")

    encoder = lora_encoder(folder, config, device)
    head = make_head(encoder, 1, config.start, device)

    def scores_of(batch: Sequence[Group]) -> torch.Tensor:
        """Logits of a batch, (groups, passages), the right one's first; -inf where a group has none, or no more."""
        pairs = [pair for group in batch for pair in group.pairs]
        flat = outputs_of(encoder, head, [ids for ids, _ in pairs], [types for _, types in pairs]).squeeze(1)
        longest = max(len(group.pairs) + (not group.answered) for group in batch)
        shaped = torch.full((len(batch), longest), float("-inf"), device=device)
        start = 0
        for row, group in enumerate(batch):
            first, count = int(not group.answered), len(group.pairs)
            shaped[row, first : first + count] = flat[start : start + count]
            start += count
        return shaped

    def loss_of(batch: Sequence[Group]) -> torch.Tensor:
        encoder.train()
        return _loss(scores_of(batch))

    def evaluate() -> Mapping[str, float]:
        encoder.eval()
        total, first, answered = 0.0, 0, sum(group.answered for group in dev)
        positive, negative = list[float](), list[float]()
        with torch.inference_mode():
            for start in range(0, len(dev), 8):
                scores = scores_of(dev[start : start + 8])
                total += float(_loss(scores)) * len(scores)
                real = torch.isfinite(scores)
                first += int(((scores.argmax(1) == 0) & real[:, 0]).sum())
                positive += scores[:, 0][real[:, 0]].tolist()
                negative += scores[:, 1:][real[:, 1:]].tolist()
        return {
            "dev_loss": total / len(dev),
            "dev_first": first / answered,
            "dev_auc": (auc := _auc(positive, negative)),
            # What counts is the order: how sure a score is, `collegium calibrate` fits afterwards.
            "dev_disorder": 1 - auc,
        }

    def save(partial: Path) -> None:
        save_lora(encoder, partial, base=config.encoder)
        save_head(head, partial)
        described = {"encoder": config.encoder, "encoder_sha256": sha256_file(folder / "model.safetensors")}
        write_json(
            partial / "collegium.json", {"method": "evidence", **described, "max_tokens": config.max_tokens}
        )

    scores = fit(
        run,
        config,
        make_batches(groups, config.model_copy(update={"epochs": config.epochs / draws})),
        trainable_of(encoder, head),
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_disorder", "dev_loss"),
        save=save,
        progress=progress,
    )
    metrics = {"questions": len(groups) // draws, "dev_questions": len(dev), **scores}
    run.finish(
        metrics, training_card("Evidence encoder", run.described, metrics, run.folder / "curves.jsonl")
    )
    return metrics


def _loss(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over each row (the first is right) plus binary cross-entropy of every pair, mean of the rows.

    The right pair counts as much as all wrong ones of its row, or the scores would sink with their number.
    """
    import torch
    from torch.nn.functional import cross_entropy, softplus

    real = torch.isfinite(scores)
    answered = scores[real[:, 0]]
    right = torch.zeros(len(answered), dtype=torch.long, device=scores.device)
    ranking = cross_entropy(answered, right, reduction="sum") + 0.5 * softplus(-answered[:, 0]).sum()
    wrong = torch.where(real[:, 1:], softplus(scores[:, 1:].nan_to_num(neginf=0.0)), 0.0).sum(1) / real[
        :, 1:
    ].sum(1)
    return (ranking + 0.5 * wrong.sum()) / len(scores)


def _auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive scores above a negative (Mann-Whitney)."""
    from scipy.stats import rankdata

    ranks = rankdata(np.array([*positive, *negative]))
    count = len(positive)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negative)))


def _groups(paths: Sequence[Path], folder: Path, config: EvidenceConfig, draws: int) -> list[Group]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(config.max_tokens, strategy="longest_first")
    tokenizer.no_padding()
    choose = random.Random(config.seed)
    found: list[Group] = []
    for path in paths:
        for row in read_jsonl(path, required=("question", "positives", "negatives")):
            if not row["negatives"]:
                continue
            for _ in range(draws):
                right = [choose.choice(row["positives"])] if row["positives"] else []
                wrong = choose.sample(row["negatives"], min(config.negatives, len(row["negatives"])))
                encoded = tokenizer.encode_batch([(row["question"], text) for text in (*right, *wrong)])
                pairs = tuple((tuple(item.ids), tuple(item.type_ids)) for item in encoded)
                found.append(Group(pairs, bool(right)))
    return found
