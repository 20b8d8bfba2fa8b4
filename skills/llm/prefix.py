"""Which part of a prompt need not be computed again: the bookkeeping of what llama.cpp's sequences hold.

A computed prompt belongs to (base, adapter, tokens): nothing is reused for another adapter. And only what gives the
same arithmetic is reused: prompts are computed in steps of GRID tokens from the start, and reuse ends where a step
ends, so that every step has the same tokens before it and beside it whether it is computed now or was computed before.
A warm answer is therefore the cold one to the last digit, not only nearly. Pure logic; knows no llama.cpp.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

GRID = 64
"""Tokens of one step of computing a prompt (llama.cpp's batch)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a prompt is computed."""

    sequence: int
    kept: int
    """Tokens that are there already; a multiple of GRID."""
    cut: bool
    """Whether the sequence holds more that agrees with the prompt than may be kept: it has to be cut first."""


@dataclass(slots=True)
class _Held:
    adapter: str | None = None
    tokens: tuple[int, ...] = ()
    """Of the prompt; an answer behind it may be there too, but is never reused."""
    used: int = 0
    """When, by a counter."""
    busy: bool = False


@dataclass(slots=True)
class Prefixes:
    """Safe for threads. There are never more places taken than sequences."""

    sequences: int
    _held: list[_Held] = field(init=False)
    _uses: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._held = [_Held() for _ in range(self.sequences)]

    def take(self, adapter: str | None, tokens: Sequence[int]) -> Place:
        """The free sequence that holds most of the prompt, else the one that was used longest ago."""
        with self._lock:
            agreeing = {
                number: _common(held.tokens, tokens) if held.adapter == adapter else 0
                for number, held in enumerate(self._held)
                if not held.busy
            }
            # At least one token is computed: the next one is drawn from it.
            kept = {
                number: min(count, max(0, len(tokens) - 1)) // GRID * GRID
                for number, count in agreeing.items()
            }
            chosen = max(kept, key=lambda number: (kept[number], -self._held[number].used))
            held = self._held[chosen]
            exact = agreeing[chosen] == kept[chosen] < len(held.tokens)
            place = Place(chosen, kept[chosen], kept[chosen] > 0 and not exact)
            self._uses += 1
            held.adapter, held.tokens, held.used, held.busy = adapter, (), self._uses, True
            return place

    def give_back(self, place: Place, tokens: Sequence[int] = ()) -> None:
        """``tokens``: the prompt that is there now; none: nobody knows, so it is not reused."""
        with self._lock:
            held = self._held[place.sequence]
            held.tokens, held.busy = tuple(tokens), False


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))
