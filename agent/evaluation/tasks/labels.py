"""Labels of texts (classify) and of words (entities), given by a trained model or a file of predictions.

Rows: {text, label} and {tokens, tags}. Tags are BIO; an entity is right with its whole span and its type (CoNLL-2003,
Tjong Kim Sang & De Meulder 2003). An I- tag after another type or after O begins an entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent.evaluation.figures import Figure, ResultRow, calibration_error, counts_f1, label_figures, mean
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, LabelledTexts, Outcome, Row, Task
from skills.errors import UserError


class Classify(LabelledTexts):
    name = "classify"
    primary = ("accuracy", "macro_f1")

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        if item.prediction is not None:
            shares: Mapping[str, float] = item.prediction.get("probabilities") or {}
            label = str(item.prediction.get("label", ""))
            return Outcome("answered", label, confidence=max(shares.values(), default=0.0))
        if item.model is None:
            raise UserError(
                "a set of texts to classify needs 'model' (RUN/best of train classify) or 'predictions'"
            )
        classifier = system.classifier(item.model)
        shares_ = classifier.probabilities([str(item.row["text"])])[0]
        best = int(shares_.argmax())
        return Outcome("answered", classifier.labels[best], confidence=round(float(shares_[best]), 6))

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        return {"correct": float(outcome.status == "answered" and outcome.answer == item.row["label"])}

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        accuracy = mean("correct", "accuracy")
        return [accuracy, *label_figures(rows), calibration_error()]


class Entities(Task):
    name = "entities"
    primary = ("f1",)
    configured = False

    def check(self, row: Row) -> None:
        tokens, tags = row.get("tokens"), row.get("tags")
        if (
            not isinstance(tokens, list)
            or not isinstance(tags, list)
            or len(tokens) != len(tags)
            or not tokens
        ):
            raise UserError("expected 'tokens' and 'tags', lists of one length", subject=row)

    def question(self, row: Row) -> str:
        return " ".join(map(str, row["tokens"]))

    def expected(self, row: Row) -> Any:
        return row["tags"]

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        if item.prediction is None:
            raise UserError("a set of entities needs 'predictions': rows {id?, tags} of what a model gave")
        return Outcome("answered", [str(tag) for tag in item.prediction.get("tags") or ()])

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        want = entities(item.row["tags"])
        have = entities(outcome.answer) if outcome.status == "answered" else set()
        return {
            "true": float(len(want & have)),
            "spurious": float(len(have - want)),
            "missed": float(len(want - have)),
        }

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return counts_f1()


def entities(tags: Iterable[str]) -> set[tuple[int, int, str]]:
    """(start, end, type) of the entities of a BIO sequence."""
    found: set[tuple[int, int, str]] = set()
    start, kind = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            found.add((start, place, kind))
            kind = ""
        if not kind and tag != "O":
            start, kind = place, tag[2:]
    return found
