"""What the evidence encoder is given to read, by a model whose scores are written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from skills.grounding.cross_encoder import CrossEncoder
from skills.grounding.decision import UNFITTED
from skills.grounding.evidence import CANDIDATES, FIRST, SURE, EvidenceModel, divided
from skills.records import Passage, ScoredPassage


class Written(EvidenceModel):
    """Scores by text; any other text has -5."""

    def __init__(self, scores: dict[str, float]) -> None:
        super().__init__(cast("CrossEncoder", None), lambda: cast("CrossEncoder", None), UNFITTED)
        self.scores, self.given = scores, list[str]()

    def logits(self, question: str, texts: Sequence[str]) -> list[float]:
        self.given += texts
        return [self.scores.get(text, -5.0) for text in texts]


class Reader:
    """An encoder that gives every text the same score."""

    def __init__(self, score: float) -> None:
        self.score = score

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        return [self.score for _ in texts]


def found(count: int, title: str = "") -> list[ScoredPassage]:
    """Passages of documents of their own, the first one best."""
    return [
        ScoredPassage(Passage(f"d{n}#a", f"text {n}", title), 1 - n / 100, similarity=0.5, out_of=500)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("sure", "read"), [("text 2", FIRST), ("text 7", CANDIDATES), ("text 9", CANDIDATES)]
)
def test_it_reads_on_until_it_is_sure(sure: str, read: int) -> None:
    model = Written({sure: SURE})
    ranked = model.rank("what is said ?", found(12))
    assert model.given == [f"text {n}" for n in range(read)]
    assert len({item.passage.id for item in ranked}) == 12
    scores = [item.score for item in ranked]
    assert scores == pytest.approx(sorted(scores, reverse=True))
    assert (ranked[0].passage.text == sure) is (sure != "text 9")  # the tenth is not read


def test_passages_of_other_documents_take_no_place_among_those_that_are_read() -> None:
    question = 'in the contract "lease", what is said ?'
    strange, own = found(10, "loan"), found(12, "lease")[10:]
    judged, rest = divided(question, [*strange, *own])
    assert (judged, rest) == (own, strange)
    model = Written({"lease\ntext 11": 3.0})
    chosen = model.select(question, [*strange, *own])
    assert model.given == ["lease\ntext 10", "lease\ntext 11"]
    assert [(item.passage.title, item.enough) for item in chosen] == [("lease", True), ("lease", False)]
    assert [signs.kind for signs in model.signs(question, own)] == ["named", "named"]
    assert model.rank(question, [*strange, *own])[0].passage.text == "text 11"


def test_where_all_are_of_other_documents_they_are_named_and_judged_0() -> None:
    chosen = Written({}).select('in the contract "lease", what is said ?', found(3, "loan"))
    assert [(item.passage.title, item.score, item.enough) for item in chosen] == [("loan", 0.0, False)] * 3


@pytest.mark.parametrize(
    ("question", "scores"),
    [("is it salty ?", {"en": 1.0, "zh": 2.0}), ("咸不咸？", {"en": 2.0, "zh": 2.0})],
)
def test_what_is_chinese_is_read_by_an_encoder_of_its_own(question: str, scores: dict[str, float]) -> None:
    model = EvidenceModel(
        cast("CrossEncoder", Reader(1.0)), lambda: cast("CrossEncoder", Reader(2.0)), UNFITTED
    )
    items = [
        ScoredPassage(Passage("en", "It is salty."), 1.0, similarity=0.5, out_of=2),
        ScoredPassage(Passage("zh", "这个菜很咸。"), 1.0, similarity=0.5, out_of=2),
    ]
    assert model.read(question, items) == scores


def test_the_encoder_of_chinese_is_loaded_when_it_is_needed() -> None:
    def load() -> CrossEncoder:
        raise AssertionError("loaded")

    model = EvidenceModel(cast("CrossEncoder", Reader(1.0)), load, UNFITTED)
    assert model.logits("is it salty ?", ["It is salty."]) == [1.0]
    with pytest.raises(AssertionError, match="loaded"):
        model.logits("咸不咸？", ["It is salty."])
