"""The copy of a base that computes faster: the same model within a stated rounding, written once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, quants

from skills.errors import ModelError
from skills.llm.gguf_copy import fast_copy
from skills.llm.gguf_header import read_header
from skills.llm.llamacpp import LlamaCppEngine
from tests.llm.contract import ASK, text_of
from tests.llm.tiny import write_gguf


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    return write_gguf(
        tmp_path_factory.mktemp("slow") / "slow.gguf", tiny_llama, quantised=GGMLQuantizationType.Q4_1
    )


def test_slow_feed_forward_tensors_become_8_bit_and_all_else_stays(slow: Path, home: Path) -> None:
    copy = fast_copy(slow, "a" * 64)
    assert copy.is_relative_to(home)
    assert read_header(copy) == read_header(slow)
    before = {tensor.name: tensor for tensor in GGUFReader(slow).tensors}
    after = {tensor.name: tensor for tensor in GGUFReader(copy).tensors}
    assert list(before) == list(after)
    kinds = {tensor.tensor_type.name for tensor in before.values()}
    assert kinds == {"Q4_1", "F32"}
    for name, tensor in before.items():
        if tensor.tensor_type.name == "F32" or ".ffn_" not in name:
            assert after[name].tensor_type == tensor.tensor_type
            assert np.array_equal(after[name].data, tensor.data)
            continue
        assert after[name].tensor_type == GGMLQuantizationType.Q8_0
        old = quants.dequantize(tensor.data, tensor.tensor_type).reshape(-1, 32)
        new = quants.dequantize(after[name].data, after[name].tensor_type).reshape(-1, 32)
        step = np.abs(old).max(axis=1, keepdims=True) / 127  # itself rounded to float16
        assert (np.abs(new - old) <= 0.58 * step + 1e-6).all()


def test_it_is_written_once_and_only_where_it_helps(
    slow: Path, tiny_llama_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = fast_copy(slow, "a" * 64)
    written = copy.stat().st_mtime_ns
    assert fast_copy(slow, "a" * 64) == copy
    assert copy.stat().st_mtime_ns == written
    assert fast_copy(slow, "b" * 64) != copy
    assert fast_copy(tiny_llama_gguf, "a" * 64) == tiny_llama_gguf
    monkeypatch.setattr("skills.llm.gguf_copy.LARGEST", 1000)
    assert fast_copy(slow, "a" * 64) == slow


def test_a_torn_file_is_named(slow: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(slow.read_bytes()[:500])
    with pytest.raises(ModelError, match="torn"):
        fast_copy(torn, "c" * 64)


def test_the_engine_runs_the_copy_and_adapters_still_belong_to_the_original(slow: Path, home: Path) -> None:
    engine = LlamaCppEngine(str(slow), context=256, threads=1)
    assert text_of(engine, ASK)
    engine.close()
    assert [file.stem for file in (home / "cache" / "bases").iterdir()] == [f"slow-{engine.base_hash[:12]}-2"]
