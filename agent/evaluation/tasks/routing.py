"""Who is asked: rows {text, label}, where the label is a domain or "general" for what is nobody's.

accuracy is of the likeliest label; acted_* is what the product does: which domains it would ask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.evaluation.figures import Figure, ResultRow, calibration_error, label_figures, mean
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Task, text_of
from agent.router import GENERAL

Row = Mapping[str, Any]


class Routing(Task):
    name = "routing"
    primary = ("accuracy",)
    configured = False

    def check(self, row: Row) -> None:
        text_of(row, "text")
        text_of(row, "label")

    def question(self, row: Row) -> str:
        return str(row["text"])

    def expected(self, row: Row) -> Any:
        return row["label"]

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        routed = system.route(str(item.row["text"]))
        shares = {name: round(share, 6) for name, share in routed.probabilities.items()}
        best = max(shares, key=lambda name: shares[name])
        record = {"domains": list(routed.domains), "probabilities": shares}
        return Outcome("answered", best, domains=routed.domains, confidence=shares[best], record=record)

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        label, answered = str(item.row["label"]), outcome.status == "answered"
        right = float(answered and outcome.answer == label)
        if label == GENERAL:
            acted = float(answered and not outcome.domains)
            return {"correct": right, "out_of_scope": right, "acted_out_of_scope": acted}
        return {
            "correct": right,
            "in_scope": right,
            "acted_in_scope": float(label in outcome.domains),
            "domains_asked": float(len(outcome.domains)),
        }

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        named = {
            "accuracy": "correct",
            "in_scope_accuracy": "in_scope",
            "out_of_scope_recall": "out_of_scope",
            "acted_in_scope": "acted_in_scope",
            "acted_out_of_scope": "acted_out_of_scope",
            "domains_per_in_scope_question": "domains_asked",
        }
        found = [mean(score, name) for name, score in named.items()]
        return [*found, *label_figures(rows)[:2], calibration_error()]

    def labels(self) -> bool:
        return True
