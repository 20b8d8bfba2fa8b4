"""Changes to a store: what is kept, what is embedded, the bytes, and that nothing is half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skills.errors import DataError, UserError
from skills.records import Passage
from skills.retrieval.catalogue import documents
from skills.retrieval.embedder import Array, HashingEmbeddings, Kind
from skills.retrieval.manifest import StoreManifest, verify
from skills.retrieval.store import PassageStore
from skills.retrieval.store_edit import add_passages, remove_passages

LAW = [
    Passage("law#1", "Rent is due monthly.", "Law: Rent", "Code 1", "US"),
    Passage("law#2", "A deposit is returned.", "Law: Deposit", "Code 2", "US"),
    Passage("tax", "Tax is paid yearly.", "Tax", "Act"),
]


class Counting(HashingEmbeddings):
    """Remembers the texts that it embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def vectors(self, texts: Sequence[str], kind: Kind) -> Array:
        self.texts += texts
        return super().vectors(texts, kind)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PassageStore.build(LAW, tmp_path / "store", HashingEmbeddings())
    return tmp_path / "store"


PASSAGES = st.lists(
    st.builds(
        Passage,
        id=st.sampled_from(["a", "b", "c#1", "c#2", "d#1"]),
        text=st.sampled_from(["red fox", "blue whale", "fox", "糖尿病"]),
        title=st.sampled_from(["", "Fox", "Whale"]),
        source=st.sampled_from(["", "S1", "S2"]),
        effective=st.sampled_from(["", "2020-01"]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda passage: passage.id,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PASSAGES, st.lists(PASSAGES | st.sampled_from(["a", "b", "c#1", "c#2", "d#1"]), max_size=4))
def test_a_store_that_grew_in_steps_has_the_bytes_of_one_built_at_once(
    tmp_path: Path, first: list[Passage], steps: list[list[Passage] | str]
) -> None:
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    PassageStore.build(first, grown, HashingEmbeddings())
    expected = {passage.id: passage for passage in first}
    for step in steps:
        if isinstance(step, list):
            add_passages(grown, step)
            expected |= {passage.id: passage for passage in step}
        elif step in expected and len(expected) > 1:
            remove_passages(grown, ids=[step])
            del expected[step]
    PassageStore.build(expected.values(), whole, HashingEmbeddings())
    assert contents(grown) == contents(whole)


def test_only_new_texts_are_embedded(folder: Path) -> None:
    before = PassageStore.load(folder)
    embedder = Counting()
    given = [
        LAW[0],
        Passage("law#2", "A deposit is kept.", "Law: Deposit", "Code 2", "US"),
        Passage("tax", "Tax is paid yearly.", "Tax", "Another act"),
        Passage("new", "Rent is due monthly.", "Law: Rent"),
    ]
    change = add_passages(folder, given, embedder=embedder)
    assert embedder.texts == ["A deposit is kept."]
    assert (change.added, change.replaced, change.unchanged, change.removed) == (1, 2, 1, 0)
    assert (change.embedded, change.count, change.duplicates) == (1, 4, 1)
    after = PassageStore.load(folder)
    assert list(after.passages) == given
    np.testing.assert_array_equal(after.vectors[[0, 2]], before.vectors[[0, 2]])
    assert [after.get(passage.id) for passage in given] == given


def test_what_is_given_again_as_it_is_changes_nothing(folder: Path) -> None:
    inode = folder.stat().st_ino
    change = add_passages(folder, LAW)
    assert (change.unchanged, change.count, change.embedded) == (3, 3, 0)
    assert folder.stat().st_ino == inode


def test_prune_removes_what_a_document_no_longer_has(folder: Path) -> None:
    change = add_passages(folder, [LAW[0]], prune=True)
    assert (change.unchanged, change.removed) == (1, 1)
    assert [passage.id for passage in PassageStore.load(folder).passages] == ["law#1", "tax"]


def test_passages_are_removed_by_id_document_and_source(folder: Path) -> None:
    add_passages(folder, [Passage("last", "Something else.")])
    assert remove_passages(folder, ids=["tax"]).removed == 1
    assert remove_passages(folder, source="Code 2").removed == 1
    assert remove_passages(folder, documents=["law"]).removed == 1
    left = PassageStore.load(folder)
    assert [passage.id for passage in left.passages] == ["last"]
    assert left.get("tax") is None
    assert [one.passage.id for one in left.search("tax rent deposit")] == ["last"]


def test_what_is_nowhere_cannot_be_removed(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(
        UserError, match=r"no passage with document 'lawn'; see: collegium index list --store"
    ):
        remove_passages(folder, ids=["tax"], documents=["lawn"])
    with pytest.raises(UserError, match="no passage with source 'Codes'"):
        remove_passages(folder, source="Codes")
    with pytest.raises(UserError, match="would remove all 3 passages"):
        remove_passages(folder, ids=["tax"], documents=["law"])
    assert contents(folder) == before


def test_bad_passages_change_nothing(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(UserError, match="passage id 'x' comes twice"):
        add_passages(folder, [Passage("x", "1"), Passage("x", "2")])
    with pytest.raises(UserError, match="no passages to add"):
        add_passages(folder, [])
    with pytest.raises(UserError, match="passage 'x': 'never' is not a date"):
        add_passages(folder, [Passage("x", "1", expires="never")])
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".store")] == []


def test_there_has_to_be_a_whole_store(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"no store .*collegium index build"):
        add_passages(tmp_path / "nowhere", LAW)
    assert not (tmp_path / "nowhere").exists()
    data = bytearray((folder / "dense.faiss").read_bytes())
    data[-1] ^= 1
    (folder / "dense.faiss").write_bytes(data)
    with pytest.raises(DataError, match=r"'dense\.faiss' is damaged"):
        remove_passages(folder, ids=["tax"])


def test_a_store_that_is_open_goes_on_with_its_version(folder: Path) -> None:
    opened = PassageStore.load(folder)
    before = opened.search("rent")
    remove_passages(folder, documents=["law"])
    assert opened.search("rent") == before
    assert opened.get("law#2") == LAW[1]


def test_a_change_while_a_store_is_opened_gives_the_new_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(folder: Path, *, every_byte: bool) -> StoreManifest:
        found = verify(folder, every_byte=every_byte)
        monkeypatch.setattr("skills.retrieval.store.verify", verify)
        remove_passages(folder, ids=["tax"])
        return found

    monkeypatch.setattr("skills.retrieval.store.verify", overtaken)
    store = PassageStore.load(folder)
    assert len(store) == store.manifest.count == 2


def test_changes_at_once_are_all_made(folder: Path) -> None:
    def add(number: int) -> None:
        add_passages(folder, [Passage(f"n{number}", f"Number {number}.")], embedder=HashingEmbeddings())

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = PassageStore.load(folder)
    assert len(store) == 9
    assert all(store.get(f"n{number}") for number in range(6))


ADD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from skills import files
from skills.records import Passage
from skills.retrieval import manifest
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store_edit import add_passages

folder, stage = Path(sys.argv[1]), sys.argv[2]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def exchange_and_die(partial, target, swap=files._exchange):
    swap(partial, target)
    die()

class Dying(HashingEmbeddings):
    vectors = die

if stage == "writing":
    manifest.write_manifest.__globals__["_described"] = die  # all files but the manifest are there
if stage == "swapping":
    files._exchange = die
if stage == "swapped":
    files._exchange = exchange_and_die
embedder = Dying() if stage == "embedding" else HashingEmbeddings()
add_passages(folder, [Passage("new", "New text.")], embedder=embedder)
"""


@pytest.mark.parametrize("stage", ["embedding", "writing", "swapping", "swapped"])
def test_a_killed_change_is_made_whole_or_not_at_all(folder: Path, stage: str) -> None:
    before = contents(folder)
    done = subprocess.run(
        [sys.executable, "-c", ADD_AND_DIE, str(folder), stage],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    if stage != "swapped":
        assert contents(folder) == before
    assert len(PassageStore.load(folder)) == (4 if stage == "swapped" else 3)
    assert [path for path in folder.parent.iterdir() if path.name.startswith(".store")]
    change = add_passages(folder, [Passage("newer", "Newer text.")])
    assert change.added == 1
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".store")]


def test_documents_are_listed_with_what_their_passages_share() -> None:
    passages = [
        Passage("m#1", "a", "Metformin: Dose", "Label; NHS", "US", "2024-01"),
        Passage("m#2", "b", "Metformin: Dosing", "Label; NHS", "EU", effective="2020-01", expires="2030-01"),
        Passage("alone", "c", "Alone"),
    ]
    first, second = documents(passages)
    assert (first.document, first.passages, first.title) == ("m", 2, "Metformin")
    assert (first.source, first.jurisdiction, first.as_of) == (["Label; NHS"], ["US", "EU"], ["2024-01"])
    assert (first.effective, first.expires) == (["2020-01"], ["2030-01"])
    assert (second.document, second.passages, second.title, second.source) == ("alone", 1, "Alone", [])
