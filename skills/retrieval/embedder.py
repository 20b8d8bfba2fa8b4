"""Local embedding models with LangChain's ``Embeddings`` face.

``all-minilm-l6-v2``        English (Reimers & Gurevych 2019).
``multilingual-e5-small``   English and Chinese, "query: " / "passage: " (Wang et al. 2024).
``collegium-e5-small-2``    the same, tuned to find answers to Chinese questions (see tuned/CARD.md).
``<model>+<hash>``          what a `train retriever` run of the user made of one of them.

All run on ONNX Runtime, take the mean of the last hidden states, and have 384 dimensions. Every vector has length 1, so
an inner product is a cosine. Weights load on first use. Knows texts and vectors, nothing of indexes.
"""

from __future__ import annotations

import shutil
import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast
from zlib import crc32

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from skills.errors import DataError, UserError
from skills.files import atomic_folder, read_json, sha256_file
from skills.home import home
from skills.records import Passage
from skills.retrieval.encoder_files import MULTILINGUAL, encoder_folder
from skills.retrieval.text import mostly_chinese, terms

Array = NDArray[np.float32]
Kind = Literal["query", "passage"]

ENGLISH = "all-minilm-l6-v2"
TUNED = "collegium-e5-small-2"
PREFIXES: Mapping[str, Mapping[Kind, str]] = {
    ENGLISH: {"query": "", "passage": ""},
    MULTILINGUAL: {"query": "query: ", "passage": "passage: "},
}
"""What each model was trained to see before a text."""

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


class EncoderEmbeddings(LocalEmbeddings):
    """A sentence encoder: the mean of the last hidden states, after the prefix that the model was trained with."""

    dimension = 384

    def __init__(
        self, name: str, *, id: str = "", lora: Path | None = None, max_tokens: int = 256, threads: int = 2
    ) -> None:
        super().__init__()
        self.id = id or name
        self._name, self._lora = name, lora
        self._prefixes = PREFIXES[name]
        self._max_tokens, self._threads = max_tokens, threads
        self._loading = threading.Lock()
        self._encoder: Any = None

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        with self._loading:
            if self._encoder is None:
                from skills.retrieval.encoder import load_encoder

                # int8 on every machine: what a store holds must not depend on where it was built.
                self._encoder = load_encoder(
                    encoder_folder(self._name), self._lora, "int8", threads=self._threads
                )
        read = [f"{self._prefixes[kind]}{text}" for text in texts]
        result = np.empty((len(texts), self.dimension), dtype=np.float32)
        for batch in self._encoder.batches(self._encoder.tokenize(read, self._max_tokens)):
            # (rows, 1, longest) @ (rows, longest, dimension): the sum over real tokens
            sums = np.matmul(batch.mask[:, None, :].astype(np.float32), batch.hidden)[:, 0]
            result[list(batch.indices)] = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return result


def _minilm() -> LocalEmbeddings:
    return EncoderEmbeddings(ENGLISH)


def _e5() -> LocalEmbeddings:
    return EncoderEmbeddings(MULTILINGUAL, max_tokens=512)


def _tuned_e5() -> LocalEmbeddings:
    folder = Path(str(resources.files("skills.retrieval").joinpath("tuned")))
    return EncoderEmbeddings(MULTILINGUAL, id=TUNED, lora=folder, max_tokens=512)


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
    ENGLISH: _minilm,
    MULTILINGUAL: _e5,
    TUNED: _tuned_e5,
    HashingEmbeddings.id: HashingEmbeddings,
}


def add_embedder(artefact: Path) -> str:
    """Keep the artefact of a `train retriever` run under ``home()/adapters``; its name for ``load_embedder``.

    A store remembers that name and needs the artefact as long as it is used. Raises UserError for another folder.
    """
    try:
        described = read_json(artefact / "collegium.json")
        if described.get("method") != "retriever" or described.get("encoder") not in PREFIXES:
            raise DataError("it was not made by `collegium train retriever`")
        name = f"{described['encoder']}+{sha256_file(artefact / 'adapter_model.safetensors')[:12]}"
    except (DataError, OSError) as error:
        raise UserError(
            f"{str(artefact)!r} is no sentence encoder ({error}); expected RUN/best of `collegium train retriever`",
            subject=artefact,
        ) from error
    kept = home() / "adapters" / name
    if not kept.is_dir():
        with atomic_folder(kept) as partial:
            for path in artefact.iterdir():
                if path.is_file():
                    shutil.copyfile(path, partial / path.name)
    return name


@cache
def load_embedder(name: str) -> LocalEmbeddings:
    """The embedding model of that name, one object a process.

    Raises UserError listing the known names, or naming the trained artefact that is no longer there.
    """
    if name in _KNOWN:
        return _KNOWN[name]()
    encoder, plus, _ = name.partition("+")
    if not plus or encoder not in PREFIXES:
        raise UserError(
            f"unknown embedding model {name!r}; known: {', '.join(map(repr, _KNOWN))}, "
            "or the folder of a `collegium train retriever` run",
            subject=name,
        )
    folder = home() / "adapters" / name
    if not folder.is_dir():
        raise UserError(
            f"the trained embedding model {name!r} is not in {str(folder.parent)!r}; "
            "index anew with its run: collegium index build --embedder RUN/best",
            subject=name,
        )
    return EncoderEmbeddings(encoder, id=name, lora=folder, max_tokens=256 if encoder == ENGLISH else 512)


def choose_embedder(passages: Iterable[Passage]) -> str:
    """Name of the embedding model for a corpus: the multilingual one if a fifth of it is Chinese.

    The English model is faster and better on English and knows no Chinese. Looks at 1,000 passages.
    """
    return TUNED if mostly_chinese(passage.text for passage in islice(passages, 1000)) else ENGLISH
