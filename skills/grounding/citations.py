"""Citations: marks of an answer bound to exact quotes. One that does not resolve cannot be made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skills.errors import DataError
from skills.records import Citation, Passage

_MARKS = re.compile(r"\[(\d+(?:\s*,\s*\d+)*)\]")


def mark_numbers(text: str) -> list[int]:
    """Numbers of the marks in a text, in order of first occurrence."""
    found = [int(number) for group in _MARKS.findall(text) for number in group.split(",")]
    return list(dict.fromkeys(found))


def cite(number: int, passage: Passage, spans: Sequence[tuple[int, int]]) -> Citation:
    """The citation of a passage by its supporting spans; the quote reaches from the first to the last.

    Raises DataError when the spans lie outside the passage or quote nothing.
    """
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    quote = passage.text[start:end]
    if not (0 <= start < end <= len(passage.text)) or not quote.strip():
        raise DataError(f"citation of {passage.id!r}: no text at {start}..{end}", subject=passage)
    return Citation(number, passage.id, quote, start, end, passage.title, passage.source, passage.as_of)
