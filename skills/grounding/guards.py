"""Red flags: requests that are answered, or refused, before anything else happens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skills.pack import Guard


def raised(guards: Iterable[Guard], question: str) -> Guard | None:
    """The first guard that a question raises, None if none."""
    for guard in guards:
        if _matches(guard.patterns, question) and not _matches(guard.unless, question):
            return guard
    return None


def _matches(patterns: Iterable[str], text: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
