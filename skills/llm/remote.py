"""A model behind an OpenAI-compatible HTTP server: vLLM, llama.cpp's own, or any other.

Chat completions, so the server renders its template: every such server has them, hosted ones often nothing
else, and only the server knows which template belongs to the weights it runs. What a turn spells out of the
usual control tokens is taken apart here, since servers read them from the text.

Nothing is asked before the first request. What the server offers is looked up then, and
again when it seems to be another.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from skills.errors import ModelError
from skills.llm.adapter_files import read_adapter
from skills.llm.chat_template import plain_turns
from skills.llm.connection import Connection
from skills.llm.endpoint import Endpoint, Place
from skills.llm.engine import GenerationRequest, Piece
from skills.llm.remote_server import Server, look, prompt_size
from skills.llm.server_errors import ServerError
from skills.llm.wire import Chunk, Completion

Json = dict[str, Any]

_CONTROL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]")
"""Control tokens of the families of chat models; which of them the server's model has is not known here."""
_TOP_P = 0.95


class RemoteEngine:
    """The base model of a server, and its adapters where it has them.

    Adapters of the endpoint are there from the start and are looked for when they are first asked for.
    ``add_adapter`` loads a folder into a vLLM server that runs on files of this machine.
    """

    name = "remote"

    def __init__(
        self,
        endpoint: Endpoint,
        adapters: Mapping[str, Path] | None = None,
        *,
        connection: Connection | None = None,
    ) -> None:
        """``connection``: with limits of your own; default: the usual ones."""
        self._endpoint = endpoint
        self._connection = connection or Connection(endpoint)
        self._lock = threading.RLock()  # over the fields below
        self._places: dict[str, Place] = dict(endpoint.adapters)
        self._asked: dict[str, Json] = {}  # adapter name -> what this server wants in a request for it
        self._server: Server | None = None
        self._closed = False
        for name, folder in (adapters or {}).items():
            self.add_adapter(name, folder)

    @property
    def base_hash(self) -> str:
        """Of what the server says of its model. Asks the server; raises ModelError when it does not answer."""
        return self.server().identity

    @property
    def context(self) -> int:
        """Without a bound here: what is too long for it, the server says itself."""
        return sys.maxsize

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """Raises ModelError: how a server cuts a text into tokens is its own."""
        raise ModelError(f"{self._endpoint.shown} does not say what tokens a prompt has", subject=request)

    def add_adapter(self, name: str, folder: Path) -> None:
        with self._lock:
            server = self.server()
            read_adapter(name, folder, server.identity).tensors()  # damaged files are found here, not there
            place = str(folder.resolve())
            fields = server.adapter_fields(name, place)
            before = self._asked.get(name, fields)
            self._places[name], self._asked[name] = place, fields
            if before["model"] != fields["model"]:
                server.unload(before["model"])

    def adapters(self) -> tuple[str, ...]:
        return tuple(sorted(self._places))

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        body = self._body(request) | {"stream": True, "stream_options": {"include_usage": True}}
        finish, shown, usage = "", 0, None
        with closing(self._chunks(body, request)) as chunks:
            for chunk in chunks:
                finish = chunk.finish_reason or finish
                usage = chunk.usage or usage
                if chunk.text:
                    shown += 1
                    yield Piece(chunk.text)
        if not finish:
            raise ModelError(
                f"{self._endpoint.shown} ended in the middle of an answer; ask again, or see the server's log",
                subject=request,
            )
        prompt = usage.prompt_tokens if usage else 0
        completion = usage.completion_tokens if usage else shown
        yield Piece("", "length" if finish == "length" else "stop", prompt, completion)

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        body = self._body(request) | {
            "max_tokens": 1,
            "temperature": 0.0,
            "stop": [],
            "logprobs": True,
            "top_logprobs": count,
        }
        body.pop("response_format", None)
        try:
            reply = self._connection.post("chat/completions", body, Completion)
        except ServerError as error:
            raise self._explained(error, request) from error
        logprobs = reply.choices[0].logprobs
        if logprobs is None or not logprobs.content:
            raise ModelError(f"{self._endpoint.shown} gives no log probabilities", subject=request)
        result: dict[str, float] = {}
        for token in logprobs.content[0].top_logprobs:
            result.setdefault(token.text, token.logprob)
        return result

    def warm_up(self) -> None:
        """Find out what the server offers."""
        self.server()

    def server(self) -> Server:
        """What the server offers, asked once. Raises ModelError when it does not answer."""
        with self._lock:
            if self._closed:
                raise ModelError("this engine is closed")
            if self._server is None:
                self._server = look(self._connection)
            return self._server

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._connection.close()

    def _chunks(self, body: Json, request: GenerationRequest) -> Generator[Chunk]:
        """The answer's chunks. Some servers refuse a limit that would not fit: it is lowered until it does."""
        exact = True
        while True:
            try:
                yield from self._connection.stream("chat/completions", body)
                return
            except ServerError as error:
                size = prompt_size(error)
                room = 0 if size is None else size[1] - size[0]
                if not exact or room >= body["max_tokens"]:  # it only says "at least", and counts no further
                    room = min(room, body["max_tokens"] // 2)
                if room < 1:
                    raise self._explained(error, request) from error
                body, exact = body | {"max_tokens": room}, False

    def _explained(self, error: ServerError, request: GenerationRequest) -> ModelError:
        """The error for the caller. A server that was away or misses a name may be another one by now."""
        if (size := prompt_size(error)) is None:
            if error.unreachable or error.status in (400, 404):
                with self._lock:
                    self._server, self._asked = None, {}
            error.subject = request
            return error
        return ModelError(
            f"the prompt has {size[0]} tokens, but the context of {self._endpoint.shown} holds {size[1]}: "
            "give fewer or shorter passages, or start the server with a larger context",
            subject=request,
        )

    def _body(self, request: GenerationRequest) -> Json:
        with self._lock:
            server = self.server()
            name = request.adapter
            fields = server.fields() if name is None else self._adapter_fields(name, server)
        marks = {mark for turn in request.turns for mark in _CONTROL.findall(turn.text)}
        body: Json = {
            **fields,
            "messages": [
                {"role": turn.role, "content": turn.text} for turn in plain_turns(request.turns, marks)
            ],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": _TOP_P,
            "seed": request.seed,
            "stop": list(request.stop),
        }
        if request.json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": "output",
                    "strict": True,
                    "schema": dict(request.json_schema),
                },
            }
        return body

    def _adapter_fields(self, name: str, server: Server) -> Json:
        if name not in self._places:
            known = ", ".join(self.adapters()) or "none"
            raise ModelError(f"no adapter {name!r}; known: {known} (COLLEGIUM_REMOTE_ADAPTERS)", subject=name)
        if name not in self._asked:
            self._asked[name] = server.adapter_fields(name, self._places[name])
        return self._asked[name]
