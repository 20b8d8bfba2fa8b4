"""The store: what it finds, what it refuses, and that a half-written one is never seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skills.errors import DataError, UserError
from skills.files import read_json, write_json
from skills.records import Passage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.manifest import verify
from skills.retrieval.store import PassageStore

PASSAGES = [
    Passage("asa", "Aspirin thins the blood and eases pain.", "Aspirin", "Label", "US", "2026-10"),
    Passage("ibu", "Ibuprofen eases pain and fever.", "Ibuprofen"),
    Passage("zh", "阿司匹林可以缓解疼痛。", "阿司匹林"),
    Passage("bond", "A bond pays interest until it matures.", "Bonds"),
    Passage("twin", "A bond pays interest until it matures.", "Bonds"),
]


@pytest.fixture
def store(tmp_path: Path) -> PassageStore:
    return PassageStore.build(PASSAGES, tmp_path / "store", HashingEmbeddings())


def ids(store: PassageStore, query: str, k: int = 10) -> list[str]:
    return [found.passage.id for found in store.search(query, k)]


def test_it_finds_by_words_in_both_languages(store: PassageStore) -> None:
    assert ids(store, "what does ibuprofen do against fever", 1) == ["ibu"]
    assert ids(store, "阿司匹林缓解什么", 1) == ["zh"]
    assert ids(store, "interest of a bond", 1) == ["bond"]


def test_scores_fall_and_equal_texts_come_once(store: PassageStore) -> None:
    found = store.search("bond interest", 10)
    assert [one.passage.id for one in found].count("twin") == 0
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert len(found) <= 4


def test_a_loaded_store_is_the_built_one(store: PassageStore) -> None:
    loaded = PassageStore.load(store.folder)
    assert list(loaded.passages) == PASSAGES
    assert len(loaded) == 5
    assert loaded.embedder.id == "hashing-64"
    assert loaded.get("asa") == PASSAGES[0]
    assert loaded.get("nobody") is None
    for query in ("pain", "bond", "阿司匹林", "nothing here matches"):
        assert loaded.search(query) == store.search(query)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(Passage, id=st.text(max_size=5), text=st.text(max_size=40), title=st.text(max_size=10)),
        min_size=1,
        max_size=6,
        unique_by=lambda passage: passage.id,
    ),
    st.text(min_size=1, max_size=20).filter(str.strip),
)
def test_any_passages_come_back_from_disk(tmp_path: Path, passages: list[Passage], query: str) -> None:
    storable = [p for p in passages if "".join((p.id, p.text, p.title)).isprintable()] or PASSAGES
    built = PassageStore.build(storable, tmp_path / "any", HashingEmbeddings())
    loaded = PassageStore.load(tmp_path / "any")
    assert list(loaded.passages) == storable
    np.testing.assert_array_equal(loaded.vectors, built.vectors)
    assert loaded.search(query, 3) == built.search(query, 3)


def test_the_bytes_are_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        PassageStore.build(PASSAGES, tmp_path / name, HashingEmbeddings())
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_text_that_is_in_the_store_is_found_first(store: PassageStore) -> None:
    for passage in PASSAGES[:4]:
        assert ids(store, passage.text, 1) == [passage.id]


def test_progress_ends_at_the_number_of_texts_and_titles(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    many = [Passage(str(number), f"text {number}", "One title") for number in range(300)]
    PassageStore.build(many, tmp_path / "s", HashingEmbeddings(), progress=progress)
    assert told[0] == (32, 301)  # 300 texts and a title, which all of them have
    assert told[-1] == (301, 301)


def test_duplicate_ids_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="passage id 'asa' comes twice"):
        PassageStore.build([*PASSAGES, PASSAGES[0]], tmp_path / "s", HashingEmbeddings())
    assert not (tmp_path / "s").exists()


def test_a_store_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no passages"):
        PassageStore.build([], tmp_path / "s", HashingEmbeddings())


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_is_refused(store: PassageStore, query: str) -> None:
    with pytest.raises(UserError, match="empty query"):
        store.search(query)


def test_k_below_one_is_refused(store: PassageStore) -> None:
    with pytest.raises(UserError, match="k is 0"):
        store.search("x", 0)


FILES = ["passages.jsonl", "rows.safetensors", "dense.faiss", "titles.faiss", "lexical.safetensors"]
REBUILD = r"build it again: collegium index build --corpus PATH --store .*store$"


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_truncated_file_is_refused_with_the_next_step(store: PassageStore, name: str) -> None:
    path = store.folder / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=REBUILD) as caught:
        PassageStore.load(store.folder)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_seen(store: PassageStore, name: str) -> None:
    path = store.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"'{name}' is damaged.*{REBUILD}"):
        PassageStore.load(store.folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(store: PassageStore, name: str) -> None:
    (store.folder / name).unlink()
    with pytest.raises(DataError, match=f"'{name}' is missing.*{REBUILD}"):
        PassageStore.load(store.folder)


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no store .*{REBUILD}"):
        PassageStore.load(tmp_path / "store")


def test_of_a_large_store_a_load_checks_sizes_and_verify_every_byte(
    store: PassageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skills.retrieval.manifest.HASHED_AT_LOAD", 0)
    data = bytearray((store.folder / "dense.faiss").read_bytes())
    data[-1] ^= 1
    (store.folder / "dense.faiss").write_bytes(data)
    assert len(PassageStore.load(store.folder)) == 5
    for check in (lambda: verify(store.folder), lambda: PassageStore.load(store.folder, every_byte=True)):
        with pytest.raises(DataError, match=r"'dense\.faiss' is damaged"):
            check()
    (store.folder / "dense.faiss").write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"'dense\.faiss' has \d+ bytes"):
        PassageStore.load(store.folder)


def test_passages_are_a_sequence(store: PassageStore) -> None:
    assert store.passages[1:3] == tuple(PASSAGES[1:3])
    assert store.passages[-1] == PASSAGES[-1]
    assert store.passages.index(PASSAGES[2]) == 2
    with pytest.raises(IndexError, match="row 5 of 5"):
        store.passages[5]


class OtherEmbeddings(HashingEmbeddings):
    id = "other"


def test_a_store_of_a_model_that_is_gone_says_how_to_build_it_again(tmp_path: Path) -> None:
    PassageStore.build([Passage("1", "Some text.")], tmp_path / "store", HashingEmbeddings())
    manifest = read_json(tmp_path / "store" / "manifest.json")
    write_json(tmp_path / "store" / "manifest.json", manifest | {"embedder": "gone"})
    with pytest.raises(DataError, match=r"unknown embedding model 'gone'.*collegium index build"):
        PassageStore.load(tmp_path / "store")


def test_another_embedding_model_is_refused_by_name(store: PassageStore) -> None:
    with pytest.raises(DataError, match=r"built with 'hashing-64' .64 dimensions., not with 'other'"):
        PassageStore.load(store.folder, OtherEmbeddings())


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 99}, "format 99"), ({"count": "x"}, "count"), ({"surprise": 1}, "surprise")],
)
def test_a_foreign_manifest_is_refused(store: PassageStore, change: dict[str, object], message: str) -> None:
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        PassageStore.load(store.folder)


def test_a_manifest_that_counts_wrong_is_refused(store: PassageStore) -> None:
    path = store.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"count": 4}))
    with pytest.raises(DataError, match="5 passages, 5 vectors, 4 in the manifest"):
        PassageStore.load(store.folder)


BUILD_AND_DIE = """
import os, signal, sys
from pathlib import Path
from skills.records import Passage
from skills.retrieval import manifest
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store import PassageStore

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "writing":
    manifest.sha256_file = die  # called once all files are written, before the manifest and the swap
