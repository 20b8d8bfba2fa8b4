"""Saving a LoRA adapter in PEFT's format, in bf16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from skills.files import write_json


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
