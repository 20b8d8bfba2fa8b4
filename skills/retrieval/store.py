"""The passage store: a folder of passages, vectors and keyword index, and hybrid search over it.

    manifest.json         format, embedding model, dimension, count, size and sha256 of the other files
    passages.jsonl        one passage a line, in row order
    rows.safetensors      where each line begins; titles, documents, sources, jurisdictions and dates of the rows
    dense.faiss           flat inner-product index of the texts' vectors
    titles.faiss          the same of the distinct titles
    questions.safetensors if questions about it were judged: their vectors, and which passages answer them
    lexical.safetensors   BM25 of passages' words and word pairs, of documents' words; the titles' words

A folder is built under a temporary name and swapped in whole (``store_build``, ``store_edit``). Loading checks it
against the manifest and maps its files: passages are read when they are asked for, and a store of any size is open
at once. The bytes depend on passages, embedding model and code alone. Knows how signals are gathered; how they add
up to one score is ``fusion``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError, UserError
from skills.files import atomic_folder
from skills.records import Filter, Passage, ScoredPassage
from skills.retrieval.columns import Columns
from skills.retrieval.embedder import Array, LocalEmbeddings, load_embedder
from skills.retrieval.flat_index import map_index, nearest, vectors_of
from skills.retrieval.fusion import CHINESE, ENGLISH, NAMED, Signals, fuse, nominate
from skills.retrieval.judged import QUESTIONS, JudgedQuestions
from skills.retrieval.lexical import LexicalField, Postings
from skills.retrieval.manifest import StoreManifest, verify
from skills.retrieval.passage_file import PassageFile
from skills.retrieval.store_build import Progress, write_store
from skills.retrieval.tensors import load_tensors
from skills.retrieval.text import is_chinese, pair_term, terms, word_pairs

if TYPE_CHECKING:
    import faiss

_CANDIDATES = 200
"""Rows that each of the two searches nominates."""
_KNOWN = 8
"""Rows that are nominated for answering questions like the query."""


class PassageStore:
    """Passages with hybrid search. Made by :meth:`build` or :meth:`load`; threads may share it.

    A search: 1. vectors and keywords nominate rows; 2. every nominated row gets every signal; 3. ``fuse``
    makes one score of them; 4. the best rows with distinct text are given. A filter comes before all of them:
    rows that it does not let through are never nominated.
    """

    def __init__(self, folder: Path, manifest: StoreManifest, embedder: LocalEmbeddings) -> None:
        """Open a folder that was checked. Raises DataError when its files do not fit together."""
        self.folder = folder
        self.manifest = manifest
        self.embedder = embedder
        rows = load_tensors(folder / "rows.safetensors", ["offsets"])
        self.passages: Sequence[Passage] = PassageFile(folder / "passages.jsonl", rows["offsets"])
        """In row order; each is read from the file when it is asked for."""
        self.dense_index: faiss.Index = map_index(folder / "dense.faiss", manifest.dimension)
        """FAISS flat inner-product index; row i is ``passages[i]``."""
        self._title_index: faiss.Index = map_index(folder / "titles.faiss", manifest.dimension)
        if not len(self.passages) == self.dense_index.ntotal == manifest.count:
            raise DataError(
                f"{len(self.passages)} passages, {self.dense_index.ntotal} vectors, "
                f"{manifest.count} in the manifest"
            )
        self._columns = Columns(rows, self.passages)
        self._title_of_row = self._columns.title.of_row
        self._document_of_row = self._columns.document.of_row
        lexical = load_tensors(folder / "lexical.safetensors", ["title_idf"])
        self._body = LexicalField.from_tensors(lexical, "body", len(self))
        self._pairs = LexicalField.from_tensors(lexical, "pairs", len(self))
        self._title = LexicalField.from_tensors(lexical, "title", len(self._columns.title))
        self._document = LexicalField.from_tensors(lexical, "document", len(self._columns.document))
        self._title_idf: Array = lexical["title_idf"]
        self.judged: JudgedQuestions | None = None
        """Questions whose answer here is known, if there are any."""
        if QUESTIONS in manifest.files:
            self.judged = JudgedQuestions.load(
                folder / QUESTIONS, manifest.dimension, self._columns.row_of_id
            )
        self.vectors = vectors_of(self.dense_index)
        """Vectors of the texts, (passages, dimension)."""
        self.title_vectors = vectors_of(self._title_index)
        """Vectors of the distinct titles in the order of :meth:`titles`, (titles, dimension)."""

    def __len__(self) -> int:
        return len(self.passages)

    def get(self, passage_id: str) -> Passage | None:
        """The passage of that id."""
        row = self._columns.row_of_id(passage_id)
        return None if row is None else self.passages[row]

    def titles(self) -> Iterator[str]:
        """The distinct titles, sorted."""
        return map(self._columns.title_text, range(len(self._columns.title)))

    def postings(self) -> tuple[Postings, Postings]:
        """Words and word pairs of the rows, for a new version of the store."""
        return self._body.postings(), self._pairs.postings()

    def warm_up(self) -> None:
        """Load the embedding model now, not at the first search. Raises ModelError if it is not there."""
        self.embedder.query_vector("warm up")

    def search(self, query: str, k: int = 10, *, where: Filter | None = None) -> list[ScoredPassage]:
        """The ``k`` best passages, best first; fewer if the store has fewer. Text duplicates come once.

        ``where``: of those that it lets through only. Raises UserError for a blank query, a ``k`` below 1, or a
        filter with a text that is no date.
        """
        if not query.strip():
            raise UserError("cannot search for an empty query; expected a question or keywords")
        if k < 1:
            raise UserError(f"k is {k}; expected at least 1")
        rows, signals, unanswered = self.signals(query, max(_CANDIDATES, 2 * k), where=where)
        scores = fuse(signals, CHINESE if is_chinese(query) else ENGLISH)
        vector = self.embedder.query_vector(query)  # remembered
        found: list[ScoredPassage] = []
        seen: set[tuple[str, str]] = set()
        for place in np.argsort(-scores, kind="stable"):
            row = int(rows[place])
            passage = self.passages[row]
            if (key := (passage.title, passage.text)) in seen:
                continue
            seen.add(key)
            found.append(
                ScoredPassage(
                    passage,
                    float(scores[place]),
                    similarity=float(signals.dense[place]),
                    out_of=len(self),
                    known=float(signals.known[place]),
                    unanswered=unanswered,
                    told=self.judged.told(vector, row) if self.judged and signals.known[place] > 0 else (),
                )
            )
            if len(found) == k:
                break
        return found

    def signals(
        self, query: str, candidates: int = _CANDIDATES, *, where: Filter | None = None
    ) -> tuple[NDArray[np.int64], Signals, float]:
        """Rows worth scoring, ascending, and their signals: what ``fuse`` is tuned on; and how near the query is to a
        question that nothing here answers."""
        among = None if where is None else self._columns.rows_where(where)  # (allowed,) or all
        chosen = slice(None) if among is None else among
        vector = self.embedder.query_vector(query)  # (dimension,)
        asked, pairs = terms(query), word_pairs(query)
        coverage = self._title.scores(dict.fromkeys(asked, 1.0))  # (titles,)
        if among is not None:
            hidden = np.ones(len(coverage), dtype=bool)
            hidden[self._title_of_row[among]] = False
            coverage[hidden] = 0.0
        matched = coverage * self._title_idf
        named = self._named(coverage, matched)
        # A name found in the titles says where to look; what to look for there is the rest of the query.
        # Without one, the words of the whole document help: a part seldom repeats what it is about.
        body = self._body.scores({term: 1.0 for term in asked if term not in named})  # (rows,)
        close = [pair_term(*pair) for pair in pairs if not named.issuperset(pair)]
        phrase = self._pairs.scores(dict.fromkeys(close, 1.0))  # (rows,)
        document = self._document.scores({} if named else dict.fromkeys(asked, 1.0))  # (documents,)
        known, unanswered = (
            (np.zeros(len(self), dtype=np.float32), 0.0)
            if self.judged is None
            else self.judged.near(vector, len(self))
        )
        titles = self._title_of_row[chosen]
        lexical = nominate(coverage[titles], matched[titles], body[chosen], phrase[chosen])
        count = min(candidates, len(lexical))
        if not count:
            near = further = np.empty(0, dtype=np.int64)
        else:
            near = nearest(self.dense_index, vector, count, among)
            further = np.union1d(_highest(lexical, count), _highest(known[chosen], min(_KNOWN, count)))
        rows = np.union1d(near[near >= 0], further if among is None else among[further]).astype(np.int64)
        title_rows = self._title_of_row[rows]
        signals = Signals(
            dense=self.vectors[rows] @ vector,
            dense_title=self.title_vectors[title_rows] @ vector,
            body=body[rows],
            phrase=phrase[rows],
            document=document[self._document_of_row[rows]],
            coverage=coverage[title_rows],
            matched=matched[title_rows],
            known=known[rows],
        )
        return rows, signals, unanswered

    def _named(self, coverage: Array, matched: Array) -> frozenset[str]:
        """Terms of the title that the query names: of the titles that are mostly in it the weightiest."""
        weight = np.where(coverage >= NAMED, matched, 0.0)
        best = int(np.argmax(weight))
        return frozenset(terms(self._columns.title_text(best))) if weight[best] > 0 else frozenset()

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage],
        folder: Path,
        embedder: LocalEmbeddings,
        *,
        progress: Progress | None = None,
    ) -> Self:
        """Index passages into ``folder``; a store that is there stays until all is written.

        The passages are gone through once and never held together. Raises UserError for no passages, an id
        that comes twice, and a date that is none.
        """
        with atomic_folder(folder) as partial:
            write_store(((passage, None) for passage in passages), partial, embedder, progress=progress)
        return cls.load(folder, embedder)

    @classmethod
    def load(cls, folder: Path, embedder: LocalEmbeddings | None = None, *, every_byte: bool = False) -> Self:
        """Open a store; ``embedder`` defaults to the model that the manifest names.

        ``every_byte``: check all of a large store too (see ``manifest``). Raises DataError with the command to
        rebuild when the folder is missing, half there, damaged, or made with another embedding model.
        """
        while True:
            version = _version(folder)
            try:
                store = cls._load(folder, embedder, every_byte)
            except DataError as error:
                if _version(folder) == version:
                    raise DataError(
                        f"store {str(folder)!r} cannot be used: {error}; "
                        f"build it again: collegium index build --corpus PATH --store {folder}",
                        subject=folder,
                    ) from error
            else:
                if _version(folder) == version:
                    return store
            # Another process has swapped in a new version meanwhile: what was read may be of both.

    @classmethod
    def _load(cls, folder: Path, embedder: LocalEmbeddings | None, every_byte: bool) -> Self:
        manifest = verify(folder, every_byte=every_byte)
        if embedder is None:
            try:
                embedder = load_embedder(manifest.embedder)
            except UserError as error:  # a model of an earlier version, or of a run that is gone
                raise DataError(str(error)) from error
        if (embedder.id, embedder.dimension) != (manifest.embedder, manifest.dimension):
            raise DataError(
                f"it was built with {manifest.embedder!r} ({manifest.dimension} dimensions), "
                f"not with {embedder.id!r} ({embedder.dimension})"
            )
        return cls(folder, manifest, embedder)


def _highest(values: Array, count: int) -> NDArray[np.int64]:
    """Places of the ``count`` highest of them, of those above 0, in no order."""
    places = np.argpartition(-values, count - 1)[:count]
    return places[values[places] > 0]


def _version(folder: Path) -> tuple[int, int]:
    """Tells one version of a folder from the next."""
    if not folder.is_dir():
        return 0, 0
    found = folder.stat()
    return found.st_ino, found.st_mtime_ns
