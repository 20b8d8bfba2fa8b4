"""The passage store: a folder of passages, vectors and keyword index, and hybrid search over it.

    manifest.json         format, embedding model, dimension, count, size and sha256 of the other files
    passages.jsonl        one passage a line, in row order
    dense.faiss           flat inner-product index of the texts' vectors
    titles.faiss          the same of the distinct titles
    lexical.safetensors   BM25 of passages' words and word pairs, of documents' words; the titles' words

A folder is built under a temporary name and swapped in whole; loading checks every file against the manifest.
The bytes depend on passages, embedding model and code alone. Knows how signals are gathered; how they add up
to one score is ``fusion``'s.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from skills.errors import DataError, UserError
from skills.files import atomic_folder, read_json, read_jsonl, sha256_file
from skills.records import Passage, ScoredPassage
from skills.retrieval.embedder import Array, LocalEmbeddings, load_embedder
from skills.retrieval.fusion import CHINESE, ENGLISH, NAMED, Signals, fuse, nominate
from skills.retrieval.lexical import LexicalField, load_tensors, save_tensors
from skills.retrieval.text import is_chinese, terms, word_pairs

if TYPE_CHECKING:
    import faiss

Progress = Callable[[int, int], None]
"""Told passages done and passages in all."""

FORMAT = 1
_FILES = ("passages.jsonl", "dense.faiss", "titles.faiss", "lexical.safetensors")
_CHUNK = 256
"""Passages embedded between two calls of the progress callback."""
_CANDIDATES = 200
"""Rows that each of the two searches nominates."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    bytes: int
    sha256: str


