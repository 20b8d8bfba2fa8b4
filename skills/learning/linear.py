"""A linear classifier over hashed n-grams and an embedding, with calibrated probabilities.

    logits = idf-weighted n-gram row @ ngram_weights + vector @ vector_weights + bias
    probabilities = softmax(logits / temperature)

scikit-learn fits it; reading and running it needs numpy and zlib only. There is no vocabulary: an n-gram is a
bucket (CRC-32 modulo the table's size). Knows texts, vectors and labels; not where a vector comes from.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError

Array = NDArray[np.float32]
Indices = NDArray[np.int64]

CLIP = 2000
"""Characters of a text that count."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:['\u2019][a-z]+)?")
_IS_HAN = re.compile(rf"[{_HAN}]")
_DIGIT = re.compile(r"\d")


def ngrams(text: str) -> Iterator[str]:
    """Features of a text, each with a letter for its kind.

    Latin script: words ``w``, word pairs ``p``, and 3 to 5 characters of ``<word>`` ``c``; Chinese: 1 to 3
    characters ``h``. Letters are lower case and digits are 0, so that figures do not name a class.
    """
    previous = ""
    for token in _TOKEN.findall(_DIGIT.sub("0", text[:CLIP].lower())):
        if _IS_HAN.match(token):
            previous = ""
            for size in (1, 2, 3):
                yield from ("h" + token[at : at + size] for at in range(len(token) - size + 1))
            continue
        yield "w" + token
        if previous:
            yield f"p{previous} {token}"
        previous = token
        marked = f"<{token[:40]}>"
        for size in (3, 4, 5):
            yield from ("c" + marked[at : at + size] for at in range(len(marked) - size + 1))


def bucket(ngram: str, buckets: int) -> int:
    """Where an n-gram is kept: the same on every machine and in every process."""
    return zlib.crc32(ngram.encode("utf-8", "replace")) % buckets


def hashed(text: str, buckets: int) -> dict[int, float]:
    """Buckets of a text's n-grams with ``1 + log(count)``."""
    counts = Counter(bucket(ngram, buckets) for ngram in ngrams(text))
    return {place: 1.0 + math.log(count) for place, count in counts.items()}


def softmax(logits: Array) -> Array:
    """Rows of probabilities from rows of logits, (n, labels)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def negative_log_likelihood(probabilities: Array, targets: Indices) -> float:
    """Mean of ``-log p(target)`` in nats."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: Array, targets: Indices) -> float:
    """The divisor of the logits with the least negative log-likelihood, 0.2 to 20, to 0.1 %.

    Guo et al. 2017, "On Calibration of Modern Neural Networks". Golden-section search: there is one minimum.
    """
    low, high = math.log(0.2), math.log(20.0)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(softmax(logits / np.float32(math.exp(log_temperature))), targets)

    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > 1e-3:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2.0)


def expected_calibration_error(probabilities: Array, targets: Indices, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of the top probability."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    place = np.minimum(bins - 1, (confidence * bins).astype(np.int64))
    gaps = [
        (place == at).mean() * abs(confidence[place == at].mean() - right[place == at].mean())
        for at in np.unique(place)
    ]
    return float(sum(gaps))


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted head. ``temperature`` is applied by :meth:`probabilities` only."""

    labels: tuple[str, ...]
    idf: Array
    """(buckets,) weight of a bucket, 0 for one that training never saw."""
    ngram_weights: Array
    """(buckets, labels)"""
    vector_weights: Array
    """(dimension, labels); dimension 0: no embedding."""
    bias: Array
    """(labels,)"""
    temperature: float = 1.0

    def _row(self, text: str) -> tuple[Indices, Array]:
        """Buckets and weights of a text, the weights of length 1."""
        found = hashed(text, len(self.idf))
        places = np.fromiter(found.keys(), dtype=np.int64, count=len(found))
        values = np.fromiter(found.values(), dtype=np.float32, count=len(found)) * self.idf[places]
        length = float(np.linalg.norm(values))
        return places, values / np.float32(length) if length > 0 else values

    def logits(self, texts: Sequence[str], vectors: Array) -> Array:
        """(n, labels) of texts and their vectors (n, dimension), before temperature."""
        result = vectors.astype(np.float32) @ self.vector_weights + self.bias
        for index, text in enumerate(texts):
            places, values = self._row(text)
            result[index] += values @ self.ngram_weights[places]
        return result

    def probabilities(self, texts: Sequence[str], vectors: Array) -> Array:
        """(n, labels), calibrated."""
        return softmax(self.logits(texts, vectors) / np.float32(self.temperature))

    def reasons(self, text: str, label: str) -> list[tuple[str, float]]:
        """The text's words (Chinese: 2 or 3 characters) that speak for a label, in logits, best first.

        The part of the embedding is not in it.
        """
        column = self.labels.index(label)
        others = [index for index in range(len(self.labels)) if index != column]
        margin = self.ngram_weights[:, column] - self.ngram_weights[:, others].mean(axis=1)
        places, values = self._row(text)
        share = dict(zip(places.tolist(), (values * margin[places]).tolist(), strict=True))
        shown = {
            ngram[1:] for ngram in ngrams(text) if ngram[0] == "w" or (ngram[0] == "h" and len(ngram) > 2)
        }
        kinds = {word: "h" if _IS_HAN.match(word) else "w" for word in shown}
        found = [(word, share[bucket(kinds[word] + word, len(self.idf))]) for word in sorted(shown)]
        return sorted(found, key=lambda item: -item[1])

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays for a safetensors file, half precision."""
        parts = {
            "idf": self.idf,
            "ngram_weights": self.ngram_weights,
            "vector_weights": self.vector_weights,
            "bias": self.bias,
        }
        # safetensors writes memory as it lies: rows have to lie in order.
        return {f"{prefix}.{name}": np.ascontiguousarray(value, np.float16) for name, value in parts.items()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], prefix: str, labels: Sequence[str], temperature: float
    ) -> LinearHead:
        """The reverse of :meth:`to_arrays`. Raises DataError when parts are missing or do not fit."""
        names = ("idf", "ngram_weights", "vector_weights", "bias")
        missing = [f"{prefix}.{name}" for name in names if f"{prefix}.{name}" not in arrays]
        if missing:
            raise DataError(f"linear head: no tensor {missing[0]!r}; expected {', '.join(map(repr, names))}")
        idf, ngram, vector, bias = (
            np.asarray(arrays[f"{prefix}.{name}"], dtype=np.float32) for name in names
        )
        width = len(labels)
        if ngram.shape != (len(idf), width) or vector.shape[1:] != (width,) or bias.shape != (width,):
            raise DataError(
                f"linear head {prefix!r}: shapes {ngram.shape}, {vector.shape}, {bias.shape} do not fit "
                f"{len(idf)} buckets and {width} labels"
            )
        return cls(tuple(labels), idf, ngram, vector, bias, temperature)


