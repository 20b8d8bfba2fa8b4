"""What a calibration is worth, for people: a page with tables and a reliability diagram. Knows predictions only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skills.grounding.decision import RISKS, Decision
from skills.learning.calibration import Prediction, figures

BINS = 10


def reliability(predictions: Sequence[Prediction]) -> list[tuple[float, float, int]]:
    """(mean probability, share that was right, questions) of each tenth of the probabilities that has questions."""
    place = [min(BINS - 1, int(p.probability * BINS)) for p in predictions]
    rows: list[tuple[float, float, int]] = []
    for number in range(BINS):
        own = [p for p, bin_ in zip(predictions, place, strict=True) if bin_ == number]
        if own:
            mean = float(np.mean([p.probability for p in own]))
            rows.append((mean, float(np.mean([p.right for p in own])), len(own)))
    return rows


def calibration_error(predictions: Sequence[Prediction]) -> float:
    """Expected calibration error (Guo et al. 2017) over BINS bins, weighted by questions."""
    return sum(count * abs(mean - right) for mean, right, count in reliability(predictions)) / len(
        predictions
    )


def report(name: str, decision: Decision, predictions: Sequence[Prediction]) -> str:
    """The page, as Markdown."""
    lines = [
        f"# When {name} answers",
        "",
        "Every figure is of questions that the decision was not fitted on (five folds).",
        "",
        "| questions | risk | answerable | coverage | right passage first | unanswerable | answered all the same |",
        "|---|---|---|---|---|---|---|",
    ]
    for risk in RISKS:
        for source, row in figures(predictions, decision, risk).items():
            lines.append(
                f"| {source} | {risk} | {row['answerable']} | {row['coverage']:.2f} | {row['right']:.2f} "
                f"| {row['unanswerable']} | {row['unsupported']:.2f} |"
            )
    sure = ", ".join(f"{risk} {share:.2f}" for risk, share in decision.english.thresholds.items())
    lines += [
        "",
        f"A passage of a store counts as evidence from a probability of: {sure}.",
        "",
        f"## Reliability (expected calibration error {calibration_error(predictions):.3f})",
        "",
        "![Share of right passages by probability](reliability.svg)",
        "",
        "| probability, mean | right | questions |",
        "|---|---|---|",
    ]
    lines += [f"| {mean:.2f} | {right:.2f} | {count} |" for mean, right, count in reliability(predictions)]
    lines += ["", "## Weights", "", "| kind | feature | weight |", "|---|---|---|"]
    for language, fitted in (
        ("English", decision.english),
        ("Chinese", decision.chinese),
        ("given", decision.given),
        ("named", decision.named),
    ):
        lines += [f"| {language} | {key} | {value:.3f} |" for key, value in fitted.weights.items()]
    return "\n".join(lines) + "\n"


def diagram(predictions: Sequence[Prediction]) -> str:
    """The reliability diagram as SVG: a point per bin, its area as its questions; on the line is well calibrated."""
    size, edge = 320, 40
    inner = size - 2 * edge
    rows = reliability(predictions)
    most = max((count for _, _, count in rows), default=1)

    def place(x: float, y: float) -> tuple[float, float]:
        return edge + x * inner, size - edge - y * inner

    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="11">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<rect x="{x0}" y="{y1}" width="{inner}" height="{inner}" fill="none" stroke="#888"/>',
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#888" stroke-dasharray="4 4"/>',
    ]
    for mean, right, count in rows:
        x, y = place(mean, right)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 9 * (count / most) ** 0.5:.1f}" fill="#2563eb" '
            f'fill-opacity="0.6"><title>{count} questions: {right:.2f} right at {mean:.2f}</title></circle>'
        )
    for share in (0, 0.5, 1):
        (x, _), (_, y) = place(share, 0), place(0, share)
        parts.append(f'<text x="{x}" y="{size - edge + 15}" text-anchor="middle">{share:g}</text>')
        parts.append(f'<text x="{edge - 6}" y="{y + 4}" text-anchor="end">{share:g}</text>')
    parts.append(f'<text x="{size / 2}" y="{size - 8}" text-anchor="middle">probability given</text>')
    parts.append(f'<text x="{edge}" y="{edge - 10}">share of right passages</text></svg>')
    return "\n".join(parts) + "\n"
