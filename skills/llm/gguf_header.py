"""The head of a GGUF file: metadata, tensor shapes, and the few tokens that a prompt is built from.

Reads only what is needed to know a base model, which takes milliseconds where a full reader takes seconds.
Format: the GGUF specification, versions 2 and 3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
_CONTROL = 3
"""Token type of marks such as "<|im_end|>"."""
_TOKENS, _TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class GgufHeader:
    metadata: Mapping[str, Value]
    """Without arrays."""
    tensors: Mapping[str, tuple[int, ...]]
    """Shape by name, outermost dimension first (as numpy and torch have it; the file has it reversed)."""
    control_tokens: tuple[str, ...]
    bos_token: str
    """Empty if there is none, as ``eos_token``."""
    eos_token: str

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def integer(self, key: str) -> int:
        """A number of this architecture: ``integer("attention.head_count")``."""
        return int(self.metadata[f"{self.architecture}.{key}"])


def read_header(path: Path) -> GgufHeader:
    """Read a GGUF file's head. Raises ModelError when it is not one or ends early."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error}", subject=path) from error
    except (struct.error, UnicodeDecodeError, KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{str(path)!r} is not a whole GGUF file: {error}", subject=path) from error


class _Reader:
    """A position in the file's bytes. Each method reads one thing and moves behind it."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0
        self._arrays: dict[str, tuple[int, int]] = {}  # key -> (position of the first element, count)

    def header(self) -> GgufHeader:
        if self._data[:4] != b"GGUF":
            raise ValueError("it does not start with 'GGUF'")
        self._at = 4
        version, tensor_count, pair_count = self._number("<I"), self._number("<Q"), self._number("<Q")
        if version not in (2, 3):
            raise ValueError(f"version {version} is not known")
        metadata: dict[str, Value] = {}
        for _ in range(pair_count):
            key = self._string()
            kind = self._number("<I")
            if kind == _ARRAY:
                self._skip_array(key)
            else:
                metadata[key] = self._string() if kind == _STRING else self._number(_SCALARS[kind])
        tensors: dict[str, tuple[int, ...]] = {}
        for _ in range(tensor_count):
            name = self._string()
            shape = [self._number("<Q") for _ in range(self._number("<I"))]
            tensors[name] = tuple(reversed(shape))
            self._at += 12  # type and offset
        bos, eos = (metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
        controls = [number for number, kind in enumerate(self._types()) if kind == _CONTROL]
        wanted = {*controls, *(number for number in (bos, eos) if isinstance(number, int))}
        tokens = self._tokens(wanted)
        return GgufHeader(
            metadata,
            tensors,
            tuple(tokens[number] for number in controls),
            tokens[bos] if isinstance(bos, int) else "",
            tokens[eos] if isinstance(eos, int) else "",
        )

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _string(self) -> str:
        length = self._number("<Q")
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def _skip_array(self, key: str) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        self._arrays[key] = (self._at, count)
        if kind in _SCALARS:
            self._at += struct.calcsize(_SCALARS[kind]) * count
        elif kind == _STRING:
            data, at, length_of = self._data, self._at, struct.Struct("<Q").unpack_from
            for _ in range(count):  # a hundred thousand times for a usual vocabulary: kept tight
                at += 8 + length_of(data, at)[0]
            self._at = at
        else:
            raise ValueError(f"{key!r} is an array of arrays")

    def _types(self) -> tuple[int, ...]:
        at, count = self._arrays.get(_TYPES, (0, 0))
        return struct.unpack_from(f"<{count}i", self._data, at)

    def _tokens(self, wanted: set[int]) -> dict[int, str]:
        """The texts of some tokens."""
        self._at, count = self._arrays.get(_TOKENS, (0, 0))
        found: dict[int, str] = {}
        for number in range(min(count, max(wanted, default=-1) + 1)):
            if number in wanted:
                found[number] = self._string()
            else:
                self._at += self._number("<Q")
        return found
