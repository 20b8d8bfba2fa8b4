"""BM25 over several fields, as sparse columns of precomputed scores.

Scores are those of Lucene's BM25 (Robertson & Zaragoza 2009; Lù 2024 for the precomputation):
``idf * tf / (tf + k1 * (1 - b + b * length / mean length))``, ``idf = ln(1 + (n - df + .5) / (df + .5))``.
A term is kept as a 64-bit hash, so that a large index is a few arrays and loads at once. The bytes depend on
the texts alone. Knows terms and rows, nothing of passages or vectors.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
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


@dataclass(frozen=True, slots=True)
class Postings:
    """One posting for each distinct term of each row, rows ascending. Arrays are (postings,) or (rows,)."""

    rows: NDArray[np.int32]
    keys: NDArray[np.uint64]
    tallies: NDArray[np.uint32]
    """How often the row has the term."""
    lengths: NDArray[np.int64]
    """Terms of each row, repeats counted."""

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]]) -> Postings:
        """The postings of rows of terms."""
        collected = PostingsBuilder()
        for terms in rows:
            collected.add(terms)
        return collected.done()

    def grouped(self, group_of_row: NDArray[np.int32], more: Postings) -> Postings:
        """Rows of one group joined to one row; ``more`` adds terms to the groups, of which it has a row each."""
        groups = len(more.lengths)
        owners = np.concatenate([group_of_row[self.rows], more.rows])
        keys = np.concatenate([self.keys, more.keys])
        order = np.lexsort((keys, owners))
        owners, keys = owners[order], keys[order]
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (owners[1:] != owners[:-1]) | (keys[1:] != keys[:-1])
        first = np.flatnonzero(begins)
        tallies = np.concatenate([self.tallies, more.tallies])[order]
        lengths = np.bincount(group_of_row, weights=self.lengths, minlength=groups).astype(np.int64)
        return Postings(
            owners[first],
            keys[first],
            np.add.reduceat(tallies, first) if len(first) else tallies,
            lengths + more.lengths,
        )


class PostingsBuilder:
    """Collects postings row by row in packed arrays, 12 bytes each."""

    def __init__(self, older: Postings | None = None) -> None:
        """``older``: postings of which rows can be copied."""
        self._keys, self._tallies = array("Q"), array("I")
        self._distinct, self._lengths = array("I"), array("I")
        self._older = older
        if older is not None:
            self._starts = np.searchsorted(older.rows, np.arange(len(older.lengths) + 1))

    def add(self, terms: Sequence[str]) -> None:
        """Add a row of terms."""
        counts = Counter(terms)
        self._keys.extend(map(_key, counts))
        self._tallies.extend(counts.values())
        self._distinct.append(len(counts))
        self._lengths.append(len(terms))

    def copy(self, row: int) -> None:
        """Add a row of the older postings."""
        assert self._older is not None  # noqa: S101  who copies has given them
        first, last = self._starts[row : row + 2].tolist()
        self._keys.frombytes(self._older.keys[first:last].tobytes())
        self._tallies.frombytes(self._older.tallies[first:last].tobytes())
        self._distinct.append(last - first)
        self._lengths.append(int(self._older.lengths[row]))

    def done(self) -> Postings:
        """What was added."""
        distinct = np.array(self._distinct, dtype=np.int64)
        return Postings(
            np.repeat(np.arange(len(distinct), dtype=np.int32), distinct),
            np.frombuffer(self._keys, dtype=np.uint64),
            np.frombuffer(self._tallies, dtype=np.uint32),
            np.array(self._lengths, dtype=np.int64),
        )


def _columns_of(
    postings: Postings,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """The distinct keys, ascending; for each posting the place of its key; how many rows have each key."""
    return np.unique(postings.keys, return_inverse=True, return_counts=True)


def _idf(holders: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    return np.log1p((size - holders + 0.5) / (holders + 0.5))


class LexicalField:
    """One field's BM25 index: for each term the rows that have it and what it adds to their score."""

    def __init__(
        self,
        keys: NDArray[np.uint64],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        scores: Array,
        size: int,
        tallies: NDArray[np.unsignedinteger] | None = None,
    ) -> None:
        self.size = size
        """Number of rows."""
        self._keys = keys  # (terms,) ascending
        self._starts = starts  # (terms + 1,)
        self._rows = rows  # (postings,)
        self._scores = scores  # (postings,)
        self._tallies = tallies  # (postings,)

    @classmethod
    def build(
        cls, postings: Postings, *, keep: bool = False, k1: float = 1.2, b: float = 0.75
    ) -> LexicalField:
        """Index the terms of each row for BM25; ``keep``: so that :meth:`postings` can give them again."""
        lengths = postings.lengths.astype(np.float64)
        norm = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9))  # (rows,)
        keys, columns, holders = _columns_of(postings)
        scores = _idf(holders, len(lengths))[columns] * postings.tallies
        scores /= postings.tallies + norm[postings.rows]
        return cls._of(keys, columns, holders, postings, scores, keep=keep)

    @classmethod
    def build_shares(cls, postings: Postings) -> tuple[LexicalField, Array]:
        """Index the terms of each row by their share of the row's idf; give also the rows' idf, (rows,).

        A row's score is then how much of the row a query has, 0..1, for weights of 1.
        """
        size = len(postings.lengths)
        keys, columns, holders = _columns_of(postings)
        idf = _idf(holders, size)[columns]
        total = np.bincount(postings.rows, weights=idf, minlength=size)
        field = cls._of(keys, columns, holders, postings, idf / total[postings.rows])
        return field, total.astype(np.float32)

    @classmethod
    def _of(
        cls,
        keys: NDArray[np.uint64],
        columns: NDArray[np.int64],
        holders: NDArray[np.int64],
        postings: Postings,
        scores: NDArray[np.float64],
        *,
        keep: bool = False,
    ) -> LexicalField:
        order = np.argsort(columns, kind="stable")
        starts = np.concatenate([[0], np.cumsum(holders)]).astype(np.int64)
        small = np.uint16 if postings.tallies.max(initial=0) < 1 << 16 else np.uint32
        tallies = postings.tallies.astype(small)[order] if keep else None
        rows = postings.rows[order]
        return cls(keys, starts, rows, scores.astype(np.float32)[order], len(postings.lengths), tallies)

    def postings(self) -> Postings:
        """What the index was built of, if it was kept. Raises DataError if not."""
        if self._tallies is None:
            raise DataError("keyword index: it does not say how often a passage has a word")
        order = np.argsort(self._rows, kind="stable")
        rows, tallies = self._rows[order], self._tallies[order].astype(np.uint32)
        keys = np.repeat(self._keys, np.diff(self._starts))[order]
        lengths = np.bincount(rows, weights=tallies, minlength=self.size).astype(np.int64)
        return Postings(rows, keys, tallies, lengths)

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
        kept = {} if self._tallies is None else {f"{name}.tallies": self._tallies}
        return {f"{name}.{part}": array for part, array in zip(_PARTS, arrays, strict=True)} | kept

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], name: str, size: int) -> LexicalField:
        """Made of the arrays of :meth:`tensors`. Raises DataError when they do not fit together."""
        try:
            keys, starts, rows, scores = (tensors[f"{name}.{part}"] for part in _PARTS)
        except KeyError as error:
            raise DataError(f"keyword index: no array {error}") from error
        tallies = tensors.get(f"{name}.tallies")
        fits = len(starts) == len(keys) + 1 and int(starts[-1]) == len(rows) == len(scores)
        fits = fits and (tallies is None or len(tallies) == len(rows))
        if not fits or (len(rows) and int(rows.max()) >= size):
            raise DataError(f"keyword index: the arrays of field {name!r} do not fit {size} rows")
        return cls(keys, starts, rows, scores, size, tallies)
