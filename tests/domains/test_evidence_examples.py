"""The packs' judged questions name passages and sentences that are there, and their stores hold them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skills.files import read_jsonl
from skills.grounding.select import units
from skills.pack import Examples, Pack, discover
from skills.retrieval.store import PassageStore

PACKS, _ = discover()


@dataclass(frozen=True)
class Notes:
    """A pack's notes in one language, by what is judged of them and their store."""

    pack: Pack
    examples: Examples
    index: Path
    fewest: int
    """Rows that there are at least."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        return self.pack.examples(self.examples)


ALL = [
    Notes(pack, examples, index, fewest)
    for language, fewest in (("en", 6000), ("zh", 2000))
    for pack in PACKS
    for _, index, examples in [pack.notes_of(language)]
]
each = pytest.mark.parametrize("notes", ALL, ids=lambda notes: f"{notes.pack.name}-{notes.examples}")


@each
def test_each_question_names_what_answers_it_if_anything_does(notes: Notes) -> None:
    rows = notes.rows
    store = PassageStore.load(notes.index)
    known = {passage.id for passage in store.passages}
    assert store.judged is not None
    assert len(store.judged) == len(rows)  # else: collegium index judge --domain NAME (--language zh)
    assert len({row["question"].lower() for row in rows}) == len(rows) >= notes.fewest
    for row in rows:
        gold, silent = set(row["gold"]), set(row.get("silent", ()))
        assert gold | silent <= known, row
        assert not gold & silent, row


@each
def test_every_passage_answers_some_question_and_is_silent_on_another(notes: Notes) -> None:
    rows = notes.rows
    known = {passage.id for passage in PassageStore.load(notes.index).passages}
    assert {name for row in rows for name in row["gold"]} == known
    assert {name for row in rows for name in row.get("silent", ())} == known


@each
def test_what_the_pack_is_tested_with_is_not_judged(notes: Notes) -> None:
    name = "natural_zh.test.jsonl" if "zh" in notes.examples else "natural.test.jsonl"
    tested = {_folded(row["question"]) for row in read_jsonl(notes.pack.folder / "eval" / name)}
    assert len(tested) > 70
    assert not tested & {_folded(row["question"]) for row in notes.rows}


def _folded(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


@each
def test_the_sentences_that_answer_are_there(notes: Notes) -> None:
    rows = [row for row in notes.rows if "sentences" in row]
    store = PassageStore.load(notes.index)
    assert len(rows) > notes.fewest / 2
    for row in rows:
        assert len(row["sentences"]) == len(row["gold"]), row
        for name, numbers in zip(row["gold"], row["sentences"], strict=True):
            passage = store.get(name)
            assert passage is not None
            assert set(numbers) <= set(range(1, len(units(passage.text)) + 1)), row
