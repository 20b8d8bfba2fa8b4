"""llama.cpp's server in this process: settings, calls, and the door to what only HTTP offers.

llama.cpp's server code insists on a listener; it gets a socket whose path is removed once it is there. The tokenizer is
reached through the open file that is left; completions go straight into the library. Knows requests as JSON; which of
them run when, and what of them is kept, is the engine's business.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from skills.errors import ModelError
from skills.llm.bindings import load_bindings
from skills.llm.chat_template import ChatTemplate, plain_turns
from skills.llm.engine import GenerationRequest
from skills.llm.gguf_header import GgufHeader, read_header
from skills.llm.prefix import GRID, Place, Prefixes

Json = dict[str, Any]

LOOKUP, DRAFT = 4, 24
"""Speculation: the last LOOKUP tokens are looked for in the prompt and the answer so far, and the DRAFT tokens that
followed them there are tried all at once. Depends on the request alone, so the same request has the same drafts."""


class LlamaServer:
    """One server with its adapters. Memory is given back when the last request lets go of it."""

    def __init__(
        self,
        base: Path,
        files: Mapping[str, Path],
        *,
        context: int,
        threads: int,
        sequences: int,
        speculation: bool,
        batch: int = GRID,
    ) -> None:
        """``sequences``: contexts of ``context`` tokens each. ``batch``: tokens of one step of computing a prompt;
        with another number than GRID, nothing of a prompt may be reused. Raises ModelError for a file that cannot
        be loaded.
        """
        xllamacpp = load_bindings()
        self.adapters: Sequence[str] = tuple(files)
        self.prefixes = Prefixes(sequences)
        self._header = read_header(base)
        self._template = _template(base, self._header)
        self._key = secrets.token_urlsafe(24)
        params = xllamacpp.CommonParams()
        params.model.path = str(base)
        params.n_ctx, params.n_parallel = context * sequences, sequences
        params.n_batch = params.n_ubatch = batch
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in files.values()]
        params.lora_init_without_apply = True
        params.enable_chat_template = False
        # Of its two caches, the one in main memory takes what another adapter computed: off. See prefix.py.
        params.cache_prompt, params.cache_ram_mib, params.cache_idle_slots = False, 0, False
        if speculation:
            params.speculative.types = [
                xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE
            ]
            params.speculative.ngram_simple.size_n = LOOKUP
            params.speculative.ngram_simple.size_m = DRAFT
        params.warmup, params.fit_params, params.verbosity = False, False, -1
        params.api_keys, params.cors_origins = [self._key], ""
        params.ui, params.endpoint_slots, params.n_threads_http = False, False, 1
        short = len(tempfile.gettempdir()) < 60  # a socket's path may have 107 bytes
        # Only this user can enter the folder, and it is gone when the block ends.
        with tempfile.TemporaryDirectory(prefix="collegium-", dir=None if short else "/tmp") as folder:  # noqa: S108
            door = Path(folder) / "door.sock"
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
            self._door = os.open(door, os.O_PATH)
        weakref.finalize(self, os.close, self._door)
        # llama.cpp's loop starts in a thread of its own and forgets an order to stop that comes before it runs:
        # a server that is closed too early would never end. After one answered request the loop does run.
        self.call({"prompt": " ", "max_tokens": 1, "cache_prompt": False, **self.scales(None)})

    def tokens(self, request: GenerationRequest) -> list[int]:
        """The prompt's token ids, with the one that begins a text where the model wants it."""
        text = self._template.render(plain_turns(request.turns, self._header.control_tokens))
        if self._header.metadata.get("tokenizer.ggml.add_bos_token"):
            text = text.removeprefix(self._header.bos_token)
        return self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})[
            "tokens"
        ]

    def scales(self, adapter: str | None) -> Json:
        """Every adapter by its scale: with an empty list llama.cpp applies all that are loaded."""
        places = enumerate(self.adapters)
        return {"lora": [{"id": place, "scale": float(name == adapter)} for place, name in places]}

    def cut(self, place: Place, adapter: str | None, tokens: Sequence[int]) -> None:
        """Make a sequence hold the first ``place.kept`` tokens of the prompt and none more that agrees with it.

        llama.cpp cuts a sequence only where a prompt parts from it: so does this one, with some other token.
        """
        other = int(tokens[place.kept] == 0)
        body: Json = {
            "prompt": [*tokens[: place.kept], other],
            "max_tokens": 1,
            "temperature": 0.0,
            "samplers": ["top_k"],
            "cache_prompt": True,
            "id_slot": place.sequence,
        }
        self.call(body | self.scales(adapter))

    def call(self, body: Json, receive: Callable[[Json], bool] | None = None) -> Json:
        """One completion. Streamed chunks go to ``receive``, which returns True to stop."""
        if receive is None:
            return cast(Json, self._server.handle_completions(body))
        failures: list[BaseException] = []

        def guarded(chunk: Json) -> bool:
            try:
                return receive(chunk)
            except BaseException as error:  # it must not travel through the C++ code that calls this
                failures.append(error)
                return True

        self._server.handle_completions(body, guarded)
        if failures:
            raise failures.pop()  # popped: an exception that its own frame holds keeps the model in memory
        return {}

    def _post(self, path: str, body: Json) -> Json:
        """A request through the socket, which has no path any more."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        with connection.sock:
            connection.sock.connect(f"/proc/self/fd/{self._door}")
            connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {self._key}"})
            reply = cast(Json, json.loads(connection.getresponse().read()))
        raise_error(reply, None)
        return reply


def _template(base: Path, header: GgufHeader) -> ChatTemplate:
    text = header.metadata.get("tokenizer.chat_template")
    if not text:
        raise ModelError(
            f"base {str(base)!r} has no chat template; use an instruction-tuned model", subject=base
        )
    return ChatTemplate(str(text), bos_token=header.bos_token, eos_token=header.eos_token)


def raise_error(reply: Mapping[str, Any], request: GenerationRequest | None) -> None:
    """Raise ModelError for a reply that is an error."""
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
