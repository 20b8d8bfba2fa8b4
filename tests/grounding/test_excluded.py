"""What a question wants to do without is no answer to it."""

import pytest

from skills.grounding.excluded import of_what_is_excluded
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
