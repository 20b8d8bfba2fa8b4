"""Places: what a question names, and whether a passage speaks about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.places import elsewhere, named
from skills.records import Passage


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("capital gains tax in portugal", {"PT"}),
        ("New York and New Jersey law", {"US-NY", "US-NJ"}),
        ("Tell us about nail polish and turkey", set()),
        ("US and U.S. rules", {"US"}),
        ("Polish or French tax?", {"PL", "FR"}),
        ("West Virginia", {"US-WV"}),
        ("在加拿大买房要交什么税", {"CA"}),
        ("Northern Ireland", {"UK-NI"}),
        ("", set()),
    ],
)
def test_names(text: str, codes: set[str]) -> None:
    assert named(text) == codes


@pytest.mark.parametrize(
    ("question", "jurisdiction", "text", "answer"),
    [
        ("capital gains tax in Portugal?", "US", "For 2025 the rate is 0%.", True),
        ("capital gains tax?", "US", "For 2025 the rate is 0%.", False),
        ("capital gains tax in Texas?", "US federal", "For 2025 the rate is 0%.", False),
        ("deposit in the US?", "US", "California: 21 days.", False),
        ("deposit in England?", "US", "In England 30 days.", False),
        ("withdrawal right in France?", "EU", "14 days.", False),
        ("withdrawal right in Norway?", "EU", "14 days.", True),
        ("dose in Norway?", "international", "500 mg.", False),
        ("dose in Norway?", "", "500 mg in the US.", False),
        ("试用期在德国多久？", "CN", "Probation is at most six months.", True),
        ("notice in Scotland?", "US, UK, DE, CN", "A month.", False),
    ],
)
def test_elsewhere(question: str, jurisdiction: str, text: str, answer: bool) -> None:
    assert elsewhere(question, Passage("p", text, jurisdiction=jurisdiction)) is answer


@given(st.text(max_size=80))
def test_a_passage_that_holds_the_question_is_never_elsewhere(question: str) -> None:
    assert not elsewhere(question, Passage("p", f"x {question} x", jurisdiction="US"))
