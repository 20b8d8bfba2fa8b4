"""`collegium calibrate`: when a passage counts as evidence, fitted on a domain's own questions and stores.

Each question is judged against its store as it is. Questions may be marked unanswerable; where a file has few of those,
each is also judged against the store without the documents that answer it, as when a user's documents do not cover a
question. The logistic model of
skills.grounding.decision (Platt 1999: a sigmoid over scores) is fitted on the best candidate of each; a file of
questions counts by its weight, whatever the number of its questions. Thresholds and all figures come from predictions
for questions that the model was not fitted on. Where a question names its document, that without the passages which
answer is judged as well. The same questions, each with three passages instead of a store, fit
what holds for passages that come with a question.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import UserError
from skills.files import read_jsonl
from skills.grounding.decision import FEATURES, KINDS, RISKS, Decision, Fitted, Kind, Risk
from skills.grounding.documents import named_document
from skills.grounding.evidence import EvidenceModel, Signs, divided
from skills.learning.loop import quiet
from skills.records import Passage, ScoredPassage
from skills.retrieval.columns import document_of
from skills.retrieval.store import PassageStore
from skills.retrieval.text import is_chinese

COST: Mapping[Risk, float] = {"cautious": 2.0, "balanced": 1.0, "bold": 1 / 3}
"""What a wrong answer costs, a needless "I don't know" costing 1, in a domain where that is all the same."""
SILENT = 20
"""Questions marked unanswerable from which on a file needs no answers taken out of its store: in notes that cover a
subject densely others answer as well, and would count as mistakes."""
COVERED: Mapping[Risk, float] = {"cautious": 0.8, "balanced": 0.9, "bold": 0.97}
"""Share of the answerable questions that are answered from given passages, or from the document that they name: who
hands over or names what to read wants that first, and no other document is quoted."""
GIVEN = 3
"""Passages given with a question, where that is what is fitted."""
FEWEST = 30
"""Answerable questions from which a domain has a fit of its own for Chinese, and for documents that are named."""
FOLDS = 5
_GENERIC_TITLE = 30
"""A title that more passages have ("Table") names no document."""
_ROUNDS = 3
"""Fits, each on the candidates that the one before holds best."""
_SEARCHED = 60
"""Passages fetched, so that enough are left when the answer is taken out."""

Told = Callable[[int, int, str], None]
"""Called with (questions done, questions in all, message)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The candidates of one question against one state of a store."""

    source: str
    """File of the question."""
    question: str
    signs: tuple[Signs, ...]
    right: tuple[bool, ...]
    weight: float

    @property
    def answerable(self) -> bool:
        return any(self.right)

    @property
    def kind(self) -> Kind:
        """Of its best candidate in the order of the search; without one there is nothing to judge."""
        return self.signs[0].kind if self.signs else "english"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a decision that was not fitted on a sample says of it."""

    source: str
    probability: float
    """Of its best candidate; 0 without one."""
    answerable: bool
    right: bool
    """Whether the best candidate is the one that answers."""
    kind: Kind
    weight: float


def calibrate(
    files: Sequence[tuple[Path, Path, float]],
    model: EvidenceModel,
    told: Told = quiet,
    wrong_answer_cost: float = 1.0,
) -> tuple[Decision, list[Prediction]]:
    """Fit on (questions, store, weight). Questions: {question, gold: [passage id], answerable?}.

    ``wrong_answer_cost``: of the domain, by which COST is multiplied.

    A kind without questions, or Chinese or named with fewer than FEWEST, keeps what ``model`` has for it. Raises
    UserError when nothing can be fitted.
    """
    samples: list[Sample] = []
    for path, folder, weight in files:
        samples += _samples(path, PassageStore.load(folder), weight, model, told)
    if not any(sample.answerable for sample in samples):
        raise UserError(
            "no question finds a passage named in its 'gold'; check that questions and stores belong together"
        )
    fitted: dict[Kind, Fitted] = {}
    predictions: list[Prediction] = []
    for kind in KINDS:
        own = [sample for sample in samples if sample.kind == kind]
        start = model.decision.fitted(kind)
        enough = sum(sample.answerable for sample in own) >= FEWEST or kind in ("english", "given")
        if not enough or len({sample.answerable for sample in own}) < 2:
            fitted[kind] = start
            continue
        held_out = _held_out(own, start)
        predictions += held_out
        thresholds = (
            _covering(held_out)
            if kind in ("given", "named")
            else {risk: round(sure_enough(COST[risk] * wrong_answer_cost), 4) for risk in RISKS}
        )
        fitted[kind] = _fit(own, start).model_copy(update={"thresholds": thresholds})
    return Decision(**fitted), predictions


