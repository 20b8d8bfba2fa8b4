"""Which sentence is pointed at, by a cross-encoder whose scores are written down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from skills.grounding.cross_encoder import CrossEncoder
from skills.grounding.pointer import Pointer, load_pointer
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.encoder import Encoder


class Written(CrossEncoder):
    """The same score for every text."""

    def __init__(self) -> None:
        super().__init__(object.__new__(Encoder), np.zeros(2), 0.0, 64)
        self.read: list[str] = []

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        self.read += texts
        return [1.0] * len(texts)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Written:
    def embedder(_: str) -> HashingEmbeddings:
        return HashingEmbeddings()

    monkeypatch.setattr("skills.grounding.pointer.load_embedder", embedder)
    return Written()


def test_a_sentence_that_is_like_the_question_goes_before_one_that_scores_alike(encoder: Written) -> None:
    near, far = "the deposit comes back in may", "cats sleep"
    one, other = Pointer(encoder).weigh("when comes the deposit back", [near, far])
    assert one > other + 1.0
    assert encoder.read == [near, far]


def test_chinese_is_compared_and_not_read(encoder: Written) -> None:
    near, far = Pointer(encoder).weigh("试用期最长多久", ["试用期最长不得超过六个月", "本法自公布之日起施行"])
    assert near > far
    assert encoder.read == []


@pytest.mark.weights
@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (
            "How long should I stay off work with shingles?",
            "People with shingles should stay away from work until the blisters have dried if they cannot be covered.",
            "An antiviral such as aciclovir works best when it is started within 72 hours of the rash.",
        ),
        (
            "What is the maximum fine under GDPR?",
            "For breaches of the basic principles fines reach 20 million euros or 4 percent of worldwide turnover.",
            "Records of processing are kept by organisations with 250 employees or more.",
        ),
        (
            "How soon do I have to report the accident?",
            "The insurer must be told of the accident within 14 days.",
            "The accident report form asks for the names of all drivers.",
        ),
    ],
)
@pytest.mark.usefixtures("weights_home")
def test_the_sentence_that_says_what_was_asked_goes_first(question: str, right: str, wrong: str) -> None:
    one, other = load_pointer().weigh(question, [right, wrong])
    assert one > other
