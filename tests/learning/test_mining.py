"""Hard negatives: what a row sets against the right passage, and against the sentence that states the answer."""

from pathlib import Path

import pytest

from skills.errors import UserError
from skills.learning.mining import JUDGED, mine, mine_sentences
from skills.records import Passage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store import PassageStore

TABLE = Passage(
    "report#1",
    "(In thousands) | 2019 | 2018\nNet revenue | 4,013 | 3,249\nOperating costs | 822 | 4,013\n",
    "Report",
)
PROSE = Passage(
    "metformin#1",
    "Metformin lowers blood sugar. Its common side effects are nausea and diarrhoea. It is taken with meals.",
    "Metformin",
)
COPY = Passage("metformin#2", PROSE.text, "Another title")
OTHER = Passage("aspirin#1", "Common side effects of aspirin are heartburn and nausea.", "Aspirin")


@pytest.fixture
def store(tmp_path: Path) -> PassageStore:
    return PassageStore.build([TABLE, PROSE, COPY, OTHER], tmp_path / "store", HashingEmbeddings())


def test_a_passage_of_equal_text_is_no_negative(store: PassageStore) -> None:
    row, _ = mine([{"question": "side effects of metformin", "gold": ["metformin#1"]}], store)
    assert row["positives"] == [f"Metformin\n{PROSE.text}"]
    assert f"Aspirin\n{OTHER.text}" in row["negatives"]
    assert not any(PROSE.text in text for text in row["negatives"])


def test_a_passage_is_set_against_itself_under_another_name(store: PassageStore) -> None:
    _, row = mine([{"question": "side effects of metformin", "gold": ["metformin#1"]}], store)
    assert row["positives"] == [f"Metformin\n{PROSE.text}"]
    assert "Aspirin\n" + PROSE.text.replace("Metformin", "Aspirin") in row["negatives"]


def test_a_table_is_set_against_itself_of_another_year(store: PassageStore) -> None:
    _, row = mine([{"question": "What was net revenue in 2019?", "gold": ["report#1"]}], store)
    assert any("2016 = 4,013; 2018 = 3,249" in text for text in row["negatives"])


def test_the_sentence_that_states_the_answer_is_set_against_its_neighbours(store: PassageStore) -> None:
    question = {
        "question": "What are common side effects of metformin?",
        "gold": ["metformin#1"],
        "answer": "Nausea and diarrhoea are the common side effects [1].",
    }
    *_, row = mine([question], store)
    assert row["positives"] == ["Metformin\nIts common side effects are nausea and diarrhoea."]
    assert "Metformin\nMetformin lowers blood sugar." in row["negatives"]
    assert f"Aspirin\n{OTHER.text}" in row["negatives"]


def test_of_equal_figures_the_row_that_is_asked_for_counts(store: PassageStore) -> None:
    question = {"question": "What was net revenue in 2019?", "gold": ["report#1"], "answer": "4,013"}
    *_, row = mine([question], store)
    assert row["positives"] == ["Report\nNet revenue: 2019 = 4,013; 2018 = 3,249"]
    assert row["negatives"][0] == "Report\nOperating costs: 2019 = 822; 2018 = 4,013"


@pytest.mark.parametrize("answer", ["Yes", "no.", "Nothing that stands there at all", ""])
def test_an_answer_that_no_sentence_states_makes_no_row_of_sentences(
    store: PassageStore, answer: str
) -> None:
    rows = list(mine([{"question": "metformin?", "gold": ["metformin#1"], "answer": answer}], store))
    assert len(rows) == 2
    assert all("\n".join(row["positives"]) == f"Metformin\n{PROSE.text}" for row in rows)


def test_unknown_passages_are_passed_over(store: PassageStore) -> None:
    assert list(mine([{"question": "x", "gold": ["lost#1"]}], store)) == []


