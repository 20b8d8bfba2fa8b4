"""What an item takes: time, tokens of the model, and the most memory that the process held meanwhile."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from langchain_core.callbacks import get_usage_metadata_callback

from agent.evaluation.bench.probe import peak_bytes

_CLEAR = Path("/proc/self/clear_refs")
_PEAK = "5"
"""What resets the kernel's record of the largest resident size (Linux, proc(5))."""


class Measured:
    """Measures a block. With several items at once, time includes waiting and memory is everybody's."""

    def __init__(self) -> None:
        self._usage: AbstractContextManager[Any] = get_usage_metadata_callback()

    def __enter__(self) -> Self:
        with suppress(OSError):
            _CLEAR.write_text(_PEAK)
        self._counted = self._usage.__enter__()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.milliseconds = (time.perf_counter() - self._started) * 1000
        self._usage.__exit__(kind, error, trace)
        used = list(self._counted.usage_metadata.values())
        self.prompt_tokens = sum(one["input_tokens"] for one in used)
        self.completion_tokens = sum(one["output_tokens"] for one in used)
        self.peak_mb = peak_bytes() / 1e6

    def to_json(self) -> dict[str, float]:
        return {
            "ms": round(self.milliseconds, 2),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "peak_mb": round(self.peak_mb, 1),
        }
