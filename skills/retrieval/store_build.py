"""Writes the files of a store from a stream of passages.

    1. every passage goes to passages.jsonl; its words and its facts are collected in packed arrays
    2. the texts that no earlier row and no older store has a vector for are embedded
    3. the same for the distinct titles
    4. indexes and manifest are written

Memory holds the arrays of the index, one kind after the other, not the passages. A text is embedded by itself:
the models' 8-bit arithmetic takes its scale from all texts of a batch, so only then the vector, and with it the
bytes of the store, depend on the text alone and not on what came with it. (It costs nothing: a CPU is as fast
with one text at a time.)
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skills.errors import UserError
from skills.records import Passage
from skills.retrieval.columns import ColumnsBuilder
from skills.retrieval.embedder import Array, LocalEmbeddings
from skills.retrieval.flat_index import empty_index, vectors_of, write_index
from skills.retrieval.judged import QUESTIONS
from skills.retrieval.lexical import LexicalField, Postings, PostingsBuilder
from skills.retrieval.manifest import write_manifest
from skills.retrieval.passage_file import PassageFile, PassageWriter
from skills.retrieval.tensors import save_tensors
from skills.retrieval.text import pair_term, terms, word_pairs

Progress = Callable[[int, int], None]
"""Told how many texts and titles are embedded, and how many there are to embed."""

_TOLD_EVERY = 32
"""Texts embedded between two calls of the progress callback."""


class Older(Protocol):
    """A store whose vectors and words are taken over."""

    vectors: Array
    """(rows, dimension)."""
    title_vectors: Array
    """(titles, dimension)."""

    def titles(self) -> Iterator[str]:
        """The distinct titles, in the order of their vectors."""
        ...

    def postings(self) -> tuple[Postings, Postings]:
        """Words and word pairs of the rows."""
        ...


class _Texts:
    """Which distinct text each row has, and which older row has its vector."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._whole: set[bytes] = set()
        self.of_row = array("i")
        self.first = array("i")
        """First row of each text."""
        self.older = array("i")
        """Row of the older store with the vector of each text; -1: it has to be embedded."""
        self.duplicates = 0
        """Rows whose title and text an earlier row has."""

    def add(self, passage: Passage, older: int | None) -> None:
        number = self._numbers.setdefault(_digest(passage.text), len(self.first))
        if number == len(self.first):
            self.first.append(len(self.of_row))
            self.older.append(-1)
        if older is not None:
            self.older[number] = older
        self.of_row.append(number)
        before = len(self._whole)
        self._whole.add(_digest(passage.title, passage.text))
        self.duplicates += len(self._whole) == before


def write_store(
    rows: Iterable[tuple[Passage, int | None]],
    folder: Path,
    embedder: LocalEmbeddings,
    *,
    older: Older | None = None,
    questions: Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Fill an empty folder with a store's files; give the number of texts that had to be embedded.

    ``rows``: each passage, and the row of ``older`` that has its text. ``questions``: a file of judged ones to keep.
    Raises UserError for no passages, an id that comes twice, and a date that is none.
    """
    columns, texts = ColumnsBuilder(), _Texts()
    body, pairs = map(PostingsBuilder, (None, None) if older is None else older.postings())
    with PassageWriter(folder / "passages.jsonl") as writer:
        for passage, row in rows:
            columns.add(passage)
            texts.add(passage, row)
            writer.add(passage)
            if row is not None:
                body.copy(row)
                pairs.copy(row)
            else:
                body.add(terms(passage.text))
                pairs.add([pair_term(*pair) for pair in word_pairs(passage.text)])
        passages = writer.done()
    if not len(passages):
        raise UserError("the corpus has no passages; expected at least one with text")
    titles = columns.titles()
    known = {} if older is None else {title: number for number, title in enumerate(older.titles())}
    new_titles = sum(bool(title.strip()) and title not in known for title in titles)
    embed = _Embedding(embedder, texts.older.count(-1) + new_titles, progress)
    _write_vectors(folder / "dense.faiss", passages, texts, embed, older)
    _write_title_vectors(folder / "titles.faiss", titles, known, embed, older)
    tensors = columns.tensors()
    save_tensors(folder / "rows.safetensors", {"offsets": passages.offsets, **tensors})
    save_tensors(folder / "lexical.safetensors", _lexical(body.done(), pairs.done(), titles, tensors))
    if questions is not None:
        shutil.copyfile(questions, folder / QUESTIONS)
    write_manifest(
        folder,
        embedder=embedder.id,
        dimension=embedder.dimension,
        count=len(passages),
        duplicates=texts.duplicates,
    )
    return texts.older.count(-1)


class _Embedding:
    """Embeds text by text and reports how far it is."""

    def __init__(self, embedder: LocalEmbeddings, total: int, progress: Progress | None) -> None:
        self.dimension = embedder.dimension
        self._embedder, self._total, self._progress = embedder, total, progress
        self._done = 0

    def __call__(self, text: str) -> Array:
        vector = self._embedder.vectors([text], "passage")[0]
        self._done += 1
        if self._progress is not None and (self._done % _TOLD_EVERY == 0 or self._done == self._total):
            self._progress(self._done, self._total)
        return vector


def _write_vectors(
    path: Path, passages: PassageFile, texts: _Texts, embed: _Embedding, older: Older | None
) -> None:
    index = empty_index(len(passages), embed.dimension)
    vectors = vectors_of(index)  # (rows, dimension)
    first, known, of_row = (np.array(values) for values in (texts.first, texts.older, texts.of_row))
    if older is not None:
        vectors[first[known >= 0]] = older.vectors[known[known >= 0]]
    for row in first[known < 0].tolist():
        vectors[row] = embed(passages[row].text)
    repeated = np.flatnonzero(first[of_row] != np.arange(len(of_row)))
    vectors[repeated] = vectors[first[of_row[repeated]]]
    write_index(index, path)


def _write_title_vectors(
    path: Path, titles: Sequence[str], known: Mapping[str, int], embed: _Embedding, older: Older | None
) -> None:
    """A blank title has the zero vector, like to nothing."""
    index = empty_index(len(titles), embed.dimension)
    vectors = vectors_of(index)  # (titles, dimension)
    for number, title in enumerate(titles):
        if older is not None and title in known:
            vectors[number] = older.title_vectors[known[title]]
        elif title.strip():
            vectors[number] = embed(title)
    write_index(index, path)


def _lexical(
    body: Postings, pairs: Postings, titles: Sequence[str], columns: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    document_of_row: NDArray[np.int32] = columns["document.of"]
    words = [terms(title) for title in titles]
    # A document has the words of its texts, and of each of its titles once.
    owned = np.unique(np.stack([document_of_row, columns["title.of"]]), axis=1)  # (2, distinct pairs)
    by_document: list[list[str]] = [[] for _ in columns["document.first"]]
    for document, title in owned.T.tolist():
        by_document[document] += words[title]
    shares, idf = LexicalField.build_shares(Postings.of(words))
    return {
        "title_idf": idf,
        **LexicalField.build(body.grouped(document_of_row, Postings.of(by_document))).tensors("document"),
        **LexicalField.build(body, keep=True).tensors("body"),
        **LexicalField.build(pairs, keep=True).tensors("pairs"),
        **shares.tensors("title"),
    }


def _digest(*parts: str) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()
