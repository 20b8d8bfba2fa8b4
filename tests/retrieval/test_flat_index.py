"""Nearest vectors, against a plain sort."""

from __future__ import annotations

import numpy as np
import pytest

from skills.retrieval import flat_index
from skills.retrieval.flat_index import empty_index, nearest, vectors_of


@pytest.mark.parametrize("rows", [1, 2, 7, 500])
@pytest.mark.parametrize("halved", [True, False])
def test_the_nearest_rows_are_found_in_order(
    monkeypatch: pytest.MonkeyPatch, rows: int, halved: bool
) -> None:
    monkeypatch.setattr(flat_index, "HALVED_FROM", 2 if halved else 1000)
    random = np.random.default_rng(rows)
    index = empty_index(rows, 16)
    vectors_of(index)[:] = random.standard_normal((rows, 16))
    query = random.standard_normal(16).astype(np.float32)
    expected = np.argsort(-(vectors_of(index) @ query)).tolist()
    for count in {1, min(5, rows), rows}:
        assert nearest(index, query, count, None).tolist() == expected[:count]
    some = np.arange(0, rows, 3)
    chosen = [row for row in expected if row % 3 == 0]
    assert nearest(index, query, len(some), some).tolist() == chosen
