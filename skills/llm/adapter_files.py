"""A LoRA adapter on disk: PEFT's two files and our ``collegium.json`` beside them.

    adapter_config.json          PEFT's settings: rank, alpha, target modules
    adapter_model.safetensors    tensors ``base_model.model.<module>.lora_A|B.weight``
    collegium.json               {"base_sha256": ..., ...} from training; adapters from elsewhere have none

Reads and checks; knows no engine and does not import torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skills.errors import DataError, ModelError
from skills.files import read_json, sha256_file, sha256_text

RECORD = "collegium.json"
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_DTYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64}

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """An adapter whose files are whole and made for the base they were checked against."""

    folder: Path
    digest: str
    """sha256 over configuration and tensors."""
    config: Mapping[str, Any]

    def scaling(self, module: str, rank: int) -> float:
        """What ``lora_B @ lora_A`` of a module is multiplied by, as PEFT defines it."""
        patterns: Mapping[str, float] = self.config.get("alpha_pattern") or {}
        alpha = float(self.config.get("lora_alpha") or rank)
        for pattern, value in patterns.items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                alpha = float(value)
                break
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def tensors(self) -> dict[str, tuple[Array, Array]]:
        """Module -> (A of shape (rank, in), B of shape (out, rank)), float32.

        Raises DataError when the file is damaged, ModelError for parts a plain LoRA does not have.
        """
        from safetensors import SafetensorError, deserialize

        path = self.folder / "adapter_model.safetensors"
        try:
            entries = deserialize(path.read_bytes())
        except (SafetensorError, OSError) as error:
            raise DataError(f"{str(path)!r} is damaged: {error}", subject=path) from error
        sides: dict[str, dict[str, Array]] = {}
        for name, entry in entries:
            match = _KEY.fullmatch(name)
            if match is None:
                raise ModelError(
                    f"{str(path)!r} holds {name!r}, which is no LoRA matrix; expected a plain LoRA adapter "
                    "(no saved modules, no DoRA, no trained embeddings)",
                    subject=path,
                )
            sides.setdefault(match["module"], {})[match["side"]] = _array(entry)
        for module, pair in sides.items():
            if set(pair) != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1]:
                raise DataError(f"{str(path)!r}: lora_A and lora_B of {module!r} do not fit", subject=path)
        return {module: (pair["A"], pair["B"]) for module, pair in sides.items()}


def _array(entry: Mapping[str, Any]) -> Array:
    """A safetensors entry as float32; numpy knows no bfloat16, whose bits are the upper half of a float32."""
    shape, dtype, data = entry["shape"], entry["dtype"], bytes(entry["data"])
    if dtype == "BF16":
        raw = np.frombuffer(data, dtype="<u2").astype("<u4") << 16
        return raw.view(np.float32).reshape(shape)
    if dtype not in _DTYPES:
        raise ModelError(f"a LoRA matrix of type {dtype} is not supported; expected F32, F16 or BF16")
    return np.frombuffer(data, dtype=_DTYPES[dtype]).astype(np.float32).reshape(shape)


def read_adapter(name: str, folder: Path, base_hash: str) -> AdapterFiles:
    """Check an adapter against a base.

    Raises DataError when a file is missing or unreadable, and ModelError when it is not a LoRA or
    was trained on another base (naming both).
    """
    weights = folder / "adapter_model.safetensors"
    if not folder.is_dir() or not weights.is_file():
        raise DataError(
            f"adapter {name!r}: {str(folder)!r} has no {weights.name!r}; expected a PEFT LoRA folder "
            "(made by: collegium train answer ...)",
            subject=folder,
        )
    config = read_json(folder / "adapter_config.json")
    kind = config.get("peft_type")
    if kind != "LORA" or config.get("use_dora") or config.get("bias", "none") != "none":
        raise ModelError(
            f"adapter {name!r} is of type {kind!r} or uses DoRA or biases; expected a plain LoRA",
            subject=folder,
        )
    if (folder / RECORD).is_file():
        recorded = str(read_json(folder / RECORD).get("base_sha256", ""))
        if recorded and recorded != base_hash:
            raise ModelError(
                f"adapter {name!r} was trained on base {recorded[:12]}..., but this engine runs base "
                f"{base_hash[:12]}...; retrain it (collegium train answer) or set COLLEGIUM_BASE to its base",
                subject=folder,
            )
    digest = sha256_text(sha256_file(folder / "adapter_config.json"), sha256_file(weights))
    return AdapterFiles(folder, digest, config)
