"""A passage without the sort of figure that is asked for is no answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.sought import lacks_what_is_sought
from skills.records import Passage

LITHIUM = "Lithium is the best proven long-term medicine for bipolar disorder."
LAMOTRIGINE = "Lamotrigine is begun with 25 mg a day and raised every two weeks."


@pytest.mark.parametrize(
    ("question", "text", "lacks"),
    [
        ("What is the starting dose of lamotrigine?", LITHIUM, True),
        ("What is the starting dose of lamotrigine?", LAMOTRIGINE, False),
        ("what dose of lamotrigine do I start with", LITHIUM, True),
        ("How many mg of lamotrigine for a start?", LITHIUM, True),
        ("How many puffs should she take?", "One or two puffs are breathed in.", False),
        ("I missed a dose of lamotrigine, what now?", LITHIUM, False),
        ("What happens if I miss a dose?", LITHIUM, False),
        ("How long does a hard inquiry stay?", "An error is corrected by the bureau.", True),
        ("How long does a hard inquiry stay?", "An inquiry stays for two years.", False),
        ("How old must I be?", "Applicants show a licence.", True),
        ("How often is it checked?", "It is checked twice.", False),
        ("As long as I pay, can I stay?", "Applicants show a licence.", False),
        ("How much is the fee?", "The clerk charges a fee.", True),
        ("How much is the fee?", "There is no fee.", False),
        ("How many jurors are there?", "The jury decides.", True),
        ("How many jurors are there?", "Twelve jurors decide.", False),
        ("how many people have insomnia", "Three nights a week for three months is chronic.", True),
        ("how many people have insomnia", "About one in ten adults has it.", False),
        ("How many people are affected by it?", "It is a rare condition.", False),
        ("How many people are affected by it?", "Its prevalence is unknown.", False),
        ("How many people are affected by it?", "It was reported in around 60 affected families.", False),
        ("How many people are affected by it?", "It is rarely severe.", True),
        ("How many of the patients lose hearing?", "Hearing loss is a side effect.", True),
        ("What percentage of children grow out of eczema?", "Many children grow out of it.", True),
        ("What percentage of children grow out of eczema?", "Two thirds, or 66%, grow out of it.", False),
        ("how many people sit on a grand jury", "It has 16 to 23 members.", False),
        ("How much does an apostille cost", "Two offices issue apostilles within 5 days.", True),
        ("How much does an apostille cost", "An apostille costs 20 dollars.", False),
        ("cost of a private baby scan", "A scan takes 20 minutes.", True),
        ("What does a CPAP machine cost?", "It is free on prescription.", False),
        ("What is the difference in cost?", "The longer loan has lower payments.", False),
        ("How common is syphilis?", "Syphilis begins with a sore.", True),
        ("How common is syphilis?", "Syphilis is rare in children.", False),
        ("What is the fee?", "The clerk charges a fee.", False),
        ("要吃多长时间？", "高血压患者应当少吃盐。", False),
    ],
)
def test_figures_that_are_sought(question: str, text: str, lacks: bool) -> None:
    assert lacks_what_is_sought(question, Passage("a#1", text)) is lacks


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_texts_are_judged(question: str, text: str) -> None:
    assert lacks_what_is_sought(question, Passage("a#1", f"{text} 2 mg a day")) is False
