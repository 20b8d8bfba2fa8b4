"""LangChain faces: a retriever over a passage store, and a small FAISS vector store that can change.

``HybridRetriever`` gives a store's own ranking. ``CollegiumVectorStore`` is cosine search in memory over any
``Embeddings``, for code written against LangChain's ``VectorStore``. Neither knows files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field

from skills.errors import DataError, UserError
from skills.records import Filter, Passage, ScoredPassage
from skills.retrieval.embedder import Array
from skills.retrieval.store import PassageStore


def to_document(passage: Passage) -> Document:
    """A passage as a LangChain document; its facts are metadata."""
    names = ("title", "source", "jurisdiction", "as_of", "effective", "expires")
    facts = {name: value for name in names if (value := getattr(passage, name))}
    return Document(id=passage.id, page_content=passage.text, metadata=facts)


def _scored(found: ScoredPassage) -> Document:
    document = to_document(found.passage)
    document.metadata["score"] = found.score
    return document


class HybridRetriever(BaseRetriever):
    """The ``k`` best passages of a store that ``where`` lets through, best first, with their score as metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    store: PassageStore
    k: int = Field(default=5, ge=1)
    where: Filter | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        del run_manager
        return [
            _scored(found) for found in self.store.search(query, self.k if k is None else k, where=self.where)
        ]


class CollegiumVectorStore(VectorStore):
    """Cosine similarity over a flat FAISS index in memory. Adding an id again replaces its document."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self._documents: dict[str, Document] = {}
        self._numbers: dict[str, int] = {}  # id -> FAISS number
        self._names: dict[int, str] = {}  # and back
        self._next = 0
        self._index: Any = None  # made with the first vectors, whose width it takes

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    def __len__(self) -> int:
        return len(self._documents)

    @classmethod
    def from_store(cls, store: PassageStore) -> CollegiumVectorStore:
        """A copy of a store's passages and vectors, which can change without touching the store."""
        made = cls(store.embedder)
        made._put([to_document(passage) for passage in store.passages], store.vectors)
        return made

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> CollegiumVectorStore:
        made = cls(embedding)
        made.add_texts(texts, metadatas, ids=ids, **kwargs)
        return made

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed and add texts; those without an id get a random one. Gives the ids in order."""
        del kwargs
        contents = list(texts)
        names = [name or str(uuid4()) for name in (ids or [None] * len(contents))]
        facts = metadatas or [{} for _ in contents]
        if not len(contents) == len(names) == len(facts):
            raise UserError(
                f"{len(contents)} texts, {len(facts)} metadatas, {len(names)} ids: expected as many"
            )
        if not contents:
            return []
        last = {name: place for place, name in enumerate(names)}  # of an id that comes twice the last counts
        kept = sorted(last.values())
        vectors = np.array(
            self._embedding.embed_documents([contents[place] for place in kept]), dtype=np.float32
        )
        documents = [
            Document(id=names[place], page_content=contents[place], metadata=facts[place]) for place in kept
        ]
        self._put(documents, vectors)
        return names

    def _put(self, documents: Sequence[Document], vectors: Array) -> None:
        """Add documents with their vectors, (documents, dimension); known ids are replaced."""
        import faiss

        if self._index is None:
            self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        if self._index.d != vectors.shape[1]:
            raise DataError(f"vectors of {vectors.shape[1]} dimensions for an index of {self._index.d}")
        self.delete([str(document.id) for document in documents])
        numbers = np.arange(self._next, self._next + len(documents), dtype=np.int64)
        self._next += len(documents)
        self._index.add_with_ids(_unit(vectors), numbers)
        for number, document in zip(numbers.tolist(), documents, strict=True):
            name = str(document.id)
            self._documents[name], self._numbers[name], self._names[number] = document, number, name

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Remove documents; ids that are not there are passed over. None: all of them."""
        del kwargs
        names = [name for name in (list(self._documents) if ids is None else ids) if name in self._documents]
        if names:
            numbers = [self._numbers.pop(name) for name in dict.fromkeys(names)]
            self._index.remove_ids(np.array(numbers, dtype=np.int64))
            for number in numbers:
                del self._documents[self._names.pop(number)]
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return [self._documents[name] for name in ids if name in self._documents]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The ``k`` documents most like the query, with their cosine."""
        del kwargs
        return self._nearest(self._embedding.embed_query(query), k)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        del kwargs
        return [document for document, _ in self._nearest(embedding, k)]

    def _nearest(self, vector: list[float], k: int) -> list[tuple[Document, float]]:
        if not self._documents or k < 1:
            return []
        scores, numbers = self._index.search(_unit(np.array([vector], dtype=np.float32)), min(k, len(self)))
        return [
            (self._documents[self._names[number]], score)
            for number, score in zip(numbers[0].tolist(), scores[0].tolist(), strict=True)
        ]

    def _select_relevance_score_fn(self) -> Any:
        return _relevance


def _relevance(cosine: float) -> float:
    return max(0.0, cosine)


def _unit(vectors: Array) -> Array:
    """Rows scaled to length 1; a zero row stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
