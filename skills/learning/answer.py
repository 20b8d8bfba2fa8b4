"""`collegium train answer`: teach an adapter to write short cited answers from selected evidence.

Supervised fine-tuning of a LoRA adapter (Hu et al. 2021, arXiv:2106.09685) on {system, evidence, question ->
answer with marks}. The loss is on the answer's tokens only; the vocabulary projection is computed only there.
Choosing evidence and declining are not learned here: an encoder does both before the model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

import prompts
from skills.errors import UserError
from skills.files import read_jsonl, write_json
from skills.learning.card import training_card
from skills.learning.loop import LoopConfig, Progress, fit, make_batches, quiet, set_up
from skills.learning.lora import attach_lora, save_lora
from skills.learning.run import Run
from skills.llm.precision import fast_dtype
from skills.weights import base_hash, safetensors_folder

if TYPE_CHECKING:
    import torch


class AnswerConfig(LoopConfig):
    """Settings of `train answer`. Rows: {question, evidence, answer}; marks like [1] stand in the answer."""

    base: str = "smollm2-135m-instruct"
    start: Path | None = None
    """Adapter to go on from, such as a shipped one for a domain of your own; None: a fresh one. Its rank and alpha
    hold."""
    system: str = Field(min_length=1)
    """The skill's system prompt, the same at run time."""
    max_tokens: int = Field(default=512, ge=64)
    """Longer examples are left out, and counted."""
    dev_limit: int = Field(default=120, ge=1)
    """Dev rows an evaluation looks at."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one example; the loss is on ``ids[answer_start:]``."""

    ids: tuple[int, ...]
    answer_start: int

    @property
    def tokens(self) -> int:
        return len(self.ids)


def train(config: AnswerConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Run the training, return its metrics. The adapter is in ``out/best``.

    1 data       rows -> token ids with the base's own chat template
    2 train      AdamW on the adapter, batches of similar length
    3 evaluate   dev loss at even steps, best kept, stop when it no longer falls
    4 card       data, settings, curves, scores

    Raises UserError for malformed rows or a run folder that cannot be used, ModelError without the base.
    """
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = safetensors_folder(config.base)
    run = Run(config, "answer")
    device = set_up(config)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    examples, too_long = _examples(config.train, tokenizer, config)
    dev = sorted(
        _examples(config.dev, tokenizer, config)[0][: config.dev_limit], key=lambda example: example.tokens
    )
    if not examples or not dev:
        raise UserError(
            "no example is left to train on or to evaluate with; check --train, --dev and --max-tokens"
        )

    base: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=fast_dtype(device))
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    model = attach_lora(base.to(device), lora, config.start)
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def loss_of(batch: Sequence[Example]) -> torch.Tensor:
        model.train()
        return _answer_loss(model, batch, device)

    def evaluate() -> Mapping[str, float]:
        model.eval()
        total, tokens = 0.0, 0
        with torch.inference_mode():
            for start in range(0, len(dev), 8):
                batch = dev[start : start + 8]
                count = sum(example.tokens - example.answer_start for example in batch)
                total += float(_answer_loss(model, batch, device)) * count
                tokens += count
        return {"dev_loss": total / tokens}

    def save(partial: Path) -> None:
        save_lora(model, partial, base=config.base)
        described = {"base": config.base, "base_sha256": base_hash(config.base), "system": config.system}
        write_json(partial / "collegium.json", {"method": "answer", **described})

    scores = fit(
        run,
        config,
        make_batches(examples, config),
        trainable,
        loss_of=loss_of,
        evaluate=evaluate,
        criterion=("dev_loss",),
        save=save,
        progress=progress,
    )
    metrics = {"examples": len(examples), "too_long": too_long, "dev_examples": len(dev), **scores}
    run.finish(metrics, training_card("Answer adapter", run.described, metrics, run.folder / "curves.jsonl"))
    return metrics


def _examples(paths: Sequence[Path], tokenizer: Any, config: AnswerConfig) -> tuple[list[Example], int]:
    """Token ids of all rows that fit, and how many did not."""
    template = prompts.load("evidence")
    found: list[Example] = []
    too_long = 0
    for path in paths:
        for row in read_jsonl(path, required=("question", "evidence", "answer")):
            turns = [
                {"role": "system", "content": config.system},
                {
                    "role": "user",
                    "content": template.render(evidence=row["evidence"], question=row["question"]),
                },
            ]
            text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
            prompt: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
            answer: list[int] = [
                *tokenizer(row["answer"], add_special_tokens=False)["input_ids"],
                tokenizer.eos_token_id,
            ]
            if len(prompt) + len(answer) > config.max_tokens:
                too_long += 1
            else:
                found.append(Example((*prompt, *answer), len(prompt)))
    return found, too_long


def _answer_loss(model: Any, batch: Sequence[Example], device: torch.device) -> torch.Tensor:
    """Mean cross-entropy over the answers' tokens of a batch."""
    import torch

    width = max(example.tokens for example in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)  # (examples, width), padded on the right
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    for row, example in enumerate(batch):
        ids[row, : example.tokens] = torch.tensor(example.ids)
        mask[row, : example.tokens] = 1
        for column in range(example.answer_start, example.tokens):
            rows.append(row)
            columns.append(column - 1)  # the state before a token predicts it
            targets.append(example.ids[column])
    inner = model.get_base_model()
    hidden = inner.model(input_ids=ids.to(device), attention_mask=mask.to(device)).last_hidden_state
    logits = inner.get_output_embeddings()(hidden[rows, columns]).float()  # (answer tokens, vocabulary)
    return torch.nn.functional.cross_entropy(logits, torch.tensor(targets, device=device))
