"""Rules and model together: with a scripted model, and the shipped one on sentences of our own."""

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from skills.grounding.alignment import SIGNS, Reading, Tokens, reading, signs
from skills.grounding.checker import Checker, load_checker, quoted

PARTS = [
    "Aspirin can thin the blood of patients with a stent.",
    "Insulin can lower the sugar of adults with diabetes.",
    "Iron is taken before meals, and zinc is taken after meals.",
]
MIXED = "Insulin can lower the sugar of patients with a stent."


class Scripted:
    """Scores as told; keeps what it was asked."""

    def __init__(self, *scores: float) -> None:
        self.row = scores
        self.asked: list[Reading] = []

    def scores(self, found: Reading) -> NDArray[np.float64]:
        self.asked.append(found)
        return np.array(self.row)


def checker(*scores: float, threshold: float = 0.0) -> tuple[Checker, Scripted]:
    scorer = Scripted(*scores)
    return Checker(scorer, ("unit", "subject"), threshold), scorer


def test_the_model_may_refuse_what_rules_let_pass_and_says_why() -> None:
    made, scorer = checker(0.0, 1.0, 3.0)
    verdict = made.check(MIXED, PARTS, "q")
    assert (verdict.supported, verdict.reason, verdict.part) == (False, "subject", 1)
    assert scorer.asked[0].claim == MIXED
    made, _ = checker(4.0, 1.0, 3.0)
    assert made.check(MIXED, PARTS, "q").supported


def test_the_threshold_decides() -> None:
    assert checker(4.0, 1.0, 3.0, threshold=0.5)[0].check(MIXED, PARTS, "q").supported
    assert not checker(4.0, 1.0, 3.0, threshold=1.5)[0].check(MIXED, PARTS, "q").supported


@pytest.mark.parametrize(
    ("sentence", "parts", "question"),
    [
        (f"{PARTS[0]} [1]", PARTS, "q"),
        ("Aspirin can thin the blood of patients [1].", PARTS, "q"),
        ("Yes [1].", PARTS, "Does aspirin thin the blood?"),
        ("Copper can thin the blood of patients.", PARTS, "q"),
        ("阿司匹林稀释血液", ["阿司匹林稀释血液。"], "q"),
    ],
)
def test_the_model_is_not_asked_where_it_has_nothing_to_say(
    sentence: str, parts: list[str], question: str
) -> None:
    """About a quote, a bare yes, what the rules refuse, and Chinese."""
    made, scorer = checker(0.0, 9.0, 9.0)
    made.check(sentence, parts, question)
    assert scorer.asked == []


def test_a_quote_must_not_leave_out_what_turns_it() -> None:
    assert quoted("The fee is paid by the buyer.", ["In June the fee is paid by the buyer."])
    assert not quoted("The fee is paid by the buyer.", ["Never say the fee is paid by the buyer."])
    assert not quoted("480 million", ["480 million"])


def test_what_the_model_reads() -> None:
    parts = [f"Sentence {number} is about copper and tin and lead." for number in range(20)]
    found = reading("Sentence 7 is about copper and lead [1].", parts, "What is it about?", "Metals")
    assert found.claim == "Sentence 7 is about copper and lead."
    assert found.parts[0] == parts[7]
    assert sum(map(len, found.parts)) <= 320
    assert "metal" in found.free
    short = reading("480 million [1].", parts, "How much?", "")
    assert (short.claim, short.short) == ("How much? 480 million.", True)


def by_letters(texts: Sequence[str]) -> list[Tokens]:
    """Words as tokens; the state of a word is itself and the word before it."""
    return [one_by_letters(text.lower().split()) for text in texts]


def one_by_letters(words: list[str]) -> Tokens:
    ids = np.array([sum(map(ord, word)) for word in words])
    states = np.zeros((len(words), 5000), dtype=np.float32)
    for at in range(len(words)):
        states[at, ids[at]] = states[at, ids[at - 1] + 2000 if at else 4999] = 1 / np.sqrt(2)
    return Tokens(ids, states, np.array([any(map(str.isdigit, word)) for word in words]))


def test_signs_of_a_quote_and_of_a_moved_word() -> None:
    parts = ["the blue car has 4 doors now", "the red van has 2 doors now"]
    same = dict(
        zip(SIGNS, signs(reading("the red van has 2 doors now", parts, "", ""), by_letters), strict=True)
    )
    assert same["least"] == pytest.approx(1.0)
    assert (same["all in order"], same["replaced"], same["new words"], same["nowhere"]) == (1, 0, 0, 0)
    moved = dict(
        zip(SIGNS, signs(reading("the red van has 4 doors now", parts, "", ""), by_letters), strict=True)
    )
    assert moved["nearest least"] < same["nearest least"]
    assert (moved["all in order"], moved["replaced inside"]) == (0, 1)
    assert moved["least digit"] == pytest.approx(1.0)


SHIPPED = [
    ("entity_near", "Insulin can thin the blood of patients with a stent."),
    ("number", "The dose is 20 mg for adults and 5 mg for children."),
    ("number_near", "The dose is 5 mg for adults and 10 mg for children."),
    ("negation_added", "Iron is not taken before meals, and zinc is taken after meals."),
    ("negation_dropped", "Lead can be taken with milk by anybody."),
    ("unit", "The dose is 10 g for adults and 5 mg for children."),
    ("modality", "Aspirin must thin the blood of patients with a stent."),
    ("direction", "Insulin can raise the sugar of adults with diabetes."),
    ("direction", "Iron is taken after meals, and zinc is taken after meals."),
    ("subject", "Zinc is taken before meals, and iron is taken after meals."),
    ("passage", "Copper conducts heat well and melts at 1,085 degrees."),
]
SOURCE = [
    *PARTS,
    "The dose is 10 mg for adults and 5 mg for children.",
    "Lead can never be taken with milk by anybody.",
]


@pytest.fixture
def shipped(weights_home: Path) -> Checker:
    return load_checker()


@pytest.mark.weights
@pytest.mark.parametrize(("kind", "sentence"), SHIPPED)
def test_the_shipped_checker_refuses(shipped: Checker, kind: str, sentence: str) -> None:
    assert not shipped.check(sentence, SOURCE, "").supported, kind


@pytest.mark.weights
@pytest.mark.parametrize(
    "sentence",
    [*SOURCE, "The dose is 10 mg for adults.", "Zinc is taken after meals.", "Aspirin can thin the blood."],
)
def test_the_shipped_checker_accepts(shipped: Checker, sentence: str) -> None:
    assert shipped.check(sentence, SOURCE, "").supported


@pytest.mark.weights
def test_threads_share_it(shipped: Checker) -> None:
    found: list[bool] = []
    threads = [
        Thread(
            target=lambda: found.append(shipped.check("The dose is 10 mg for adults.", SOURCE, "").supported)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4
