"""A labelled clause is set against clauses of other kinds, as if all stood in one contract."""

from skills.learning.clauses import AT_RANDOM, NEAREST, clause_rows
from skills.retrieval.embedder import HashingEmbeddings

CLAUSES = {
    "law": ["The laws of Texas govern this agreement.", "This agreement is governed by the laws of Ohio."],
    "term": ["This agreement ends after ten years.", "The laws and this agreement end in May."],
    "audit": ["The licensor may inspect the books.", "Books are kept for three years."],
}
QUESTIONS = {
    "law": ['In the contract "{title}", which law applies?', 'By the contract "{title}", whose law governs?']
}


def test_each_clause_is_set_against_those_of_other_kinds() -> None:
    rows = list(clause_rows(CLAUSES, QUESTIONS, ["Lease"], HashingEmbeddings()))
    assert [row["positives"] for row in rows] == [[f"Lease\n{text}"] for text in CLAUSES["law"]]
    assert [row["question"] for row in rows] == [
        text.replace("{title}", "Lease") for text in QUESTIONS["law"]
    ]
    others = {f"Lease\n{text}" for kind in ("term", "audit") for text in CLAUSES[kind]}
    assert all(set(row["negatives"]) == others for row in rows)


def test_the_nearest_come_first_and_no_more_than_are_wanted() -> None:
    far = {f"kind {number}": [f"Widget {number} is blue."] for number in range(30)}
    row = next(clause_rows(CLAUSES | far, QUESTIONS, ["Lease"], HashingEmbeddings()))
    assert len(row["negatives"]) == len(set(row["negatives"])) == NEAREST + AT_RANDOM
    assert row["negatives"][0] == "Lease\nThe laws and this agreement end in May."


def test_kinds_that_share_a_clause_are_not_set_against_each_other() -> None:
    shared = CLAUSES | {"term": [*CLAUSES["term"], CLAUSES["law"][0]]}
    for row in clause_rows(shared, QUESTIONS, ["Lease"], HashingEmbeddings()):
        assert set(row["negatives"]) == {f"Lease\n{text}" for text in CLAUSES["audit"]}


def test_clauses_under_all_their_kinds_stand_against_whatever_lacks_the_kind_that_is_asked() -> None:
    shared = CLAUSES | {"term": [*CLAUSES["term"], CLAUSES["law"][0]]}
    others = {f"Lease\n{text}" for text in [*CLAUSES["term"], *CLAUSES["audit"]]}
    for row in clause_rows(shared, QUESTIONS, ["Lease"], HashingEmbeddings(), complete=True):
        assert set(row["negatives"]) == others


def test_another_seed_asks_about_a_clause_in_other_words() -> None:
    first, second = (
        next(clause_rows(CLAUSES, QUESTIONS, ["Lease"], HashingEmbeddings(), seed=seed)) for seed in range(2)
    )
    assert first["positives"] == second["positives"]
    assert first["question"] != second["question"]


def test_a_seed_gives_the_same_rows() -> None:
    first, second = (list(clause_rows(CLAUSES, QUESTIONS, ["A", "B"], HashingEmbeddings())) for _ in range(2))
    assert first == second
