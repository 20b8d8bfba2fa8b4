"""The engine contract as a suite: subclass ``EngineContract`` and give it an engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from skills.errors import DataError, ModelError
from skills.files import write_json
from skills.llm import ChatTurn, Engine, GenerationRequest

ASK = GenerationRequest((ChatTurn("system", "answer"), ChatTurn("user", "what is owed?")), max_tokens=12)


def text_of(engine: Engine, request: GenerationRequest) -> str:
    return "".join(piece.text for piece in engine.stream(request))


class EngineContract:
    """Any engine passes this. ``engine`` has no adapter yet; ``adapters`` are two that fit its base."""

    reads_adapters = True
    """False for a fake that takes any adapter by its name."""
    computes_here = True
    """False for a fake, and where somebody else computes: how long that took is not known."""
    takes_adapters = True
    """False where somebody else decides which adapters there are; ``engine`` has ``adapters`` then."""

    @pytest.fixture
    def engine(self) -> Engine:
        raise NotImplementedError("a subclass gives its engine here")

    @pytest.fixture
    def adapters(self, tiny_adapters: dict[str, Path]) -> dict[str, Path]:
        return tiny_adapters

    def test_it_has_the_shape_of_an_engine(self, engine: Engine) -> None:
        assert isinstance(engine, Engine)
        assert engine.name
        assert len(engine.base_hash) == 64
        assert engine.adapters() == () or not self.takes_adapters

    def give(self, engine: Engine, adapters: dict[str, Path]) -> None:
        """Add adapters that the engine does not have already."""
        if self.takes_adapters:
            for name, folder in adapters.items():
                engine.add_adapter(name, folder)

    def test_the_last_piece_and_only_it_has_reason_and_counts(self, engine: Engine) -> None:
        *pieces, last = engine.stream(ASK)
        assert last.finish_reason in ("stop", "length")
        assert last.prompt_tokens > 3
        assert 0 < last.completion_tokens <= ASK.max_tokens
        assert pieces
        assert all(p.finish_reason == "" and p.text and not p.seconds for p in pieces)
        assert (last.seconds > 0) is self.computes_here

    def test_max_tokens_is_the_limit(self, engine: Engine) -> None:
        short = list(engine.stream(replace(ASK, max_tokens=2)))
        assert short[-1].finish_reason == "length"
        assert short[-1].completion_tokens == 2
        assert text_of(engine, ASK).startswith("".join(piece.text for piece in short))

    def test_generation_ends_before_a_stop_string(self, engine: Engine) -> None:
        whole = text_of(engine, ASK)
        assert len(whole) > 8
        stop = whole[3:5]
        *pieces, last = engine.stream(replace(ASK, stop=(stop, "never in it")))
        assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
        assert last.finish_reason == "stop"

    def test_the_same_request_gives_the_same_pieces_whatever_ran_before(
        self, engine: Engine, adapters: dict[str, Path]
    ) -> None:
        self.give(engine, adapters)
        requests = [replace(ASK, adapter=name) for name in (None, *adapters)]
        cold = [list(engine.stream(request)) for request in requests]
        for order in ([0, 1, 0, 2], [2, 1, 2, 0], [1, 1, 0, 0]):
            for place in order:
                assert list(engine.stream(requests[place])) == cold[place]

    def test_streams_read_by_turns_do_not_mix(self, engine: Engine, adapters: dict[str, Path]) -> None:
        self.give(engine, adapters)
        requests = [replace(ASK, adapter=name) for name in (None, *adapters)]
        alone = [text_of(engine, request) for request in requests]
        streams = [engine.stream(request) for request in requests]
        texts = [""] * len(streams)
        for _ in range(ASK.max_tokens + 1):
            for place, stream in enumerate(streams):
                piece = next(stream, None)
                texts[place] += piece.text if piece else ""
        assert texts == alone

    def test_it_may_be_called_from_several_threads(self, engine: Engine, adapters: dict[str, Path]) -> None:
        self.give(engine, adapters)
        requests = [replace(ASK, adapter=name) for name in (None, *adapters)] * 3
        alone = [text_of(engine, request) for request in requests]
        with ThreadPoolExecutor(len(requests)) as threads:
            assert list(threads.map(lambda request: text_of(engine, request), requests)) == alone

    def test_a_closed_stream_leaves_the_engine_usable(self, engine: Engine) -> None:
        whole = text_of(engine, ASK)
        for _ in range(3):
            stream = engine.stream(ASK)
            next(stream)
            stream.close()
        assert text_of(engine, ASK) == whole

    def test_sampling_repeats_with_its_seed(self, engine: Engine) -> None:
        warm = replace(ASK, temperature=1.5, seed=7)
        assert text_of(engine, warm) == text_of(engine, warm)

    def test_log_probabilities_are_sorted_and_lead_with_the_greedy_token(self, engine: Engine) -> None:
        found = engine.next_token_logprobs(ASK, 5)
        values = list(found.values())
        assert 1 <= len(values) <= 5
        assert values == sorted(values, reverse=True)
        assert values[0] <= 0
        text = text_of(engine, ASK)
        assert text[: len(next(iter(found)))] == next(iter(found))

    def test_adapters_are_listed_and_may_be_replaced(self, engine: Engine, adapters: dict[str, Path]) -> None:
        if not self.takes_adapters:
            pytest.skip("this engine takes no adapters")
        first, second = adapters.values()
        engine.add_adapter("b", first)
        engine.add_adapter("a", second)
        assert engine.adapters() == ("a", "b")
        text_of(engine, replace(ASK, adapter="a"))
        engine.add_adapter("a", first)
        assert engine.adapters() == ("a", "b")
        if self.reads_adapters:
            asked = [replace(ASK, adapter=name) for name in ("a", "b")]
            assert text_of(engine, asked[0]) == text_of(engine, asked[1])

    def test_an_unknown_adapter_is_refused_with_the_known_names(
        self, engine: Engine, adapters: dict[str, Path]
    ) -> None:
        self.give(engine, {"known": next(iter(adapters.values()))})
        with pytest.raises(ModelError, match=r"no adapter 'other'; .*known"):
            next(engine.stream(replace(ASK, adapter="other")))

    def test_a_bad_adapter_is_refused_and_the_engine_goes_on(
        self, engine: Engine, adapters: dict[str, Path], tmp_path: Path
    ) -> None:
        if not self.reads_adapters or not self.takes_adapters:
            pytest.skip("this engine takes adapters by their name only, or none")
        good = next(iter(adapters.values()))
        before = text_of(engine, ASK)
        with pytest.raises(DataError, match="adapter_model"):
            engine.add_adapter("missing", tmp_path)
        for name, change in {"torn": 100, "empty": 0}.items():
            broken = tmp_path / name
            broken.mkdir()
            (broken / "adapter_config.json").write_bytes((good / "adapter_config.json").read_bytes())
            (broken / "adapter_model.safetensors").write_bytes(
                (good / "adapter_model.safetensors").read_bytes()[:change]
            )
            with pytest.raises(DataError, match="damaged"):
                engine.add_adapter(name, broken)
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        for file in good.iterdir():
            (foreign / file.name).write_bytes(file.read_bytes())
        write_json(foreign / "collegium.json", {"base_sha256": "f" * 64})
        with pytest.raises(ModelError, match=f"{'f' * 12}.*{engine.base_hash[:12]}"):
            engine.add_adapter("foreign", foreign)
        assert engine.adapters() == ()
        assert text_of(engine, ASK) == before

    def test_a_prompt_beyond_the_context_is_refused_before_the_first_piece(self, engine: Engine) -> None:
        if not self.reads_adapters:
            pytest.skip("a fake has no context")
        long = replace(ASK, turns=(ChatTurn("user", "what is owed? " * 400),))
        with pytest.raises(ModelError, match=r"prompt has \d+ tokens"):
            next(engine.stream(long))
        assert text_of(engine, ASK)

    def test_a_closed_engine_says_so(self, engine: Engine) -> None:
        text_of(engine, ASK)
        engine.close()
        engine.close()
        with pytest.raises(ModelError, match="closed"):
            next(engine.stream(ASK))
