"""What a server offers, and how its kind wants a base or an adapter to be asked for.

vllm       adapters are models with a parent; may be loaded while it runs, if it is started so
llamacpp   adapters are loaded at its start and have numbers; a request gives each its scale
other      an adapter is whatever model name the user gives
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import RootModel

from skills.errors import ModelError
from skills.files import sha256_file, sha256_text
from skills.llm.connection import Connection
from skills.llm.endpoint import Place
from skills.llm.server_errors import ServerError
from skills.llm.wire import LlamaAdapter, Model, ModelList

Json = dict[str, Any]
Kind = Literal["vllm", "llamacpp", "other"]

_NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
_KINDS: Mapping[str, Kind] = {"vllm": "vllm", "llamacpp": "llamacpp"}
"""owned_by of a server's models -> its kind."""
_FIELDS: Mapping[str, Json] = {
    # Both would otherwise add penalties and limits of their own, or of the model's makers.
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0, **_NO_THINKING},
    # No prompt cache: a request gives the same text whatever ran before it.
    "llamacpp": {"samplers": ["top_p", "temperature"], "cache_prompt": False, **_NO_THINKING},
    "other": {},
}
"""What requests to a server of a kind hold besides OpenAI's own fields."""

_NO_LIST = (404, 405, 501)
"""Statuses of a server that has no such address."""


class _LlamaAdapters(RootModel[list[LlamaAdapter]]):
    """The reply of llama.cpp's /lora-adapters."""


@dataclass(slots=True)
class Server:
    """A server as it was found. Made by ``look``."""

    connection: Connection
    kind: Kind
    base: Model
    """The base model that requests are for."""
    models: tuple[str, ...] = ()
    """Every name that it lists; empty: it lists none."""
    numbered: Mapping[int, str] = field(default_factory=dict[int, str])
    """llama.cpp's adapters: number -> file."""
    loaded: set[str] = field(default_factory=set[str])
    """Names that ``load`` made."""

    @property
    def identity(self) -> str:
        """sha256 of what the server says of its base. Its weights are not seen: nothing else can be known."""
        return sha256_text("remote", self.base.id, self.base.root or "", str(self.base.meta or ""))

    def fields(self) -> Json:
        """Of a request for the base alone."""
        fields = {"model": self.base.id, **_FIELDS[self.kind]}
        # llama.cpp applies every adapter that a request does not name.
        return fields | {"lora": self._scales(None)} if self.numbered else fields

    def adapter_fields(self, name: str, place: Place) -> Json:
        """Of a request for an adapter; loads it where the place is a folder and the server can.

        Raises ModelError, saying what the server has, when it is not there.
        """
        if self.kind == "llamacpp":
            return self.fields() | {"lora": self._scales(self._number(name, place))}
        if isinstance(place, int):
            raise self._lacks(name, place, "a number is llama.cpp's; expected the model name of the adapter")
        if self.kind == "vllm" and place.startswith("/"):
            return self.fields() | {"model": self.load(name, place)}
        if self.models and place not in self.models:
            raise self._lacks(name, place, f"it serves: {', '.join(self.models)}")
        return self.fields() | {"model": place}

    def find(self, name: str, place: Place) -> str:
        """Where an adapter is, in words, without loading anything. Raises ModelError when it is not there."""
        if self.kind == "llamacpp":
            number = self._number(name, place)
            return f"number {number}, {self.numbered[number]}"
        if self.kind == "vllm" and isinstance(place, str) and place.startswith("/"):
            return f"loaded from {place} when it is first asked for"
        self.adapter_fields(name, place)
        return f"model {place}" if self.models else f"model {place} (the server does not list its models)"

    def load(self, name: str, folder: str) -> str:
        """Load an adapter folder, as the server sees it, and give the model name that it got there.

        The name says which files they were, as far as they can be read here: changed ones get another.
        """
        served = f"collegium-{name}-{_digest(folder)[:12]}"
        if served in self.models:
            return served
        address = f"{self.connection.endpoint.root}v1/load_lora_adapter"
        try:
            self.connection.tell(address, {"lora_name": served, "lora_path": folder})
        except ServerError as error:
            if error.status in _NO_LIST and "adapter" not in error.said:
                raise self._lacks(
                    name,
                    folder,
                    "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or with --lora-modules",
                ) from error
            if "already been loaded" not in error.said:
                raise self._lacks(name, folder, error.said or str(error)) from error
        self.models = (*self.models, served)
        self.loaded.add(served)
        return served

    def unload(self, served: str) -> None:
        """Let the server forget an adapter if it was loaded from here. One that is gone already is fine."""
        if served in self.loaded:
            self.loaded.remove(served)
            self.models = tuple(name for name in self.models if name != served)
            with suppress(ServerError):
                address = f"{self.connection.endpoint.root}v1/unload_lora_adapter"
                self.connection.tell(address, {"lora_name": served})

    def _scales(self, number: int | None) -> list[Json]:
        return [{"id": one, "scale": float(one == number)} for one in self.numbered]

    def _number(self, name: str, place: Place) -> int:
        for number, file in self.numbered.items():
            path = PurePosixPath(file.replace("\\", "/"))
            if place in (number, file, path.name, path.stem):
                return number
        listed = ", ".join(f"{number} = {file}" for number, file in self.numbered.items())
        raise self._lacks(
            name, place, f"it has: {listed}" if listed else "it has none; start it with --lora FILE"
        )

    def _lacks(self, name: str, place: Place, why: str) -> ModelError:
        return ModelError(
            f"adapter {name!r} is not at {place!r} of {self.connection.endpoint.shown}: {why} "
            "(COLLEGIUM_REMOTE_ADAPTERS)",
            subject=place,
        )


