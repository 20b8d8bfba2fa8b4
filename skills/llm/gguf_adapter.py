"""PEFT LoRA adapters as GGUF files for llama.cpp, exported once and cached.

A module's matrices become ``<llama.cpp's tensor name>.lora_a`` (rank, in) and ``.lora_b`` (out, rank).
llama.cpp stores the rows of q_proj and k_proj of Llama-type models in another order (rotary halves
interleaved per head); the rows of their lora_b are permuted in the same way. Format and permutation follow
llama.cpp's ``convert_lora_to_gguf.py`` and ``LlamaModel.permute``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skills.errors import ModelError
from skills.files import atomic_file, sha256_text
from skills.home import cache_folder
from skills.llm.adapter_files import AdapterFiles, Array
from skills.llm.gguf_header import GgufHeader, read_header

_FORMAT = "2"
"""Part of the cache key: raise it when the exported bytes change."""

_PERMUTED = {"llama": True, "qwen2": False, "qwen3": False, "gemma": False, "gemma2": False, "gemma3": False}
"""Architectures that can be exported -> whether their q and k rows are permuted in GGUF files."""


def export(adapter: AdapterFiles, base: Path, base_hash: str) -> Path:
    """The adapter as a GGUF file for a GGUF base.

    Raises ModelError when a tensor has no counterpart of the right shape in the base.
    """
    key = sha256_text(_FORMAT, adapter.digest, base_hash)
    target = cache_folder("adapters") / f"{key[:32]}.gguf"
    if not target.is_file():
        header = read_header(base)
        tensors = convert(adapter, header)
        with atomic_file(target) as partial:
            _write(partial, tensors, header.architecture)
    return target


def convert(adapter: AdapterFiles, base: GgufHeader) -> dict[str, Array]:
    """GGUF tensor name -> matrix, with each module's scaling in its lora_b."""
    from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, get_tensor_name_map

    if base.architecture not in _PERMUTED:
        raise ModelError(
            f"adapters for architecture {base.architecture!r} cannot be used with llama.cpp here; known: "
            f"{', '.join(sorted(_PERMUTED))}. Use the torch engine (COLLEGIUM_ENGINE=torch)",
            subject=adapter.folder,
        )
    architecture = next(arch for arch in MODEL_ARCH if MODEL_ARCH_NAMES[arch] == base.architecture)
    names = get_tensor_name_map(architecture, base.integer("block_count"))
    result: dict[str, Array] = {}
    for module, (low, high) in sorted(adapter.tensors().items()):
        name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        expected = (high.shape[0], low.shape[1])  # (out, in)
        if name is None or base.tensors.get(name) != expected:
            raise ModelError(
                f"adapter {str(adapter.folder)!r}: {module!r} of shape {expected} does not fit the base, "
                f"which has {base.tensors.get(name or '', 'no such tensor')}; it is for another base model",
                subject=adapter.folder,
            )
        rank = low.shape[0]
        high = high * np.float32(adapter.scaling(module, rank))
        if _PERMUTED[base.architecture] and module.endswith(("q_proj", "k_proj")):
            heads = base.integer("attention.head_count")
            if module.endswith("k_proj"):
                heads = int(base.metadata.get(f"{base.architecture}.attention.head_count_kv", heads))
            high = permute(high, heads)
        result[f"{name}.lora_a"] = low
        result[f"{name}.lora_b"] = high
    if not result:
        raise ModelError(f"adapter {str(adapter.folder)!r} holds no LoRA matrix", subject=adapter.folder)
    return result


def permute(rows: Array, heads: int) -> Array:
    """Rows (out, rank) of a query or key projection in llama.cpp's order."""
    out, rank = rows.shape
    halves = rows.reshape(heads, 2, out // heads // 2, rank)  # (head, half, pair, rank)
    return halves.swapaxes(1, 2).reshape(out, rank)  # (head, pair, half, rank)


def _write(path: Path, tensors: Mapping[str, Array], architecture: str) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 0.0)  # 0: llama.cpp multiplies by 1; the scaling is in lora_b
    for name, matrix in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(matrix))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
