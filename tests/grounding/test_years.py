"""The year that a question names decides which passages hold for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.years import of_another_year, years
from skills.records import Passage


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What is the 401(k) limit in 2024?", {2024}),
        ("What was revenue in fiscal year 2019 and 2018?", {2019, 2018}),
        ("How did sales change from 2017 to December 31, 2018?", {2017, 2018}),
        ("the 2025 tax brackets", {2025}),
        ("2023年的个税起征点是多少？", {2023}),
        ("Are 2000 calories a day enough?", set()),
        ("Is a dose of 2000 mg too much?", set()),
        ("What does the Data Protection Act 2018 say?", set()),
        ('In the contract "ACME 08 09 2006-EX", who pays in full?', set()),
        ("Who won?", set()),
    ],
)
def test_years_that_date_something(text: str, found: set[int]) -> None:
    assert years(text) == found


@pytest.mark.parametrize(
    ("question", "text", "other"),
    [
        ("What is the limit in 2024?", "For 2026 the limit is 24,500 dollars.", True),
        ("What is the limit in 2026?", "For 2026 the limit is 24,500 dollars.", False),
        ("What is the limit?", "For 2026 the limit is 24,500 dollars.", False),
        ("What is the limit in 2024?", "The limit is 24,500 dollars.", False),
        ("I bought my home in 2015. How much is excluded?", "For 2026 it is 250,000 dollars.", False),
        ("I inherited it in 2025, until when?", "From 2026 the limit is ten years.", False),
        ("I was born in May 1960. What is the limit in 2024?", "For 2026 it is 24,500 dollars.", True),
        ("What is the rate in 2024?", "The rate has been 19 % since 2007.", False),
        ("What is the rate in 2005?", "The rate has been 19 % since 2007.", True),
        ("What was the rate in 2012?", "From 2010 to 2015 the rate in France was 19 %.", False),
        ("What was revenue in 2019?", "| Year | 2018 | 2017 |\n| Revenue | 5 | 4 |", True),
        ("What was revenue in 2018?", "| Year | 2018 | 2017 |\n| Revenue | 5 | 4 |", False),
        ("Is there a limit in 2024?", "The Limitation Act 1980 sets six years.", False),
        ("2023年的起征点是多少？", "2019年起征点为每月5000元。", True),
    ],
)
def test_a_passage_of_other_years_alone_is_of_another_year(question: str, text: str, other: bool) -> None:
    assert of_another_year(question, Passage("1", text.replace("\\\n", "\n"), "Limits")) is other


@given(st.integers(1900, 2099), st.text(max_size=60))
def test_what_names_the_year_is_never_of_another(year: int, text: str) -> None:
    assert not of_another_year(f"What was it in {year}?", Passage("1", f"{text} . In {year} it was 5."))