progress = die if sys.argv[2] == "embedding" else None
passages = [Passage("new", "New text.")]
PassageStore.build(passages, Path(sys.argv[1]), HashingEmbeddings(), progress=progress)
"""


@pytest.mark.parametrize("stage", ["embedding", "writing"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_killed_build_leaves_what_was_there(tmp_path: Path, stage: str, existing: bool) -> None:
    folder = tmp_path / "store"
    if existing:
        PassageStore.build(PASSAGES, folder, HashingEmbeddings())
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", BUILD_AND_DIE, str(folder), stage],
        env=environment,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    if existing:
        assert ids(PassageStore.load(folder), "bond interest", 1) == ["bond"]
    else:
        with pytest.raises(DataError, match="no store"):
            PassageStore.load(folder)
    rebuilt = PassageStore.build([Passage("new", "New text.")], folder, HashingEmbeddings())
    assert ids(rebuilt, "new") == ["new"]


def test_a_failing_build_leaves_the_old_store_and_no_litter(store: PassageStore) -> None:
    class Failing(HashingEmbeddings):
        def vectors(self, texts: object, kind: object) -> object:  # type: ignore[override]
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        PassageStore.build(PASSAGES[:1], store.folder, Failing())
    assert verify(store.folder).count == 5
    assert [path.name for path in store.folder.parent.iterdir() if path.name.startswith(".store")] == []
