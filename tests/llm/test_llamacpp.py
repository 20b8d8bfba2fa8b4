"""What is particular to the llama.cpp engine: schemas, late adapters, silence, closed doors, memory."""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.bench.prompts import grounded_requests
from skills import weights
from skills.errors import ModelError
from skills.llm import ChatTurn, GenerationRequest, Piece
from skills.llm.llamacpp import LlamaCppEngine, Statistics
from skills.llm.prefix import GRID
from skills.pack import discover
from tests.llm.contract import ASK, text_of

SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["verdict", "count"],
    "additionalProperties": False,
}


@pytest.fixture
def engine(tiny_llama_gguf: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine(str(tiny_llama_gguf), context=256, threads=1)
    yield engine
    engine.close()


def test_output_is_held_to_a_json_schema(engine: LlamaCppEngine) -> None:
    """Even of a model with random weights, and without a blank to spare."""
    text = text_of(engine, replace(ASK, json_schema=SCHEMA, max_tokens=60))
    value = json.loads(text)
    assert value["verdict"] in ("yes", "no")
    assert 1 <= value["count"] <= 9
    assert text == json.dumps(value, separators=(",", ":"))


def test_an_adapter_that_comes_late_leaves_running_requests_alone(
    engine: LlamaCppEngine, tiny_adapters: dict[str, Path]
) -> None:
    engine.add_adapter("swapped", tiny_adapters["red"])
    asked = replace(ASK, adapter="swapped", max_tokens=40)
    red = text_of(engine, asked)
    running = engine.stream(asked)
    begun = next(running).text
    engine.add_adapter("swapped", tiny_adapters["blue"])
    blue = text_of(engine, asked)
    assert begun + "".join(piece.text for piece in running) == red
    assert blue != red
    fresh = LlamaCppEngine(str(engine._path), {"one": tiny_adapters["blue"]}, context=256, threads=1)  # pyright: ignore
    assert text_of(fresh, replace(asked, adapter="one")) == blue
    fresh.close()


def test_an_exported_adapter_is_kept_and_used_again(
    engine: LlamaCppEngine, tiny_adapters: dict[str, Path], home: Path
) -> None:
    engine.add_adapter("red", tiny_adapters["red"])
    (exported,) = (home / "cache" / "adapters").iterdir()
    before = exported.stat().st_mtime_ns
    engine.add_adapter("again", tiny_adapters["red"])
    assert [path.stat().st_mtime_ns for path in exported.parent.iterdir()] == [before]


def test_an_adapter_of_another_shape_is_refused(
    engine: LlamaCppEngine, tiny_root: Path, tiny_qwen2: Path
) -> None:
    from tests.llm.tiny import make_adapter, make_model

    other = make_model(tiny_root / "wide", "llama", hidden_size=32)
    with pytest.raises(ModelError, match="does not fit the base"):
        engine.add_adapter("wide", make_adapter(tiny_root / "wide-adapter", other))


def test_it_is_silent_and_opens_no_port(tiny_llama_gguf: Path) -> None:
    """In a process of its own: nothing on the terminal, and no TCP socket that listens."""
    code = f"""
import sys
from pathlib import Path
from skills.llm import ChatTurn, GenerationRequest
from skills.llm.llamacpp import LlamaCppEngine
engine = LlamaCppEngine({str(tiny_llama_gguf)!r}, context=128, threads=1)
list(engine.stream(GenerationRequest((ChatTurn("user", "x"),), max_tokens=3)))
mine = {{str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_socket()}}
rows = [row.split() for kind in ("tcp", "tcp6") for row in Path("/proc/net", kind).open()]
listening = [row[1] for row in rows if row[3] == "0A" and f"socket:[{{row[9]}}]" in mine]
engine.close()
sys.exit(len(mine) == 0 or len(listening) > 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_lies_in_the_temporary_folder_while_it_runs(
    engine: LlamaCppEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text_of(engine, replace(ASK, max_tokens=2))
    assert not list(tmp_path.glob("collegium-*"))


def test_closing_gives_the_model_back_also_after_an_error(engine: LlamaCppEngine) -> None:
    """The C++ server goes when the last reference does: no cycle may keep it until a garbage collection."""
    gc.collect()
    gc.disable()
    try:
        threads = threading_count()
        text_of(engine, ASK)
        with pytest.raises(ModelError, match="prompt has"):
            text_of(engine, replace(ASK, turns=(ChatTurn("user", "what " * 900),)))
        stream = engine.stream(ASK)
        next(stream)
        stream.close()
        text_of(engine, ASK)
        assert threading_count() > threads
        engine.close()
        for _ in range(200):
            if threading_count() <= threads:
                break
            time.sleep(0.05)
        assert threading_count() <= threads
    finally:
        gc.enable()


def threading_count() -> int:
    """Threads of this process, those of C++ included."""
    return len(list(Path("/proc/self/task").iterdir()))


def random_requests(adapters: Iterable[str], count: int, seed: int) -> list[GenerationRequest]:
    """Requests that share beginnings of all lengths; now and then another adapter, or none."""
    draw = random.Random(seed)
    words = "the court may grant a loan to patient at rate of three percent".split()
    starts = [draw.choices(words, k=150) for _ in range(2)]
    requests: list[GenerationRequest] = []
    adapter: str | None = None
    for _ in range(count):
        if draw.random() < 0.4:
            adapter = draw.choice([None, *adapters])
        text = " ".join([*draw.choice(starts)[: draw.randrange(10, 150)], draw.choice(words)])
        requests.append(GenerationRequest((ChatTurn("user", text),), adapter=adapter, max_tokens=4))
    return requests


@pytest.mark.parametrize("warm", [1, 2])
def test_warm_answers_are_cold_answers_to_the_last_digit(
    tiny_llama_gguf: Path, tiny_adapters: dict[str, Path], warm: int
) -> None:
    """Random prompts and adapters, interleaved in one engine, against the same where nothing is ever kept."""
    asked = random_requests(tiny_adapters, 60, seed=warm)
    engine = LlamaCppEngine(str(tiny_llama_gguf), tiny_adapters, context=256, threads=1, warm=warm)
    cold: list[tuple[list[Piece], dict[str, float]]] = []
    for request in asked:
        # As many requests in between as contexts are kept, with another adapter: nothing is left to be reused.
        other = replace(ASK, adapter="red" if request.adapter != "red" else "blue", max_tokens=1)
        answers: list[Any] = []
        for ask in (lambda request: list(engine.stream(request)), lambda r: engine.next_token_logprobs(r, 5)):
            for _ in range(warm):
                text_of(engine, other)
            answers.append(ask(request))
        cold.append((answers[0], answers[1]))
    assert engine.statistics.reused_tokens == 0
    for request, (pieces, chances) in zip(asked, cold, strict=True):
        assert list(engine.stream(request)) == pieces
        assert engine.next_token_logprobs(request, 5) == chances
    assert engine.statistics.reused_tokens > 8 * GRID
    engine.close()


def test_statistics_count_what_ended_by_itself(engine: LlamaCppEngine) -> None:
    assert engine.statistics == Statistics()
    *_, last = engine.stream(ASK)
    stream = engine.stream(replace(ASK, max_tokens=200))  # so many that it has not ended when it is closed
    next(stream)
    stream.close()
    text_of(engine, replace(ASK, max_tokens=1))
    found = engine.statistics
    assert (found.requests, found.prompt_tokens) == (2, 2 * last.prompt_tokens)
    assert found.completion_tokens == last.completion_tokens + 1
    assert 0 <= found.accepted_tokens <= found.drafted_tokens


@pytest.mark.weights
class TestDefaultBase:
    @pytest.fixture
    def adapters(self) -> dict[str, Path]:
        return {pack.name: pack.adapter for pack in discover()[0] if pack.adapter is not None}

    def test_no_adapter_is_served_from_another_ones_cache(
        self, weights_home: Path, adapters: dict[str, Path]
    ) -> None:
        """Prompts that share a long beginning, asked cold (an engine each) and warm (interleaved in one)."""
        notes = "The rate of the loan is 4.5 percent a year. The dose is 500 mg twice a day. " * 3
        names = (None, *adapters)
        requests = [
            GenerationRequest(
                (ChatTurn("system", "Answer from the notes."), ChatTurn("user", f"{notes}\n{question}")),
                adapter=name,
                max_tokens=12,
            )
            for question in ("What is the rate?", "What is the dose?")
            for name in names
        ]
        cold: list[str] = []
        for request in requests:
            engine = LlamaCppEngine(weights.DEFAULT_BASE, adapters, context=512)
            cold.append(text_of(engine, request))
            engine.close()
        engine = LlamaCppEngine(weights.DEFAULT_BASE, adapters, context=512)
        for place in (*range(len(requests)), *reversed(range(len(requests)))):
            assert text_of(engine, requests[place]) == cold[place]
        engine.close()
        assert len(set(cold)) > 2

    def test_speculation_changes_no_word(self, weights_home: Path) -> None:
        """Real questions with their evidence, twelve of them, as the skills ask them."""
        packs = [pack for pack in discover()[0] if pack.adapter is not None]
        adapters = {pack.name: pack.adapter for pack in packs if pack.adapter is not None}
        asked = [request for pack in packs for request in grounded_requests(pack, 4)]
        texts: list[list[str]] = []
        for speculation in (False, True):
            engine = LlamaCppEngine(weights.DEFAULT_BASE, adapters, context=1024, speculation=speculation)
            texts.append([text_of(engine, request) for request in asked])
            assert (engine.statistics.drafted_tokens > 100) == speculation
            assert (engine.statistics.acceptance > 0.4) == speculation
            engine.close()
        assert len(asked) == 12
        assert texts[0] == texts[1]

    def test_a_warm_prompt_is_computed_for_its_last_step_only(
        self, weights_home: Path, adapters: dict[str, Path]
    ) -> None:
        engine = LlamaCppEngine(weights.DEFAULT_BASE, adapters, context=1024)
        notes = "The dose is 500 mg twice a day, taken with meals. " * 30
        request = GenerationRequest((ChatTurn("user", notes),), adapter="medical", max_tokens=6)
        cold = list(engine.stream(request))
        assert engine.statistics.reused_tokens == 0
        assert list(engine.stream(request)) == cold
        assert engine.statistics.reused_tokens == (cold[-1].prompt_tokens - 1) // GRID * GRID
        engine.close()

    def test_memory_is_small(self, weights_home: Path, adapters: dict[str, Path]) -> None:
        """The whole process with the base and all adapters, after a request."""
        code = f"""
import sys
from pathlib import Path
from skills.llm import ChatTurn, GenerationRequest, load_engine
engine = load_engine("llamacpp", {weights.DEFAULT_BASE!r}, {{name: Path(place) for name, place in
    { ({name: str(place) for name, place in adapters.items()})!r}.items()}})
for name in (None, *engine.adapters()):
    list(engine.stream(GenerationRequest((ChatTurn("user", "word " * 300),), max_tokens=4, adapter=name)))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
sys.exit("torch" in sys.modules)
"""
        environment = {**os.environ, "COLLEGIUM_HOME": str(weights_home)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < 450  # MiB
