"""``passages.jsonl`` of a store: written a line at a time, read a passage at a time by its place in the file.

Knows lines and their places; what passages are about is nobody's business here.
"""

from __future__ import annotations

import json
import mmap
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Self, overload

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError
from skills.records import Passage

_FIELDS = tuple(field.name for field in fields(Passage))


class PassageWriter:
    """Appends passages to a new file and remembers where each begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("wb")
        self._offsets = array("q", [0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def add(self, passage: Passage) -> None:
        """Write one line; fields that are empty are left out."""
        row = {name: value for name in _FIELDS if (value := getattr(passage, name)) or name in ("id", "text")}
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        self._stream.write(line)
        self._offsets.append(self._offsets[-1] + len(line))

    def done(self) -> PassageFile:
        """The passages written so far, to read."""
        self._stream.flush()
        return PassageFile(self._path, np.array(self._offsets, dtype=np.int64))


class PassageFile(Sequence[Passage]):
    """The passages of a file, in row order, each read when it is asked for. Threads may share it.

    The file may be replaced or removed meanwhile: the one that was opened is read.
    """

    def __init__(self, path: Path, offsets: NDArray[np.int64]) -> None:
        """``offsets``: where each line begins and the last one ends. Raises DataError if they do not fit."""
        self.offsets = offsets
        """(passages + 1,)"""
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            # An empty file cannot be mapped.
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        if not len(offsets) or int(offsets[-1]) != size:
            raise DataError(f"{path.name!r} does not end where the index says", subject=path)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Passage, ...]: ...
    def __getitem__(self, index: int | slice) -> Passage | tuple[Passage, ...]:
        if isinstance(index, slice):
            return tuple(map(self._read, range(*index.indices(len(self)))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        return self._read(index % len(self))

    def __iter__(self) -> Iterator[Passage]:
        return map(self._read, range(len(self)))

    def _read(self, row: int) -> Passage:
        try:
            return Passage(**json.loads(self._data[self.offsets[row] : self.offsets[row + 1]]))
        except (ValueError, TypeError) as error:
            raise DataError(f"passage {row} of the store cannot be read ({error})", subject=row) from error
