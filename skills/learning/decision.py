"""`collegium train decision`: when a passage counts as evidence.

Fits the logistic model of skills.grounding.evidence (Platt 1999: a sigmoid over scores) on the best candidate of
each question: with the store as it is, and with the documents that answer it taken out, as when a user's documents
do not cover a question. Questions may be marked unanswerable
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
from skills.learning.loop import Progress, quiet
from skills.learning.run import Run, TrainingConfig
from skills.retrieval.store import PassageStore

_GENERIC_TITLE = 30
"""A title that more passages have ("Table") names no document."""
_ROUNDS = 3
"""Fits, each on the candidates that the one before holds best."""
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


def train(config: DecisionConfig, progress: Progress = quiet) -> Mapping[str, Any]:
    """Fit on the train files, score on the dev files. ``decision.json`` is in ``out/best`` and in the artefact.

    Raises UserError when files and stores do not pair.
    """
    files = (*config.train, *config.dev)
    if len(files) != len(config.stores):
        raise UserError(
            f"{len(files)} files of rows but {len(config.stores)} stores; give one --store for each file"
        )
    run = Run(config, "decision")
    model = load_evidence(config.evidence)
    samples: list[list[Sample]] = []
    for number, (path, folder) in enumerate(zip(files, config.stores, strict=True)):
        samples.append(list(_samples(path, PassageStore.load(folder), model)))
        progress(number + 1, len(files), path.name)
    fitting = [sample for group in samples[: len(config.train)] for sample in group]
    decided = model
    for _ in range(_ROUNDS):
        decided = decided.with_weights(*(_fit(fitting, decided, chinese) for chinese in (False, True)))
    metrics: dict[str, Any] = {"questions": len(fitting)}
    for path, group in zip(config.dev, samples[len(config.train) :], strict=True):
        metrics |= {f"{path.stem}: {name}": value for name, value in decision_scores(decided, group).items()}
    with run.save("best") as partial:
        write_json(partial / "decision.json", decided.decision)
    write_json(config.evidence / "decision.json", decided.decision)
    run.finish(metrics, training_card("Evidence decision", run.described, metrics))
    return metrics


def decision_scores(
    model: EvidenceModel, samples: Sequence[Sample], threshold: float = THRESHOLD
) -> dict[str, float]:
    """coverage: answerable questions that find evidence; right: share of those whose best passage is right;
    unsupported: unanswerable questions that find evidence all the same."""
    best = [
        max(
            ((model.probability(s), ok) for s, ok in zip(x.signs, x.right, strict=True)), default=(0.0, False)
        )
        for x in samples
    ]
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
        texts = {_fold(passage.text) for passage in gold}
        documents = {_document(passage.id) for passage in gold}
        left = [
            item
            for item in found
            if _document(item.passage.id) not in documents and _fold(item.passage.text) not in texts
        ]
        titles = {passage.title for passage in gold if shared[passage.title] <= _GENERIC_TITLE}
        others = [item for item in left if item.passage.title not in titles]
        if gold:
            variants = [(found, weight), (left, weight / 2), (others, weight / 2)]
        else:
            variants = [(found, weight)] if row.get("answerable") is False else []
        cut = [(items[:CANDIDATES], share) for items, share in variants]
        logits = model.read(
            question, list({item.passage.id: item for items, _ in cut for item in items}.values())
        )
        for items, share in cut:
            right = tuple(_fold(item.passage.text) in texts for item in items)
            yield Sample(tuple(model.signs(question, items, logits)), right, share)


def _fold(text: str) -> str:
    return " ".join(text.split())


def _document(passage_id: str) -> str:
    """The document a passage is from: what comes before ``#`` in its id."""
    return passage_id.partition("#")[0]


def _fit(samples: Sequence[Sample], model: EvidenceModel, chinese: bool) -> dict[str, float]:
    """Weights for a language, from the candidate that ``model`` holds best for each sample."""
    from sklearn.linear_model import LogisticRegression

    rows: list[tuple[tuple[float, ...], int, float]] = []
    for sample in samples:
        pairs = list(zip(sample.signs, sample.right, strict=True))
        if pairs:
            signs, right = max(pairs, key=lambda pair: model.probability(pair[0]))
            if signs.chinese == chinese:
                rows.append((signs.features(), int(right), sample.weight))
    if len({label for _, label, _ in rows}) < 2:
        return model.weights(chinese)
    features: NDArray[np.float64] = np.array([row[0] for row in rows])  # (samples, features)
    fitted = LogisticRegression(C=10.0, fit_intercept=False, max_iter=2000)
    fitted.fit(features, [row[1] for row in rows], sample_weight=[row[2] * 100 for row in rows])
    return {name: round(float(value), 5) for name, value in zip(FEATURES, fitted.coef_[0], strict=True)}
