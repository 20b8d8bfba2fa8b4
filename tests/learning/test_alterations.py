"""Altered sentences: each kind changes what it says, and nothing is altered into what it was."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.support import NEGATION, numbers
from skills.learning.alterations import ALTERATIONS, Claim, Strangers, altered, names

PARTS = (
    "The Lessee must pay Harbour Bank a deposit of 1,200 euros within 14 days.",
    "The Lessor may raise the rent after 3 years, but not above the level of the City Index.",
    "Late payment increases the fee to 35 percent; the Agent is never liable.",
)
STRANGERS = Strangers(
    ["Copper melts at 1,085 degrees and conducts heat well.", "The Captain must sail before 6 May."],
    ["Copper", "Captain"],
    ["degrees", "melting", "conducts"],
)
CLAIMS = [Claim(part, PARTS, index, "verbatim", "Flat 12") for index, part in enumerate(PARTS)]
CLAIMS += [
    Claim("The fee is 35 percent.", PARTS, 2, "written", "Flat 12", "What is the fee for late payment?")
]


def every(kind: str) -> list[tuple[Claim, str]]:
    """Altered sentences of a kind over all claims and some seeds."""
    made = [
        (claim, altered(claim, kind, STRANGERS, random.Random(seed))) for claim in CLAIMS for seed in range(8)
    ]
    return [(claim, sentence) for claim, sentence in made if sentence is not None]


@pytest.mark.parametrize("kind", [kind for kind in ALTERATIONS if kind != "cell"])
def test_an_altered_sentence_differs_and_a_seed_gives_it_again(kind: str) -> None:
    assert every(kind)
    assert every(kind) == every(kind)
    for claim, sentence in every(kind):
        assert sentence != claim.sentence
        assert sentence not in claim.source


def test_numbers() -> None:
    for claim, sentence in every("number"):
        assert len(numbers(sentence) - numbers(claim.source)) == 1
    for claim, sentence in every("number_near"):
        assert numbers(sentence) <= numbers(claim.source)
        assert numbers(sentence) != numbers(claim.sentence)


def test_negations() -> None:
    for _, sentence in every("negation_added"):
        assert NEGATION.search(sentence)
    for claim, sentence in every("negation_dropped"):
        assert len(NEGATION.findall(sentence)) == len(NEGATION.findall(claim.sentence)) - 1


@pytest.mark.parametrize("kind", ["unit", "modality", "direction", "negation_added"])
def test_one_word_is_changed_and_no_number(kind: str) -> None:
    for claim, sentence in every(kind):
        assert numbers(sentence) == numbers(claim.sentence)
        assert len(set(claim.sentence.split()) - set(sentence.split())) <= 1


def test_what_steps_in_comes_from_outside_or_from_elsewhere_in_the_source() -> None:
    for claim, sentence in every("entity"):
        assert set(sentence.split()) - set(claim.source.split())
    for claim, sentence in every("entity_near"):
        assert set(names(sentence)) <= set(names(claim.source))
    for claim, sentence in every("subject"):
        assert set(re.findall(r"\w+", sentence.lower())) <= set(re.findall(r"\w+", claim.source.lower()))


def test_what_another_sentence_says_is_said_of_what_was_asked_about() -> None:
    for claim, sentence in every("predicate"):
        assert sentence.startswith("The fee for late payment ")
        assert sentence.rpartition(" ")[2] in " ".join(claim.parts[:2])
    for question in ("What is the deposit?", "What is flat 12?", "How much is the fee for late payment?"):
        asked = Claim("The fee is 35 percent.", PARTS, 2, "written", "Flat 12", question)
        assert (
            altered(asked, "predicate", STRANGERS, random.Random(0)) is None
        )  # one word, the title, no name


def test_a_cell_gives_way_to_one_of_another_row_or_column() -> None:
    rows = ("Rent: 2023 = 1,100; 2024 = 1,200", "Heating: 2023 = 80; 2024 = 95")
    claim = Claim("1,200.", rows, 0, "short", "Costs", "What was the rent in 2024?", "1,200")
    found = {altered(claim, "cell", STRANGERS, random.Random(seed)) for seed in range(20)}
    assert found == {"1,100.", "80.", "95."}


@given(st.integers(0, 10**9), st.text("abc 0123456789.,", max_size=60))
def test_any_text_is_altered_or_left_alone(seed: int, text: str) -> None:
    claim = Claim(text, (text, *PARTS), 0, "verbatim")
    for kind in ALTERATIONS:
        sentence = altered(claim, kind, STRANGERS, random.Random(seed))
        assert sentence is None or sentence != text
