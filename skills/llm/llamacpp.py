"""llama.cpp in this process, through xllamacpp: the engine for CPUs.

A LoRA adapter is chosen per request on one quantised base. Prompts are rendered here, not by llama.cpp, and its text is
taken as it is: its own chat handling trims and rewrites answers. A request goes these steps:

    1 wait      in front of the slots, which compute one adapter at a time (schedule.py)
    2 reuse     what the same adapter computed of the same beginning, where that changes no digit (prefix.py)
    3 compute   the rest of the prompt, then the answer; words that the prompt has already are drafted from it and
                checked several at a time (speculation)

A request gives the same text whatever ran before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skills import weights
from skills.errors import ModelError
from skills.llm.adapter_files import read_adapter
from skills.llm.background import Emit, iterate
from skills.llm.cores import default_threads
from skills.llm.engine import GenerationRequest, Piece
from skills.llm.gguf_adapter import export
from skills.llm.gguf_copy import fast_copy
from skills.llm.gguf_header import read_header
from skills.llm.llama_server import Json, LlamaServer, raise_error
from skills.llm.schedule import Scheduler

_COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
"""For llguidance, which llama.cpp holds output to a schema with: blanks are allowed without end otherwise."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sums over the requests that ended by themselves."""

    requests: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Of the prompts', those not computed again."""
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    """Of the drafted, those that the model would have written."""

    @property
    def acceptance(self) -> float:
        """Share of drafted tokens that were accepted; 0 if there were none."""
        return self.accepted_tokens / self.drafted_tokens if self.drafted_tokens else 0.0


