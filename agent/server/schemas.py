"""What goes over the wire: OpenAI's chat-completion objects, as far as they mean something here.

Bodies ignore keys they do not know, unlike everything else in this project: OpenAI clients send many
(``temperature``, ``tools``, ``stream_options``, tomorrow's), and refusing them would refuse the clients.
"""

from __future__ import annotations

import time
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from agent.events import Answer
from skills.errors import UserError
from skills.records import Turn

MODEL = "collegium"
"""The model name that lets the router choose; ``collegium/<domain>`` asks that domain."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Part(_Body):
    """A piece of a message. Only texts are understood."""

    type: str
    text: str = ""


class Message(_Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The message's text. Raises UserError for a part that is no text."""
        if not isinstance(self.content, list):
            return self.content or ""
        for part in self.content:
            if part.type not in ("text", "input_text", "output_text", "refusal"):
                raise UserError(f"a message holds a part of type {part.type!r}; only texts are understood")
        return "\n".join(part.text for part in self.content)


class Decision(BaseModel):
    """The field ``collegium`` of a request: what is to become of the call that ``collegium.awaiting`` told of."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    """true: the call is made; false: it is not."""
    call: str | None = None
    """Its ``id``; left out: whichever call waits."""


class ChatRequest(_Body):
    """Body of ``POST /v1/chat/completions``."""

    model: str = MODEL
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    n: int | None = Field(default=None, ge=1, le=1)
    user: str | None = None
    """Name of the caller: the server then remembers one conversation for each."""
    collegium: Decision | None = None
    """A decision instead of a question: the messages are then not looked at."""

    @property
    def domain(self) -> str | None:
        """The domain that the model name asks for."""
        prefix, _, domain = self.model.partition("/")
        if prefix != MODEL or (not domain and self.model != MODEL):
            raise UnknownModel(self.model)
        return domain or None

    @property
    def question(self) -> str:
        """The last message. Raises UserError where it is not the user's."""
        if self.messages[-1].role != "user":
            raise UserError(f"the last message is by {self.messages[-1].role!r}; expected one by 'user'")
        return self.messages[-1].text

    @property
    def history(self) -> tuple[Turn, ...]:
        """What was said before. Without system messages: a skill has its own prompt."""
        return tuple(
            Turn(message.role, message.text)
            for message in self.messages[:-1]
            if message.role in ("user", "assistant") and message.text.strip()
        )


class UnknownModel(UserError):
    """The model name is not one of ``GET /v1/models``."""

    def __init__(self, model: str) -> None:
        super().__init__(f"unknown model {model!r}; GET /v1/models lists the known ones", subject=model)


class Completion:
    """The objects of one answer; they share id and time."""

    def __init__(self, model: str) -> None:
        self._common = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, answer: Answer) -> dict[str, Any]:
        """``chat.completion``. No ``usage``: an answer is not made by one call of a language model."""
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {
            **self._common,
            "object": "chat.completion",
            "choices": [choice],
            "collegium": details(answer),
        }

    def chunk(self, delta: dict[str, str], answer: Answer | None = None) -> dict[str, Any]:
        """``chat.completion.chunk``; the last one carries the answer's details."""
        finish = None if answer is None else "stop"
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        extra = {} if answer is None else {"collegium": details(answer)}
        return {**self._common, "object": "chat.completion.chunk", "choices": [choice], **extra}


def details(answer: Answer) -> dict[str, Any]:
    """The field ``collegium``: status, citations, domains, tools, confidence and the rest of the answer."""
    row = answer.to_json()
    del row["answer"]
    return row


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
