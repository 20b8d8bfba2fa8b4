"""The type that torch computes in follows what the processor can do."""

from __future__ import annotations

import pytest
import torch

from skills.llm.precision import fast_dtype


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bfloat16_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, device: str, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert fast_dtype(torch.device(device)) is expected
