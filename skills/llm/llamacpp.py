"""llama.cpp in this process, through xllamacpp: the engine for CPUs.

A LoRA adapter is chosen per request on one quantised base. Nothing computed for one request is reused for
another (no prompt cache): a request gives the same text whatever ran before it, and no adapter is ever served
from what another one computed. Prompts are rendered here, not by llama.cpp, and its text is taken as it is:
its own chat handling trims and rewrites answers. llama.cpp's server code insists on a listener; it gets a
socket whose path is removed before the first request, and calls go straight into the library.
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from skills import weights
from skills.errors import ModelError
from skills.llm.adapter_files import read_adapter
from skills.llm.background import Emit, iterate
from skills.llm.bindings import load_bindings
from skills.llm.chat_template import ChatTemplate, plain_turns
from skills.llm.cores import default_threads
from skills.llm.engine import GenerationRequest, Piece
from skills.llm.gguf_adapter import export
from skills.llm.gguf_header import GgufHeader, read_header

_Json = dict[str, Any]

_COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
"""For llguidance, which llama.cpp holds output to a schema with: blanks are allowed without end otherwise."""


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
    ) -> None:
        """``context``: tokens of prompt and answer together. ``threads``: default one per free core.

        ``slots``: requests computed at once, each with its own context; with more than one, the last digits
        of the arithmetic, and so now and then a word, depend on what runs beside a request.
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
        self._context, self._slots = context, slots
        self._threads = threads or default_threads()
        # Requests wait here and not in llama.cpp, which would compute even one that nobody wants any more.
        self._waiting = ThreadPoolExecutor(max_workers=slots, thread_name_prefix="llamacpp")
        self._lock = threading.Lock()  # over the three fields below
        self._files: dict[str, Path] = {}
        self._loaded: _Loaded | None = None
        self._closed = False
        for name, folder in (adapters or {}).items():
            self.add_adapter(name, folder)

    @property
    def base_hash(self) -> str:
        return self._base_hash

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
        loaded = self._ready(request)
        body = self._body(request, loaded) | {"stream": True, "stream_options": {"include_usage": True}}

        def produce(emit: Emit) -> None:
            finish: str = ""
            usage: Mapping[str, int] = {}

            def receive(chunk: _Json) -> bool:
                nonlocal finish, usage
                _raise_error(chunk, request)
                usage = chunk.get("usage") or usage
                for choice in chunk["choices"]:
                    finish = choice["finish_reason"] or finish
                    if emit(Piece(choice["text"])):
                        return True
                return False

            loaded.call(body, receive)
            if finish:
                reason = "length" if finish == "length" else "stop"
                emit(Piece("", reason, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)))

        yield from iterate(produce, self._waiting.submit)

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        loaded = self._ready(request)
        body = self._body(request, loaded) | {
            "max_tokens": 1,
            "logprobs": count,
            "temperature": 0.0,
            "stop": [],
        }
        body.pop("json_schema", None)
        reply = loaded.call(body)
        _raise_error(reply, request)
        result: dict[str, float] = {}
        for entry in reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            text = bytes(entry["bytes"]).decode(errors="replace")  # a token may be a part of a character
            result.setdefault(text, entry["logprob"])
        return result

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """Token ids of the rendered prompt, for diagnosis: opens the model a second time for it."""
        with _door() as path:
            loaded = _Loaded(self._path, {}, 64, 1, 1, path)
            body = {"content": loaded.render(request), "add_special": True, "parse_special": True}
            return loaded.post(path, "/tokenize", body)["tokens"]

    def warm_up(self) -> None:
        with self._lock:
            self._check_open()
            if self._loaded is None:
                self._loaded = self._load(self._files)

    def close(self) -> None:
        with self._lock:
            self._loaded = None
            self._closed = True
        self._waiting.shutdown(wait=False)

    def _check_open(self) -> None:
        if self._closed:
            raise ModelError("this engine is closed")

    def _ready(self, request: GenerationRequest) -> _Loaded:
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

    def _load(self, files: Mapping[str, Path]) -> _Loaded:
        with _door() as path:
            return _Loaded(self._path, files, self._context, self._threads, self._slots, path)

    def _body(self, request: GenerationRequest, loaded: _Loaded) -> _Json:
        body: _Json = {
            "prompt": loaded.render(request),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "samplers": ["top_p", "temperature"],
            "top_p": 0.95,
            "seed": request.seed,
            "stop": list(request.stop),
            "cache_prompt": False,
            # Every adapter by its scale: with an empty list llama.cpp applies all that are loaded.
            "lora": [
                {"id": place, "scale": float(name == request.adapter)}
                for place, name in enumerate(loaded.adapters)
            ],
        }
        if request.json_schema is not None:
            body["json_schema"] = {**request.json_schema, "x-guidance": _COMPACT}
        return body


