"""Rows for `train support` from public sets on the user's disk and from folders of notes.

The sets are not part of this project; their files are named in skills.learning.public_sets. US federal rules (public
domain) are `legal/us_federal_rules.passages.jsonl`. Only train splits are learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from skills.files import read_jsonl, sha256_text
from skills.learning.claims import Asked, rows
from skills.learning.public_sets import chunks, passages_of
from skills.records import Passage
from skills.retrieval.ingest import read_corpus

SPLITS = ("train", "dev", "test")
SETS = (
    "medical/medquad_qa",
    "medical/pubmedqa_retrieval",
    "finance/tatqa_retrieval",
    "legal/cuad_retrieval",
    "legal/contractnli_retrieval",
    "legal/us_federal_rules",
)

_PASSAGES = 3
"""Passages taken of one answer or question at most."""
_UNSTATED = ("yes", "no", "maybe", "see clause")
"""Answers that are not words of the passage."""


def support_rows(
    folder: Path | None,
    corpora: Sequence[Path],
    answers: Sequence[Path],
    split: str,
    *,
    altered_each: int,
    seed: int,
    on_problem: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Rows of a split with ids: of the public sets in ``folder``, and of every corpus (see read_corpus) with those
    ``answers`` to its passages, rows {question, answer, gold}, that its authors wrote.

    Train rows are those the rules let pass, where there are any: the model has to learn the others' work least.
    """
    collections: list[tuple[str, Iterable[Asked]]] = []
    if folder is not None:
        collections += [(name, public_passages(folder, name, split)) for name in SETS]
    written = [row for path in answers for row in read_jsonl(path, required=("question", "answer", "gold"))]
    for corpus in corpora:
        notes = {passage.id: passage for passage in of_split(read_corpus(corpus, on_problem), split)}
        theirs = [row for row in written if row["gold"] and row["gold"][0] in notes]
        told = [Asked(notes[row["gold"][0]], row["question"], written=row["answer"]) for row in theirs]
        collections.append((corpus.parent.name, [*map(Asked, notes.values()), *told]))
    for name, asked in collections:
        made = rows(_unique(asked), altered_each=altered_each, seed=seed, hard=split == "train")
        for number, row in enumerate(made):
            yield {"id": f"{name}.{split}#{number}", **row}


def public_passages(folder: Path, name: str, split: str) -> Iterator[Asked]:
    """Passages of a set's split with what was asked about them.

    The federal rules have no splits: a rule belongs to the one that its name falls into.
    """
    if name == "medical/medquad_qa":
        for row in read_jsonl(folder / f"{name}.{split}.jsonl"):
            for number, text in enumerate(chunks(row["answer"])[:_PASSAGES]):
                yield Asked(Passage(f"{row['id']}#{number}", text, row["focus"]))
        return
    passages = passages_of(folder, name)
    if name == "legal/us_federal_rules":
        yield from map(Asked, of_split(passages.values(), split))
        return
    for row in read_jsonl(folder / f"{name}.{split}.jsonl"):
        stated = row["answer"].lower() not in _UNSTATED and row.get("answer_type", "span") == "span"
        for gold in row["gold"][:_PASSAGES]:
            passage = passages[gold]
            holds = stated and row["answer"].lower() in passage.text.lower()
            yield Asked(passage, row["question"], row["answer"]) if holds else Asked(passage)


def of_split(passages: Iterable[Passage], split: str) -> Iterator[Passage]:
    """The passages of documents whose name falls into a split: eight in ten train, one dev, one test."""
    for passage in passages:
        place = int(sha256_text(passage.id.partition("#")[0])[:8], 16) % 10
        if split == {0: "test", 1: "dev"}.get(place, "train"):
            yield passage


def _unique(collection: Iterable[Asked]) -> Iterator[Asked]:
    """Each passage once for a question."""
    seen: set[tuple[str, str]] = set()
    for asked in collection:
        key = asked.passage.text, asked.question
        if key not in seen:
            seen.add(key)
            yield asked