def fit_head(
    texts: Sequence[str],
    vectors: Array,
    targets: Indices,
    labels: Sequence[str],
    *,
    weights: Array | None = None,
    buckets: int = 1 << 16,
    strength: float = 10.0,
    vector_scale: float = 0.1,
) -> LinearHead:
    """Fit by L2-regularised multinomial logistic regression; deterministic.

    ``vectors`` (n, dimension) are standardised for the fit and multiplied by ``vector_scale``, which says how
    much they count beside the n-grams (rows of length 1); both are folded into the weights. ``strength`` is
    the inverse of the penalty (scikit-learn's C), ``weights`` (n,) weigh the rows. Every label needs a row.
    """
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    present = set(targets.tolist())
    if absent := [label for index, label in enumerate(labels) if index not in present]:
        raise DataError(f"no training row with label {absent[0]!r}; expected some for each of {list(labels)}")
    rows = [hashed(text, buckets) for text in texts]
    starts = np.cumsum([0, *(len(row) for row in rows)])
    places = np.fromiter((place for row in rows for place in row), dtype=np.int64, count=int(starts[-1]))
    values = np.fromiter(
        (value for row in rows for value in row.values()), dtype=np.float32, count=int(starts[-1])
    )
    frequency = np.bincount(places, minlength=buckets)
    # An n-gram of a single row says nothing about others.
    idf = np.where(frequency > 1, np.log((1 + len(rows)) / (1 + frequency)) + 1.0, 0.0).astype(np.float32)
    values = values * idf[places]
    table: Any = sparse.csr_matrix((values, places, starts), shape=(len(rows), buckets))
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = sparse.diags(1.0 / np.maximum(lengths, 1e-9)) @ table
    used = np.flatnonzero(frequency > 1)
    if not len(used) and not vectors.shape[1]:
        raise DataError(f"{len(rows)} training rows share no word; expected more of them")

    mean = vectors.mean(axis=0)
    spread = np.maximum(vectors.std(axis=0), 1e-4)
    scaled = (vectors - mean) / spread * vector_scale
    features = sparse.hstack([table[:, used], sparse.csr_matrix(scaled)], format="csr")
    model: Any = LogisticRegression(C=strength, max_iter=400, tol=1e-3)
    model.fit(features, targets, sample_weight=weights)
    coefficients = cast(NDArray[np.float64], model.coef_)
    intercept = cast(NDArray[np.float64], model.intercept_)
    if len(labels) == 2:  # scikit-learn gives one row for two classes
        coefficients, intercept = (
            np.vstack([-coefficients, coefficients]) / 2,
            np.stack([-intercept[0], intercept[0]]) / 2,
        )
    ngram_weights = np.zeros((buckets, len(labels)), dtype=np.float32)
    ngram_weights[used] = coefficients[:, : len(used)].T
    vector_weights = (coefficients[:, len(used) :] / spread * vector_scale).T.astype(np.float32)
    bias = (intercept - mean @ vector_weights).astype(np.float32)
    return LinearHead(tuple(labels), idf, ngram_weights, vector_weights, bias)