class _Loaded:
    """One llama.cpp server with its adapters. Memory is given back when the last request lets go of it."""

    def __init__(
        self, base: Path, files: Mapping[str, Path], context: int, threads: int, slots: int, door: Path
    ) -> None:
        xllamacpp = load_bindings()
        self.adapters: Sequence[str] = tuple(files)
        self._header = read_header(base)
        self._template = _template(base, self._header)
        self._key = secrets.token_urlsafe(24)
        params = xllamacpp.CommonParams()
        params.model.path = str(base)
        limit = self._header.metadata.get(f"{self._header.architecture}.context_length", context)
        params.n_ctx, params.n_parallel = min(context, int(limit)) * slots, slots
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in files.values()]
        params.lora_init_without_apply = True
        params.enable_chat_template = False
        params.cache_prompt, params.cache_ram_mib, params.cache_idle_slots = False, 0, False
        params.warmup, params.fit_params, params.verbosity = False, False, -1
        params.api_keys, params.cors_origins = [self._key], ""
        params.ui, params.endpoint_slots, params.n_threads_http = False, False, 1
        params.hostnames = [str(door)]
        try:
            self._server = xllamacpp.Server(params)
        except Exception as error:
            raise ModelError(
                f"llama.cpp cannot load {str(base)!r}"
                + (f" with the adapters {', '.join(files)}" if files else "")
                + f": {error} Check the file with: collegium models verify",
                subject=base,
            ) from error
        # llama.cpp's loop starts in a thread of its own and forgets an order to stop that comes before it runs:
        # a server that is closed too early would never end. After one answered request the loop does run.
        first: _Json = {"prompt": " ", "max_tokens": 1, "cache_prompt": False}
        self.call(first | {"lora": [{"id": place, "scale": 0.0} for place in range(len(files))]})

    def render(self, request: GenerationRequest) -> str:
        """The prompt. Where the model wants a token that begins a text, llama.cpp puts it in front."""
        text = self._template.render(plain_turns(request.turns, self._header.control_tokens))
        begins = bool(self._header.metadata.get("tokenizer.ggml.add_bos_token"))
        return text.removeprefix(self._header.bos_token) if begins else text

    def call(self, body: _Json, receive: Callable[[_Json], bool] | None = None) -> _Json:
        """One completion. Streamed chunks go to ``receive``, which returns True to stop."""
        if receive is None:
            return cast(_Json, self._server.handle_completions(body))
        failures: list[BaseException] = []

        def guarded(chunk: _Json) -> bool:
            try:
                return receive(chunk)
            except BaseException as error:  # it must not travel through the C++ code that calls this
                failures.append(error)
                return True

        self._server.handle_completions(body, guarded)
        if failures:
            raise failures.pop()  # popped: an exception that its own frame holds keeps the model in memory
        return {}

    def post(self, door: Path, path: str, body: _Json) -> _Json:
        """A request through the socket."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        with connection.sock:
            connection.sock.connect(str(door))
            connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {self._key}"})
            reply = cast(_Json, json.loads(connection.getresponse().read()))
        _raise_error(reply, None)
        return reply


@contextmanager
def _door() -> Generator[Path]:
    """Path for a listener's socket, in a folder only this user can enter; gone when the block ends."""
    short = len(tempfile.gettempdir()) < 60  # a socket's path may have 107 bytes
    with tempfile.TemporaryDirectory(prefix="collegium-", dir=None if short else "/tmp") as folder:  # noqa: S108
        yield Path(folder) / "door.sock"


def _template(base: Path, header: GgufHeader) -> ChatTemplate:
    text = header.metadata.get("tokenizer.chat_template")
    if not text:
        raise ModelError(
            f"base {str(base)!r} has no chat template; use an instruction-tuned model", subject=base
        )
    return ChatTemplate(str(text), bos_token=header.bos_token, eos_token=header.eos_token)


def _raise_error(reply: Mapping[str, Any], request: GenerationRequest | None) -> None:
    error = reply.get("error")
    if error is None:
        return
    if error.get("type") == "exceed_context_size_error":
        raise ModelError(
            f"the prompt has {error['n_prompt_tokens']} tokens, but the context holds {error['n_ctx']}: "
            "give fewer or shorter passages, or raise COLLEGIUM_CONTEXT",
            subject=request,
        )
    raise ModelError(f"llama.cpp: {error.get('message', error)}", subject=request)
