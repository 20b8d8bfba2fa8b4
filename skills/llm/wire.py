"""What OpenAI-compatible servers send, as far as the remote engine reads it.

Other keys are ignored: every server adds some.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Delta(BaseModel):
    """What one chunk adds to the message."""

    content: str | None = None


class ChunkChoice(BaseModel):
    """A part of an answer."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Usage(BaseModel):
    """Tokens of a request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Chunk(BaseModel):
    """One event of a streamed chat completion."""

    choices: list[ChunkChoice] = []
    usage: Usage | None = None
    error: Any = None

    @property
    def text(self) -> str:
        return "".join(choice.delta.content or "" for choice in self.choices)

    @property
    def finish_reason(self) -> str:
        return next((choice.finish_reason for choice in self.choices if choice.finish_reason), "")


class TopToken(BaseModel):
    """A likely token."""

    token: str
    logprob: float
    bytes: list[int] | None = None

    @property
    def text(self) -> str:
        """A token may be a part of a character."""
        return self.token if self.bytes is None else bytes(self.bytes).decode(errors="replace")


class TokenLogprobs(BaseModel):
    """One generated token with those that were likely in its place."""

    top_logprobs: list[TopToken] = []


class ChoiceLogprobs(BaseModel):
    """Log probabilities of an answer's tokens."""

    content: list[TokenLogprobs] | None = None


class Choice(BaseModel):
    """A whole answer."""

    logprobs: ChoiceLogprobs | None = None


class Completion(BaseModel):
    """A whole chat completion."""

    choices: list[Choice] = Field(min_length=1)


class Model(BaseModel):
    """An entry of /v1/models. vLLM: an adapter has its base as ``parent``; llama.cpp: ``meta`` has sizes."""

    id: str
    owned_by: str = ""
    parent: str | None = None
    root: str | None = None
    max_model_len: int | None = None
    meta: dict[str, Any] | None = None


class ModelList(BaseModel):
    """The reply of /v1/models."""

    data: list[Model]


class LlamaAdapter(BaseModel):
    """An entry of llama.cpp's /lora-adapters."""

    id: int
    path: str