class StoreManifest(BaseModel):
    """``manifest.json`` of a store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: int
    embedder: str
    dimension: int
    count: int
    collegium: str
    """Version of the code that built it."""
    files: dict[str, _File]

    @property
    def data_sha256(self) -> str:
        """Hash of the passages."""
        return self.files["passages.jsonl"].sha256


class PassageStore:
    """Passages with hybrid search. Made by :meth:`build` or :meth:`load`; threads may share it.

    A search: 1. vectors and keywords nominate rows; 2. every nominated row gets every signal; 3. ``fuse``
    makes one score of them; 4. the best rows with distinct text are given.
    """

    def __init__(
        self,
        folder: Path,
        manifest: StoreManifest,
        embedder: LocalEmbeddings,
        passages: tuple[Passage, ...],
        dense: faiss.Index,
        titles: faiss.Index,
        lexical: dict[str, NDArray[Any]],
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.embedder = embedder
        self.passages = passages
        """In row order."""
        self.dense_index = dense
        """FAISS flat inner-product index; row i is ``passages[i]``."""
        self._title_index = titles
        self._title_of_row: NDArray[np.int32] = lexical["title_of_row"]
        self._body = LexicalField.from_tensors(lexical, "body", len(passages))
        self._pairs = LexicalField.from_tensors(lexical, "pairs", len(passages))
        self._title = LexicalField.from_tensors(lexical, "title", titles.ntotal)
        self._document_of_row: NDArray[np.int32] = lexical["document_of_row"]
        documents = int(self._document_of_row.max(initial=-1)) + 1
        self._document = LexicalField.from_tensors(lexical, "document", documents)
        self._title_idf: Array = lexical["title_idf"]
        self._titles = _distinct_titles(passages)
        self.vectors = _view(dense)
        """Vectors of the texts, (passages, dimension)."""
        self._title_vectors = _view(titles)

    def __len__(self) -> int:
        return len(self.passages)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {passage.id: row for row, passage in enumerate(self.passages)}

    def get(self, passage_id: str) -> Passage | None:
        """The passage of that id."""
        row = self._rows.get(passage_id)
        return None if row is None else self.passages[row]

    def warm_up(self) -> None:
        """Load the embedding model now, not at the first search. Raises ModelError if it is not there."""
        self.embedder.query_vector("warm up")

    def search(self, query: str, k: int = 10) -> list[ScoredPassage]:
        """The ``k`` best passages, best first; fewer if the store has fewer. Text duplicates come once.

        Raises UserError for a blank query or a ``k`` below 1.
        """
        if not query.strip():
            raise UserError("cannot search for an empty query; expected a question or keywords")
        if k < 1:
            raise UserError(f"k is {k}; expected at least 1")
        rows, signals = self.signals(query, max(_CANDIDATES, 2 * k))
        scores = fuse(signals, CHINESE if is_chinese(query) else ENGLISH)
        found: list[ScoredPassage] = []
        seen: set[tuple[str, str]] = set()
        for place in np.argsort(-scores, kind="stable"):
            passage = self.passages[rows[place]]
            if (key := (passage.title, passage.text)) in seen:
                continue
            seen.add(key)
            found.append(ScoredPassage(passage, float(scores[place]), float(signals.dense[place]), len(self)))
            if len(found) == k:
                break
        return found

    def signals(self, query: str, candidates: int = _CANDIDATES) -> tuple[NDArray[np.int64], Signals]:
        """Rows worth scoring, ascending, and their signals: what ``fuse`` is tuned on."""
        vector = self.embedder.query_vector(query)  # (dimension,)
        asked, pairs = terms(query), word_pairs(query)
        coverage = self._title.scores(dict.fromkeys(asked, 1.0))  # (titles,)
        matched = coverage * self._title_idf
        named = self._named(coverage, matched)
        # A name found in the titles says where to look; what to look for there is the rest of the query.
        # Without one, the words of the whole document help: a part seldom repeats what it is about.
        body = self._body.scores({term: 1.0 for term in asked if term not in named})  # (rows,)
        close = [_pair(*pair) for pair in pairs if not named.issuperset(pair)]
        phrase = self._pairs.scores(dict.fromkeys(close, 1.0))  # (rows,)
        document = self._document.scores({} if named else dict.fromkeys(asked, 1.0))  # (documents,)
        count = min(candidates, len(self))
        nearest = self.dense_index.search(vector[None], count)[1][0]
        lexical = nominate(coverage[self._title_of_row], matched[self._title_of_row], body, phrase)
        best = np.argpartition(-lexical, count - 1)[:count]
        rows = np.union1d(nearest[nearest >= 0], best[lexical[best] > 0]).astype(np.int64)
        title_rows = self._title_of_row[rows]
        return rows, Signals(
            dense=self.vectors[rows] @ vector,
            dense_title=self._title_vectors[title_rows] @ vector,
            body=body[rows],
            phrase=phrase[rows],
            document=document[self._document_of_row[rows]],
            coverage=coverage[title_rows],
            matched=matched[title_rows],
        )

    def _named(self, coverage: Array, matched: Array) -> frozenset[str]:
        """Terms of the title that the query names: of the titles that are mostly in it the weightiest."""
        weight = np.where(coverage >= NAMED, matched, 0.0)
        best = int(np.argmax(weight))
        return frozenset(terms(self._titles[best])) if weight[best] > 0 else frozenset()

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage],
        folder: Path,
        embedder: LocalEmbeddings,
        *,
        progress: Progress | None = None,
    ) -> PassageStore:
        """Index passages into ``folder``; a store that is there stays until all is written.

        Raises UserError for no passages and for an id that comes twice.
        """
        import faiss

        rows = tuple(passages)
        _check_ids(rows)
        dense = faiss.IndexFlatIP(embedder.dimension)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            dense.add(embedder.vectors([passage.text for passage in chunk], "passage"))
            if progress is not None:
                progress(min(start + _CHUNK, len(rows)), len(rows))
        names = _distinct_titles(rows)
        titles = faiss.IndexFlatIP(embedder.dimension)
        titles.add(_title_vectors(names, embedder))
        place = {title: number for number, title in enumerate(names)}
        document_of_row, documents = _documents(rows)
        shares, idf = LexicalField.build_shares([terms(title) for title in names])
        pairs = [[_pair(*pair) for pair in word_pairs(passage.text)] for passage in rows]
        lexical = {
            "title_of_row": np.array([place[passage.title] for passage in rows], dtype=np.int32),
            "title_idf": idf,
            "document_of_row": document_of_row,
            **LexicalField.build(documents).tensors("document"),
            **LexicalField.build([terms(passage.text) for passage in rows]).tensors("body"),
            **LexicalField.build(pairs).tensors("pairs"),
            **shares.tensors("title"),
        }
        with atomic_folder(folder) as partial:
            with (partial / "passages.jsonl").open("w", encoding="utf-8") as stream:
                for passage in rows:
                    stream.write(json.dumps(asdict(passage), ensure_ascii=False) + "\n")
            faiss.write_index(dense, str(partial / "dense.faiss"))
            faiss.write_index(titles, str(partial / "titles.faiss"))
            save_tensors(partial / "lexical.safetensors", lexical)
            for name in _FILES:
                (partial / name).chmod(0o644)  # safetensors makes its files private
            manifest = StoreManifest(
                format=FORMAT,
                embedder=embedder.id,
                dimension=embedder.dimension,
                count=len(rows),
                collegium=_version(),
                files={name: _described(partial / name) for name in _FILES},
            )
            (partial / "manifest.json").write_text(
                manifest.model_dump_json(indent=1) + "\n", encoding="utf-8"
            )
        return cls(folder, manifest, embedder, rows, dense, titles, lexical)

    @classmethod
    def load(cls, folder: Path, embedder: LocalEmbeddings | None = None) -> PassageStore:
        """Open a store; ``embedder`` defaults to the model that the manifest names.

        Raises DataError with the command to rebuild when the folder is missing, half there, damaged, or made
        with another embedding model.
        """
        try:
            return cls._load(folder, embedder)
        except DataError as error:
            raise DataError(
                f"store {str(folder)!r} cannot be used: {error}; "
                f"build it again: collegium index build --corpus PATH --store {folder}",
                subject=folder,
            ) from error

    @classmethod
    def _load(cls, folder: Path, embedder: LocalEmbeddings | None) -> PassageStore:
        manifest = verify(folder)
        if embedder is None:
            embedder = load_embedder(manifest.embedder)
        if (embedder.id, embedder.dimension) != (manifest.embedder, manifest.dimension):
            raise DataError(
                f"it was built with {manifest.embedder!r} ({manifest.dimension} dimensions), "
                f"not with {embedder.id!r} ({embedder.dimension})"
            )
        passages = tuple(Passage(**row) for row in read_jsonl(folder / "passages.jsonl"))
        dense, titles = (
            _read_index(folder / name, manifest.dimension) for name in ("dense.faiss", "titles.faiss")
        )
        if not len(passages) == dense.ntotal == manifest.count:
            raise DataError(
                f"{len(passages)} passages, {dense.ntotal} vectors, {manifest.count} in the manifest"
            )
        lexical = load_tensors(folder / "lexical.safetensors")
        return cls(folder, manifest, embedder, passages, dense, titles, lexical)


def verify(folder: Path) -> StoreManifest:
    """Check a store's files against its manifest, without opening them. Raises DataError naming the file."""
    if not folder.is_dir():
        raise DataError(f"no store {str(folder)!r}", subject=folder)
    raw = read_json(folder / "manifest.json")
    if raw.get("format") != FORMAT:
        raise DataError(f"it has format {raw.get('format')!r}, this version reads {FORMAT}", subject=folder)
    try:
        manifest = StoreManifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"manifest.json: {where}: {first['msg']}", subject=folder) from error
    for name in _FILES:
        path = folder / name
        if name not in manifest.files or not path.is_file():
            raise DataError(f"{name!r} is missing", subject=path)
        if path.stat().st_size != manifest.files[name].bytes:
            size, wanted = path.stat().st_size, manifest.files[name].bytes
            raise DataError(f"{name!r} has {size} bytes, not {wanted}", subject=path)
        if sha256_file(path) != manifest.files[name].sha256:
            raise DataError(f"{name!r} is damaged (its sha256 differs from the manifest's)", subject=path)
    return manifest


