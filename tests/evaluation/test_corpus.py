"""The index of a set, with half of its documents withheld or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.items import LoadedSet, load_sets
from agent.evaluation.suite import ItemSet
from skills.errors import UserError
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store import PassageStore

PASSAGES = [
    {"id": f"law-{number}#{part}", "title": f"Law {number // 2}", "text": f"Rule {number} says {part}."}
    for number in range(12)
    for part in range(2)
]


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passages are embedded without weights."""
    monkeypatch.setattr("skills.retrieval.embedder.load_embedder", lambda name: HashingEmbeddings())


@pytest.fixture
def files(home: Path, tmp_path: Path) -> dict[str, str]:
    items = [
        {"id": str(number), "question": f"Rule {number}?", "gold": [f"law-{number}#0"], "answer": "0"}
        for number in range(12)
    ]
    items.append({"id": "both", "question": "All rules?", "gold": [one["id"] for one in PASSAGES]})
    items.append({"id": "none", "question": "No rule?", "answerable": False})
    for name, rows in (("items", items), ("passages", PASSAGES)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"file": str(tmp_path / "items.jsonl"), "corpus": str(tmp_path / "passages.jsonl")}


def load(files: dict[str, str], **changes: Any) -> tuple[LoadedSet, PassageStore]:
    spec = ItemSet.model_validate({"name": "laws", "task": "grounded", **files, **changes})
    (found,) = load_sets([spec], [], limit=None, seed=0, note=print)
    store = found.items[0].store
    assert store is not None
    return found, PassageStore.load(store)


@pytest.mark.parametrize(("withhold", "key"), [("document", 0), ("title", 1)])
def test_half_of_the_documents_are_gone_and_their_questions_cannot_be_answered(
    files: dict[str, str], withhold: str, key: int
) -> None:
    whole, everything = load(files)
    assert all(item.row.get("answerable") is not False for item in whole.items if item.id != "none")
    half, store = load(files, withhold=withhold)
    assert len(everything) == len(PASSAGES)
    left = {one["id"] for one in PASSAGES if store.get(one["id"]) is not None}
    assert len(left) == len(store)
    assert 0 < len(left) < len(PASSAGES)
    groups = [(one["id"].partition("#")[0], one["title"])[key] for one in PASSAGES if one["id"] in left]
    assert not set(groups) & {
        (one["id"].partition("#")[0], one["title"])[key] for one in PASSAGES if one["id"] not in left
    }
    for item in half.items:
        if item.id == "both":
            assert set(item.row["gold"]) == left
        elif item.id != "none":
            there = f"law-{item.id}#0" in left
            assert item.row["gold"] == ([f"law-{item.id}#0"] if there else [])
            assert (item.row.get("answerable") is False) is not there


def test_the_same_documents_are_withheld_every_time(files: dict[str, str]) -> None:
    first, again = load(files, withhold="document"), load(files, withhold="document")
    assert [item.row for item in first[0].items] == [item.row for item in again[0].items]
    assert first[0].items[0].store == again[0].items[0].store != load(files)[0].items[0].store


def test_withholding_needs_a_corpus(files: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="withhold"):
        ItemSet(name="x", task="grounded", file=files["file"], withhold="title")
    with pytest.raises(ValueError, match="either 'store' or 'corpus'"):
        ItemSet(name="x", task="grounded", store="somewhere", **files)


def test_a_missing_corpus_is_named(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"set 'laws'.*nowhere\.jsonl"):
        load({**files, "corpus": str(tmp_path / "nowhere.jsonl")})
