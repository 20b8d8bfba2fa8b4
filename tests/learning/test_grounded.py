"""Training rows: evidence as at run time, answers with marks, cells of tables."""

from skills.learning.grounded import from_lead, from_short_answer, from_tables, from_written, marked
from skills.records import Passage

TABLE = Passage(
    "t#1", "(In thousands) | 2019 | 2018\nRevenue | 4,013 | 3,249\nOperating costs | (822) | (17)\n"
)


def test_marks_stand_before_the_full_stop() -> None:
    assert marked("One thing. Another thing?") == "One thing [1]. Another thing [1]?"


def test_a_short_answer_has_to_stand_in_a_passage() -> None:
    passage = Passage("p", "Goodwill of $480 million was moved.")
    row = from_short_answer("How much goodwill was moved?", [passage], "$480 million")
    assert row is not None
    assert row["answer"] == "$480 million [1]."
    assert from_short_answer("How much?", [passage], "$481 million") is None


def test_yes_and_no() -> None:
    row = from_short_answer("Is it true?", [Passage("p", "It is.")], "yes")
    assert row is not None
    assert row["answer"] == "Yes [1]."


def test_the_lead_is_about_three_hundred_characters() -> None:
    passage = Passage(
        "p", " ".join(f"This is the sentence with number {n} of the passage that is read." for n in range(9))
    )
    row = from_lead("What is it?", passage)
    assert row["answer"].startswith("This is the sentence with number 0 of the passage that is read [1].")
    assert 240 < len(row["answer"].replace(" [1]", "")) < 360


def test_written_answers_get_their_passage() -> None:
    (row,) = from_written(
        [{"question": "q?", "gold": ["t#1"], "answer": "A [1]."}], {"t#1": Passage("t#1", "Text of it.")}
    )
    assert row == {"question": "q?", "evidence": "Text of it.", "answer": "A [1]."}


def test_cells_are_asked_for_by_row_and_column() -> None:
    rows = list(from_tables([TABLE], per_table=4, seed=1))
    assert rows
    for row in rows:
        value = row["answer"].removesuffix(" [1].")
        year = "2019" if "2019" in row["question"] else "2018"
        assert f"{year} = {value}" in row["evidence"]
    assert rows == list(from_tables([TABLE], per_table=4, seed=1))
