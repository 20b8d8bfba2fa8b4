"""`collegium train tokens`: a tagger of words (names, drugs, amounts) from a bundled sentence encoder.

LoRA on the encoder's linear layers and a linear head on each word's tokens and form; cross-entropy. Long rows are read
in windows. Beside it a CRF learns the words themselves (skills.learning.word_crf); how much each of the two counts is
chosen on dev. `collegium predict` runs both (skills.learning.tagger), and takes the best sequence that BIO allows.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from skills.errors import UserError
from skills.files import read_json, read_jsonl, sha256_file, write_json
from skills.learning.card import training_card
from skills.learning.heads import make_head, save_head, states_of, trainable_of
from skills.learning.loop import Progress, fit, make_batches, quiet, set_up
from skills.learning.lora import EncoderConfig, lora_encoder, save_lora
from skills.learning.run import Run
from skills.learning.tagger import (
    SHAPE,
    TAG,
    Window,
    best_tags,
    entities,
    mixed,
    shapes,
    windows,
    word_tokens,
)
from skills.learning.word_crf import CRF_FILE, WordCrf, train_crf
from skills.retrieval.embedder import ENGLISH
from skills.retrieval.encoder_files import MULTILINGUAL, encoder_folder
from skills.retrieval.text import mostly_chinese

if TYPE_CHECKING:
    import torch
    from tokenizers import Encoding


SHARES = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Of the CRF in what is decided, that are tried."""


class TokensConfig(EncoderConfig):
    """Settings of `train tokens`. Rows: {tokens: [word], tags: [BIO tag]}."""

    epochs: float = Field(default=8, gt=0)
    batch_tokens: int = Field(default=1024, ge=128)
    max_tokens: int = Field(default=192, ge=16)
    """Tokens read at once; longer rows are read in windows."""
    dev_limit: int = Field(default=500, ge=1)


@dataclass(frozen=True, slots=True)
class Row:
    """Words with a tag each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A window of a row."""

    ids: tuple[int, ...]
    words: tuple[tuple[int, int], ...]
    """Tokens of each word: first, and the one after its last."""
    forms: np.ndarray
    """(words, SHAPE)"""
    labels: tuple[int, ...]
    row: int
    window: Window

    @property
    def tokens(self) -> int:
        return len(self.ids)


