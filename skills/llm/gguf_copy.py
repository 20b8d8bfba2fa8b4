"""A GGUF base in the form that computes fastest: what has no fast kernel on a CPU becomes 8-bit, once, and is kept.

llama.cpp multiplies matrices block by block for some types only. Q4_1 and Q5_1 have no such kernel: every token of a
prompt reads every weight anew. The feed-forward layers, three quarters of the work, are rewritten as Q8_0. Attention
stays as it is: rewritten too it costs exactness (decision 0012) and gains nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skills.errors import ModelError
from skills.files import atomic_file
from skills.home import cache_folder

if TYPE_CHECKING:
    from gguf import ReaderTensor

LARGEST = 512 * 2**20
"""Bytes of a base that is copied; a larger one would cost more memory than the speed is worth."""

_SLOW = ("Q4_1", "Q5_1")
_REWRITTEN = ".ffn_"
"""In the names of the tensors that are."""
_FORMAT = "2"
"""Part of the copy's name: raise it when the written bytes change."""


def fast_copy(base: Path, base_hash: str) -> Path:
    """The copy of a base, written at the first call (3 s for 90 MB); the base itself where none is needed.

    Raises ModelError for a file that cannot be read.
    """
    if base.stat().st_size > LARGEST:
        return base
    target = cache_folder("bases") / f"{base.stem}-{base_hash[:12]}-{_FORMAT}.gguf"
    if target.is_file():
        return target
    from gguf import GGUFReader

    try:
        reader = GGUFReader(base)
    except Exception as error:
        raise ModelError(f"{str(base)!r} is not a whole GGUF file: {error}", subject=base) from error
    if not any(_rewritten(tensor) for tensor in reader.tensors):
        return base
    with atomic_file(target) as partial:
        _write(reader, partial)
    return target


def _rewritten(tensor: ReaderTensor) -> bool:
    return tensor.tensor_type.name in _SLOW and _REWRITTEN in tensor.name


def _write(reader: object, path: Path) -> None:
    """Everything of the file, feed-forward tensors of slow types as Q8_0."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants

    assert isinstance(reader, GGUFReader)  # noqa: S101  (typed so that gguf is imported where it is needed)
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    writer = GGUFWriter(path, str(fields.pop("general.architecture").contents()))
    for name, field in fields.items():
        kind, *inner = field.types
        subtype = inner[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=subtype)
    for tensor in reader.tensors:
        kind, data = tensor.tensor_type, tensor.data
        if _rewritten(tensor):
            data = quants.quantize(quants.dequantize(data, kind), GGMLQuantizationType.Q8_0)
            kind = GGMLQuantizationType.Q8_0
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
