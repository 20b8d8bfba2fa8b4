"""The packs' questions for the evidence encoder name passages that are there, and both kinds of them."""

import pytest

from skills.pack import Pack, discover
from skills.retrieval.store import PassageStore

PACKS, _ = discover()


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_each_question_names_passages_that_answer_it_or_are_silent(pack: Pack) -> None:
    rows = pack.examples("evidence")
    known = {passage.id for passage in PassageStore.load(pack.folder / "index").passages}
    assert len({row["question"].lower() for row in rows}) == len(rows) > 1000
    for row in rows:
        gold, silent = set(row["gold"]), set(row.get("silent", ()))
        assert gold | silent, row
        assert gold | silent <= known, row
        assert not gold & silent, row


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_every_passage_answers_some_question_and_is_silent_on_another(pack: Pack) -> None:
    rows = pack.examples("evidence")
    known = {passage.id for passage in PassageStore.load(pack.folder / "index").passages}
    assert {name for row in rows for name in row["gold"]} == known
    assert {name for row in rows for name in row.get("silent", ())} == known
