"""What a store knows of each row besides its words: id, title, document, source, jurisdiction, dates.

A column of texts is kept as a number for each row, in the order of the sorted distinct texts, and the first row
that has each text: the texts themselves stay in ``passages.jsonl``. That is enough to find the rows of a value,
or the row of an id, by bisection.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError, UserError
from skills.records import Filter, Passage
from skills.retrieval.filters import day_number

Rows = NDArray[np.int32]

_ALWAYS, _NEVER = 0, np.iinfo(np.int32).max
"""Day numbers of a beginning and of an end that are not known."""


def document_of(passage_id: str) -> str:
    """The document a passage is of: "<document>#<part>", or the whole id where there is no ``#``."""
    return passage_id.rpartition("#")[0] or passage_id


_TEXTS: dict[str, Callable[[Passage], str]] = {
    "title": lambda passage: passage.title,
    "document": lambda passage: document_of(passage.id),
    "source": lambda passage: passage.source,
    "jurisdiction": lambda passage: passage.jurisdiction,
}


@dataclass(frozen=True, slots=True)
class Labels:
    """One column of texts."""

    of_row: Rows
    """Number of each row's text, (rows,)."""
    first: Rows
    """First row of each text, (texts,), in the order of the texts."""

    def __len__(self) -> int:
        return len(self.first)


class Columns:
    """All columns of a store's rows."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], passages: Sequence[Passage]) -> None:
        """``tensors``: those of :meth:`ColumnsBuilder.tensors`. Raises DataError if they do not fit."""
        self._passages = passages
        try:
            self._labels = {name: Labels(tensors[f"{name}.of"], tensors[f"{name}.first"]) for name in _TEXTS}
            self._by_id: Rows = tensors["by_id"]
            self._effective: Rows = tensors["effective"]
            self._expires: Rows = tensors["expires"]
        except KeyError as error:
            raise DataError(f"columns: no array {error}") from error
        whole = (self._by_id, self._effective, self._expires, *(one.of_row for one in self._labels.values()))
        fits = all(len(column) == len(passages) for column in whole)
        if not fits or any(
            int(one.of_row.max(initial=-1)) >= len(one) or int(one.first.max(initial=-1)) >= len(passages)
            for one in self._labels.values()
        ):
            raise DataError(f"columns: the arrays do not fit {len(passages)} rows")

    @property
    def title(self) -> Labels:
        return self._labels["title"]

    @property
    def document(self) -> Labels:
        return self._labels["document"]

    def title_text(self, number: int) -> str:
        """The title of that number."""
        return self._passages[int(self.title.first[number])].title

    def row_of_id(self, passage_id: str) -> int | None:
        """The row of the passage of that id."""
        place = bisect_left(self._by_id, passage_id, key=lambda row: self._passages[int(row)].id)
        if place == len(self._by_id):
            return None
        row = int(self._by_id[place])
        return row if self._passages[row].id == passage_id else None

    def rows_where(self, where: Filter) -> NDArray[np.int64]:
        """Rows that a filter lets through, ascending."""
        fits = np.ones(len(self._passages), dtype=bool)
        for name in _TEXTS:
            if (value := getattr(where, name)) is not None:
                number = self._number(name, value)
                fits &= False if number is None else self._labels[name].of_row == number
        if where.as_of is not None:
            day = day_number(where.as_of)
            fits &= (self._effective <= day) & (day < self._expires)
        return np.flatnonzero(fits)

    def _number(self, name: str, value: str) -> int | None:
        text_of, first = _TEXTS[name], self._labels[name].first
        place = bisect_left(first, value, key=lambda row: text_of(self._passages[int(row)]))
        if place == len(first) or text_of(self._passages[int(first[place])]) != value:
            return None
        return place


class ColumnsBuilder:
    """Collects the columns of passages in row order: the distinct texts and a few numbers a row."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in _TEXTS}
        self._of_row = {name: array("i") for name in _TEXTS}
        self._first = {name: array("i") for name in _TEXTS}
        self._effective, self._expires = array("i"), array("i")

    def __len__(self) -> int:
        return len(self._effective)

    def add(self, passage: Passage) -> None:
        """Add a row. Raises UserError for an id that is there already and for a date that is none."""
        row = len(self)
        self._ids[passage.id] = None
        if len(self._ids) == row:
            raise UserError(f"passage id {passage.id!r} comes twice; ids must be unique in a store")
        try:
            self._effective.append(day_number(passage.effective) if passage.effective else _ALWAYS)
            self._expires.append(day_number(passage.expires) if passage.expires else _NEVER)
        except UserError as error:
            raise UserError(f"passage {passage.id!r}: {error}", subject=passage) from error
        for name, text_of in _TEXTS.items():
            number = self._numbers[name].setdefault(text_of(passage), len(self._first[name]))
            if number == len(self._first[name]):
                self._first[name].append(row)
            self._of_row[name].append(number)

    def titles(self) -> list[str]:
        """The distinct titles, in order."""
        return sorted(self._numbers["title"])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays to save."""
        ids = list(self._ids)
        found: dict[str, NDArray[Any]] = {
            "by_id": np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int32),
            "effective": np.array(self._effective, dtype=np.int32),
            "expires": np.array(self._expires, dtype=np.int32),
        }
        for name, numbers in self._numbers.items():
            order = np.array([numbers[text] for text in sorted(numbers)], dtype=np.int32)
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order), dtype=np.int32)
            found[f"{name}.of"] = rank[np.array(self._of_row[name], dtype=np.int32)]
            found[f"{name}.first"] = np.array(self._first[name], dtype=np.int32)[order]
        return found
