"""The type that torch computes in follows what the processor can do."""

from __future__ import annotations

import pytest
import torch

from skills.llm.precision import fast_dtype, fast_products


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bfloat16_only_where_it_is_native(
    monkeypatch: pytest.MonkeyPatch, device: str, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert fast_dtype(torch.device(device)) is expected


@pytest.mark.parametrize("native", [True, False])
def test_products_alone_are_of_that_type(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native)
    weight = torch.ones(2, 2, requires_grad=True)
    with fast_products(torch.device("cpu")):
        product = weight @ weight
    assert product.dtype is (torch.bfloat16 if native else torch.float32)
    product.float().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype is torch.float32
