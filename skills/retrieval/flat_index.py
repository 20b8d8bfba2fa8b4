"""Flat FAISS indexes of unit vectors: filled in place, mapped from their file, searched among some rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError
from skills.retrieval.embedder import Array

HALVED_FROM = 20_000
"""Vectors; fewer are searched in a few milliseconds by one core."""
_HELPER = ThreadPoolExecutor(1, "nearest")  # its thread starts with the first large search


def empty_index(count: int, dimension: int) -> Any:
    """An inner-product index of ``count`` vectors, all zero; fill them through :func:`vectors_of`.

    Adding them bit by bit would need up to three times the memory.
    """
    import faiss

    index = faiss.IndexFlatIP(dimension)
    index.codes.resize(count * dimension * 4)
    index.ntotal = count
    return index


def vectors_of(index: Any) -> Array:
    """The vectors of a flat index, (rows, dimension), without a copy; valid while the index lives."""
    import faiss

    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return cast(Array, flat.reshape(index.ntotal, index.d))


def write_index(index: Any, path: Path) -> None:
    """Write an index to a file of FAISS's format."""
    import faiss

    faiss.write_index(index, str(path))


def map_index(path: Path, dimension: int) -> Any:
    """Map the index of a file. Raises DataError if it is not a flat one of that dimension."""
    import faiss

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except Exception as error:  # FAISS raises RuntimeError and others for foreign bytes
        raise DataError(f"{path.name!r} is not a FAISS index", subject=path) from error
    flat = isinstance(index, faiss.IndexFlat) and index.metric_type == faiss.METRIC_INNER_PRODUCT
    if not flat or index.d != dimension:
        raise DataError(f"{path.name!r} is not a flat index of {dimension} dimensions", subject=path)
    return index


def nearest(index: Any, vector: Array, count: int, among: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Rows of the ``count`` vectors most like one, (dimension,), best first; ``among``: of these rows only.

    FAISS gives a single query one core: a large index is halved for two.
    """
    import faiss

    if among is not None:
        chosen = cast(Any, faiss.SearchParameters)(sel=faiss.IDSelectorBatch(among))
        return index.search(vector[None], count, params=chosen)[1][0]
    if index.ntotal < HALVED_FROM:
        return index.search(vector[None], count)[1][0]
    vectors, middle = vectors_of(index), index.ntotal // 2

    def search(half: Array) -> tuple[Array, NDArray[np.int64]]:
        scores, rows = faiss.knn(vector[None], half, min(count, len(half)), faiss.METRIC_INNER_PRODUCT)
        return scores[0], rows[0]

    second = _HELPER.submit(search, vectors[middle:])
    scores, rows = search(vectors[:middle])
    more, others = second.result()
    order = np.argsort(-np.concatenate([scores, more]), kind="stable")[:count]
    return np.concatenate([rows, others + middle])[order]
