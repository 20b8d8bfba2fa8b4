"""Every engine passes the contract suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from skills.llm import Endpoint, Engine
from skills.llm.llamacpp import LlamaCppEngine
from skills.llm.remote import RemoteEngine
from skills.llm.scripted import ScriptedEngine, UnexpectedCall
from skills.llm.torch_engine import TorchEngine
from tests.llm.contract import ASK, EngineContract, text_of
from tests.llm.servers import VllmServer


class TestScriptedEngine(EngineContract):
    computes_here = False
    reads_adapters = False

    @pytest.fixture
    def engine(self) -> Engine:
        return ScriptedEngine(["The loan is owed, and so is its interest."] * 60)


class TestLlamaCppEngine(EngineContract):
    @pytest.fixture
    def engine(self, tiny_llama_gguf: Path) -> Iterator[Engine]:
        engine = LlamaCppEngine(str(tiny_llama_gguf), context=256, threads=1)
        yield engine
        engine.close()


class TestTorchEngine(EngineContract):
    @pytest.fixture
    def engine(self, tiny_llama: Path) -> Iterator[Engine]:
        engine = TorchEngine(str(tiny_llama), context=256, threads=1, device="cpu")
        yield engine
        engine.close()


class TestRemoteLlamaCpp(EngineContract):
    """llama.cpp's own HTTP server, asked directly: its adapters are those it was started with."""

    computes_here = False
    takes_adapters = False

    @pytest.fixture
    def engine(self, tiny_server: str) -> Iterator[Engine]:
        engine = RemoteEngine(Endpoint(tiny_server, adapters={"red": 0, "blue": 1}))
        yield engine
        engine.close()


class TestRemoteVllm(EngineContract):
    """The same server behind vLLM's names: adapters are loaded and replaced while it runs."""

    computes_here = False

    @pytest.fixture
    def engine(self, tiny_server: str, tiny_adapters: dict[str, Path]) -> Iterator[Engine]:
        with VllmServer(tiny_adapters.values(), tiny_server) as server:
            engine = RemoteEngine(Endpoint(server.url))
            yield engine
            engine.close()


def test_the_script_fails_on_a_call_too_many_and_on_steps_left_over() -> None:
    engine = ScriptedEngine(["one", "two"])
    assert text_of(engine, ASK) == "one"
    with pytest.raises(UnexpectedCall, match="'two'"):
        engine.assert_done()
    assert text_of(engine, ASK) == "two"
    engine.assert_done()
    with pytest.raises(UnexpectedCall, match="call 3"):
        text_of(engine, ASK)
    assert engine.requests == [ASK] * 3


def test_a_script_may_raise_and_compute() -> None:
    engine = ScriptedEngine([ValueError("as scripted"), lambda request: request.turns[-1].text.upper()])
    with pytest.raises(ValueError, match="as scripted"):
        text_of(engine, ASK)
    assert text_of(engine, ASK) == "WHAT IS OWED?"
