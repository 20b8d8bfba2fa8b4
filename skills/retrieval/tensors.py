"""Named arrays in a safetensors file, mapped when they are read: a large file loads at once, and in little memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError

_KINDS = {
    "I8": np.int8,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I32": np.int32,
    "I64": np.int64,
    "F32": np.float32,
}
"""The number types that stores are made of, by their safetensors names."""


def save_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a safetensors file."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, str(path))
    path.chmod(0o644)  # safetensors makes its files private


def load_tensors(path: Path, required: Iterable[str] = ()) -> dict[str, NDArray[Any]]:
    """Map the arrays of :func:`save_tensors`, read-only; the file may be removed while they are in use.

    Raises DataError when the file is not such a one, or lacks a required array.
    """
    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
        start = 8 + int.from_bytes(data[:8].tobytes(), "little")
        entries: dict[str, Any] = json.loads(data[8:start].tobytes())
        tensors: dict[str, NDArray[Any]] = {}
        for name, entry in entries.items():
            first, last = entry["data_offsets"]
            flat = data[start + first : start + last].view(_KINDS[entry["dtype"]])
            tensors[name] = flat.view(np.ndarray).reshape(entry["shape"])
    except Exception as error:  # any byte of a foreign file may be the first that makes no sense
        raise DataError(f"{path.name!r} holds no arrays of a store: {error!r}", subject=path) from error
    if missing := set(required) - set(tensors):
        raise DataError(f"{path.name!r} has no array {sorted(missing)[0]!r}", subject=path)
    return tensors