def sure_enough(cost: float) -> float:
    """Probability from which a passage is evidence, if a wrong answer costs so many times what none costs.

    Of calibrated probabilities no other rule costs less (Chow 1970, doi:10.1109/TIT.1970.1054406).
    """
    return cost / (1 + cost)


def _held_out(samples: Sequence[Sample], start: Fitted) -> list[Prediction]:
    """Each sample as seen by a model fitted on the other folds; all samples of a question are in one fold."""
    questions = sorted({sample.question for sample in samples})
    random.Random(0).shuffle(questions)
    fold = {question: number % FOLDS for number, question in enumerate(questions)}
    found: list[Prediction] = []
    for number in range(FOLDS):
        fitted = _fit([sample for sample in samples if fold[sample.question] != number], start)
        for sample in samples:
            if fold[sample.question] == number:
                scores = [fitted.probability(signs.features()) for signs in sample.signs]
                best = int(np.argmax(scores)) if scores else -1
                found.append(
                    Prediction(
                        sample.source,
                        scores[best] if scores else 0.0,
                        sample.answerable,
                        bool(scores) and sample.right[best],
                        sample.kind,
                        sample.weight,
                    )
                )
    return found


def _fit(samples: Sequence[Sample], start: Fitted) -> Fitted:
    """Fitted to the candidate that the fit before holds best for each sample, beginning with ``start``."""
    from sklearn.linear_model import LogisticRegression

    fitted = start
    for _ in range(_ROUNDS):
        rows: list[tuple[tuple[float, ...], int, float]] = []
        for sample in samples:
            pairs = list(zip(sample.signs, sample.right, strict=True))
            if pairs:
                signs, right = max(pairs, key=lambda pair: fitted.probability(pair[0].features()))
                rows.append((signs.features(), int(right), sample.weight))
        if len({label for _, label, _ in rows}) < 2:
            return fitted
        features: NDArray[np.float64] = np.array([row[0] for row in rows])  # (samples, features)
        shares = np.array([row[2] for row in rows])
        model = LogisticRegression(C=10.0, fit_intercept=False, max_iter=2000)
        model.fit(features, [row[1] for row in rows], sample_weight=shares * len(shares) / shares.sum())
        weights = {name: round(float(value), 5) for name, value in zip(FEATURES, model.coef_[0], strict=True)}
        fitted = Fitted(weights=weights, thresholds=start.thresholds)
    return fitted


def _covering(predictions: Sequence[Prediction]) -> dict[Risk, float]:
    """For each risk the highest probability from which COVERED of the answerable are answered."""
    there = sorted((p.probability for p in predictions if p.answerable), reverse=True)
    # Cut, not rounded: rounded up, a threshold would lie above the very probability that it is to let through.
    return {risk: math.floor(1e4 * there[int(COVERED[risk] * (len(there) - 1))]) / 1e4 for risk in RISKS}


