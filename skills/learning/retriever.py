"""`collegium train retriever`: a sentence encoder that finds the passages of a domain better.

Contrastive tuning (Karpukhin et al. 2020, arXiv:2004.04906; loss of van den Oord et al. 2018): LoRA on the encoder's
linear layers, each question against its own passage, its hard negatives, and everything the rest of the batch has.
The artefact is a LoRA folder that `index build --embedder` takes.
"""

from __future__ import annotations

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
from skills.learning.heads import states_of
from skills.learning.loop import Progress, fit, make_batches, quiet, set_up
from skills.learning.lora import EncoderConfig, lora_encoder, save_lora
from skills.learning.run import Run
from skills.retrieval.embedder import PREFIXES
from skills.retrieval.encoder_files import encoder_folder

if TYPE_CHECKING:
    import torch

Tokens = tuple[int, ...]


class RetrieverConfig(EncoderConfig):
    """Settings of `train retriever`. Rows: {question, positives: [text], negatives: [text]}."""

    encoder: str = "multilingual-e5-small"
    learning_rate: float = Field(default=3e-4, gt=0)
    batch_tokens: int = Field(default=8192, ge=128)
    negatives: int = Field(default=1, ge=0)
    """Hard negatives a question brings."""
    max_tokens: int = Field(default=192, ge=16)
    temperature: float = Field(default=0.03, gt=0)
    dev_limit: int = Field(default=80, ge=1)


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a question, its passage, and hard negatives."""

    question: Tokens
    passages: tuple[Tokens, ...]
    """The right one first."""

    @property
    def tokens(self) -> int:
        return len(self.question) + sum(map(len, self.passages))


def train(config: RetrieverConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Run the training, return its metrics. The LoRA is in ``out/best``.

    dev_found: share of the dev questions whose passage is among the five nearest of all dev passages.
    Raises UserError for malformed rows or a run folder that cannot be used, ModelError without the encoder.
    """
    import torch

    folder = encoder_folder(config.encoder)
    run = Run(config, "retriever")
    device = set_up(config)

    examples = _examples(config.train, folder, config, config.negatives)
    dev = _examples(config.dev, folder, config, 8)[: config.dev_limit]
    if not examples or not dev:
        raise UserError("no question with a positive is left; check --train and --dev")

    encoder = lora_encoder(folder, config, device)
    trainable = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}

    def vectors(texts: Sequence[Tokens]) -> torch.Tensor:
        """(texts, dimension), of length 1: the mean state of each text."""
        hidden, mask = states_of(encoder, texts)
        sums = (hidden * mask.unsqueeze(-1)).sum(1)
        return torch.nn.functional.normalize(sums, dim=1)

    def loss_of(batch: Sequence[Example]) -> torch.Tensor:
        encoder.train()
        passages = list(dict.fromkeys(tokens for item in batch for tokens in item.passages))
        right = torch.tensor([passages.index(item.passages[0]) for item in batch], device=device)
        scores = vectors([item.question for item in batch]) @ vectors(passages).T / config.temperature
        return torch.nn.functional.cross_entropy(scores, right)

    def evaluate() -> Mapping[str, float]:
        encoder.eval()
        passages = list(dict.fromkeys(tokens for item in dev for tokens in item.passages))
        with torch.inference_mode():
            known = _in_parts(passages, vectors)
            asked = _in_parts([item.question for item in dev], vectors)
        scores = asked @ known.T  # (questions, passages)
        right = np.array([passages.index(item.passages[0]) for item in dev])
        own = scores[np.arange(len(dev)), right]
        ranks = (scores > own[:, None]).sum(1)  # 0: nothing is nearer
        reciprocal = float((1 / (ranks + 1)).mean())
        return {"dev_found": float((ranks < 5).mean()), "dev_mrr": reciprocal, "dev_misses": 1 - reciprocal}

    def save(partial: Path) -> None:
        save_lora(encoder, partial, base=config.encoder)
        described = {"encoder": config.encoder, "encoder_sha256": sha256_file(folder / "model.safetensors")}
        write_json(partial / "collegium.json", {"method": "retriever", **described})

    scores = fit(
        run,
        config,
        make_batches(examples, config),
        trainable,
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_misses",),
        save=save,
        progress=progress,
    )
    metrics = {"questions": len(examples), "dev_questions": len(dev), **scores}
    run.finish(
        metrics, training_card("Sentence encoder", run.described, metrics, run.folder / "curves.jsonl")
    )
    return metrics


def _in_parts(texts: Sequence[Tokens], vectors: Any, size: int = 32) -> np.ndarray:
    """Vectors of many texts, (texts, dimension), computed in batches of similar length."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = [
        vectors([texts[index] for index in order[start : start + size]]).cpu().numpy()
        for start in range(0, len(order), size)
    ]
    result = np.concatenate(parts)
    return result[np.argsort(order)]


def _examples(paths: Sequence[Path], folder: Path, config: RetrieverConfig, negatives: int) -> list[Example]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(config.max_tokens)
    tokenizer.no_padding()
    prefix = PREFIXES.get(config.encoder, {"query": "", "passage": ""})
    choose = random.Random(config.seed)
    found: list[Example] = []
    for path in paths:
        for row in read_jsonl(path, required=("question", "positives", "negatives")):
            if not row["positives"]:
                continue
            texts = [
                choose.choice(row["positives"]),
                *choose.sample(row["negatives"], min(negatives, len(row["negatives"]))),
            ]
            read = [prefix["query"] + row["question"], *(prefix["passage"] + text for text in texts)]
            question, *passages = (tuple(item.ids) for item in tokenizer.encode_batch(read))
            found.append(Example(question, tuple(passages)))
    return found
