"""In which floating-point type torch computes fastest without losing what training needs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

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


def fast_products(device: torch.device) -> AbstractContextManager[Any]:
    """Within it torch multiplies in that type and adds up in float32, whatever the weights are stored in.

    Weights that stay float32 are 1.6 times as fast to train on a CPU as weights that are bfloat16: there only products
    of matrices are native bfloat16.
    """
    import torch

    dtype = fast_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
