"""A stand-in for the embedders: words as directions, so that tests need no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skills.learning.linear import Array
from skills.learning.route import Embed
from tests.router.router_examples import vector


@pytest.fixture
def embed() -> Embed:
    def embedded(name: str, texts: Sequence[str]) -> Array:
        assert name in {"all-minilm-l6-v2", "multilingual-e5-small"}
        return np.stack([vector(text) for text in texts])

    return embedded
