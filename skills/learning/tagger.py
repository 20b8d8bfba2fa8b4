"""A tagger that `collegium train tokens` made, on ONNX Runtime: words to BIO tags.

Also what training and serving share: how words become windows of tokens, and which sequence of tags is the best.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from skills.errors import DataError, ModelError
from skills.files import read_json, sha256_file
from skills.learning.heads import HEAD_FILE
from skills.learning.word_crf import CRF_FILE, WordCrf
from skills.retrieval.encoder import Encoder, load_encoder
from skills.retrieval.encoder_files import encoder_folder

if TYPE_CHECKING:
    from tokenizers import Encoding

Array = NDArray[np.float32]

OUTSIDE = "O"
TAG = re.compile(r"O|[BI]-\S.*")
_FORMS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[A-Z]",
        r"[A-Z]+\Z",
        r"[A-Z][a-z]+\Z",
        r".+[A-Z]",
        r".*\d",
        r"[\d.,]+\Z",
        r"\W+\Z",
        r".*[-/]",
    )
)
"""Capitals, figures and signs of a word: the English encoder reads lower case only."""
SHAPE = 3 * len(_FORMS)
"""Features of a word's form and of its neighbours'."""


@dataclass(frozen=True, slots=True)
class Window:
    """Words of a row that are read at once."""

    start: int
    stop: int
    """Words start..stop - 1 are read."""
    kept: tuple[int, int]
    """Of those the ones, from..to - 1, whose tags are taken from this window: the others stand nearer to the middle of
    the one before or after."""


def windows(sizes: Sequence[int], limit: int) -> list[Window]:
    """Windows over words of ``sizes`` tokens each, none with more than ``limit`` tokens unless a single word has; each
    word is kept once. Neighbours share a fifth of their words."""
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(sizes):
        stop, total = start, 0
        while stop < len(sizes) and (stop == start or total + sizes[stop] <= limit):
            total += sizes[stop]
            stop += 1
        spans.append((start, stop))
        start = stop if stop == len(sizes) else max(start + 1, stop - (stop - start) // 5)
    found: list[Window] = []
    kept = 0
    for number, (start, stop) in enumerate(spans):
        until = stop if number + 1 == len(spans) else (spans[number + 1][0] + stop) // 2
        found.append(Window(start, stop, (kept, until)))
        kept = until
    return found


def shapes(words: Sequence[str]) -> Array:
    """(words, SHAPE) of 0 and 1: the forms of each word, of the one before it and of the one after it."""
    own = np.array([[form.match(word) is not None for form in _FORMS] for word in words], dtype=np.float32)
    padded = np.pad(own.reshape(len(words), len(_FORMS)), ((1, 1), (0, 0)))
    return np.concatenate([padded[1:-1], padded[:-2], padded[2:]], axis=1)


def word_tokens(encoding: Encoding, count: int) -> list[tuple[int, int]]:
    """Place of the first token of each of ``count`` words, and of the one after its last; a word that the tokenizer
    makes nothing of stands at 0 ([CLS])."""
    found = [(0, 1)] * count
    for place, word in enumerate(encoding.word_ids):
        if word is not None:
            first = place if found[word] == (0, 1) else found[word][0]
            found[word] = (first, place + 1)
    return found


def best_tags(scores: Array, labels: Sequence[str]) -> list[str]:
    """The sequence of highest total score, scores (words, labels), in which each I- goes on with what stands before it.

    Viterbi's algorithm.
    """
    allowed = np.array(
        [[not tag.startswith("I-") or before[2:] == tag[2:] for tag in labels] for before in labels]
    )  # (before, tag); of "O" nothing is left after two characters
    barred = np.where(allowed, 0.0, -np.inf)
    total = np.where([tag.startswith("I-") for tag in labels], -np.inf, 0.0) + scores[0]
    origins: list[NDArray[np.int64]] = []
    for row in scores[1:]:
        paths = total[:, None] + barred  # (before, tag)
        origins.append(paths.argmax(0))
        total = paths.max(0) + row
    place = int(total.argmax())
    found = [place]
    for origin in reversed(origins):
        place = int(origin[place])
        found.append(place)
    return [labels[place] for place in reversed(found)]


def mixed(scores: Array, log_probabilities: Array, share: float) -> Array:
    """What encoder and CRF say together, (words, labels): their logarithms of probability, the CRF's by ``share``."""
    highest = scores.max(1, keepdims=True, initial=-np.inf)
    own = scores - highest - np.log(np.exp(scores - highest).sum(1, keepdims=True))
    return (1 - share) * own + share * log_probabilities


