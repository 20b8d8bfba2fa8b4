"""How well a check tells altered sentences from supported ones, over all and by kind. Knows rows and verdicts only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any


def report(rows: Sequence[Mapping[str, Any]], passed: Sequence[bool]) -> dict[str, dict[str, Any]]:
    """Scores of a check: rows {kind, supported}, and whether it let each of them pass.

    ``altered``: precision and recall of "this sentence is not supported", and the share of supported ones accepted.
    ``kinds``: by kind of alteration its recall, and its precision were there as many of it as supported sentences.
    ``forms``: by form of supported sentence the share accepted.
    """
    found: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    for row, passes in zip(rows, passed, strict=True):
        found[bool(row["supported"]), row["kind"]].append(passes)
    kept = [value for (supported, _), values in found.items() if supported for value in values]
    altered = [value for (supported, _), values in found.items() if not supported for value in values]
    caught, lost = len(altered) - sum(altered), len(kept) - sum(kept)
    false_rate = lost / max(1, len(kept))

    def of_kind(values: list[bool]) -> dict[str, Any]:
        recall = 1 - sum(values) / len(values)
        precision = recall / (recall + false_rate) if recall else 0.0
        return {"rows": len(values), "precision": round(precision, 4), "recall": round(recall, 4)}

    return {
        "altered": {
            "supported_rows": len(kept),
            "altered_rows": len(altered),
            "precision": round(caught / max(1, caught + lost), 4),
            "recall": round(caught / max(1, len(altered)), 4),
            "accepted": round(1 - false_rate, 4),
        },
        "kinds": {kind: of_kind(values) for (kept, kind), values in sorted(found.items()) if not kept},
        "forms": {
            kind: {"rows": len(values), "accepted": round(sum(values) / len(values), 4)}
            for (kept, kind), values in sorted(found.items())
            if kept
        },
    }


def report_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """A report as Markdown."""
    every = scores["altered"]
    lines = ["| altered | rows | precision | recall |", "|---|---|---|---|"]
    for kind, row in scores["kinds"].items():
        lines.append(f"| {kind} | {row['rows']} | {row['precision']:.3f} | {row['recall']:.3f} |")
    lines.append(f"| **all** | {every['altered_rows']} | {every['precision']:.3f} | {every['recall']:.3f} |")
    lines += ["", "| supported | rows | accepted |", "|---|---|---|"]
    for form, row in scores["forms"].items():
        lines.append(f"| {form} | {row['rows']} | {row['accepted']:.3f} |")
    lines.append(f"| **all** | {every['supported_rows']} | {every['accepted']:.3f} |")
    return "\n".join(lines) + "\n"
