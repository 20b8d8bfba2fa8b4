"""A run as logs of Inspect, one for each set and configuration, by inspect-ai's own classes (extra ``harness``)."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from agent.evaluation.export.names import file_name, free
from agent.evaluation.run_files import Figure, Result, Run
from skills.errors import UserError

_SCORER = "collegium"


def write(run: Run, out: Path) -> list[Path]:
    """One ``.json`` log for each set and configuration. Raises UserError without answers, or without inspect-ai."""
    log, model, scorer = (_library(f"inspect_ai.{name}") for name in ("log", "model", "scorer"))
    by_log: dict[tuple[str, str], list[Result]] = {}
    for result in run.results.values():
        by_log.setdefault((result.set, result.config), []).append(result)
    if not by_log:
        raise UserError(f"{str(run.folder)!r} has no answers; nothing to export", subject=run)
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for (name, config), results in by_log.items():
        found = run.summary.sets.get(name)
        figures = {} if found is None else found.metrics.get(config, {})
        whole = log.EvalLog(
            status="success",
            eval=_spec(log, run, name, config, results),
            results=log.EvalResults(
                total_samples=len(results),
                completed_samples=sum(result.status != "failed" for result in results),
                scores=[_score(log, metric, one) for metric, one in figures.items() if one.value is not None],
            ),
            samples=[_sample(log, model, scorer, config, result) for result in results],
        )
        path = free(out / file_name(name, config, "json"), written)
        log.write_eval_log(whole, str(path), format="json")
        written.append(path)
    return written


def _spec(log: Any, run: Run, name: str, config: str, results: list[Result]) -> Any:
    data = run.summary.data.get(name)
    return log.EvalSpec(
        created=run.summary.created or "1970-01-01T00:00:00+00:00",
        task=name,
        dataset=log.EvalDataset(
            name=name,
            location=data.path if data else None,
            samples=len(results),
            sample_ids=[result.id for result in results],
        ),
        model=f"collegium/{config}",
        config=log.EvalConfig(),
        metadata={"data_sha256": data.sha256 if data else "", "environment": run.summary.environment},
    )


def _score(log: Any, metric: str, one: Figure) -> Any:
    about = {"low": one.low, "high": one.high, "interval": "95 %"}
    return log.EvalScore(
        name=metric,
        scorer=_SCORER,
        scored_samples=one.n,
        metrics={"value": log.EvalMetric(name="value", value=one.value, metadata=about)},
    )


def _sample(log: Any, model: Any, scorer: Any, config: str, result: Result) -> Any:
    expected = result.expected
    return log.EvalSample(
        id=result.id,
        epoch=1,
        input=result.question,
        target=expected if isinstance(expected, str) else json.dumps(expected, ensure_ascii=False),
        output=model.ModelOutput.from_content(f"collegium/{config}", result.text),
        scores={
            metric: scorer.Score(value=value, answer=result.text) for metric, value in result.scores.items()
        },
        metadata={
            "status": result.status,
            "citations": [one.model_dump() for one in result.citations],
            "error": result.error,
            "record": None if result.record is None else result.record.model_dump(),
        },
    )


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"this format needs {error.name!r}; install it with: pip install 'collegium[harness]'",
            subject=name,
        ) from error
