"""Questions on three made-up topics, packs of them, and vectors that need no weights."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from skills.learning.linear import Array
from skills.retrieval.text import terms

MANIFEST = """name = "{name}"
title = "{name}"
version = "1"
description = "test"
disclaimer = "test"
"""

_WORDS = {
    "garden": "roses tulips compost pruning mulch seedlings lawn soil weeds watering hedge greenhouse",
    "sailing": "spinnaker mainsail anchor rudder keel mooring jib harbour tacking halyard regatta hull",
    "general": "football guitar weather movie hotel laptop pizza holiday novel printer museum chess",
}
TOPICS = {topic: words.split() for topic, words in _WORDS.items()}
PHRASES = (
    "how do i choose {0} and {1}",
    "What is the best {0} for {1}?",
    "tell me about {0}, {1} please",
    "why does my {0} need {1}",
)


def questions(topic: str, start: int = 0, count: int = 40) -> list[str]:
    """Questions about a topic; different ``start`` values give different pairs of words."""
    words = TOPICS[topic]
    size = len(words)
    return [
        PHRASES[at % 4].format(words[at % size], words[(at // size + at + 1) % size])
        for at in range(start, start + count)
    ]


def vector(text: str) -> Array:
    """(64,) of length 1."""
    total = np.zeros(64)
    for term in terms(text) or ["?"]:
        total += np.random.default_rng(zlib.crc32(term.encode())).standard_normal(64)
    return (total / np.linalg.norm(total)).astype(np.float32)


def write_pack(folder: Path, name: str, rows: str) -> Path:
    """A pack that has nothing but route examples."""
    place = folder / name
    (place / "examples").mkdir(parents=True)
    (place / "pack.toml").write_text(MANIFEST.format(name=name), encoding="utf-8")
    (place / "examples" / "route.jsonl").write_text(rows, encoding="utf-8")
    return place
