"""A linear-chain CRF over the words of a text, their forms and their neighbours: what a tagger knows of words by sight.

Lafferty et al. 2001 with the features usual for names (Ratinov & Roth 2009), by L-BFGS with L1 and L2 terms (CRFsuite,
Okazaki 2007). It learns spellings that a sentence encoder smooths over; the encoder knows what they mean.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError

CRF_FILE = "words.crf"
_RUN = re.compile(r"(.)\1+")
_NEIGHBOURS = (-2, -1, 1, 2)
_LEAST = 1e-6
"""What a tag that never occurred in such a place still has of probability."""


def word_features(words: Sequence[str]) -> list[list[str]]:
    """The features of each word: itself, its beginning and end, its form, and the same of its neighbours."""
    lower = [word.lower() for word in words]
    forms = [_form(word) for word in words]
    found: list[list[str]] = []
    for place, word in enumerate(lower):
        own = ["bias", f"word={word}", f"form={forms[place]}"]
        own += [f"begins={word[:size]}" for size in (3, 4)] + [f"ends={word[-size:]}" for size in (2, 3, 4)]
        for step in _NEIGHBOURS:
            other = place + step
            if 0 <= other < len(words):
                near = (f"word={lower[other]}", f"form={forms[other]}", f"ends={lower[other][-3:]}")
                own += [f"{step}:{feature}" for feature in near]
            else:
                own.append(f"{step}:none")
        if place:
            own.append(f"-1,0={lower[place - 1]} {word}")
        if place + 1 < len(words):
            own.append(f"0,1={word} {lower[place + 1]}")
        found.append(own)
    return found


def _form(word: str) -> str:
    """Capitals, small letters and figures of a word, each run once: "Xx" for "Aspirin", "X-d" for "IL-2"."""
    kinds = "".join("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    return _RUN.sub(r"\1", kinds)


def _library() -> Any:
    """CRFsuite, which has no types."""
    return import_module("pycrfsuite")


def train_crf(rows: Sequence[tuple[Sequence[str], Sequence[str]]], path: Path) -> None:
    """Fit on rows of (words, tags) and write the model to ``path``. The same rows always give the same model."""
    trainer = _library().Trainer(verbose=False)
    for words, tags in rows:
        trainer.append(word_features(words), list(tags))
    trainer.set_params({"c1": 0.1, "c2": 0.01, "max_iterations": 100, "feature.possible_transitions": True})
    trainer.train(str(path))


class WordCrf:
    """A trained CRF. Threads may share it."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        """Raises DataError for a file that is none, or of other tags than ``labels``."""
        self._labels = tuple(labels)
        self._tagger = _library().Tagger()
        self._lock = threading.Lock()  # the tagger keeps the text it is asked about as state
        try:
            self._tagger.open(str(path))
            known = set(self._tagger.labels())
        except (ValueError, OSError) as error:
            raise DataError(
                f"tagger {str(path.parent)!r} is damaged: {path.name}: {error}", subject=path
            ) from error
        if not known <= set(labels):
            raise DataError(
                f"tagger {str(path.parent)!r} is damaged: {path.name} has the tags {sorted(known)}"
            )
        self._known = known

    def log_probabilities(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Logarithm of each tag's probability at each word, (words, labels)."""
        found = np.full((len(words), len(self._labels)), _LEAST, dtype=np.float32)
        if words:
            with self._lock:
                self._tagger.set(word_features(words))
                for place in range(len(words)):
                    for number, label in enumerate(self._labels):
                        if label in self._known:
                            found[place, number] = max(_LEAST, self._tagger.marginal(label, place))
        return np.log(found)
