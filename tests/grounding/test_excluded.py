"""What a question wants to do without is no answer to it."""

import pytest

from skills.grounding.excluded import of_the_opposite, of_what_is_excluded
from skills.records import Passage


@pytest.mark.parametrize(
    ("question", "title", "excluded"),
    [
        ("How do I lower my LDL without statins?", "Statins: What they are for", True),
        ("lower cholesterol without taking a statin", "Statins: Side effects", True),
        ("pain relief other than opioids", "Opioids", True),
        ("How do I lower my LDL without statins?", "Cholesterol without a statin: Food", False),
        ("Can I divorce without a lawyer?", "Lawyers and legal aid: Costs", False),
        ("Do statins work?", "Statins: What they are for", False),
        ("without statins", "", False),
    ],
)
def test_what_is_ruled_out(question: str, title: str, excluded: bool) -> None:
    assert of_what_is_excluded(question, Passage("p", "Some text.", title)) == excluded


@pytest.mark.parametrize(
    ("question", "title", "barred"),
    [
        ("高血压吃什么药", "心慌与低血压: 低血压与起身头晕", True),
        ("血压偏高怎么办", "心慌与低血压: 低血压与起身头晕", True),
        ("低血压怎么办", "心慌与低血压: 低血压与起身头晕", False),
        ("血压怎么量", "心慌与低血压: 低血压与起身头晕", False),
        ("高血压和低血压有什么区别", "心慌与低血压: 低血压与起身头晕", False),
        ("what lowers high blood pressure", "Blood pressure: Low blood pressure", True),
        ("is low blood sugar dangerous", "Diabetes: High blood sugar", True),
        ("is high blood sugar dangerous", "Diabetes: Signs", False),
    ],
)
def test_what_is_too_high_is_not_answered_by_what_is_too_low(question: str, title: str, barred: bool) -> None:
    assert of_the_opposite(question, Passage("a#1", "It is measured twice.", title)) is barred
