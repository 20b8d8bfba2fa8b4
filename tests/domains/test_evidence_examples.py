"""The packs' judged questions name passages and sentences that are there, and their stores hold them."""

import pytest

from skills.grounding.select import units
from skills.pack import Pack, discover
from skills.retrieval.store import PassageStore

PACKS, _ = discover()


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_each_question_names_what_answers_it_if_anything_does(pack: Pack) -> None:
    rows = pack.examples("evidence")
    store = PassageStore.load(pack.folder / "index")
    known = {passage.id for passage in store.passages}
    assert store.judged is not None
    assert len(store.judged) == len(rows)  # else: collegium index judge --domain NAME
    assert len({row["question"].lower() for row in rows}) == len(rows) > 1000
    for row in rows:
        gold, silent = set(row["gold"]), set(row.get("silent", ()))
        assert gold | silent <= known, row
        assert not gold & silent, row


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_every_passage_answers_some_question_and_is_silent_on_another(pack: Pack) -> None:
    rows = pack.examples("evidence")
    known = {passage.id for passage in PassageStore.load(pack.folder / "index").passages}
    assert {name for row in rows for name in row["gold"]} == known
    assert {name for row in rows for name in row.get("silent", ())} == known


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_the_sentences_that_answer_are_there(pack: Pack) -> None:
    rows = [row for row in pack.examples("evidence") if "sentences" in row]
    store = PassageStore.load(pack.folder / "index")
    assert len(rows) > 4000
    for row in rows:
        assert len(row["sentences"]) == len(row["gold"]), row
        for name, numbers in zip(row["gold"], row["sentences"], strict=True):
            passage = store.get(name)
            assert passage is not None
            assert set(numbers) <= set(range(1, len(units(passage.text)) + 1)), row
