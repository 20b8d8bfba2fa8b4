"""LangChain's standard suites on our retriever and vector store, and what they do not cover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests, VectorStoreIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from skills.errors import DataError, UserError
from skills.records import Passage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.langchain import CollegiumVectorStore, HybridRetriever
from skills.retrieval.store import PassageStore


def build(folder: Path) -> PassageStore:
    passages = [
        Passage(str(number), f"note number {number}", f"title {number}", "src") for number in range(9)
    ]
    return PassageStore.build(passages, folder, HashingEmbeddings())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> VectorStore:  # type: ignore[override]
        return CollegiumVectorStore(self.get_embeddings())


@pytest.mark.anyio
class TestRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _store(self, tmp_path: Path) -> None:
        self.store = build(tmp_path / "store")

    @property
    def retriever_constructor(self) -> type[HybridRetriever]:
        return HybridRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"store": self.store}

    @property
    def retriever_query_example(self) -> str:
        return "which note"


class TestEmbeddings(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[HashingEmbeddings]:
        return HashingEmbeddings


def test_a_document_carries_the_passages_facts(tmp_path: Path) -> None:
    found = HybridRetriever(store=build(tmp_path / "s"), k=1).invoke("title 3 note number 3")
    assert [one.id for one in found] == ["3"]
    assert found[0].page_content == "note number 3"
    assert found[0].metadata.keys() == {"title", "source", "score"}


def test_a_vector_store_made_from_a_store_changes_alone(tmp_path: Path) -> None:
    store = build(tmp_path / "s")
    copy = CollegiumVectorStore.from_store(store)
    assert len(copy) == 9
    copy.delete(["3"])
    copy.add_texts(["note number 77"], ids=["77"])
    assert [one.id for one in copy.similarity_search("note number 77", 1)] == ["77"]
    assert copy.get_by_ids(["3"]) == []
    assert store.get("3") is not None
    assert len(store) == 9
    copy.delete()
    assert copy.similarity_search("note") == []


def test_scores_are_cosines() -> None:
    store = CollegiumVectorStore.from_texts(["same", "other"], DeterministicFakeEmbedding(size=8))
    (best, score), *_ = store.similarity_search_with_score("same", 2)
    assert best.page_content == "same"
    assert score == pytest.approx(1.0, abs=1e-5)
    assert store.similarity_search_with_relevance_scores("same", 1)[0][1] == pytest.approx(1.0, abs=1e-5)


def test_an_id_given_twice_keeps_the_last_text() -> None:
    store = CollegiumVectorStore(HashingEmbeddings())
    assert store.add_texts(["one", "two"], ids=["a", "a"]) == ["a", "a"]
    assert [one.page_content for one in store.get_by_ids(["a"])] == ["two"]
    assert len(store) == 1


def test_mismatched_arguments_are_refused() -> None:
    with pytest.raises(UserError, match="2 texts, 2 metadatas, 1 ids"):
        CollegiumVectorStore(HashingEmbeddings()).add_texts(["a", "b"], ids=["x"])
    vectors = iter([8, 9])

    class Changing(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return DeterministicFakeEmbedding(size=next(vectors)).embed_documents(texts)

    store = CollegiumVectorStore.from_texts(["a"], Changing(size=8))
    with pytest.raises(DataError, match="vectors of 9 dimensions for an index of 8"):
        store.add_texts(["b"])
