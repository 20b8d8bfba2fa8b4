"""Output folders of ``collegium eval run``, made up: what it writes, without asking a model."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CONFIGS = ("base", "lora", "rag", "rag-passages", "pointing", "lora+rag", "no-verify", "wrong-adapter")
HOSTILE = (
    "<script>alert(1)</script> | a\nb `c` [x](javascript:alert(1)) ![i](http://example.com/i.png) "
    "中文：心脏病 &amp; $x$ \\ \x1b[31m"
)
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 4


def record(**changes: Any) -> dict[str, Any]:
    """A decision record of one medical answer."""
    return {
        "question": "What does metformin do?",
        "domains": ["medical"],
        "probabilities": {"medical": 0.9, "finance": 0.05, "general": 0.05},
        "configuration": "lora+rag",
        "adapter": {"medical": "ad" * 32},
        "index": {"medical": "1d" * 32},
        "passages": {
            "medical": [{"id": "metformin#use", "score": 0.9}, {"id": "metformin#dose", "score": 0.4}]
        },
        "evidence": {"medical": [{"id": "metformin#use", "score": 0.8}]},
        "tools": [],
        "base": "ba" * 32,
        "plan": [{"domain": "medical", "search_query": "", "question": ""}],
        **changes,
    }


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of results.jsonl."""
    return {
        "set": "medquad",
        "task": "answer",
        "config": "lora+rag",
        "id": f"q{number}",
        "question": "What does metformin do?",
        "expected": "It lowers blood sugar.",
        "status": "answered",
        "answer": "It lowers blood sugar [1]. It is taken with meals [1].",
        "citations": [{"passage_id": "metformin#use", "quote": "lowers blood sugar"}],
        "domains": ["medical"],
        "tools": [],
        "confidence": 0.8,
        "scores": {"f1": 0.7, "correct": 1.0},
        "slices": {"language": "en", "length": "short", "source": "nih", "topic": "drugs"},
        "error": None,
        "record": record(),
        **changes,
    }


def write_run(folder: Path, rows: Iterable[dict[str, Any]], **summary: Any) -> Path:
    """A folder with these rows; ``summary``: what is to differ from a plain one."""
    folder.mkdir(parents=True, exist_ok=True)
    own = list(rows)
    sets = {
        name: plain_set([one for one in own if one["set"] == name]) for name in {one["set"]: 0 for one in own}
    }
    whole: dict[str, Any] = {
        "version": 1,
        "created": "2026-11-24T12:00:00Z",
        "command": "collegium eval run medquad.jsonl --out out",
        "environment": {"python": "3.11.2", "platform": "Linux x86-64", "cores": 2, "collegium": "0.1.0"},
        "data": {
            name: {"path": f"{name}.jsonl", "sha256": "da" * 32, "rows": one["n"], "task": "answer"}
            for name, one in sets.items()
        },
        "configs": list(dict.fromkeys(one["config"] for one in own)),
        "sets": sets,
        "resources": {},
        "worst": [],
        **summary,
    }
    (folder / "results.jsonl").write_text("".join(json.dumps(one) + "\n" for one in own))
    (folder / "summary.json").write_text(json.dumps(whole))
    return folder


def plain_set(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A set's part of the summary: counts, and means with rough intervals."""
    configs = list(dict.fromkeys(one["config"] for one in rows))
    own = {config: [one for one in rows if one["config"] == config] for config in configs}
    metrics = list(dict.fromkeys(metric for one in rows for metric in one["scores"]))
    return {
        "task": "answer",
        "n": len({one["id"] for one in rows}),
        "counts": {
            config: {
                status: sum(one["status"] == status for one in given)
                for status in ("answered", "clarify", "declined", "failed")
            }
            for config, given in own.items()
        },
        "metrics": {
            config: {
                metric: _figure([one["scores"][metric] for one in given if metric in one["scores"]])
                for metric in metrics
            }
            for config, given in own.items()
        },
        "differences": [],
        "slices": {},
        "curves": {},
        "confusion": {},
    }


def _figure(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"value": None, "low": None, "high": None, "n": 0}
    mean = sum(values) / len(values)
    half = 1 / math.sqrt(len(values))
    return {"value": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half), "n": len(values)}