def _check_ids(rows: Sequence[Passage]) -> None:
    if not rows:
        raise UserError("the corpus has no passages; expected at least one with text")
    for passage_id, count in Counter(passage.id for passage in rows).most_common(1):
        if count > 1:
            raise UserError(f"passage id {passage_id!r} comes {count} times; ids must be unique in a store")


def _distinct_titles(passages: Iterable[Passage]) -> list[str]:
    return sorted({passage.title for passage in passages})


def _documents(passages: Sequence[Passage]) -> tuple[NDArray[np.int32], list[list[str]]]:
    """Which document each passage is of, and each document's terms with its titles'.

    The id of a part is "<document>#<part>"; a passage without ``#`` in its id is a document of its own.
    """
    numbers: dict[str, int] = {}
    content: list[list[str]] = []
    titles: list[set[str]] = []
    of_row: list[int] = []
    for passage in passages:
        name = passage.id.rpartition("#")[0] or passage.id
        number = numbers.setdefault(name, len(numbers))
        if number == len(content):
            content.append([])
            titles.append(set())
        content[number] += terms(passage.text)
        if passage.title not in titles[number]:
            titles[number].add(passage.title)
            content[number] += terms(passage.title)
        of_row.append(number)
    return np.array(of_row, dtype=np.int32), content


def _pair(first: str, second: str) -> str:
    """Two words as one index term; no word has a space."""
    return f"{first} {second}"


def _title_vectors(names: Sequence[str], embedder: LocalEmbeddings) -> Array:
    """(titles, dimension); a row without title has the zero vector, like to nothing."""
    result = np.zeros((len(names), embedder.dimension), dtype=np.float32)
    real = [number for number, name in enumerate(names) if name.strip()]
    if real:
        result[real] = embedder.vectors([names[number] for number in real], "passage")
    return result


def _view(index: Any) -> Array:
    """The vectors of a flat FAISS index, (rows, dimension), without a copy; valid while the index lives."""
    import faiss

    flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return cast(Array, flat.reshape(index.ntotal, index.d))


def _read_index(path: Path, dimension: int) -> Any:
    import faiss

    try:
        index = faiss.read_index(str(path))
    except Exception as error:
        raise DataError(f"{path.name!r} is not a FAISS index", subject=path) from error
    flat = isinstance(index, faiss.IndexFlat) and index.metric_type == faiss.METRIC_INNER_PRODUCT
    if not flat or index.d != dimension:
        raise DataError(f"{path.name!r} is not a flat index of {dimension} dimensions", subject=path)
    return index


def _described(path: Path) -> _File:
    return _File(bytes=path.stat().st_size, sha256=sha256_file(path))


def _version() -> str:
    try:
        return metadata.version("collegium")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "source"