def train(config: TokensConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Run the training, return its metrics. LoRA, head and tags are in ``out/best``.

    Raises UserError for malformed rows or a run folder that cannot be used, ModelError without the encoder.
    """
    import torch

    rows = [row for path in config.train for row in _read(path)]
    judge = [row for path in config.dev for row in _read(path)][: config.dev_limit]
    labels = sorted({tag for row in rows for tag in row.tags})
    if len(labels) < 2:
        raise UserError("--train marks nothing: every tag is the same; expected BIO tags such as B-Drug")
    if unknown := sorted({tag for row in judge for tag in row.tags} - set(labels)):
        raise UserError(f"--dev: tag {unknown[0]!r} is not in the training rows; known: {', '.join(labels)}")
    name = config.encoder or (
        MULTILINGUAL if mostly_chinese(" ".join(row.words) for row in rows) else ENGLISH
    )
    folder = encoder_folder(name)
    run = Run(config, "tokens")
    device = set_up(config)
    items = _tagged(rows, labels, folder, config.max_tokens)
    dev = sorted(_tagged(judge, labels, folder, config.max_tokens), key=lambda item: item.tokens)

    encoder = lora_encoder(folder, config, device)
    if config.start is not None and read_json(config.start / "collegium.json").get("labels") != labels:
        raise UserError(f"start {str(config.start)!r} was trained for other tags; leave it out to begin anew")
    inputs = 2 * encoder.config.hidden_size + SHAPE
    head = make_head(encoder, len(labels), config.start, device, inputs=inputs)

    def scores_of(batch: Sequence[Tagged]) -> torch.Tensor:
        """(words of all, labels)"""
        hidden, _ = states_of(encoder, [item.ids for item in batch])
        features: list[torch.Tensor] = []
        for states, item in zip(hidden, batch, strict=True):
            sums = torch.cat([states.new_zeros(1, states.shape[1]), states.cumsum(0)])
            first = torch.tensor([start for start, _ in item.words], device=device)
            after = torch.tensor([stop for _, stop in item.words], device=device)
            mean = (sums[after] - sums[first]) / (after - first).unsqueeze(1)
            forms = torch.from_numpy(item.forms).to(device)
            features.append(torch.cat([states[first], mean, forms], dim=1))
        return head(torch.cat(features))

    def loss_of(batch: Sequence[Tagged]) -> torch.Tensor:
        encoder.train()
        targets = torch.tensor([label for item in batch for label in item.labels], device=device)
        return torch.nn.functional.cross_entropy(scores_of(batch), targets)

    train_crf([(row.words, row.tags) for row in rows], run.folder / CRF_FILE)
    crf = WordCrf(run.folder / CRF_FILE, labels)
    seen = [crf.log_probabilities(row.words) for row in judge]
    share = 0.0

    def evaluate() -> Mapping[str, float]:
        nonlocal share
        encoder.eval()
        found = [np.zeros((len(row.words), len(labels)), dtype=np.float32) for row in judge]
        total, words = 0.0, 0
        with torch.inference_mode():
            for place in range(0, len(dev), 8):
                part = dev[place : place + 8]
                scores = scores_of(part)
                targets = torch.tensor([label for item in part for label in item.labels], device=device)
                total += float(torch.nn.functional.cross_entropy(scores, targets, reduction="sum"))
                words += len(targets)
                split = scores.cpu().numpy()
                for item in part:
                    own, split = split[: len(item.labels)], split[len(item.labels) :]
                    first, after = item.window.kept
                    start = item.window.start
                    found[item.row][first:after] = own[first - start : after - start]
        tried = {
            part: _f1(
                [best_tags(mixed(*pair, part), labels) for pair in zip(found, seen, strict=True)], judge
            )
            for part in SHARES
        }
        share = min(tried, key=lambda part: tried[part]["dev_errors"])
        return {**tried[share], "dev_loss": total / words, "crf_share": share}

    def save(partial: Path) -> None:
        save_lora(encoder, partial, base=name)
        save_head(head, partial)
        shutil.copyfile(run.folder / CRF_FILE, partial / CRF_FILE)
        described = {
            "method": "tokens",
            "encoder": name,
            "encoder_sha256": sha256_file(folder / "model.safetensors"),
            "max_tokens": config.max_tokens,
            "labels": labels,
            "crf_sha256": sha256_file(partial / CRF_FILE),
            "crf_share": share,
        }
        write_json(partial / "collegium.json", described)

    scores = fit(
        run,
        config,
        make_batches(items, config),
        trainable_of(encoder, head),
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_errors", "dev_loss"),
        save=save,
        progress=progress,
    )
    metrics = {"rows": len(rows), "dev_rows": len(judge), "tags": len(labels), **scores}
    run.finish(metrics, training_card("Tagger", run.described, metrics, run.folder / "curves.jsonl"))
    return metrics


def _tagged(rows: Sequence[Row], labels: Sequence[str], folder: Path, max_tokens: int) -> list[Tagged]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def encode(words: Sequence[str]) -> Encoding:
        return tokenizer.encode(list(words), is_pretokenized=True)

    places = {label: place for place, label in enumerate(labels)}
    found: list[Tagged] = []
    for number, row in enumerate(rows):
        sizes = [stop - start for start, stop in word_tokens(encode(row.words), len(row.words))]
        forms = shapes(row.words)
        for window in windows(sizes, max_tokens - 2):
            words = row.words[window.start : window.stop]
            encoding = encode(words)
            found.append(
                Tagged(
                    tuple(encoding.ids),
                    tuple(word_tokens(encoding, len(words))),
                    forms[window.start : window.stop],
                    tuple(places[tag] for tag in row.tags[window.start : window.stop]),
                    number,
                    window,
                )
            )
    return found


def _read(path: Path) -> list[Row]:
    """Rows {tokens, tags}. Raises UserError naming file and row of a bad one."""
    found: list[Row] = []
    for number, row in enumerate(read_jsonl(path, required=("tokens", "tags")), start=1):
        words, tags = row["tokens"], row["tags"]
        if (
            not isinstance(words, list)
            or not isinstance(tags, list)
            or not words
            or len(words) != len(tags)
            or not all(isinstance(item, str) for item in [*words, *tags])
        ):
            raise UserError(
                f"{path}: row {number}: 'tokens' and 'tags' should be lists of strings, equally long",
                subject=row,
            )
        if wrong := next((tag for tag in tags if not TAG.fullmatch(tag)), None):
            raise UserError(f"{path}: row {number}: tag {wrong!r} should be O, B-NAME or I-NAME", subject=row)
        found.append(Row(tuple(words), tuple(tags)))
    if not found:
        raise UserError(f"{str(path)!r} has no rows; expected {{tokens, tags}} on each line", subject=path)
    return found


def _f1(predicted: Sequence[Sequence[str]], rows: Sequence[Row]) -> dict[str, float]:
    """Precision, recall and F1 of whole entities (span and type), and 1 - F1."""
    hits = given = wanted = 0
    for tags, row in zip(predicted, rows, strict=True):
        found, gold = entities(tags), entities(row.tags)
        hits, given, wanted = hits + len(found & gold), given + len(found), wanted + len(gold)
    f1 = 2 * hits / (given + wanted) if given + wanted else 0.0
    return {
        "dev_precision": hits / given if given else 0.0,
        "dev_recall": hits / wanted if wanted else 0.0,
        "dev_f1": f1,
        "dev_errors": 1 - f1,
    }
