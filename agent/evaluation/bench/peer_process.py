"""Each peer in a process of its own, asked by turns.

In one process they hold each other up: OpenMP counts the threads of all models that were ever computed, and where those
are more than the cores it waits at each of the hundreds of barriers of a token by sleeping instead of spinning. A
second llama.cpp in a process halves the speed of the first.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.evaluation.bench import peers
from agent.evaluation.bench.peers import Peer, Timing
from skills.errors import ModelError
from skills.llm.engine import GenerationRequest
from skills.llm.llamacpp import LlamaCppEngine

Batch = Callable[[Sequence[GenerationRequest]], Timing]
"""Answers requests and sums up what they took."""


def _each(answer: Peer) -> Batch:
    def answer_all(requests: Sequence[GenerationRequest]) -> Timing:
        timings = [answer(request) for request in requests]
        sums = (sum(t.first for t in timings), sum(t.total for t in timings))
        return Timing(*sums, sum(t.tokens for t in timings), requests=len(timings))

    return answer_all


def _ours(base: str, adapters: Mapping[str, Path], threads: int, *, speculation: bool) -> Batch:
    engine = LlamaCppEngine(base, adapters, threads=threads, speculation=speculation)
    return _each(lambda request: peers.timed(engine, request))


def _without_adapter(base: str, adapters: Mapping[str, Path], threads: int) -> Batch:
    engine = LlamaCppEngine(base, adapters, threads=threads, speculation=False)
    return _each(lambda request: peers.timed(engine, replace(request, adapter=None)))


def _set_adapter(base: str, adapters: Mapping[str, Path]) -> Batch:
    from skills.llm.torch_engine import TorchEngine

    engine = TorchEngine(base, adapters, context=2048)
    return _each(lambda request: peers.timed(engine, request))


WAYS: Mapping[str, Callable[[str, Mapping[str, Path], int], Batch]] = {
    "collegium": lambda base, adapters, threads: _ours(base, adapters, threads, speculation=True),
    "collegium_without_speculation": lambda base, adapters, threads: _ours(
        base, adapters, threads, speculation=False
    ),
    "collegium_without_adapter": _without_adapter,
    "plain_llamacpp": lambda base, adapters, threads: _each(peers.plain_llamacpp(base, adapters, threads)),
    "plain_llamacpp_without_adapter": lambda base, _, threads: _each(peers.plain_llamacpp(base, {}, threads)),
    "peft_set_adapter": lambda base, adapters, _: _set_adapter(base, adapters),
    "peft_mixed_batch": lambda base, adapters, _: peers.mixed_batch(base, adapters),
    "langchain_transformers_pipeline": lambda base, adapters, _: _each(
        peers.langchain_pipeline(base, next(iter(adapters.values())))
    ),
}
"""By name what makes a peer of (base, adapters, threads), in its process."""


class PeerProcess:
    """A peer that answers in a process of its own; it is made at its first requests."""

    def __init__(self, way: str, base: str, adapters: Mapping[str, Path], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._way = way
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, way, base, dict(adapters), threads), daemon=True
        )
        self._process.start()
        theirs.close()

    def __call__(self, requests: Sequence[GenerationRequest]) -> Timing:
        """Raises ModelError with what went wrong in the process."""
        try:
            self._connection.send(list(requests))
            answer: Timing | str = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ModelError(f"the process of {self._way!r} ended: {error!r}") from error
        if isinstance(answer, str):
            raise ModelError(f"{self._way!r} failed: {answer}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # ends its loop
        self._process.join(5)
        self._process.terminate()


def _serve(connection: Connection, way: str, base: str, adapters: Mapping[str, Path], threads: int) -> None:
    batch: Batch | None = None
    while True:
        try:
            requests = connection.recv()
        except EOFError:
            return
        try:
            batch = batch or WAYS[way](base, adapters, threads)
            connection.send(batch(requests))
        except Exception as error:
            connection.send(repr(error))
