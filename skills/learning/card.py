"""The card of a trained artefact: what it was made of and how it scored, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def training_card(
    title: str, described: Mapping[str, Any], metrics: Mapping[str, Any], curves: Path | None = None
) -> str:
    """Markdown with the data's names and hashes, the settings, the metrics and the curve."""
    lines = [f"# {title}", "", "## Data", "", "| split | file | sha256 |", "|---|---|---|"]
    for split in ("train", "dev"):
        lines += [f"| {split} | {item['file']} | `{item['sha256'][:16]}` |" for item in described[split]]
    lines += ["", "## Settings", "", "| setting | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in described.items() if key not in ("train", "dev")]
    lines += ["", "## Result", "", "| figure | value |", "|---|---|"]
    lines += [f"| {key} | {_shown(value)} |" for key, value in metrics.items()]
    if curves is not None and curves.is_file():
        rows = [json.loads(line) for line in curves.read_text(encoding="utf-8").splitlines()]
        keys = list(dict.fromkeys(key for row in rows for key in row))
        lines += ["", "## Curve", "", f"| {' | '.join(keys)} |", "|" + "---|" * len(keys)]
        lines += [f"| {' | '.join(_shown(row.get(key, '')) for key in keys)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