class LlamaCppEngine:
    """Base model from a GGUF file. The model loads at the first request, in a fraction of a second.

    Adding an adapter later builds a second server beside the running one and swaps it in.
    """

    name = "llamacpp"

    def __init__(
        self,
        base: str,
        adapters: Mapping[str, Path] | None = None,
        *,
        context: int = 4096,
        threads: int | None = None,
        slots: int = 1,
        warm: int = 1,
        waiting: int = 64,
        speculation: bool = True,
    ) -> None:
        """``context``: tokens of prompt and answer together. ``threads``: default one per free core.

        ``slots``: requests computed at once, each with its own context; with more than one, the last digits
        of the arithmetic, and so now and then a word, depend on what runs beside a request. ``warm``: contexts
        kept, for as many adapters or conversations in turn; each costs memory (94 MB for 4096 tokens of the
        default base). ``waiting``: requests that may wait; one more is refused with BusyError.
        """
        path = weights.ensure(base)
        if path.is_dir():
            raise ModelError(
                f"base {base!r} is a Hugging Face folder; the llama.cpp engine needs a .gguf file. "
                "Use the torch engine (COLLEGIUM_ENGINE=torch)",
                subject=path,
            )
        self._path = path
        self._base_hash = weights.base_hash(str(path))
        header = read_header(path)
        limit = header.metadata.get(f"{header.architecture}.context_length", context)
        self._context, self._sequences = min(context, int(limit)), max(slots, warm)
        self._speculation = speculation
        self._threads = threads or default_threads()
        # Requests wait here and not in llama.cpp, which would compute even one that nobody wants any more.
        self._scheduler = Scheduler(slots, waiting, "llamacpp")
        self._lock = threading.Lock()  # over the fields below
        self._files: dict[str, Path] = {}
        self._loaded: LlamaServer | None = None
        self._closed = False
        self._statistics = Statistics()
        for name, folder in (adapters or {}).items():
            self.add_adapter(name, folder)

    @property
    def base_hash(self) -> str:
        return self._base_hash

    @property
    def context(self) -> int:
        return self._context

    @property
    def statistics(self) -> Statistics:
        return self._statistics

    def add_adapter(self, name: str, folder: Path) -> None:
        exported = export(read_adapter(name, folder, self._base_hash), self._path, self._base_hash)
        with self._lock:
            self._check_open()
            files = {**self._files, name: exported}
            if self._loaded is not None:
                self._loaded = self._load(files)
            self._files = files

    def adapters(self) -> tuple[str, ...]:
        return tuple(sorted(self._files))

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        server = self._ready(request)
        body = _body(request) | {"stream": True, "stream_options": {"include_usage": True}}

        def produce(emit: Emit) -> None:
            finish: str = ""
            usage: Mapping[str, int] = {}
            timings: Mapping[str, Any] = {}

            def receive(chunk: Json) -> bool:
                nonlocal finish, usage, timings
                raise_error(chunk, request)
                usage, timings = chunk.get("usage") or usage, chunk.get("timings") or timings
                for choice in chunk["choices"]:
                    finish = choice["finish_reason"] or finish
                    if emit(Piece(choice["text"])):
                        return True
                return False

            def compute(placed: Json) -> bool:
                server.call(body | placed, receive)
                return bool(finish)

            _placed(server, request, compute)
            if finish:
                self._count(usage, timings)
                reason = "length" if finish == "length" else "stop"
                seconds = (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000.0
                tokens = (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
                emit(Piece("", reason, *tokens, seconds))

        def submit(work: Callable[[], None]) -> Callable[[], object]:
            return self._scheduler.submit(work, request.adapter, request.priority)

        yield from iterate(produce, submit)

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        server = self._ready(request)
        plain = replace(request, temperature=0.0, max_tokens=1, stop=(), json_schema=None)
        body = _body(plain) | {"logprobs": count}
        replies: Future[Json] = Future()

        def work() -> None:
            try:
                _placed(server, request, lambda placed: replies.set_result(server.call(body | placed)))
            except BaseException as error:
                replies.set_exception(error)

        self._scheduler.submit(work, request.adapter, request.priority)
        reply = replies.result()
        raise_error(reply, request)
        result: dict[str, float] = {}
        for entry in reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            text = bytes(entry["bytes"]).decode(errors="replace")  # a token may be a part of a character
            result.setdefault(text, entry["logprob"])
        return result

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """Token ids of the rendered prompt."""
        return self._ready(request).tokens(request)

    def warm_up(self) -> None:
        with self._lock:
            self._check_open()
            if self._loaded is None:
                self._loaded = self._load(self._files)

    def close(self) -> None:
        with self._lock:
            self._loaded = None
            self._closed = True
        self._scheduler.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ModelError("this engine is closed")

    def _ready(self, request: GenerationRequest) -> LlamaServer:
        """The server with all adapters; it lives at least as long as the request holds it."""
        self.warm_up()
        with self._lock:
            self._check_open()
            assert self._loaded is not None  # noqa: S101  (an open engine that has been warmed up)
            loaded = self._loaded
        if request.adapter is not None and request.adapter not in loaded.adapters:
            known = ", ".join(sorted(loaded.adapters)) or "none"
            raise ModelError(f"no adapter {request.adapter!r}; loaded: {known}", subject=request)
        return loaded

    def _load(self, files: Mapping[str, Path]) -> LlamaServer:
        return LlamaServer(
            fast_copy(self._path, self._base_hash),
            files,
            context=self._context,
            threads=self._threads,
            sequences=self._sequences,
            speculation=self._speculation,
        )

    def _count(self, usage: Mapping[str, int], timings: Mapping[str, Any]) -> None:
        with self._lock:
            before = self._statistics
            self._statistics = Statistics(
                before.requests + 1,
                before.prompt_tokens + usage.get("prompt_tokens", 0),
                before.reused_tokens + timings.get("cache_n", 0),
                before.completion_tokens + usage.get("completion_tokens", 0),
                before.drafted_tokens + timings.get("draft_n", 0),
                before.accepted_tokens + timings.get("draft_n_accepted", 0),
            )


def _placed(server: LlamaServer, request: GenerationRequest, compute: Callable[[Json], object]) -> None:
    """Compute a request where most of its prompt is kept. ``compute`` gets what says where, and returns False when
    the computation was stopped: what its sequence then holds is not known."""
    tokens = server.tokens(request)
    place = server.prefixes.take(request.adapter, tokens)
    whole = False
    try:
        if place.cut:
            server.cut(place, request.adapter, tokens)
        where = {"prompt": tokens, "id_slot": place.sequence, "cache_prompt": place.kept > 0}
        whole = compute(where | server.scales(request.adapter)) is not False
    finally:
        server.prefixes.give_back(place, tokens if whole else ())


def _body(request: GenerationRequest) -> Json:
    # Greedy by top_k: sorting the whole vocabulary for top_p takes a twentieth of the time of a token.
    chosen: Json = {"samplers": ["top_k"], "top_k": 1}
    if request.temperature > 0:
        chosen = {"samplers": ["top_p", "temperature"], "top_p": 0.95}
    body: Json = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
        "stop": list(request.stop),
        **chosen,
    }
    if request.json_schema is not None:
        body["json_schema"] = {**request.json_schema, "x-guidance": _COMPACT}
    return body