def full_run(folder: Path, *, items: int = 60, seed: int = 0) -> Path:
    """Every part of a report: three sets, all configurations, curves, slices, confusion, errors; hostile texts."""
    chance = random.Random(seed)
    rows: list[dict[str, Any]] = []
    sets = ("medquad", "tatqa|span <b>", "routing_中文")
    for name in sets:
        for number in range(items):
            for place, config in enumerate(CONFIGS):
                good = chance.random() < 0.3 + 0.08 * place
                status = (
                    "answered"
                    if good or chance.random() < 0.6
                    else chance.choice(["declined", "clarify", "failed"])
                )
                rows.append(
                    row(
                        number,
                        set=name,
                        config=config,
                        status=status,
                        confidence=chance.random(),
                        question=HOSTILE
                        if number == 0
                        else LONG
                        if number == 1
                        else "What does metformin do?",
                        answer=HOSTILE if number == 0 else "It lowers blood sugar [1].",
                        scores={
                            "f1": chance.random() * good,
                            "correct": float(good),
                            "ece": 0.1 * chance.random(),
                        },
                        error="ModelError: the engine stopped" if status == "failed" else None,
                        slices={
                            "language": chance.choice(["en", "zh"]),
                            "topic": chance.choice(["drugs", LONG]),
                        },
                    )
                )
    found = {name: _full_set([one for one in rows if one["set"] == name], chance) for name in sets}
    resources = {
        config: {
            "latency_ms": {"p50": 400 + 300 * place, "p95": 900 + 700 * place},
            "seconds": 40.0 + place,
            "model_seconds": 30.0,
            "cost": 0.0125,
            "tokens": 12000 * (place + 1),
            "peak_memory_mb": 630.5,
        }
        for place, config in enumerate(CONFIGS)
    }
    worst = [
        {"set": name, "id": f"q{number}", "config": "lora+rag", "reason": reason}
        for name in sets
        for number, reason in enumerate(["wrong and sure", HOSTILE, "declined, answerable"])
    ]
    return write_run(folder, rows, sets=found, resources=resources, worst=worst, configs=list(CONFIGS))


def _full_set(rows: list[dict[str, Any]], chance: random.Random) -> dict[str, Any]:
    one = plain_set(rows)
    labels = ["medical", "finance", "legal", "general"]
    one["differences"] = [
        {
            "config": config,
            "against": "base",
            "metric": metric,
            "difference": figure["value"] - one["metrics"]["base"][metric]["value"],
            "low": figure["value"] - one["metrics"]["base"][metric]["value"] - 0.08,
            "high": figure["value"] - one["metrics"]["base"][metric]["value"] + 0.08,
            "p": 0.0001,
            "p_holm": 0.0006,
            "test": "permutation",
            "mde": 0.11,
        }
        for config, figures in one["metrics"].items()
        for metric, figure in figures.items()
        if config != "base"
    ]
    for kind in ("language", "topic"):
        values = list(dict.fromkeys(own["slices"][kind] for own in rows))
        one["slices"][kind] = {
            value: plain_set([own for own in rows if own["slices"][kind] == value])["metrics"]
            for value in values
        }
    for place, config in enumerate(CONFIGS):
        end = 0.7 - 0.08 * place
        one["curves"][config] = {
            "risk_coverage": [[step / 20, end * (step / 20) ** 1.5] for step in range(1, 21)],
            "reliability": [
                [(step + 0.5) / 10, min(1, max(0, (step + 0.5) / 10 + chance.uniform(-0.15, 0.15))), 5 + step]
                for step in range(10)
            ],
        }
    one["confusion"] = {
        "lora+rag": {
            "labels": labels,
            "matrix": [[40 if a == b else chance.randrange(6) for b in labels] for a in labels],
        }
    }
    return one
