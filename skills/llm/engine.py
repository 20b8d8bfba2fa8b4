"""The language-model seam: what an engine is asked and what it gives back.

Knows neither prompts nor LangChain; ``chat_model.py`` puts LangChain's face on any engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

Role = Literal["system", "user", "assistant"]
Priority = Literal["interactive", "batch"]


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """One message of a prompt."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One generation. The engine renders the turns with the base model's own chat template."""

    turns: tuple[ChatTurn, ...]
    """Ends with the user's turn; the assistant's is generated."""
    adapter: str | None = None
    """Name given to ``add_adapter``; None: the base alone."""
    max_tokens: int = 256
    temperature: float = 0.0
    """0: greedy, the same text every time."""
    stop: tuple[str, ...] = ()
    """Generation ends before the first of these; they are not part of the text."""
    seed: int = 0
    """Of sampling; without effect at temperature 0."""
    json_schema: Mapping[str, Any] | None = None
    """The text will be a JSON document of this schema."""
    priority: Priority = "interactive"
    """batch: nobody looks on; others may go first, within bounds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the generated text. The last one of a stream, and only it, has a finish reason."""

    text: str
    finish_reason: Literal["", "stop", "length"] = ""
    """stop: the model ended or a stop string came; length: max_tokens were generated."""
    prompt_tokens: int = 0
    """Tokens of the rendered prompt; given with the finish reason."""
    completion_tokens: int = 0
    """Tokens generated; given with the finish reason."""
    seconds: float = field(default=0.0, compare=False)
    """Spent computing, not waiting for other requests; given with the finish reason by engines that compute here."""


@runtime_checkable
class Engine(Protocol):
    """A base model with LoRA adapters that are chosen per request. Safe to call from several threads.

    The contract suite ``tests/llm/contract.py`` checks all of this for any engine.
    """

    @property
    def name(self) -> str:
        """Kind of engine: "llamacpp", "torch", "remote", "scripted"."""
        ...

    @property
    def base_hash(self) -> str:
        """sha256 identity of the base model (``skills.weights.base_hash``); of a remote one, of what is said of it."""
        ...

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together, at most."""
        ...

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """Token ids of the rendered prompt, however long. Raises ModelError as ``stream`` does for an adapter."""
        ...

    def add_adapter(self, name: str, folder: Path) -> None:
        """Load a PEFT LoRA folder under a name. The name's earlier adapter, if any, is replaced.

        Requests that are running finish with what they began with. Raises ModelError when the adapter was
        trained on another base (naming both) and DataError when its files are missing or damaged; the
        engine then still works as before.
        """
        ...

    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters that requests may ask for, sorted."""
        ...

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        """Generate. Pieces joined are the text; closing the iterator ends the computation soon.

        The same request gives the same pieces whatever ran before it. Raises ModelError, before the
        first piece, for an adapter it does not have, a prompt that fills the context (an answer that
        would not fit ends early with "length"), or a schema when it cannot hold to one; BusyError when as
        many requests wait as may.
        """
        ...

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:
        """Natural-log probabilities of the ``count`` likeliest first tokens, by their text, best first.

        Of the model itself: temperature, stop and schema have no part in them.
        """
        ...

    def warm_up(self) -> None:
        """Load the model now, not at the first request. May be called from a thread of its own; again: nothing."""
        ...

    def close(self) -> None:
        """Give memory back. Later calls raise ModelError; closing again does nothing."""
        ...
