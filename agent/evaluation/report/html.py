"""The report as one HTML page: no script, no network, light and dark, wide and narrow.

The page is ``page.html``; everything in it is escaped there. A policy in the page forbids scripts and requests, so
that even a hole in the escaping would let nothing run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.evaluation.compare import Comparison
from agent.evaluation.feedback import Rating, means, rated, ratings_of
from agent.evaluation.report import charts, tables
from agent.evaluation.report.tables import Table
from agent.evaluation.run_files import Key, Result, Run, SetSummary, Summary, Worst

WORST = 100
"""Errors shown in full."""


@dataclass(frozen=True, slots=True)
class _Plot:
    title: str
    svg: Markup
    small: bool = False


@dataclass(frozen=True, slots=True)
class _Set:
    """One evaluation set's part of the page."""

    name: str
    about: str
    plots: tuple[_Plot, ...]
    scores: Table
    slices: tuple[Table, ...]
    confusions: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One error with everything that is known of it."""

    worst: Worst
    result: Result | None
    record: str
    """The decision record as JSON."""
    ratings: list[Rating]
    """What users said about it."""


def page(run: Run, comparison: Comparison | None) -> str:
    """The report of a run; with what changed since an earlier one, if one is given."""
    summary = run.summary
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["colour"] = charts.colour
    places = {config: place for place, config in enumerate(tables.configs(summary))}
    changes = (
        () if comparison is None else (tables.score_changes(comparison), tables.stage_changes(comparison))
    )
    ratings = rated(run, ratings_of(run))
    return environment.get_template("page.html").render(
        summary=summary,
        places=places,
        statuses=tables.STATUSES,
        headline=tables.headline(summary),
        differences=tables.differences(summary),
        counts=tables.counts(summary),
        outcomes=_outcomes(summary),
        sets=[_set(name, found, places) for name, found in summary.sets.items()],
        resources=tables.resources(summary),
        latency=_latency(summary, places),
        ratings=tables.ratings(means(ratings)),
        cases=[_case(run, worst, ratings) for worst in summary.worst[:WORST]],
        comparison=comparison,
        changes=changes,
        origins=(tables.environment(summary), tables.data(summary)),
    )


def _set(name: str, found: SetSummary, places: dict[str, int]) -> _Set:
    plots: list[_Plot] = []
    curves = {config: (one, places.get(config, 0)) for config, one in found.curves.items()}
    if any(one.risk_coverage for one, _ in curves.values()):
        title = "Risk by coverage, most confident answers first"
        plots.append(_Plot(title, charts.risk_coverage(f"{name}: {title}", curves)))
    for config, (one, place) in curves.items():
        if one.reliability:
            title = f"Reliability, {config}"
            plots.append(_Plot(title, charts.reliability(f"{name}: {title}", one, place), small=True))
    for metric in found.metric_names[:1]:
        rows = [
            (config, figures[metric], places.get(config, 0))
            for config, figures in found.metrics.items()
            if metric in figures and figures[metric].value is not None
        ]
        if rows:
            title = f"{tables.arrow(metric)}, 95 % intervals"
            plots.insert(0, _Plot(title, charts.intervals(f"{name}: {title}", rows)))
    return _Set(
        name=name,
        about=", ".join(part for part in (found.task, f"{found.n:,} items" if found.n else "") if part),
        plots=tuple(plots),
        scores=tables.scores(name, found),
        slices=tuple(tables.slices(name, found)),
        confusions=tuple(tables.confusions(name, found)),
    )


def _outcomes(summary: Summary) -> list[_Plot]:
    return [
        _Plot(name, charts.outcomes(f"{name}: what became of the questions", found.counts))
        for name, found in summary.sets.items()
        if found.counts
    ]


def _latency(summary: Summary, places: dict[str, int]) -> _Plot | None:
    rows = {name: (one, places.get(name, 0)) for name, one in summary.resources.items() if one.latency_ms}
    title = "Milliseconds an answer: median, and up to the 95th percentile"
    return _Plot(title, charts.latency(title, rows)) if rows else None


def _case(run: Run, worst: Worst, ratings: Mapping[Key, list[Rating]]) -> _Case:
    key = worst.set, worst.id, worst.config
    result = run.results.get(key)
    record = result.record if result is not None else None
    shown = "" if record is None else json.dumps(record.model_dump(), ensure_ascii=False, indent=1)
    return _Case(worst, result, shown, ratings.get(key, []))
