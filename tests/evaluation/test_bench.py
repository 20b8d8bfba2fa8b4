"""The soak finds what it looks for, and the figures are what they say."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.evaluation.bench.figures import ratio, spread
from agent.evaluation.bench.peer_process import PeerProcess
from agent.evaluation.bench.soak import soak
from skills.errors import ModelError
from skills.llm import ChatTurn, GenerationRequest, Piece
from skills.llm.llamacpp import LlamaCppEngine
from skills.llm.scripted import ScriptedEngine
from tests.llm.tiny import make_adapter, make_model, write_gguf


def test_a_soak_of_the_engine_is_clean(tmp_path: Path) -> None:
    """Tiny random weights, two adapters and none, prompts that share their beginnings, a short line."""
    model = make_model(tmp_path / "llama", "llama")
    adapters = {name: make_adapter(tmp_path / name, model, seed=seed) for seed, name in enumerate("ab")}
    gguf = str(write_gguf(tmp_path / "llama.gguf", model))
    engine = LlamaCppEngine(gguf, adapters, context=256, threads=1, waiting=3)
    start = "what is owed, what is taken, what is paid? " * 8
    kinds = [
        GenerationRequest((ChatTurn("user", f"{start}{word}"),), adapter=adapter, max_tokens=6)
        for word, adapter in itertools.product(("loan", "rate", "dose"), (None, "a", "b"))
    ]
    result = soak(engine, kinds, 200)
    assert engine.statistics.reused_tokens > 0
    engine.close()
    assert result.clean
    assert (result.requests, result.answered + result.cancelled) == (200, 200)
    assert 0 < result.cancelled < 60


class Mixing(ScriptedEngine):
    """Answers a request with another one's words now and then."""

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        self.requests.append(request)
        mixed = len(self.requests) % 10 == 0
        yield Piece("other" if mixed else request.turns[0].text)
        yield Piece("", "stop", 1, 1)


def test_a_soak_tells_answers_that_got_another_ones_words() -> None:
    kinds = [GenerationRequest((ChatTurn("user", word),)) for word in "abc"]
    result = soak(Mixing(), kinds, 97)
    assert not result.clean
    assert 1 <= len(result.crossed) <= 10
    assert result.answered + result.cancelled + len(result.crossed) == 97


def test_a_peer_answers_in_a_process_of_its_own(tmp_path: Path) -> None:
    model = make_model(tmp_path / "llama", "llama")
    gguf = str(write_gguf(tmp_path / "llama.gguf", model))
    adapters = {"a": make_adapter(tmp_path / "a", model, seed=1)}
    asked = [GenerationRequest((ChatTurn("user", "what is owed?"),), adapter="a", max_tokens=4)] * 2
    with PeerProcess("collegium", gguf, adapters, 1) as peer:
        timing = peer(asked)
        assert (timing.requests, timing.tokens > 0) == (2, True)
        assert 0 < timing.first <= timing.total
        with pytest.raises(ModelError, match=r"'collegium' failed: .*no adapter 'b'"):
            peer([replace(asked[0], adapter="b")])
        assert peer(asked[:1]).requests == 1  # it is still there
    with pytest.raises(ModelError, match="ended"):
        peer(asked)


def test_ratios_are_taken_round_by_round() -> None:
    assert spread([3, 1, 2]) == {"median": 2, "low": 1, "high": 3}
    assert ratio([10, 1], [5, 0.5]) == {"median": 2, "low": 2, "high": 2}
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0], [])


def test_figures_come_as_json_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.evaluation.bench.process.memory", lambda repeats: {"mb": spread([repeats])})
    done = CliRunner().invoke(app, ["bench", "memory", "--repeats", "2", "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["memory"] == {"mb": {"median": 2, "low": 2, "high": 2}}
    assert figures["machine"]["cores"] >= 1
