"""How a sentence lies on its source: word by word, in the order of the words, and in the states of an encoder.

The state of a token carries what stands around it. A word of the sentence that means in it what it means in the source
has nearly the same state there (late interaction, Khattab & Zaharia 2020, arXiv:2004.12832; here between equal
tokens); a word that was moved to another subject has not. Knows texts and states, no verdicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from skills.grounding.cells import is_row
from skills.grounding.support import SHORTEST, TURNING, without_marks
from skills.retrieval.text import terms, words

SOURCE = 320
"""Characters of the source that are read with a sentence: of the parts nearest to it."""
ASKED = 160
"""Characters of the question, its end, that a bare answer is read with."""
SIGNS = (
    "mean", "least", "two least", "four least", "least digit", "mean digit",
    "nearest mean", "nearest least", "nearest two least", "nearest four least",
    "in nearest", "nowhere", "most in order", "all in order",
    "replaced", "inserted", "left out", "replaced inside", "new words", "turning left out", "words left out",
    "row", "short",
)  # fmt: skip
"""What ``signs`` measures. Alikeness (cosine of the states of equal tokens) over all tokens of the sentence, over its
digits, and with the nearest part alone; shares of tokens; order and edits of words."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as an encoder sees it, without special tokens."""

    ids: NDArray[np.int64]
    states: NDArray[np.float32]
    """(tokens, dimension), of length 1."""
    digits: NDArray[np.bool_]
    """Whether a token holds a digit."""


Read = Callable[[Sequence[str]], list[Tokens]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a sentence and its source."""

    claim: str
    """The sentence; a bare answer together with its question."""
    parts: tuple[str, ...]
    """The parts of the source nearest to it, the nearest first."""
    free: frozenset[str]
    """Words of question and title: they may stand anywhere."""
    short: bool


def reading(sentence: str, parts: Sequence[str], question: str, context: str) -> Reading:
    """Choose what to read; ``parts`` must not be empty."""
    body = without_marks(sentence).strip()
    short = len(body.split()) < SHORTEST
    claim = f"{question[-ASKED:]} {body}" if short else body
    wanted = set(terms(claim))
    shared = [len(wanted & set(terms(part))) for part in parts]
    chosen: list[str] = []
    for index in sorted(range(len(parts)), key=lambda index: (-shared[index], len(parts[index]), index)):
        if not chosen or sum(map(len, chosen)) + len(parts[index]) <= SOURCE:
            chosen.append(parts[index])
    return Reading(claim, tuple(chosen), frozenset(words(question)) | frozenset(words(context)), short)


def signs(found: Reading, read: Read) -> list[float]:
    """The SIGNS of a reading, in order."""
    claim, *texts = read([found.claim, *found.parts])
    near, every = _alikeness(claim, texts[:1]), _alikeness(claim, texts)
    held, anywhere = near > -1, every > -1
    # A token that the source lacks (a word of the question) says nothing about where it was moved from.
    alike = every[anywhere]
    digits = every[anywhere & claim.digits]
    nearest = np.where(held, near, 0.0)
    return [
        *_lowest(alike),
        *(float(value) for value in ((digits.min(), digits.mean()) if len(digits) else (1.0, 1.0))),
        *_lowest(nearest),
        float(held.mean()) if len(held) else 1.0,
        float((~anywhere).mean()) if len(anywhere) else 0.0,
        *_order(found),
        *_edits(found),
        float(is_row(found.parts[0])),
        float(found.short),
    ]


def _alikeness(claim: Tokens, texts: Sequence[Tokens]) -> NDArray[np.float32]:
    """By token of the claim its highest cosine to an equal token of the texts, (tokens,); -1 where there is none."""
    ids = np.concatenate([text.ids for text in texts])
    states = np.concatenate([text.states for text in texts])
    if not len(ids):
        return np.full(len(claim.ids), -1.0, dtype=np.float32)
    cosines = claim.states @ states.T  # (tokens of the claim, tokens of the texts)
    return np.where(claim.ids[:, None] == ids[None, :], np.maximum(cosines, -0.99), -1.0).max(axis=1)


def _lowest(values: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Mean of all, the least, and the means of the two and the four least."""
    if not len(values):
        return 1.0, 1.0, 1.0, 1.0
    ranked = np.sort(values)
    return float(ranked.mean()), float(ranked[0]), float(ranked[:2].mean()), float(ranked[:4].mean())


def _order(found: Reading) -> tuple[float, float]:
    """The share of the sentence's words that one part has in the same order, and whether those are all."""
    mine = words(found.claim)
    best = 0.0
    for part in found.parts:
        theirs = words(part)
        at, kept, counted = 0, 0, 0
        for word in mine:
            if word in theirs[at:]:
                at = theirs.index(word, at) + 1
                kept += 1
            elif word in found.free:
                continue
            counted += 1
        best = max(best, kept / counted if counted else 1.0)
    return best, float(best == 1.0)


def _edits(found: Reading) -> tuple[float, ...]:
    """From the nearest part to the sentence: runs replaced, inserted and left out, runs replaced inside, the share of
    words that are new, whether a turning word was left out inside, and how many words were."""
    theirs, mine = (re.findall(r"\w+", text.lower()) for text in (found.parts[0], found.claim))
    steps = SequenceMatcher(None, theirs, mine, autojunk=False).get_opcodes()
    names = [step[0] for step in steps]
    gap = [word for name, a, b, _, _ in steps[1:-1] if name in ("delete", "replace") for word in theirs[a:b]]
    new = sum(d - c for name, _, _, c, d in steps if name in ("insert", "replace"))
    return (
        float(names.count("replace")),
        float(names.count("insert")),
        float(names.count("delete")),
        float(names[1:-1].count("replace")),
        new / max(1, len(mine)),
        float(bool(TURNING.intersection(gap))),
        float(len(gap)),
    )
