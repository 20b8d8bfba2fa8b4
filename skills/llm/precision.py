"""In which floating-point type torch computes fastest without losing what training needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, else float32.

    On a CPU without such instructions (AVX2 alone) torch falls back to plain loops, 40 times slower than float32.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # what torch.compile asks too
    return torch.bfloat16 if native else torch.float32
