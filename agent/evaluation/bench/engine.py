"""Speed of the engine next to its peers: the same prompts, adapters and base, in the same run, by turns."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from agent.evaluation.bench import peers
from agent.evaluation.bench.figures import ratio, spread
from agent.evaluation.bench.machine import bandwidth
from agent.evaluation.bench.peer_process import WAYS, PeerProcess
from agent.evaluation.bench.peers import Timing
from agent.evaluation.bench.prompts import grounded_requests
from skills import weights
from skills.errors import ModelError
from skills.llm.cores import default_threads
from skills.llm.engine import ChatTurn, GenerationRequest
from skills.llm.gguf_copy import fast_copy
from skills.llm.llamacpp import LlamaCppEngine
from skills.pack import Pack, discover

BASE = weights.DEFAULT_BASE
STREAMS = 8
"""Requests at once."""
ANSWER = 48
"""Longest answer in tokens; the slow peers set it."""
LONG = 1000
"""Tokens of the prompt that is read again, about."""


def engine(repeats: int) -> dict[str, Any]:
    """Grounded answers by every peer, warm and cold prompts, streams, and the memory's limit."""
    packs = [pack for pack in discover()[0] if pack.adapter is not None]
    if not packs:
        raise ModelError(
            "no pack with an adapter is installed; expected at least one (see: collegium domains)"
        )
    adapters = {pack.name: pack.adapter for pack in packs if pack.adapter is not None}
    threads = default_threads()
    answers = _answers(packs, adapters, threads, repeats)
    ours = LlamaCppEngine(BASE, adapters, threads=threads)
    try:
        figures = {
            "threads": threads,
            **answers,
            **_prompt_read_again(ours, packs[0].name, repeats),
            **_streams(ours, packs, repeats),
            "acceptance": round(ours.statistics.acceptance, 3),
        }
    finally:
        ours.close()
    moved = bandwidth()
    size = fast_copy(weights.ensure(BASE), weights.base_hash(BASE)).stat().st_size
    figures["memory_limit_tokens_per_s"] = round(moved / size, 1)
    figures["memory_bandwidth_gb_per_s"] = round(moved / 1e9, 1)
    return figures


def _answers(packs: Sequence[Pack], adapters: dict[str, Path], threads: int, repeats: int) -> dict[str, Any]:
    """Tokens a second of an answer, with the reading of its prompt and without; one question of each pack a round."""
    asked = [grounded_requests(pack, repeats + 1) for pack in packs]
    rounds = [[replace(row[number], max_tokens=ANSWER) for row in asked] for number in range(repeats + 1)]
    found: dict[str, list[Timing]] = {name: [] for name in WAYS}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(PeerProcess(name, BASE, adapters, threads)) for name in WAYS}
        for requests in rounds:
            for name, process in processes.items():
                found[name].append(process(requests))
    figures: dict[str, Any] = {}
    timings = {name: rows[1:] for name, rows in found.items()}  # the first round warms up
    for figure, value in (("tokens_per_s", _speed), ("decode_tokens_per_s", _decode)):
        mine = [value(timing) for timing in timings["collegium"]]
        for name, rows in timings.items():
            theirs = [value(timing) for timing in rows]
            if any(map(math.isnan, theirs)):  # it does not stream
                continue
            figures[f"{name}_{figure}"] = spread(theirs)
            if name != "collegium":
                figures[f"collegium_over_{name}_{figure}"] = ratio(mine, theirs)
    figures["adapter_over_plain_llamacpp_decode"] = ratio(
        [timing.decode for timing in timings["collegium_without_speculation"]],
        [timing.decode for timing in timings["plain_llamacpp_without_adapter"]],
    )
    firsts = [timing.first / timing.requests for timing in timings["collegium"]]
    figures["collegium_first_token_s"] = spread(firsts)
    return figures


def _speed(timing: Timing) -> float:
    return timing.speed


def _decode(timing: Timing) -> float:
    return timing.decode


def _prompt_read_again(ours: LlamaCppEngine, adapter: str, repeats: int) -> dict[str, Any]:
    """First token of a prompt of about LONG tokens, cold and again."""
    cold: list[float] = []
    warm: list[float] = []
    length = 0
    for number in range(repeats):
        text = f"Note {number}. " + "The dose is 500 mg twice a day, taken with meals. " * (LONG // 14)
        request = GenerationRequest((ChatTurn("user", text),), adapter=adapter, max_tokens=1)
        cold.append(peers.timed(ours, request).first)
        warm.append(peers.timed(ours, request).first)
        length = len(ours.prompt_tokens(request))
    return {
        "long_prompt_tokens": length,
        "cold_first_token_s": spread(cold),
        "warm_first_token_s": spread(warm),
        "warm_over_cold": ratio(warm, cold),
    }


def _streams(ours: LlamaCppEngine, packs: Sequence[Pack], repeats: int) -> dict[str, Any]:
    """Tokens a second of STREAMS requests at once, all adapters mixed and all of one."""
    per_pack = -(-STREAMS // len(packs))
    rows = [grounded_requests(pack, per_pack) for pack in packs]
    mixed = [replace(row[n], max_tokens=ANSWER // 2) for n in range(per_pack) for row in rows][:STREAMS]
    same = [replace(request, adapter=packs[0].name) for request in mixed]

    def total(requests: Sequence[GenerationRequest]) -> float:
        started = time.perf_counter()
        with ThreadPoolExecutor(STREAMS) as threads:
            timings = list(threads.map(partial(peers.timed, ours), requests))
        return sum(timing.tokens for timing in timings) / (time.perf_counter() - started)

    rounds = [(total(mixed), total(same)) for _ in range(repeats)]
    return {
        "streams_mixed_tokens_per_s": spread([one for one, _ in rounds]),
        "streams_same_tokens_per_s": spread([one for _, one in rounds]),
        "streams_mixed_over_same": ratio([one for one, _ in rounds], [one for _, one in rounds]),
    }
