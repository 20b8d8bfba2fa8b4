"""Misspelled words put right, where it is known which words matter: "mortage" -> "mortgage".

Only what nearly is one of the given words and begins like it is touched. Whoever lists words chooses such that no
other English word is that near. Knows words only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"[A-Za-z]{5,}")
_ALIKE = 0.85
"""Ratio of Ratcliff and Metzener (1988), as difflib counts it: a letter wrong in a word of seven."""
_LENGTH = 2
"""Letters that a word may have more or less."""


def put_right(text: str, words: Sequence[str]) -> str:
    """The text with each word that nearly is one of ``words`` (in small letters) written like it."""

    def right(found: re.Match[str]) -> str:
        word = found[0].lower()
        if any(word.startswith(known) or known.startswith(word) for known in words):
            return found[0]
        near = [
            (SequenceMatcher(None, word, known).ratio(), known)
            for known in words
            if known[0] == word[0] and abs(len(known) - len(word)) <= _LENGTH
        ]
        ratio, nearest = max(near, default=(0.0, ""))
        return nearest if ratio >= _ALIKE else found[0]

    return _WORD.sub(right, text) if words else text
