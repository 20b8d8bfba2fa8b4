"""BM25 over several fields, as sparse columns of precomputed scores.

Scores are those of Lucene's BM25 (Robertson & Zaragoza 2009; Lù 2024 for the precomputation):
``idf * tf / (tf + k1 * (1 - b + b * length / mean length))``, ``idf = ln(1 + (n - df + .5) / (df + .5))``.
A term is kept as a 64-bit hash, so that a large index is a few arrays and loads at once. The bytes depend on
the texts alone. Knows terms and rows, nothing of passages or vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError

Array = NDArray[np.float32]
_PARTS = ("keys", "starts", "rows", "scores")


def _key(term: str) -> int:
    return int.from_bytes(blake2b(term.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def _keys(terms: Iterable[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(_key, terms), dtype=np.uint64)


class _Postings:
    """One posting for each distinct term of each row: row, column of the term, how often it is there."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        counts = [Counter(terms) for terms in documents]
        self.size = len(counts)
        self.rows = np.repeat(np.arange(self.size, dtype=np.int32), [len(count) for count in counts])
        tally = (number for count in counts for number in count.values())
        self.tally = np.fromiter(tally, dtype=np.float64)
        posted = _keys(term for count in counts for term in count)
        self.keys, self.columns, self.holders = np.unique(posted, return_inverse=True, return_counts=True)
        self.idf = np.log1p((self.size - self.holders + 0.5) / (self.holders + 0.5))  # (terms,)


class LexicalField:
    """One field's BM25 index: for each term the rows that have it and what it adds to their score."""

    def __init__(
        self,
        keys: NDArray[np.uint64],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: Array,
        size: int,
    ) -> None:
        self.size = size
        """Number of rows."""
        self._keys = keys  # (terms,) ascending
        self._starts = starts  # (terms + 1,)
        self._rows = rows  # (postings,)
        self._scores = scores  # (postings,)

    @classmethod
    def build(cls, documents: Sequence[Sequence[str]], *, k1: float = 1.2, b: float = 0.75) -> LexicalField:
        """Index the terms of each row for BM25."""
        lengths = np.array([len(terms) for terms in documents], dtype=np.float64)
        norm = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9))  # (rows,)
        post = _Postings(documents)
        return cls._of(post, post.idf[post.columns] * post.tally / (post.tally + norm[post.rows]))

    @classmethod
    def build_shares(cls, documents: Sequence[Sequence[str]]) -> tuple[LexicalField, Array]:
        """Index the terms of each row by their share of the row's idf; give also the rows' idf, (rows,).

        A row's score is then how much of the row a query has, 0..1, for weights of 1.
        """
        post = _Postings(documents)
        idf = post.idf[post.columns]
        total = np.bincount(post.rows, weights=idf, minlength=len(documents))
        return cls._of(post, idf / total[post.rows]), total.astype(np.float32)

    @classmethod
    def _of(cls, post: _Postings, scores: NDArray[np.float64]) -> LexicalField:
        order = np.argsort(post.columns, kind="stable")
        starts = np.concatenate([[0], np.cumsum(post.holders)]).astype(np.int64)
        return cls(post.keys, starts, post.rows[order], scores[order].astype(np.float32), post.size)

    def _columns(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """Column of each term, -1 for a term that no row has."""
        if not len(self._keys):
            return np.full(len(terms), -1, dtype=np.int64)
        wanted = _keys(terms)
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return np.where(self._keys[places] == wanted, places, -1)

    def scores(self, terms: Mapping[str, float]) -> Array:
        """BM25 of every row, (size,), for query terms and their weights; 0 where no term occurs."""
        columns = self._columns(list(terms))
        known = [
            (column, weight) for column, weight in zip(columns, terms.values(), strict=True) if column >= 0
        ]
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        spans = [slice(self._starts[column], self._starts[column + 1]) for column, _ in known]
        rows = np.concatenate([self._rows[span] for span in spans])
        weights = [weight for _, weight in known]
        values = np.concatenate(
            [self._scores[span] * weight for span, weight in zip(spans, weights, strict=True)]
        )
        return np.bincount(rows, weights=values, minlength=self.size).astype(np.float32)

    def rarity(self, terms: Sequence[str]) -> Array:
        """The idf of each term, (terms,); that of a term which no row has is the highest."""
        columns = self._columns(terms)
        holders = np.where(columns >= 0, np.diff(self._starts, append=0)[columns], 0)
        return np.log1p((self.size - holders + 0.5) / (holders + 0.5)).astype(np.float32)

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays to save, named ``<name>.<part>``."""
        arrays = (self._keys, self._starts, self._rows, self._scores)
        return {f"{name}.{part}": array for part, array in zip(_PARTS, arrays, strict=True)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], name: str, size: int) -> LexicalField:
        """Made of the arrays of :meth:`tensors`. Raises DataError when they do not fit together."""
        try:
            keys, starts, rows, scores = (tensors[f"{name}.{part}"] for part in _PARTS)
        except KeyError as error:
            raise DataError(f"keyword index: no array {error}") from error
        fits = len(starts) == len(keys) + 1 and int(starts[-1]) == len(rows) == len(scores)
        if not fits or (len(rows) and int(rows.max()) >= size):
            raise DataError(f"keyword index: the arrays of field {name!r} do not fit {size} rows")
        return cls(keys, starts, rows, scores, size)


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
