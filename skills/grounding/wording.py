"""How hard a text is to read, for choosing among passages that answer as well.

Knows letters, words and sentences; not what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from skills.records import Evidence, Level
from skills.retrieval.text import is_chinese, sentences

AS_GOOD = 0.8
"""Share of the best passage's probability from which another answers as well."""


def difficulty(text: str) -> float:
    """Automated Readability Index (Senter and Smith, AMRL-TR-66-220, 1967): roughly the school grade that reads a text.

    Chinese has no words to count: its characters a sentence, a tenth of them.
    """
    parts = max(len(sentences(text)), 1)
    if is_chinese(text):
        return len(re.findall(r"\w", text)) / parts / 10
    words = re.findall(r"[\w'’-]+", text)
    letters = sum(len(re.sub(r"\W", "", word)) for word in words)
    return 4.71 * letters / max(len(words), 1) + 0.5 * len(words) / parts - 21.43


def by_level(evidence: Sequence[Evidence], level: Level) -> tuple[Evidence, ...]:
    """The evidence, most probable first, with what suits the level in front of what answers as well."""
    if level == "any" or len(evidence) < 2:
        return tuple(evidence)
    best: Callable[..., Evidence] = min if level == "lay" else max
    first = best(
        (item for item in evidence if item.score >= AS_GOOD * evidence[0].score),
        key=lambda item: difficulty(item.passage.text),
    )
    return (first, *(item for item in evidence if item is not first))
