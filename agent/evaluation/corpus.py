"""The index that a set is asked about, and what is withheld from it to see what is declined.

With ``withhold``, half of the corpus's documents (or of its titles) are left out of the index, always the same ones. A
question whose right passages are all gone must be declined then: its row is marked as not answerable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from agent.evaluation.formats import PROBLEM
from skills.errors import UserError
from skills.files import sha256_file
from skills.home import cache_folder
from skills.records import Passage
from skills.retrieval.columns import document_of

Withheld = Literal["document", "title"]
"""What is left out as a whole: the passages whose ids are the same up to the last "#", or those of one title."""


def index_of(corpus: Path, withhold: Withheld | None) -> Path:
    """Index of a corpus, made once and kept in the cache under its hash and embedding model.

    Raises UserError for a missing file.
    """
    from skills.retrieval.embedder import choose_embedder, load_embedder
    from skills.retrieval.manifest import FORMAT
    from skills.retrieval.store import PassageStore

    if not corpus.is_file():
        raise UserError(f"no corpus {str(corpus)!r}; expected a file of passages", subject=corpus)
    kept = "all" if withhold is None else f"half-by-{withhold}"
    embedder = choose_embedder(islice(_passages(corpus, withhold), 1000))
    folder = cache_folder("evaluation") / f"{sha256_file(corpus)[:32]}-{kept}-{embedder}-{FORMAT}"
    if not (folder / "manifest.json").is_file():
        PassageStore.build(_passages(corpus, withhold), folder, load_embedder(embedder))
    return folder


def without_withheld(row: Mapping[str, Any], gone: frozenset[str]) -> Mapping[str, Any]:
    """The row as it is when these passages are withheld: with what is left of its ``gold``, else not answerable."""
    gold: object = row.get("gold")
    if row.get(PROBLEM) or not isinstance(gold, list) or not gone.intersection(map(str, gold)):
        return row
    left = [one for one in gold if str(one) not in gone]
    return {**row, "gold": left} if left else {**row, "gold": [], "answerable": False}


def withheld_ids(corpus: Path, withhold: Withheld) -> frozenset[str]:
    """Ids of the passages that are left out."""
    return frozenset(one.id for one in _passages(corpus, None) if _is_withheld(one, withhold))


def _passages(corpus: Path, withhold: Withheld | None) -> Iterator[Passage]:
    from skills.retrieval.ingest import read_corpus

    problems: list[str] = []
    for passage in read_corpus(corpus, problems.append):
        if withhold is None or not _is_withheld(passage, withhold):
            yield passage


def _is_withheld(passage: Passage, by: Withheld) -> bool:
    group = passage.title if by == "title" else document_of(passage.id)
    return sha256(group.encode()).digest()[0] % 2 == 1