def look(connection: Connection) -> Server:
    """Ask a server what it is and has. Raises ModelError when it lacks the endpoint's model."""
    endpoint = connection.endpoint
    try:
        listed = connection.get("models", ModelList).data
    except ServerError as error:
        if error.status not in _NO_LIST or not endpoint.model:
            raise
        return Server(connection, "other", Model(id=endpoint.model))
    bases = [model for model in listed if model.parent is None]
    wanted = [model for model in listed if model.id == endpoint.model] if endpoint.model else bases[:1]
    if not wanted:
        names = ", ".join(model.id for model in bases) or "none"
        raise ModelError(
            f"{endpoint.shown} has no model {endpoint.model!r}; it serves: {names} (COLLEGIUM_REMOTE_MODEL)",
            subject=endpoint,
        )
    kind = _KINDS.get(wanted[0].owned_by, "other")
    numbered: dict[int, str] = {}
    if kind == "llamacpp":
        try:
            found = connection.get(f"{endpoint.root}lora-adapters", _LlamaAdapters).root
            numbered = {adapter.id: adapter.path for adapter in found}
        except ServerError as error:
            if error.status not in _NO_LIST:
                raise
    return Server(connection, kind, wanted[0], tuple(model.id for model in listed), numbered)


def prompt_size(error: ServerError) -> tuple[int, int] | None:
    """Tokens of the prompt and of the context, if that is what a server complains of in words it is known for."""
    context = re.search(r"maximum context length (?:is|of) (\d+)|context size \((\d+) tokens", error.said)
    prompt = re.search(
        r"\((\d+) in the messages|at least (\d+) input tokens|(\d+) input tokens|resulted in (\d+) tokens"
        r"|request \((\d+) tokens\)",
        error.said,
    )
    if context is None or prompt is None:
        return None
    return int(prompt[prompt.lastindex or 0]), int(context[context.lastindex or 0])


def _digest(folder: str) -> str:
    weights = Path(folder) / "adapter_model.safetensors"
    return sha256_file(weights) if weights.is_file() else sha256_text(folder)