def figures(predictions: Sequence[Prediction], decision: Decision, risk: Risk) -> dict[str, dict[str, float]]:
    """By file: coverage (answerable questions that find evidence), right (share of those whose best passage is one that
    answers), unsupported (unanswerable questions that find evidence all the same), questions of either kind."""
    result: dict[str, dict[str, float]] = {}
    for source in dict.fromkeys(p.source for p in predictions):
        own = [p for p in predictions if p.source == source]
        taken = {id(p): p.probability >= decision.fitted(p.kind).thresholds[risk] for p in own}
        there, absent = [p for p in own if p.answerable], [p for p in own if not p.answerable]
        found = [p.right for p in there if taken[id(p)]]
        result[source] = {
            "answerable": len(there),
            "coverage": len(found) / len(there) if there else 0.0,
            "right": sum(found) / len(found) if found else 0.0,
            "unanswerable": len(absent),
            "unsupported": sum(taken[id(p)] for p in absent) / len(absent) if absent else 0.0,
        }
    return result


def _samples(
    path: Path, store: PassageStore, weight: float, model: EvidenceModel, told: Told
) -> Iterator[Sample]:
    """Each question as it is, and, in a file of fewer than SILENT unanswerable ones, without the documents that answer
    it and all that bear their titles; where it names a document, also without those of its passages that answer. In a
    store with judged questions each of these with them and, as in a store that has none, without."""
    rows: list[dict[str, Any]] = list(read_jsonl(path, required=("question",)))
    shared = Counter(passage.title for passage in store.passages)
    taken_out = sum(row.get("answerable") is False for row in rows) < SILENT
    for number, row in enumerate(rows, start=1):
        question: str = row["question"]
        gold = [passage for passage in map(store.get, row.get("gold") or []) if passage is not None]
        searched = store.search(question, _SEARCHED)
        texts = {_fold(passage.text) for passage in gold}
        documents = {document_of(passage.id) for passage in gold}
        titles = {passage.title for passage in gold if 0 < shared[passage.title] <= _GENERIC_TITLE}
        left = [
            item
            for item in searched
            if document_of(item.passage.id) not in documents
            and item.passage.title not in titles
            and _fold(item.passage.text) not in texts
        ]
        variants = [searched] if gold or row.get("answerable") is False else []
        if gold and taken_out:
            variants.append(left)
        if gold and named_document(question):
            variants.append([item for item in searched if _fold(item.passage.text) not in texts])
        parts = [divided(question, items) for items in variants]
        read = {item.passage.id: item for judged, _ in parts for item in judged}
        logits = model.read(question, list(read.values()))
        for judged, others in parts:
            right = tuple(_fold(item.passage.text) in texts for item in judged)
            signs = tuple(model.signs(question, judged, others, logits))
            sample = Sample(path.stem, question, signs, right, weight / len(rows))
            if store.judged is None:
                yield sample
                continue
            alone = tuple(replace(one, known=0.0, unanswered=0.0) for one in signs)
            yield replace(sample, weight=sample.weight / 2)
            yield replace(
                sample, source=f"{path.stem}, no judged questions", signs=alone, weight=sample.weight / 2
            )
        if gold and not is_chinese(question):
            wrong = [item.passage for item in searched if _fold(item.passage.text) not in texts]
            yield from _given(path.stem, question, gold[0], wrong[:GIVEN], weight / len(rows), model)
        told(number, len(rows), path.name)


def _given(
    source: str,
    question: str,
    gold: Passage,
    wrong: Sequence[Passage],
    weight: float,
    model: EvidenceModel,
) -> Iterator[Sample]:
    """The question with GIVEN passages and no titles: the right one among others (of its document too), and without."""
    if len(wrong) < GIVEN:
        return
    bare = [
        ScoredPassage(replace(passage, title=""), 0.0, out_of=GIVEN)
        for passage in [gold, *wrong]
        if not is_chinese(passage.text)
    ]
    logits = model.read(question, bare)
    for items in (bare[:GIVEN], bare[1:]):
        right = tuple(item.passage.id == gold.id for item in items)
        yield Sample(
            f"{source}, given", question, tuple(model.signs(question, items, logits=logits)), right, weight
        )


def _fold(text: str) -> str:
    return " ".join(text.split())
