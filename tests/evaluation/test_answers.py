"""Scores of answer files, checked by hand."""

import pytest

from agent.evaluation.answers import difference, estimate, score, token_f1
from skills.errors import UserError

GOLD = [
    {"id": 1, "question": "How much in 2019?", "answer": "480 million", "gold": ["a"]},
    {"id": 2, "question": "Is it?", "answer": "yes", "gold": ["b"]},
    {"id": 3, "question": "Unknown?", "answerable": False},
]
PRED = [
    {
        "id": 2,
        "status": "answered",
        "answer": "Yes [1].",
        "citations": [{"passage_id": "x", "quote": "It is."}],
    },
    {
        "id": 1,
        "status": "answered",
        "answer": "It was 480 million in 2020 [1].",
        "citations": [{"passage_id": "a", "quote": "480 million"}],
    },
    {"id": 3, "status": "declined", "answer": "No idea.", "citations": []},
]


def test_token_f1() -> None:
    assert token_f1("The 480 million.", "480 million") == 1.0
    assert token_f1("It was 480 million in 2020", "480 million") == pytest.approx(2 * 2 / (6 + 2))
    assert token_f1("没有", "没有规定") == pytest.approx(2 * 2 / (2 + 4))
    assert token_f1("", "x") == 0.0


def test_score_by_question() -> None:
    found = score(GOLD, PRED)
    assert found["f1"] == [pytest.approx(0.5), 1.0]
    assert found["coverage"] == [1.0, 1.0]
    assert found["unsupported"] == [0.0]
    assert found["cited_gold"] == [1.0, 0.0]
    assert found["number_support"] == [0.0, 1.0]


def test_a_declined_answer_scores_nothing() -> None:
    declined = [{**row, "status": "declined"} for row in PRED]
    assert score(GOLD, declined)["f1"] == [0.0, 0.0]


def test_interval_holds_the_mean_and_narrows() -> None:
    few, many = estimate([0.0, 1.0] * 10), estimate([0.0, 1.0] * 500)
    assert few.low <= few.mean <= few.high
    assert many.high - many.low < few.high - few.low
    assert estimate([1.0, 0.0, 1.0]) == estimate([1.0, 0.0, 1.0])


def test_difference_is_paired() -> None:
    assert difference(GOLD, PRED, PRED).mean == 0.0


def test_missing_answers_are_not_skipped() -> None:
    with pytest.raises(UserError, match="the first is 1"):
        score(GOLD, PRED[:1])
    with pytest.raises(UserError, match="no row"):
        estimate([])
