"""`collegium train average`: one encoder or adapter from several that came from one another.

Each number of the result is the mean of theirs (model soups, Wortsman et al. 2022, arXiv:2203.05482): what one run
forgot another kept, and reading costs what one costs. Only of runs that started from one another or from one start:
the numbers of strangers mean different things.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from skills.errors import UserError
from skills.files import atomic_folder, read_json

_TENSORS = ("adapter_model.safetensors", "head.safetensors")
_ALIKE = ("adapter_config.json", "collegium.json")


def average(folders: Sequence[Path], out: Path) -> int:
    """Write the mean of ``folders``, each a ``best`` folder of a run, to ``out``; gives the count of numbers in it.

    Raises UserError where they are fewer than two, of different methods, encoders or shapes.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if len(folders) < 2:
        raise UserError("expected at least two folders to average; repeat --of")
    first, *others = folders
    for name in _ALIKE:
        for other in others:
            if (first / name).is_file() != (other / name).is_file() or (
                (first / name).is_file() and _essence(first / name) != _essence(other / name)
            ):
                raise UserError(f"{str(other / name)!r} differs from that of {str(first)!r}: not of one line")
    files = [name for name in _TENSORS if (first / name).is_file()]
    if not files:
        raise UserError(f"{str(first)!r}: expected {' or '.join(_TENSORS)}, found neither")
    count = 0
    with atomic_folder(out) as made:
        for path in first.iterdir():
            if path.is_file() and path.name in _ALIKE:
                shutil.copy(path, made / path.name)
        for name in files:
            for other in others:
                if not (other / name).is_file():
                    raise UserError(f"{str(other)!r} has no {name!r}, which {str(first)!r} has")
            parts = [load_file(folder / name) for folder in folders]
            shapes = {key: value.shape for key, value in parts[0].items()}
            if any({key: value.shape for key, value in part.items()} != shapes for part in parts[1:]):
                raise UserError(f"{name!r}: the tensors have different names or shapes: not of one line")
            mean = {
                key: torch.stack([part[key].float() for part in parts]).mean(0).to(value.dtype).contiguous()
                for key, value in parts[0].items()
            }
            save_file(mean, made / name)
            (made / name).chmod(0o644)  # safetensors makes its files private
            count += sum(value.numel() for value in mean.values())
    return count


def _essence(path: Path) -> object:
    """What has to be the same of a description: the order of the modules of an adapter does not count."""
    described = read_json(path)
    return {key: sorted(value) if key == "target_modules" else value for key, value in described.items()}
