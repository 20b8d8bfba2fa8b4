"""HTTP servers for tests of the remote engine: llama.cpp's own, vLLM's adapter API before it, and a scripted one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from skills import weights
from skills.llm.adapter_files import read_adapter
from skills.llm.bindings import load_bindings
from skills.llm.gguf_adapter import export
from skills.llm.gguf_copy import fast_copy

Json = dict[str, Any]


@contextmanager
def llama_server(base: Path, adapters: Mapping[str, Path], *, context: int, key: str = "") -> Generator[str]:
    """llama.cpp's HTTP server on a free port of this machine, as ``llama-server --lora ...`` starts it."""
    xllamacpp = load_bindings()
    digest = weights.base_hash(str(base))
    params = xllamacpp.CommonParams()
    # The file that our engine computes with, too: a model rounded otherwise ends a text otherwise.
    params.model.path = str(fast_copy(base, digest))
    params.n_ctx, params.n_parallel = context, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(str(export(read_adapter(name, folder, digest), base, digest)), 1.0)
        for name, folder in adapters.items()
    ]
    params.warmup, params.fit_params, params.verbosity = False, False, -1
    params.hostnames, params.port = ["127.0.0.1"], free_port()
    if key:
        params.api_keys = [key]
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Received:
    """A request that a server got."""

    path: str
    headers: Mapping[str, str]
    body: Any


class Reply:
    """How a scripted server answers: it gets the request and writes to the handler."""

    def __init__(
        self,
        *parts: bytes,
        status: int = 200,
        kind: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
        before: Callable[[], object] = lambda: None,
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """``parts`` are sent one by one, each at once; then the connection ends."""
        self.parts, self.status, self.kind, self.headers = parts, status, kind, headers or {}
        self.before, self.between = before, between

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        self.before()
        handler.send_response(self.status)
        handler.send_header("Content-Type", self.kind)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        for place, part in enumerate(self.parts):
            if place:
                self.between()
            handler.wfile.write(part)
            handler.wfile.flush()


def event(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    """One chunk of a streamed chat completion."""
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def answer(*texts: str) -> Reply:
    """A good stream."""
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(texts)}}
    ending = [event(finish="stop"), f"data: {json.dumps(usage)}\n\n".encode(), DONE]
    return Reply(b": sign of life\n\n", event(), *map(event, texts), *ending)


def refusal(status: int, message: str, **headers: str) -> Reply:
    """An OpenAI error object."""
    body = json.dumps({"error": {"message": message, "type": "x", "code": status}}).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(body, status=status, kind="application/json", headers=names)


def models(*ids: str, owner: str = "someone", **more: Any) -> Reply:
    """A list of models."""
    listed = [{"id": one, "object": "model", "owned_by": owner, **more} for one in ids]
    return Reply(json.dumps({"object": "list", "data": listed}).encode(), kind="application/json")


class ScriptedServer:
    """Answers the n-th request to a path with the path's n-th reply, and the last one from then on.

    Paths without replies are 404.
    """

    def __init__(self, **replies: Sequence[Reply]) -> None:
        """``chat`` and ``models`` stand for their paths; more by ``set``."""
        self.received: list[Received] = []
        self._replies: dict[str, list[Reply]] = {}
        for name, given in replies.items():
            self.set({"chat": "/v1/chat/completions", "models": "/v1/models"}[name], *given)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.handle(self, None)

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                outer.handle(self, json.loads(self.rfile.read(size)))

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def set(self, path: str, *replies: Reply) -> None:
        self._replies[path] = list(replies)

    def asked(self, path: str = "/v1/chat/completions") -> list[Received]:
        return [one for one in self.received if one.path == path]

    def handle(self, handler: BaseHTTPRequestHandler, body: Any) -> None:
        self.received.append(Received(handler.path, dict(handler.headers), body))
        with suppress(OSError):  # the client went away
            self.reply(handler, body).send(handler)

    def reply(self, handler: BaseHTTPRequestHandler, body: Any) -> Reply:
        left = self._replies.get(handler.path)
        if not left:
            return refusal(404, "Not Found")
        return left.pop(0) if len(left) > 1 else left[0]

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class VllmServer(ScriptedServer):
    """vLLM's names and adapter API (from its sources) before a llama.cpp server that has all adapters loaded.

    ``folders``: adapter folder -> its number there. Without ``upstream``, chat answers with the model's name.
    """

    BASE = "tiny"

    def __init__(self, folders: Iterable[Path], upstream: str = "", *, runtime: bool = True) -> None:
        super().__init__()
        self._numbers = {str(folder.resolve()): number for number, folder in enumerate(folders)}
        self._upstream, self._runtime = upstream, runtime
        self.loaded: dict[str, str] = {}
        """Model name -> folder."""

    def reply(self, handler: BaseHTTPRequestHandler, body: Any) -> Reply:
        match handler.path:
            case "/v1/models":
                return self._models()
            case "/v1/load_lora_adapter" if self._runtime:
                return self._load(body["lora_name"], body["lora_path"])
            case "/v1/unload_lora_adapter" if self._runtime:
                if self.loaded.pop(body["lora_name"], None) is None:
                    return refusal(404, f"The lora adapter '{body['lora_name']}' cannot be found.")
                return Reply(b"Success", kind="text/plain")
            case "/v1/chat/completions":
                return self._chat(body)
            case _:
                return refusal(404, "Not Found")

    def _models(self) -> Reply:
        base = {"id": self.BASE, "owned_by": "vllm", "root": "/models/tiny", "max_model_len": 256}
        loras = [
            {"id": name, "owned_by": "vllm", "root": folder, "parent": self.BASE}
            for name, folder in self.loaded.items()
        ]
        return Reply(json.dumps({"data": [base, *loras]}).encode(), kind="application/json")

    def _load(self, name: str, folder: str) -> Reply:
        if name in self.loaded:
            return refusal(400, f"The lora adapter '{name}' has already been loaded.")
        if folder not in self._numbers:
            return refusal(404, f"Loading lora {name} failed: No adapter found for {folder}")
        self.loaded[name] = folder
        return Reply(f"Success: LoRA adapter '{name}' added successfully.".encode(), kind="text/plain")

    def _chat(self, body: Json) -> Reply:
        if body["model"] not in (self.BASE, *self.loaded):
            return refusal(404, f"The model `{body['model']}` does not exist.")
        if not self._upstream:
            return answer(body["model"])
        wanted = self._numbers.get(self.loaded.get(body["model"], ""))
        lora = [{"id": number, "scale": float(number == wanted)} for number in self._numbers.values()]
        address = f"{self._upstream}/v1/chat/completions"
        return _Forwarded(address, body | {"lora": lora, "cache_prompt": False, "top_k": 40})


class _Forwarded(Reply):
    """Another server's reply, part by part."""

    def __init__(self, address: str, body: Json) -> None:
        super().__init__()
        self._address, self._body = address, body

    def send(self, handler: BaseHTTPRequestHandler) -> None:
        with httpx2.stream("POST", self._address, json=self._body, timeout=60) as response:
            handler.send_response(response.status_code)
            handler.send_header("Content-Type", response.headers["content-type"])
            handler.end_headers()
            for part in response.iter_raw():
                handler.wfile.write(part)
                handler.wfile.flush()
