"""Judged questions of a store: what they say about a query, how they are kept, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import DataError, UserError
from skills.records import Filter, Passage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.judged import FLOOR, JudgedQuestions
from skills.retrieval.store import PassageStore
from skills.retrieval.store_edit import Judgement, add_passages, judge_questions, remove_passages

LAW = [
    Passage("rent", "Payment is due on the first of each month.", "Tenancy", "Code 1", "US"),
    Passage("deposit", "The sum is given back within thirty days.", "Tenancy", "Code 2", "US"),
    Passage("noise", "Quiet hours begin at ten.", "House rules", "Code 3", "DE"),
]
JUDGED = [
    {"question": "when will i see my bond again", "gold": ["deposit"]},
    {"question": "can the landlord paint my door pink", "gold": []},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PassageStore.build(LAW, tmp_path / "store", HashingEmbeddings())
    return tmp_path / "store"


def opened(folder: Path) -> PassageStore:
    return PassageStore.load(folder, HashingEmbeddings())


def test_a_question_like_a_judged_one_finds_what_answered_that(folder: Path) -> None:
    question = "when will i see my bond again please"
    before = opened(folder).search(question, 3)
    assert {one.known for one in before} == {0.0} == {one.unanswered for one in before}
    done = judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    assert done == Judgement(questions=2, unanswered=1, strange=0)
    first, *others = opened(folder).search(question, 3)
    assert first.passage.id == "deposit"
    assert 0.2 < first.known <= 0.5
    assert all(one.known == 0.0 for one in others)
    assert first.unanswered == 0.0


def test_a_question_like_one_that_nothing_answers_says_so_of_all(folder: Path) -> None:
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    found = opened(folder).search("can the landlord paint my door blue", 3)
    assert len({one.unanswered for one in found}) == 1
    assert found[0].unanswered > 0.2
    assert {one.known for one in found} == {0.0}


def test_the_sentences_that_answer_are_told(folder: Path) -> None:
    rows = [
        {"question": "when will i see my bond again", "gold": ["deposit", "rent"], "sentences": [[1], []]},
        {"question": "when is my bond back", "gold": ["deposit"], "sentences": [[1, 2]]},
        {"question": "when must i be quiet", "gold": ["noise"]},
    ]
    judge_questions(folder, rows, embedder=HashingEmbeddings())
    told = {
        one.passage.id: dict(one.told) for one in opened(folder).search("when will i see my bond again", 3)
    }
    assert told["rent"] == told["noise"] == {}
    assert told["deposit"][1] == pytest.approx(0.5, abs=0.01)
    assert 0 < told["deposit"].get(2, 0.1) < 0.4
    remove_passages(folder, ids={"rent"}, embedder=HashingEmbeddings())
    kept = opened(folder).search("when will i see my bond again", 1)[0]
    assert dict(kept.told) == pytest.approx(told["deposit"])


def test_a_filter_comes_first(folder: Path) -> None:
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    found = opened(folder).search(JUDGED[0]["question"], 3, where=Filter(jurisdiction="DE"))
    assert [one.passage.id for one in found] == ["noise"]


def test_changes_keep_the_judged_questions_and_forget_what_is_removed(folder: Path) -> None:
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    add_passages(folder, [Passage("pets", "Cats are allowed.")], embedder=HashingEmbeddings())
    store = opened(folder)
    assert store.judged is not None
    assert len(store.judged) == 2
    assert store.search(JUDGED[0]["question"], 1)[0].known > 0.4
    remove_passages(folder, ids={"deposit"}, embedder=HashingEmbeddings())
    found = opened(folder).search(JUDGED[0]["question"], 3)
    # What answered it is gone: it is neither known to be answered nor known not to be.
    assert {(one.known, one.unanswered) for one in found} == {(0.0, 0.0)}


def test_they_replace_the_ones_before_and_the_bytes_are_the_same(folder: Path) -> None:
    judge_questions(folder, JUDGED[:1], embedder=HashingEmbeddings())
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no judged questions"),
        ([{"question": " ", "gold": []}], "judged question 1: 'question'"),
        ([*JUDGED, {"question": "what", "gold": "rent"}], "judged question 3 .*'gold' should be a list"),
        ([{"question": "what", "gold": ["rent"], "sentences": [1]}], "judged question 1 .*'sentences'"),
        ([{"question": "what", "gold": ["rent"], "sentences": [[0]]}], "judged question 1 .*'sentences'"),
        ([{"question": "what", "gold": ["rent"], "sentences": []}], "judged question 1 .*'sentences'"),
        ([{"question": "what", "gold": ["nowhere"]}], "'nowhere'; see: collegium index list"),
    ],
)
def test_what_is_none_is_refused_and_the_store_stays(
    folder: Path, rows: list[dict[str, object]], message: str
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=message):
        judge_questions(folder, rows, embedder=HashingEmbeddings())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_strange_passage_is_counted(folder: Path) -> None:
    rows = [{"question": "what is due", "gold": ["rent", "nowhere"]}]
    assert judge_questions(folder, rows, embedder=HashingEmbeddings()).strange == 1


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_is_named(folder: Path, damage: str) -> None:
    judge_questions(folder, JUDGED, embedder=HashingEmbeddings())
    path = folder / "questions.safetensors"
    if damage == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"questions\.safetensors"):
        opened(folder)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(-1, 4), max_size=3)), min_size=1, max_size=8),
    st.integers(0, 9),
)
def test_nearness_is_that_of_the_nearest(judged: list[tuple[int, list[int]]], asked: int) -> None:
    chance = np.random.default_rng(3)
    points = chance.normal(size=(10, 4)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    pairs = [(number, row) for number, (_, rows) in enumerate(judged) for row in rows]
    questions = JudgedQuestions(
        points[[point for point, _ in judged]],
        np.array([number for number, _ in pairs], dtype=np.int64),
        np.array([row for _, row in pairs], dtype=np.int64),
    )
    known, unanswered = questions.near(points[asked], 5)
    leads = [float(points[point] @ points[asked]) - FLOOR for point, _ in judged]
    for row in range(5):
        near = [lead for lead, (_, rows) in zip(leads, judged, strict=True) if row in rows]
        assert known[row] == pytest.approx(max([0.0, *near]), abs=1e-6)
    nothing = [lead for lead, (_, rows) in zip(leads, judged, strict=True) if not rows]
    assert unanswered == pytest.approx(max([0.0, *nothing]), abs=1e-6)
