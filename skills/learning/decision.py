"""`collegium train decision`: when a passage counts as evidence.

Fits the logistic model of skills.grounding.evidence (Platt 1999: a sigmoid over scores) on the best candidate of
each question: once with the store as it is, once with the answer taken out of the store (all passages of the
titles that hold it), as when a user's documents do not cover a question. Questions may be marked unanswerable
themselves. Domains weigh the same, whatever their number of questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skills.errors import UserError
from skills.files import read_jsonl, write_json
from skills.grounding.evidence import CANDIDATES, FEATURES, THRESHOLD, EvidenceModel, Signs, load_evidence
from skills.learning.card import training_card
from skills.learning.loop import Progress
from skills.learning.run import Run, TrainingConfig
from skills.records import ScoredPassage
from skills.retrieval.store import PassageStore

_GENERIC_TITLE = 30
"""A title that more passages have ("Table") names no document."""
_SEARCHED = 40
"""Passages fetched, so that enough are left when the answer is taken out."""


class DecisionConfig(TrainingConfig):
    """Settings of `train decision`. Rows: {question, gold: [passage id], answerable?}; a store for each file."""

    stores: tuple[Path, ...]
    """Stores of the train files, then of the dev files, in the same order."""
    evidence: Path
    """Artefact of `train evidence`; ``decision.json`` is written into it as well."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The candidates of one question against one state of a store."""

    signs: tuple[Signs, ...]
    right: tuple[bool, ...]
    weight: float

    @property
    def answerable(self) -> bool:
        return any(self.right)


def train(config: DecisionConfig, progress: Progress = lambda done, total, message: None) -> Mapping[str, Any]:
    """Fit on the train files, score on the dev files. ``decision.json`` is in ``out/best`` and in the artefact.

    Raises UserError when files and stores do not pair.
    """
    from sklearn.linear_model import LogisticRegression

    files = (*config.train, *config.dev)
    if len(files) != len(config.stores):
        raise UserError(f"{len(files)} files of rows but {len(config.stores)} stores; give one --store for each file")
    run = Run(config, "decision")
    model = load_evidence(config.evidence)
    samples: list[list[Sample]] = []
    for number, (path, folder) in enumerate(zip(files, config.stores, strict=True)):
        samples.append(list(_samples(path, PassageStore.load(folder), model)))
        progress(number + 1, len(files), path.name)
    fitting = [sample for group in samples[: len(config.train)] for sample in group]
    weights: dict[str, dict[str, float]] = {}
    for language, chinese in (("english", False), ("chinese", True)):
        features, labels, importance = _table(fitting, chinese)
        if len(set(labels.tolist())) < 2:
            weights[language] = model.weights(chinese)
            continue
        fitted = LogisticRegression(C=10.0, fit_intercept=False, max_iter=2000)
        fitted.fit(features, labels, sample_weight=importance)
        weights[language] = {name: round(float(value), 5) for name, value in zip(FEATURES, fitted.coef_[0], strict=True)}
    decided = model.with_weights(weights["english"], weights["chinese"])
    metrics: dict[str, Any] = {"questions": len(fitting)}
    for path, group in zip(config.dev, samples[len(config.train) :], strict=True):
        metrics |= {f"{path.stem}: {name}": value for name, value in decision_scores(decided, group).items()}
    with run.save("best") as partial:
        write_json(partial / "decision.json", weights)
    write_json(config.evidence / "decision.json", weights)
    run.finish(metrics, training_card("Evidence decision", run.described, metrics))
    return metrics


def decision_scores(model: EvidenceModel, samples: Sequence[Sample], threshold: float = THRESHOLD) -> dict[str, float]:
    """coverage: answerable questions that find evidence; right: share of those whose best passage is right;
    unsupported: unanswerable questions that find evidence all the same."""
    best = [max(((model.probability(s), ok) for s, ok in zip(x.signs, x.right, strict=True)), default=(0.0, False)) for x in samples]
    there = [pair for pair, sample in zip(best, samples, strict=True) if sample.answerable]
    absent = [pair for pair, sample in zip(best, samples, strict=True) if not sample.answerable]
    found = [right for probability, right in there if probability >= threshold]
    return {
        "coverage": len(found) / len(there) if there else 0.0,
        "right": sum(found) / len(found) if found else 0.0,
        "unsupported": sum(p >= threshold for p, _ in absent) / len(absent) if absent else 0.0,
    }


def _samples(path: Path, store: PassageStore, model: EvidenceModel) -> Iterator[Sample]:
    """Each question as it is, without the documents that answer it, and without all under their titles."""
    rows = list(read_jsonl(path, required=("question",)))
    shared = Counter(passage.title for passage in store.passages)
    for row in rows:
        question, weight = row["question"], 1 / len(rows)
        gold = [passage for passage in map(store.get, row.get("gold") or []) if passage is not None]
        found = store.search(question, _SEARCHED)
        if not gold:
            if row.get("answerable") is False:
                yield _sample(question, found, set(), model, weight)
            continue
        texts = {_fold(passage.text) for passage in gold}
        yield _sample(question, found, texts, model, weight)
        documents = {_document(passage.id) for passage in gold}
        left = [item for item in found if _document(item.passage.id) not in documents and _fold(item.passage.text) not in texts]
        yield _sample(question, left, set(), model, weight / 2)
        titles = {passage.title for passage in gold if shared[passage.title] <= _GENERIC_TITLE}
        yield _sample(question, [item for item in left if item.passage.title not in titles], set(), model, weight / 2)


def _sample(question: str, found: Sequence[ScoredPassage], right: set[str], model: EvidenceModel, weight: float) -> Sample:
    judged = found[:CANDIDATES]
    return Sample(tuple(model.signs(question, judged)), tuple(_fold(item.passage.text) in right for item in judged), weight)


def _fold(text: str) -> str:
    return " ".join(text.split())


def _document(passage_id: str) -> str:
    """The document a passage is from: what comes before ``#`` in its id."""
    return passage_id.partition("#")[0]


def _table(samples: Sequence[Sample], chinese: bool) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Features, labels and weights of all candidates in a language, (candidates, features)."""
    rows = [
        (signs.features(), int(right), sample.weight)
        for sample in samples
        for signs, right in zip(sample.signs, sample.right, strict=True)
        if signs.chinese == chinese
    ]
    features = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, len(FEATURES))
    return features, np.array([row[1] for row in rows], dtype=np.int64), np.array([row[2] for row in rows])
