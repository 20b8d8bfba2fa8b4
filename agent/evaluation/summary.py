"""``summary.json`` from ``results.jsonl``: figures with intervals, differences with tests, slices, curves, worst rows.

Reads rows and timings only, so it can be made anew at any time. No figure stands without its interval and its number of
rows; a set's tests between configurations are corrected together (Holm).
"""

from __future__ import annotations

import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from agent.evaluation.curves import confusion, reliability, risk_coverage, risk_coverage_area
from agent.evaluation.figures import Figure, ResultRow
from agent.evaluation.run import PLAN, RESULTS, TIMINGS
from agent.evaluation.statistics import Comparison, compare, holm, interval
from agent.evaluation.system import DEFAULT, ORACLE
from agent.evaluation.tasks import TASKS, Task
from skills.files import read_json, read_jsonl, write_json

SUMMARY = "summary.json"
STATUSES = ("answered", "clarify", "declined", "failed")
FEWEST = 5
"""Rows from which a slice's figures say something."""
MOST = 15
"""Values of a slice that are shown: the most frequent."""
WORST = 50

Rows = Sequence[ResultRow]


def write_summary(folder: Path, *, command: str, prices: tuple[float, float] | None = None) -> dict[str, Any]:
    """Sum up a folder of results. Gives what was written.

    ``prices``: of a million tokens read and written, in any currency, for what a paid model would have cost.
    """
    plan = read_json(folder / PLAN)
    rows = list(read_jsonl(folder / RESULTS))
    seed = int(plan["seed"])
    by_set: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_set.setdefault(row["set"], []).append(row)
    summary: dict[str, Any] = {
        "version": 1,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "environment": environment(plan),
        "data": plan["data"],
        "configs": plan["configs"],
        "seed": seed,
        "sets": {
            name: summed_up(found, plan["metrics"].get(name) or (), seed) for name, found in by_set.items()
        },
        "resources": resources(list(read_jsonl(folder / TIMINGS)), prices),
        "worst": worst(rows),
    }
    write_json(folder / SUMMARY, summary)
    return summary


def environment(plan: Mapping[str, Any]) -> dict[str, Any]:
    try:
        version = metadata.version("collegium")
    except metadata.PackageNotFoundError:  # run from a source tree
        version = "source"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "collegium": version,
        "base": plan["base"],
        "engine": plan["engine"],
        "workers": plan["workers"],
    }


def summed_up(rows: Rows, metrics: Sequence[str], seed: int) -> dict[str, Any]:
    """The entry of one set."""
    task = TASKS[rows[0]["task"]]
    figures = [one for one in task.figures(rows) if not metrics or one.name in metrics]
    by_config: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_config.setdefault(row["config"], []).append(row)
    found: dict[str, Any] = {
        "task": task.name,
        "n": len(next(iter(by_config.values()))),
        "counts": {name: _counts(one) for name, one in by_config.items()},
        "metrics": {name: estimates(one, figures, seed) for name, one in by_config.items()},
        "differences": differences(by_config, task, figures, seed),
        "slices": _slices(by_config, figures, seed),
        "curves": {name: curves for name, one in by_config.items() if (curves := _curves(one))},
        "confusion": {},
    }
    for name, one in by_config.items():
        if _curves(one):
            found["metrics"][name]["aurc"] = risk_coverage_area(one, seed).to_json()
        if task.labels():
            found["confusion"][name] = confusion(one)
    if regret := _regret(by_config, figures, seed):
        found["metrics"][DEFAULT]["routing_regret"] = regret
    return found


def estimates(rows: Rows, figures: Sequence[Figure], seed: int) -> dict[str, dict[str, float]]:
    """{figure: {value, low, high, n}} of those that the rows have a part in."""
    found: dict[str, dict[str, float]] = {}
    for figure in figures:
        parts = figure.matrix(rows)
        if len(parts):
            one = interval(parts, figure.value, seed=seed)
            if math.isfinite(one.value):
                found[figure.name] = one.to_json()
    return found


def differences(
    by_config: Mapping[str, Rows], task: Task, figures: Sequence[Figure], seed: int
) -> list[dict[str, Any]]:
    """What the default configuration has over each other one, in the task's primary figures."""
    main = DEFAULT if DEFAULT in by_config else next(iter(by_config))
    found: list[dict[str, Any]] = []
    for other in by_config:
        for figure in figures:
            if other == main or figure.name not in task.primary:
                continue
            compared = paired(by_config[main], by_config[other], figure, seed)
            if compared is not None:
                found.append({"config": main, "against": other, "metric": figure.name, **compared.to_json()})
    for one, corrected in zip(found, holm([one["p"] for one in found]), strict=True):
        one["p_holm"] = round(corrected, 4)
    return found


