"""Turning generated tokens into text that can be shown: whole characters only, nothing after a stop string.

Knows strings, not models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class TextStream:
    """Feed it token ids; it gives the text that is certain.

    Held back until more is known: the bytes of an unfinished character, and an ending that may become a stop
    string.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stop = [text for text in stop if text]
        self._ids: list[int] = []
        self._shown = 0
        self.stopped = False
        """A stop string came; the text before it has been given."""

    def add(self, token: int) -> str:
        """The text that this token makes certain, maybe empty."""
        self._ids.append(token)
        text = self._decode(self._ids)
        place = min((found for stop in self._stop if (found := text.find(stop)) >= 0), default=-1)
        if place >= 0:
            self.stopped = True
            return self._show(text[:place])
        return self._show(text[: len(text) - self._uncertain(text)])

    def end(self) -> str:
        """The rest, when no more tokens come."""
        return "" if self.stopped else self._show(self._decode(self._ids))

    def _show(self, text: str) -> str:
        new = text[self._shown :]
        self._shown = max(self._shown, len(text))
        return new

    def _uncertain(self, text: str) -> int:
        """Number of last characters that later tokens may change or that may begin a stop string."""
        whole = text.rstrip("\ufffd")
        begun = 0
        for stop in self._stop:
            for length in range(min(len(stop) - 1, len(whole)), begun, -1):
                if whole.endswith(stop[:length]):
                    begun = length
                    break
        return len(text) - len(whole) + begun
