"""The check of a sentence against its source: rules first, then a model for what words alone do not show.

The model (trained by skills.learning.support) is a linear head on how the sentence lies on its source
(skills.grounding.alignment). It says whether the sentence holds, and if not, what is wrong with it: the number of
another row, the subject of another sentence. A sentence passes if rules and model agree. Knows texts only.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from skills.errors import ModelError
from skills.files import read_json, sha256_file
from skills.grounding.alignment import SIGNS, Reading, Tokens, reading, signs
from skills.grounding.support import SHORTEST, TURNING, Support, check, without_marks
from skills.retrieval.encoder import Encoder, load_encoder
from skills.retrieval.text import is_chinese
from skills.weights import ensure

MAX_TOKENS = 160
"""Tokens read of a part or a sentence."""
_KEPT = 64
"""Texts whose states are kept: the sentences of one answer share their source."""


class Scorer(Protocol):
    """Scores readings; Aligner is the real one."""

    def scores(self, found: Reading) -> NDArray[np.float64]:
        """(1 + kinds,): the first stands for "supported", the others for kinds of failure."""
        ...


class Checker:
    """Rules and model. Threads may share it."""

    def __init__(self, scorer: Scorer, kinds: Sequence[str], threshold: float) -> None:
        self._scorer = scorer
        self._kinds = tuple(kinds)
        self._threshold = threshold

    def check(self, sentence: str, parts: Sequence[str], question: str, *, context: str = "") -> Support:
        """As skills.grounding.support.check; the reason is the rule's, or the kind of failure that the model sees.

        The model is not asked about Chinese, which its encoder does not read, about a bare yes or no, and about a
        sentence that stands word for word in one part of the source.
        """
        verdict = check(sentence, parts, question, context=context)
        body = without_marks(sentence)
        if not verdict.supported or verdict.part is None or is_chinese(body) or quoted(body, parts):
            return verdict
        scores = self._scorer.scores(reading(sentence, parts, question, context))
        if margin(scores) >= self._threshold:
            return verdict
        return replace(verdict, supported=False, reason=self._kinds[int(scores[1:].argmax())])


def margin(scores: NDArray[np.float64]) -> float:
    """Log-odds that a sentence is supported, from its scores."""
    return float(scores[0] - np.logaddexp.reduce(scores[1:]))


def quoted(body: str, parts: Sequence[str]) -> bool:
    """Whether a sentence of SHORTEST words or more stands word for word in a part, and what it leaves out of that
    part does not turn it."""
    mine = _words(body)
    if len(body.split()) < SHORTEST:
        return False
    for part in parts:
        theirs = _words(part)
        for at in range(len(theirs) - len(mine) + 1):
            if theirs[at : at + len(mine)] == mine:
                rest = theirs[:at] + theirs[at + len(mine) :]
                if not TURNING.intersection(rest):
                    return True
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


class TokenReader:
    """Texts as tokens with their states; the encoder is loaded when it is first asked, for most answers are quotes.

    Raises ModelError then, if the encoder is not there or not the one with that hash. Threads may share it.
    """

    def __init__(self, encoder: str, sha256: str | None = None, *, threads: int = 2) -> None:
        self._name, self._sha256, self._threads = encoder, sha256, threads
        self._encoder: Encoder | None = None
        self._known: OrderedDict[str, Tokens] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        with self._lock:
            unknown = list(dict.fromkeys(text for text in texts if text not in self._known))
            self._known.update(zip(unknown, self._read(unknown), strict=True))
            found = [self._known[text] for text in texts]
            for text in texts:
                self._known.move_to_end(text)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return found

    def _read(self, texts: Sequence[str]) -> list[Tokens]:
        if self._encoder is None:
            folder = ensure(self._name)
            if self._sha256 is not None and sha256_file(folder / "model.safetensors") != self._sha256:
                raise ModelError(
                    f"the checker was trained on another {self._name!r} than the one in {str(folder)!r}"
                )
            self._encoder = load_encoder(folder, threads=self._threads)
        encodings = self._encoder.tokenize(texts, MAX_TOKENS)
        found: dict[int, Tokens] = {}
        for batch in self._encoder.batches(encodings):
            for row, index in enumerate(batch.indices):
                ids = encodings[index].ids[1:-1]  # without [CLS] and [SEP]
                states = batch.hidden[row, 1 : 1 + len(ids)]
                states = states / np.linalg.norm(states, axis=1, keepdims=True)
                marks = [any(map(str.isdigit, token)) for token in encodings[index].tokens[1:-1]]
                found[index] = Tokens(np.array(ids, dtype=np.int64), states, np.array(marks, dtype=bool))
        return [found[index] for index in range(len(texts))]


class Aligner:
    """A linear head on the signs of a reading."""

    def __init__(self, read: TokenReader, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> None:
        self._read = read
        self._weight = weight  # (1 + kinds, signs)
        self._bias = bias  # (1 + kinds,)

    def scores(self, found: Reading) -> NDArray[np.float64]:
        return self._weight @ np.array(signs(found, self._read)) + self._bias


def load_checker(folder: Path | None = None, *, threads: int = 2) -> Checker:
    """The shipped checker, or the one a `train support` run left in ``folder``.

    Raises DataError without its ``collegium.json``, ModelError when its head is missing or of another version.
    """
    folder = folder or Path(str(resources.files("skills.grounding").joinpath("checker")))
    described: dict[str, Any] = read_json(folder / "collegium.json")
    try:
        head = load_file(folder / "head.safetensors")
    except (OSError, ValueError) as error:
        raise ModelError(f"checker {str(folder)!r}: {error}", subject=folder) from error
    if tuple(described["signs"]) != SIGNS:
        raise ModelError(f"checker {str(folder)!r} knows other signs than this version; train it again")
    read = TokenReader(described["encoder"], described["encoder_sha256"], threads=threads)
    return Checker(Aligner(read, head["weight"], head["bias"]), described["kinds"], described["threshold"])
