"""What an item takes: time, tokens and time of the model, and the most memory that the process held meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers.context import register_configure_hook

from agent.evaluation.bench.probe import peak_bytes

_CLEAR = Path("/proc/self/clear_refs")
_PEAK = "5"
"""What resets the kernel's record of the largest resident size (Linux, proc(5))."""


class _ModelUse(BaseCallbackHandler):
    """Sums over the generations that ended by themselves."""

    def __init__(self) -> None:
        self.prompt_tokens = self.completion_tokens = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation = response.generations[0][0]
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            usage = generation.message.usage_metadata
            with self._lock:
                self.prompt_tokens += usage["input_tokens"] if usage else 0
                self.completion_tokens += usage["output_tokens"] if usage else 0
                self.seconds += generation.message.response_metadata.get("seconds", 0.0)


_use: ContextVar[_ModelUse | None] = ContextVar("collegium_model_use", default=None)
register_configure_hook(_use, inheritable=True)


class Measured:
    """Measures a block. With several items at once, time includes waiting and memory is everybody's."""

    def __enter__(self) -> Self:
        with suppress(OSError):
            _CLEAR.write_text(_PEAK)
        self._model = _ModelUse()
        self._token = _use.set(self._model)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.milliseconds = (time.perf_counter() - self._started) * 1000
        _use.reset(self._token)
        self.peak_mb = peak_bytes() / 1e6

    def to_json(self) -> dict[str, float]:
        return {
            "ms": round(self.milliseconds, 2),
            "model_ms": round(self._model.seconds * 1000, 2),
            "prompt_tokens": self._model.prompt_tokens,
            "completion_tokens": self._model.completion_tokens,
            "peak_mb": round(self.peak_mb, 1),
        }
