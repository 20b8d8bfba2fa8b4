"""An engine that plays a script: the public fake for tests. It fails on calls it did not expect."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from skills.errors import ModelError
from skills.llm.engine import GenerationRequest, Piece

Step = str | Exception | Callable[[GenerationRequest], str]
"""A text to generate, an error to raise, or a function that makes the text from the request."""


class UnexpectedCall(AssertionError):
    """The engine was called more often, or less often, than its script says."""


class ScriptedEngine:
    """Answers the n-th generation with the n-th step. One word with its leading space is one token.

    >>> engine = ScriptedEngine(["Two words."])
    >>> "".join(piece.text for piece in engine.stream(request))
    >>> engine.assert_done()
    """

    name = "scripted"

    def __init__(
        self, steps: Sequence[Step] = (), *, adapters: Sequence[str] = (), context: int = 4096
    ) -> None:
        self._steps = list(steps)
        self._adapters = set(adapters)
        self.context = context
        self._lock = threading.Lock()
        self._closed = False
        self.requests: list[GenerationRequest] = []
        """Every request so far, in order."""

    @property
    def base_hash(self) -> str:
        return hashlib.sha256(b"scripted").hexdigest()

    def prompt_tokens(self, request: GenerationRequest) -> list[int]:
        """A number for each word."""
        words = [word for turn in request.turns for word in turn.text.split()]
        return [len(word) for word in words]

    def add_adapter(self, name: str, folder: Path) -> None:  # noqa: ARG002
        """Note the name; the folder is not read."""
        self._adapters.add(name)

    def adapters(self) -> tuple[str, ...]:
        return tuple(sorted(self._adapters))

    def stream(self, request: GenerationRequest) -> Iterator[Piece]:
        text = self._next(request)
        tokens = re.findall(r"\s*\S+\s*$|\s*\S+", text)
        prompt_tokens = sum(len(turn.text.split()) for turn in request.turns)
        finish = "length" if len(tokens) > request.max_tokens else "stop"
        shown = "".join(tokens[: request.max_tokens])
        cut = min((place for stop in request.stop if (place := shown.find(stop)) >= 0), default=len(shown))
        if cut < len(shown):
            shown, finish = shown[:cut], "stop"
        tokens = re.findall(r"\s*\S+\s*$|\s*\S+", shown)
        for token in tokens:
            yield Piece(token)
        yield Piece("", finish, prompt_tokens, len(tokens))

    def next_token_logprobs(self, request: GenerationRequest, count: int) -> dict[str, float]:  # noqa: ARG002
        """The first word of the step, with certainty."""
        first = re.match(r"\s*\S+", self._next(request))
        return {first[0] if first else "": 0.0}

    def warm_up(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        self._closed = True

    def assert_done(self) -> None:
        """Raise UnexpectedCall when steps are left over."""
        if self._steps:
            raise UnexpectedCall(f"{len(self._steps)} scripted steps were not used: {self._steps!r}")

    def _next(self, request: GenerationRequest) -> str:
        with self._lock:
            if self._closed:
                raise ModelError("this engine is closed")
            if request.adapter is not None and request.adapter not in self._adapters:
                raise ModelError(
                    f"no adapter {request.adapter!r}; loaded: {', '.join(self.adapters()) or 'none'}"
                )
            self.requests.append(request)
            if not self._steps:
                raise UnexpectedCall(f"call {len(self.requests)} is not in the script: {request!r}")
            step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, str) else step(request)
