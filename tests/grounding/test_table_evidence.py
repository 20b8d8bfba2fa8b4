"""Which of several tables answers: one that counts as evidence, or the only one that has what is asked for."""

from skills.grounding.table_evidence import table_answer
from skills.records import Evidence, Passage

QUESTION = "What was the change in inventories from 2018 to 2019?"
OURS = "| 2019 | 2018\nInventories | 58 | 43\nCash | 3 | 2\n"
THEIRS = "| 2019 | 2018\nInventories | 7 | 9\nGoodwill | 3 | 2\n"
PROSE = "Inventories changed a lot."


def _judged(name: str, text: str, score: float, *, enough: bool = False) -> Evidence:
    return Evidence(Passage(name, text), ((0, len(text)),), score, enough)


def test_the_only_table_that_names_it_all_is_enough() -> None:
    found = table_answer(QUESTION, [_judged("prose", PROSE, 0.6), _judged("ours", OURS, 0.3)])
    assert found is not None
    answer, item = found
    assert (answer.text, item.passage.id, item.enough) == ("15", "ours", True)


def test_one_of_two_such_tables_is_not() -> None:
    assert table_answer(QUESTION, [_judged("ours", OURS, 0.4), _judged("theirs", THEIRS, 0.3)]) is None


def test_evidence_goes_before_another_table() -> None:
    found = table_answer(QUESTION, [_judged("theirs", THEIRS, 0.9, enough=True), _judged("ours", OURS, 0.3)])
    assert found is not None
    assert found[1].passage.id == "theirs"


def test_an_unlikely_table_answers_only_where_it_came_with_the_question() -> None:
    unlikely = [_judged("ours", OURS, 0.01)]
    assert table_answer(QUESTION, unlikely) is None
    assert table_answer(QUESTION, unlikely, given=True) is not None


def test_a_table_that_lacks_a_name_of_the_question_is_not_enough() -> None:
    asked = QUESTION.replace("inventories", "scrapped inventories")
    assert table_answer(asked, [_judged("ours", OURS, 0.4)]) is None
    assert table_answer(asked, [_judged("ours", OURS, 0.4, enough=True)]) is not None
    assert table_answer("Why did inventories change?", [_judged("ours", OURS, 0.9, enough=True)]) is None
