"""BM25 over several fields, as sparse columns of precomputed scores.

Scores are those of Lucene's BM25 (Robertson & Zaragoza 2009; Lù 2024 for the precomputation):
``idf * tf / (tf + k1 * (1 - b + b * length / mean length))``, ``idf = ln(1 + (n - df + .5) / (df + .5))``.
The file's bytes depend only on the texts. Knows terms and rows, nothing of passages or vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError

Array = NDArray[np.float32]


class LexicalField:
    """One field's BM25 index: for each term the rows that have it and what it adds to their score."""

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: Array,
        size: int,
    ) -> None:
        self.vocabulary = vocabulary
        """Term -> column."""
        self.size = size
        """Number of rows."""
        self._starts = starts  # (terms + 1,)
        self._rows = rows  # (postings,)
        self._scores = scores  # (postings,)

    @classmethod
    def build(cls, documents: Sequence[Sequence[str]], *, k1: float = 1.2, b: float = 0.75) -> LexicalField:
        """Index the terms of each row by BM25."""
        counts = [Counter(terms) for terms in documents]
        vocabulary = {term: column for column, term in enumerate(sorted(set().union(*counts)))}
        size = len(documents)
        lengths = np.array([len(terms) for terms in documents], dtype=np.float64)
        norm = k1 * (1 - b + b * lengths / max(lengths.mean() if size else 0.0, 1e-9))
        rows = np.fromiter((row for row, count in enumerate(counts) for _ in count), dtype=np.int32)
        columns = np.fromiter((vocabulary[term] for count in counts for term in count), dtype=np.int64)
        frequency = np.fromiter((value for count in counts for value in count.values()), dtype=np.float64)
        document_frequency = np.bincount(columns, minlength=len(vocabulary))
        idf = np.log1p((size - document_frequency + 0.5) / (document_frequency + 0.5))
        scores = idf[columns] * frequency / (frequency + norm[rows])
        order = np.argsort(columns, kind="stable")
        starts = np.concatenate([[0], np.cumsum(document_frequency)]).astype(np.int64)
        return cls(vocabulary, starts, rows[order], scores[order].astype(np.float32), size)

    def scores(self, terms: Mapping[str, float]) -> Array:
        """BM25 of every row, (size,), for query terms and their weights; 0 where no term occurs."""
        known = [(self.vocabulary[term], weight) for term, weight in terms.items() if term in self.vocabulary]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        spans = [slice(self._starts[column], self._starts[column + 1]) for column, _ in known]
        rows = np.concatenate([self._rows[span] for span in spans])
        values = np.concatenate(
            [self._scores[span] * weight for span, (_, weight) in zip(spans, known, strict=True)]
        )
        return np.bincount(rows, weights=values, minlength=self.size).astype(np.float32)

    def rarity(self, term: str) -> float:
        """The term's idf, that of an unseen term included."""
        column = self.vocabulary.get(term)
        frequency = 0 if column is None else int(self._starts[column + 1] - self._starts[column])
        return float(np.log1p((self.size - frequency + 0.5) / (frequency + 0.5)))

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays to save, named ``<name>.<part>``."""
        text = "\n".join(self.vocabulary).encode()
        return {
            f"{name}.terms": np.frombuffer(text, dtype=np.uint8),
            f"{name}.starts": self._starts,
            f"{name}.rows": self._rows,
            f"{name}.scores": self._scores,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], name: str, size: int) -> LexicalField:
        text = tensors[f"{name}.terms"].tobytes().decode()
        vocabulary = {term: column for column, term in enumerate(text.split("\n"))} if text else {}
        starts = tensors[f"{name}.starts"]
        if len(starts) != len(vocabulary) + 1:
            raise DataError(f"lexical field {name!r}: {len(vocabulary)} terms, {len(starts) - 1} columns")
        return cls(vocabulary, starts, tensors[f"{name}.rows"], tensors[f"{name}.scores"], size)


def save_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a safetensors file."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, str(path))


def load_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read arrays written by :func:`save_tensors`. Raises DataError when the file is not such a one."""
    from safetensors.numpy import load_file

    try:
        return load_file(str(path))
    except Exception as error:
        raise DataError(f"{str(path)!r} is not a keyword index: {error!r}", subject=path) from error
