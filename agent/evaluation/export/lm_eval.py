"""A run as lm-evaluation-harness logs one: ``results_*.json`` and ``samples_<task>_*.jsonl`` in a folder a model.

A configuration is a model, a set is a task. The layout is that of lm_eval 0.4's ``EvaluationTracker``, written with the
standard library; standard errors are "N/A", since intervals were estimated otherwise (see ``statistics``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.evaluation.export.names import file_name, free
from agent.evaluation.run_files import Result, Run, SetSummary, lower_is_better
from skills.errors import UserError
from skills.files import write_json, write_jsonl

_FILTER = "none"


def write(run: Run, out: Path) -> list[Path]:
    """A folder for each configuration. Raises UserError for a run without answers."""
    by_config: dict[str, dict[str, list[Result]]] = {}
    for result in run.results.values():
        by_config.setdefault(result.config, {}).setdefault(result.set, []).append(result)
    if not by_config:
        raise UserError(f"{str(run.folder)!r} has no answers; nothing to export", subject=run)
    when = file_name((run.summary.created or "run").replace(":", "-")).replace(
        "_", "-"
    )  # "_" parts task and date
    written: list[Path] = []
    folders: list[Path] = []
    for config, by_set in by_config.items():
        folders.append(folder := free(out / file_name(config), folders))
        samples = {
            name: [_sample(place, one) for place, one in enumerate(own)] for name, own in by_set.items()
        }
        written.append(folder / f"results_{when}.json")
        write_json(written[-1], _results(run, config, samples))
        for name, rows in samples.items():
            written.append(free(folder / f"samples_{file_name(name)}_{when}.jsonl", written))
            write_jsonl(written[-1], rows)
    return written


def _sample(place: int, result: Result) -> dict[str, Any]:
    document = {"id": result.id, "question": result.question}
    target = (
        result.expected
        if isinstance(result.expected, str)
        else json.dumps(result.expected, ensure_ascii=False)
    )
    return {
        "doc_id": place,
        "doc": document,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": result.question, "arg_1": {}}},
        "resps": [[result.text]],
        "filtered_resps": [result.text],
        "filter": _FILTER,
        "metrics": list(result.scores),
        "doc_hash": _hash(json.dumps(document, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(result.question),
        "target_hash": _hash(target),
        **{name: value for name, value in result.scores.items() if name not in ("doc", "target", "filter")},
    }


def _results(run: Run, config: str, samples: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    known = run.summary.sets
    sizes = {name: len(rows) for name, rows in samples.items()}
    return {
        "results": {name: _figures(name, known.get(name), config) for name in samples},
        "group_subtasks": {},
        "configs": {name: {"task": name, "metadata": {"version": 1}} for name in samples},
        "versions": dict.fromkeys(samples, 1),
        "n-shot": dict.fromkeys(samples, 0),
        "higher_is_better": {
            name: {metric: not lower_is_better(metric) for metric in known[name].metric_names}
            for name in samples
            if name in known
        },
        "n-samples": {name: {"original": size, "effective": size} for name, size in sizes.items()},
        "config": {"model": "collegium", "model_args": {"configuration": config}},
        "model_source": "collegium",
        "model_name": config,
        "model_name_sanitized": file_name(config),
        "task_hashes": {name: _task_hash(rows) for name, rows in samples.items()},
    }


def _figures(name: str, found: SetSummary | None, config: str) -> dict[str, Any]:
    figures: dict[str, Any] = {"alias": name}
    for metric, one in (found.metrics.get(config, {}) if found is not None else {}).items():
        if one.value is not None:
            figures[f"{metric},{_FILTER}"] = one.value
            figures[f"{metric}_stderr,{_FILTER}"] = "N/A"
    return figures


def _task_hash(rows: Sequence[dict[str, Any]]) -> str:
    return _hash("".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
