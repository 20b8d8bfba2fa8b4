"""Passages under another name or year: what must change, and when there is nothing to alter."""

from hypothesis import given
from hypothesis import strategies as st

from skills.learning.renaming import of_another_year, renamed
from skills.records import Passage

NOTE = Passage(
    "a#1",
    "People near forests are at risk of Ascariasis. ASCARIASIS is spread by soil.",
    "Parasites - Ascariasis",
)
QUESTION = "Who is at risk for Ascariasis?"


def test_the_same_words_stand_under_the_other_name() -> None:
    (other,) = renamed(QUESTION, NOTE, ["Parasites - Loiasis"])
    assert other.title == "Parasites - Loiasis"
    assert other.text == "People near forests are at risk of Loiasis. Loiasis is spread by soil."


def test_what_comes_after_the_subject_stays() -> None:
    passage = Passage("m#1", "Metformin may cause nausea.", "Metformin: Side effects")
    (other,) = renamed("Does metformin cause nausea?", passage, ["Aspirin: Children"])
    assert (other.title, other.text) == ("Aspirin: Side effects", "Aspirin may cause nausea.")


def test_a_passage_that_would_still_answer_is_not_made() -> None:
    assert not list(renamed("Which worms live in soil?", NOTE, ["Parasites - Loiasis"]))
    assert not list(renamed(QUESTION, NOTE, ["Ascariasis in children", "Parasites - Ascariasis", ""]))


def test_a_year_that_is_asked_for_becomes_one_that_stands_nowhere() -> None:
    table = Passage("r#1", "Revenue | 2019 | 2016\n| 5 | 4", "Report 2019")
    (other,) = of_another_year("What was revenue in 2019?", table)
    assert other.text == "Revenue | 2015 | 2016\n| 5 | 4"
    assert other.title == "Report 2015"
    assert not list(of_another_year("What was revenue in 2018?", table))


@given(st.text(), st.text(), st.text(), st.text())
def test_any_text_can_be_renamed(question: str, title: str, text: str, other: str) -> None:
    for passage in renamed(question, Passage("x", text, title), [other]):
        assert passage.title != title
        assert passage.id == "x"
