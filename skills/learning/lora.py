"""A LoRA adapter on a model: a fresh one or one to go on from; saved in PEFT's format, in bf16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from skills.errors import UserError
from skills.files import write_json
from skills.learning.loop import LoopConfig

if TYPE_CHECKING:
    import torch


class EncoderConfig(LoopConfig):
    """Settings of every method that tunes an encoder."""

    encoder: str = ""
    """A bundled encoder; "", where a method allows it: the multilingual one if a fifth of the rows is Chinese."""
    start: Path | None = None
    """Artefact to go on from, such as a shipped one for a domain of your own; None: a fresh LoRA and head. Its rank
    and alpha hold; a head for other labels begins anew."""
    learning_rate: float = Field(default=8e-4, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of the LoRA's inputs; drawing it takes longer on a CPU than all products. The encoder's own is off."""


def attach_lora(model: Any, lora: Any, start: Path | None) -> Any:
    """The model with a trainable adapter: that of folder ``start``, or a fresh one of the LoraConfig ``lora``.

    Raises UserError when ``start`` holds no adapter or one of another model.
    """
    from peft import PeftModel, get_peft_model

    if start is None:
        return get_peft_model(model, lora)
    if not (start / "adapter_config.json").is_file():
        raise UserError(
            f"start {str(start)!r} holds no adapter; expected a folder with adapter_config.json, such as RUN/best",
            subject=start,
        )
    try:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"start {str(start)!r} does not fit this model: {error}", subject=start) from error


def lora_encoder(folder: Path, config: EncoderConfig, device: torch.device) -> Any:
    """The BERT encoder of a folder, float32, with a trainable LoRA on all its linear layers.

    Attention is spelled out: on a CPU the fused kernel's way back takes twice as long for texts this short.
    """
    import torch
    from peft import LoraConfig
    from transformers import AutoModel

    encoder: Any = AutoModel.from_pretrained(
        folder,
        dtype=torch.float32,
        add_pooling_layer=False,
        attn_implementation="eager",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=["query", "key", "value", "dense"],
    )
    return attach_lora(encoder.to(device), lora, config.start)


def save_lora(model: Any, folder: Path, *, base: str) -> None:
    """Write ``adapter_model.safetensors`` (bf16) and ``adapter_config.json`` of a PEFT model into ``folder``."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = get_peft_model_state_dict(model)
    tensors = {name: value.detach().to(torch.bfloat16).cpu().contiguous() for name, value in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors")

    def plain(value: object) -> object:
        return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)

    described = json.loads(json.dumps(model.peft_config["default"].to_dict(), default=plain))
    write_json(
        folder / "adapter_config.json", described | {"base_model_name_or_path": base, "inference_mode": True}
    )