def test_chinese_questions_are_set_against_what_is_found_and_under_no_other_name(tmp_path: Path) -> None:
    notes = [
        Passage("jia#1", "二甲双胍常见的副作用是恶心和腹泻。", "二甲双胍"),
        Passage("yi#1", "阿司匹林常见的副作用是胃灼热。", "阿司匹林"),
    ]
    store = PassageStore.build(notes, tmp_path / "store", HashingEmbeddings())
    rows = [{"question": "2024年二甲双胍的副作用是什么？", "gold": ["jia#1"]}]
    assert list(mine(rows, store)) == [
        {
            "question": rows[0]["question"],
            "positives": ["二甲双胍\n二甲双胍常见的副作用是恶心和腹泻。"],
            "negatives": ["阿司匹林\n阿司匹林常见的副作用是胃灼热。"],
        }
    ]


def test_a_silent_passage_is_set_against_the_one_that_answers(store: PassageStore) -> None:
    question = {"question": "aspirin side effects", "gold": ["aspirin#1"], "silent": ["metformin#1"]}
    row, *_ = mine([question], store)
    assert row["positives"] == [f"Aspirin\n{OTHER.text}"]
    assert row["negatives"] == [f"Metformin\n{PROSE.text}"]


def test_a_question_that_nothing_answers_has_its_silent_passages_alone(store: PassageStore) -> None:
    question = {"question": "metformin dose in kidney failure", "gold": [], "silent": ["metformin#1"]}
    (row,) = mine([question], store)
    assert (row["positives"], row["negatives"]) == ([], [f"Metformin\n{PROSE.text}"])


def test_a_question_of_which_nothing_is_known_but_that_nothing_answers_has_what_is_found(
    store: PassageStore,
) -> None:
    (row,) = mine([{"question": "metformin in pregnancy", "gold": []}], store)
    assert row["positives"] == []
    assert f"Metformin\n{PROSE.text}" in row["negatives"]


def test_passages_of_other_documents_than_the_named_one_are_no_negatives(tmp_path: Path) -> None:
    clauses = [
        Passage(f"{name}#{number}", text, name)
        for name in ("Lease", "Loan")
        for number, text in enumerate(
            ["It is governed by the laws of Ohio.", "It ends under the laws in May."]
        )
    ]
    store = PassageStore.build(clauses, tmp_path / "contracts", HashingEmbeddings())
    row = next(mine([{"question": 'In the contract "Loan", which laws apply?', "gold": ["Loan#0"]}], store))
    assert row["negatives"] == ["Loan\nIt ends under the laws in May."]


def test_nothing_is_searched_where_many_passages_were_judged(store: PassageStore) -> None:
    silent = [passage.id for passage in store.passages if passage.id != "aspirin#1"][:JUDGED]
    (row,) = mine([{"question": "aspirin side effects", "gold": ["aspirin#1"], "silent": silent}], store)
    assert len(row["negatives"]) == len(silent) == JUDGED


def test_numbered_sentences_are_set_against_the_others_of_their_passage(store: PassageStore) -> None:
    question = {
        "question": "what does metformin do",
        "gold": ["lost#1", "metformin#1"],
        "sentences": [[1], [1, 3]],
    }
    (row,) = mine_sentences([question, {"question": "no labels", "gold": ["metformin#1"]}], store)
    assert row["positives"] == [
        "Metformin\nMetformin lowers blood sugar.",
        "Metformin\nIt is taken with meals.",
    ]
    assert row["negatives"] == ["Metformin\nIts common side effects are nausea and diarrhoea."]


def test_a_number_that_no_sentence_has_is_refused(store: PassageStore) -> None:
    with pytest.raises(UserError, match="'metformin#1' has 3 sentences"):
        list(mine_sentences([{"question": "what", "gold": ["metformin#1"], "sentences": [[4]]}], store))


def test_sentences_of_another_count_than_passages_are_refused(store: PassageStore) -> None:
    with pytest.raises(UserError, match="for each of 1 gold passages, found 2"):
        list(mine_sentences([{"question": "what", "gold": ["metformin#1"], "sentences": [[1], [2]]}], store))
