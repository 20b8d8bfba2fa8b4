"""What a question asks about, by its form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.asked import begins_with, sides, subject
from skills.retrieval.text import terms


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What is a REIT?", "reit"),
        ("What is (are) Glaucoma ?", "glaucoma"),
        ("what does indemnify mean", "indemnify"),
        ("How do bonds work?", "bonds"),
        ("So, what's the Black-Scholes model", "black scholes model"),
        ("Can you explain a short squeeze?", "short squeeze"),
        ("Is a REIT taxed?", ""),
        ("What is the highest rate of tax on long-term gains of a single filer?", ""),
        ("什么是高血压？", ""),
    ],
)
def test_the_one_thing_that_is_asked_about(question: str, about: str) -> None:
    assert subject(question) == frozenset(terms(about))


def test_a_sentence_about_a_thing_begins_with_it() -> None:
    reit = subject("What is a REIT?")
    assert begins_with("A US REIT must pay out at least 90% of its income.", reit)
    assert not begins_with("Listed companies that own property and collect rent are REITs.", reit)
    assert not begins_with("Anything.", frozenset())


@pytest.mark.parametrize(
    ("question", "apart"),
    [
        ("What is the difference between copyright and a trademark?", ("copyright", "trademark")),
        ("difference between type 1 and type 2 diabetes", ("1", "2 diabetes")),
        ("bisoprolol vs metoprolol", ("bisoprolol", "metoprolol")),
        ("Is there a difference?", ()),
        ("What is the difference between the two?", ()),
    ],
)
def test_two_things_that_are_to_be_set_apart(question: str, apart: tuple[str, ...]) -> None:
    assert sides(question) == tuple(frozenset(terms(side)) for side in apart)


@given(st.text(max_size=120))
def test_any_text_has_a_form(text: str) -> None:
    assert len(subject(text)) <= 4
    assert len(sides(text)) in (0, 2)
