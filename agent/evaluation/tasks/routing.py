"""Who is asked: rows {text, label}, where the label is a domain or "general" for what is nobody's.

accuracy is of the likeliest label; acted_* is what the product does: which domains it would ask.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.evaluation.figures import Figure, ResultRow, calibration_error, label_figures, mean
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, LabelledTexts, Outcome
from agent.router import GENERAL


class Routing(LabelledTexts):
    name = "routing"
    primary = ("accuracy",)

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
