"""Tiny models made once for all engine tests of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.llm.servers import llama_server
from tests.llm.tiny import make_adapter, make_model, write_gguf


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def tiny_llama(tiny_root: Path) -> Path:
    """Hugging Face folder of a random Llama."""
    return make_model(tiny_root / "llama", "llama")


@pytest.fixture(scope="session")
def tiny_qwen2(tiny_root: Path) -> Path:
    """Hugging Face folder of a random Qwen2 (biases in attention, rotary halves not interleaved)."""
    return make_model(tiny_root / "qwen2", "qwen2")


@pytest.fixture(scope="session")
def tiny_llama_gguf(tiny_root: Path, tiny_llama: Path) -> Path:
    return write_gguf(tiny_root / "llama.gguf", tiny_llama)


@pytest.fixture(scope="session")
def tiny_qwen2_gguf(tiny_root: Path, tiny_qwen2: Path) -> Path:
    return write_gguf(tiny_root / "qwen2.gguf", tiny_qwen2)


@pytest.fixture(scope="session")
def tiny_adapters(tiny_root: Path, tiny_llama: Path) -> dict[str, Path]:
    """Two different adapters on the tiny Llama, saying nothing of their base."""
    return {
        "red": make_adapter(tiny_root / "red", tiny_llama, seed=1),
        "blue": make_adapter(tiny_root / "blue", tiny_llama, seed=2, use_rslora=True),
    }


@pytest.fixture(scope="session")
def tiny_server(tiny_root: Path, tiny_llama_gguf: Path, tiny_adapters: dict[str, Path]) -> Iterator[str]:
    """Address of a llama.cpp server of the tiny Llama: adapter 0 is "red", 1 "blue"."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLLEGIUM_HOME", str(tiny_root / "home"))
        with llama_server(tiny_llama_gguf, tiny_adapters, context=256) as address:
            yield address