def entities(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """(first word, word after the last, type) of what BIO tags mark; an I- that follows nothing of its type begins."""
    found: set[tuple[int, int, str]] = set()
    start, kind = 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        if kind and (not tag.startswith("I-") or tag[2:] != kind):
            found.add((start, place, kind))
            kind = ""
        if tag != OUTSIDE and not kind:
            start, kind = place, tag[2:]
    return found


class Tagger:
    """Encoder, head, CRF and tags; made by :func:`load_tagger`. Threads may share it."""

    def __init__(
        self,
        encoder: Encoder,
        head: dict[str, Array],
        labels: Sequence[str],
        max_tokens: int,
        crf: WordCrf,
        share: float,
    ) -> None:
        """``share``: of the CRF, see ``mixed``."""
        self.labels = tuple(labels)
        self._crf, self._share = crf, share
        self._encoder = encoder
        self._weight, self._bias = head["weight"], head["bias"]
        # (labels, 2 * dimension + SHAPE): first token of a word, mean of its tokens, its form
        self._max_tokens = max_tokens

    def tags(self, words: Sequence[str]) -> list[str]:
        """A BIO tag for each word."""
        if not words:
            return []
        sizes = [
            stop - start for start, stop in word_tokens(self._encoder.tokenize_words([words])[0], len(words))
        ]
        scores = np.zeros((len(words), len(self.labels)), dtype=np.float32)
        forms = shapes(words)
        parts = windows(sizes, self._max_tokens - 2)
        encodings = self._encoder.tokenize_words([words[part.start : part.stop] for part in parts])
        for batch in self._encoder.batches(encodings):
            for row, index in enumerate(batch.indices):
                part = parts[index]
                places = word_tokens(encodings[index], part.stop - part.start)
                for word in range(*part.kept):
                    start, stop = places[word - part.start]
                    states = batch.hidden[row, start:stop]
                    features = np.concatenate([states[0], states.mean(0), forms[word]])
                    scores[word] = self._weight @ features + self._bias
        return best_tags(mixed(scores, self._crf.log_probabilities(words), self._share), self.labels)


def load_tagger(folder: Path, *, threads: int = 2) -> Tagger:
    """Load what a `train tokens` run left in ``folder``.

    Raises DataError when it holds no tagger or a damaged one, ModelError when its encoder is another one now.
    """
    described = read_json(folder / "collegium.json")
    if described.get("method") != "tokens":
        raise DataError(
            f"{str(folder)!r} holds no tagger; expected RUN/best of `collegium train tokens`", subject=folder
        )
    base = encoder_folder(described["encoder"])
    if sha256_file(base / "model.safetensors") != described["encoder_sha256"]:
        raise ModelError(
            f"tagger {str(folder)!r} was trained from another {described['encoder']!r} than the one in {str(base)!r}"
        )
    encoder = load_encoder(base, folder, threads=threads)
    labels = described["labels"]
    try:
        head = load_file(folder / HEAD_FILE)
        weight, bias = head["weight"], head["bias"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"tagger {str(folder)!r} is damaged: {error}", subject=folder) from error
    if weight.shape != (len(labels), 2 * encoder.dimension + SHAPE) or bias.shape != (len(labels),):
        raise DataError(
            f"tagger {str(folder)!r} is damaged: {weight.shape} for {len(labels)} tags", subject=folder
        )
    if not (folder / CRF_FILE).is_file() or sha256_file(folder / CRF_FILE) != described.get("crf_sha256"):
        raise DataError(
            f"tagger {str(folder)!r} is damaged: {CRF_FILE}; train it again: collegium train tokens",
            subject=folder,
        )
    crf = WordCrf(folder / CRF_FILE, labels)
    return Tagger(encoder, head, labels, int(described["max_tokens"]), crf, float(described["crf_share"]))
