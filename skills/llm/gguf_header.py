"""The head of a GGUF file: its metadata and the shapes of its tensors.

Reads only what is needed to know a base model: arrays (vocabulary, merges) are passed over, so that it takes
milliseconds where a full reader takes seconds. Format: the GGUF specification, version 2 and 3.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from skills.errors import ModelError

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufHeader:
    metadata: Mapping[str, str | int | float | bool]
    """Without arrays."""
    tensors: Mapping[str, tuple[int, ...]]
    """Shape by name, outermost dimension first (as numpy and torch have it; the file has it reversed)."""

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def integer(self, key: str) -> int:
        """A number of this architecture: ``integer("attention.head_count")``."""
        return int(self.metadata[f"{self.architecture}.{key}"])


def read_header(path: Path) -> GgufHeader:
    """Read a GGUF file's head. Raises ModelError when it is not one or ends early."""
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error}", subject=path) from error
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ModelError(f"{str(path)!r} is not a whole GGUF file: {error}", subject=path) from error


def _read(stream: BinaryIO) -> GgufHeader:
    if stream.read(4) != b"GGUF":
        raise ValueError("it does not start with 'GGUF'")
    version, tensor_count, pair_count = struct.unpack("<IQQ", stream.read(20))
    if version not in (2, 3):
        raise ValueError(f"version {version} is not known")
    metadata: dict[str, str | int | float | bool] = {}
    for _ in range(pair_count):
        key = _string(stream)
        value = _value(stream, _number(stream, "<I"))
        if value is not None:
            metadata[key] = value
    tensors: dict[str, tuple[int, ...]] = {}
    for _ in range(tensor_count):
        name = _string(stream)
        dimensions = _number(stream, "<I")
        tensors[name] = struct.unpack(f"<{dimensions}Q", stream.read(8 * dimensions))[::-1]
        stream.seek(12, 1)  # type and offset
    return GgufHeader(metadata, tensors)


def _number(stream: BinaryIO, form: str) -> int:
    return struct.unpack(form, stream.read(struct.calcsize(form)))[0]


def _string(stream: BinaryIO) -> str:
    return stream.read(_number(stream, "<Q")).decode()


def _value(stream: BinaryIO, kind: int) -> str | int | float | bool | None:
    """One metadata value; None for an array, which is passed over."""
    if kind == _STRING:
        return _string(stream)
    if kind != _ARRAY:
        return _number(stream, _SCALARS[kind])
    inner, count = _number(stream, "<I"), _number(stream, "<Q")
    if inner in _SCALARS:
        stream.seek(struct.calcsize(_SCALARS[inner]) * count, 1)
    else:
        for _ in range(count):
            if inner == _STRING:
                stream.seek(_number(stream, "<Q"), 1)
            else:
                _value(stream, inner)
    return None