def paired(first: Rows, second: Rows, figure: Figure, seed: int) -> Comparison | None:
    """The two sides over the items in which both have a part; None where there is none."""
    others = {row["id"]: figure.parts(row) for row in second}
    pairs = [
        (one, other)
        for row in first
        if (one := figure.parts(row)) is not None and (other := others.get(row["id"])) is not None
    ]
    if not pairs:
        return None
    one, other = (np.asarray(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    return compare(one, other, figure.value, seed=seed)


def resources(
    timings: Sequence[Mapping[str, Any]], prices: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Time, tokens, memory and, at ``prices``, cost of each configuration, over all sets."""
    found: dict[str, Any] = {}
    for name in sorted({row["config"] for row in timings}):
        own = [row for row in timings if row["config"] == name]
        p50, p95 = np.percentile([row["ms"] for row in own], (50, 95))
        found[name] = {
            "latency_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
            "seconds": round(sum(row["ms"] for row in own) / 1000, 1),
            "model_seconds": round(sum(row.get("model_ms", 0.0) for row in own) / 1000, 1),
            "tokens": sum(row["prompt_tokens"] + row["completion_tokens"] for row in own),
            "prompt_tokens": sum(row["prompt_tokens"] for row in own),
            "completion_tokens": sum(row["completion_tokens"] for row in own),
            "peak_memory_mb": max(row["peak_mb"] for row in own),
            "n": len(own),
        }
        if prices is not None:
            read, written = found[name]["prompt_tokens"], found[name]["completion_tokens"]
            found[name]["cost"] = round((read * prices[0] + written * prices[1]) / 1e6, 6)
    return found


def worst(rows: Rows) -> list[dict[str, str]]:
    """Rows to look at first: failed ones, then answers to what has none, then confident and wrong ones."""
    found: list[tuple[float, dict[str, str]]] = []
    for row in rows:
        scores, confidence = row["scores"], float(row["confidence"])
        right = scores.get("right", scores.get("correct"))
        if row["status"] == "failed":
            rank, reason = 3.0, f"failed: {row['error']}"
        elif scores.get("unsupported_rate") == 1.0:
            rank, reason = 2.0 + confidence, "answered what has no answer"
        elif right == 0.0:
            rank, reason = confidence, f"wrong, with confidence {confidence:.2f}"
        elif any(value == 0.0 for value in scores.values()) and right is None:
            rank, reason = 0.0, "missed: " + ", ".join(name for name, value in scores.items() if value == 0.0)
        else:
            continue
        found.append((rank, {"set": row["set"], "id": row["id"], "config": row["config"], "reason": reason}))
    found.sort(key=lambda pair: -pair[0])
    return [one for _, one in found[:WORST]]


def _counts(rows: Rows) -> dict[str, int]:
    found = Counter(row["status"] for row in rows)
    return {status: found[status] for status in STATUSES}


def _slices(by_config: Mapping[str, Rows], figures: Sequence[Figure], seed: int) -> dict[str, Any]:
    rows = next(iter(by_config.values()))
    found: dict[str, Any] = {}
    for name in dict.fromkeys(key for row in rows for key in row["slices"]):
        counted = Counter(row["slices"].get(name, "") for row in rows)
        values = [value for value, count in counted.most_common(MOST) if value and count >= FEWEST]
        if len(counted) < 2 or not values:
            continue
        found[name] = {
            value: {
                config: estimates([row for row in own if row["slices"].get(name) == value], figures, seed)
                for config, own in by_config.items()
            }
            for value in values
        }
    return found


def _curves(rows: Rows) -> dict[str, Any]:
    """Risk against coverage, and confidence against truth, where rows are right or wrong with a confidence."""
    if not any(
        row["confidence"] > 0 and ("right" in row["scores"] or "correct" in row["scores"]) for row in rows
    ):
        return {}
    return {"risk_coverage": risk_coverage(rows), "reliability": reliability(rows)}


def _regret(by_config: Mapping[str, Rows], figures: Sequence[Figure], seed: int) -> dict[str, float] | None:
    """What the router costs: the oracle's token F1 minus the default's, paired."""
    f1 = next((figure for figure in figures if figure.name == "f1"), None)
    if f1 is None or DEFAULT not in by_config or ORACLE not in by_config:
        return None
    found = paired(by_config[ORACLE], by_config[DEFAULT], f1, seed)
    if found is None:
        return None
    return {
        "value": round(found.difference, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "n": found.n,
    }
