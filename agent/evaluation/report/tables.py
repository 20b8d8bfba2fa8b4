"""The tables of a report as plain data: what is in them, not how they look. Text in cells is not escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from agent.evaluation.answers import Estimate
from agent.evaluation.compare import EXAMPLES, Comparison
from agent.evaluation.run_files import Difference, Figure, SetSummary, Summary, lower_is_better

STATUSES = ("answered", "clarify", "declined", "failed")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    notes: tuple[str, ...] = ()
    """Lines of less weight: the interval, the difference."""
    best: bool = False
    share: float | None = None
    """Of its row, 0..1, where the table is to be seen as a map."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    """Leading columns that hold names; the others hold figures."""


# ------------------------------------------------------------------ numbers as text


def number(value: float | None) -> str:
    """Three decimals for shares, fewer for what is large."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def signed(value: float | None) -> str:
    return number(value) if value is None or value <= 0 else f"+{number(value)}"


def interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"


def p_value(p: float | None) -> str:
    if p is None:
        return NOTHING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _p(p: float | None) -> str:
    text = p_value(p)
    return f"p{text}" if text.startswith("<") else f"p={text}"


def arrow(metric: str) -> str:
    """The metric's name, and which way is better where it is not up."""
    return f"{metric} ↓" if lower_is_better(metric) else metric


# ------------------------------------------------------------------ scores


def headline(summary: Summary) -> Table:
    """Configurations by sets: the main metric of each set, with its difference to what it is held against."""
    names = [name for name, found in summary.sets.items() if found.metric_names]
    columns = {name: summary.sets[name].metric_names[0] for name in names}
    rows = [
        (
            Cell(config),
            *(_score(summary.sets[name], config, metric) for name, metric in columns.items()),
        )
        for config in configs(summary)
    ]
    header = ("configuration", *(f"{name}: {arrow(metric)}" for name, metric in columns.items()))
    return Table("Main metric of each set", header, tuple(rows))


def configs(summary: Summary) -> tuple[str, ...]:
    """All configurations, those that the run names first."""
    seen = (config for one in summary.sets.values() for config in one.metrics)
    return tuple(dict.fromkeys((*summary.configs, *seen)))


def scores(name: str, found: SetSummary) -> Table:
    """Metrics by configurations, of one set."""
    rows = [
        (Cell(arrow(metric)), *(_score(found, config, metric) for config in found.metrics))
        for metric in found.metric_names
    ]
    return Table(f"{name}: all metrics", ("metric", *found.metrics), tuple(rows))


def _score(found: SetSummary, config: str, metric: str) -> Cell:
    figure = found.metrics.get(config, {}).get(metric)
    if figure is None or figure.value is None:
        return Cell(NOTHING)
    held = held_against(found.differences, config, metric)
    notes = [interval(figure.low, figure.high)]
    if held is not None:
        p = held.p if held.p_holm is None else held.p_holm
        notes.append(f"{signed(held.difference)} to {held.against}, {_p(p)}")
    best = figure.value == best_value(found, metric)
    return Cell(number(figure.value), tuple(note for note in notes if note), best)


def held_against(found: Sequence[Difference], config: str, metric: str) -> Difference | None:
    """What a configuration's metric is best held against: the base, else the first it was compared with.

    Comparisons are of the main configuration with each other one; for the others they are turned round.
    """
    own = [one for one in found if (one.config, one.metric) == (config, metric)]
    if own:
        return next((one for one in own if one.against == "base"), own[0])
    other = next((one for one in found if (one.against, one.metric) == (config, metric)), None)
    return None if other is None else _turned(other)


def _turned(one: Difference) -> Difference:
    return one.model_copy(
        update={
            "config": one.against,
            "against": one.config,
            "difference": _minus(one.difference),
            "low": _minus(one.high),
            "high": _minus(one.low),
        }
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def best_value(found: SetSummary, metric: str) -> float | None:
    """The best value that a configuration reached; None where all are the same."""
    values = [
        figures[metric].value
        for figures in found.metrics.values()
        if metric in figures and figures[metric].value is not None
    ]
    known = [value for value in values if value is not None]
    return (min if lower_is_better(metric) else max)(known) if len(set(known)) > 1 else None


def differences(summary: Summary) -> Table:
    """Every comparison of two configurations."""
    header = (
        "set",
        "metric",
        "configuration",
        "against",
        "difference",
        "p",
        "p (Holm)",
        "test",
        "smallest to be seen",
    )
    rows = [
        (
            Cell(name),
            Cell(arrow(one.metric)),
            Cell(one.config),
            Cell(one.against),
            Cell(signed(one.difference), _notes(interval(one.low, one.high))),
            Cell(p_value(one.p)),
            Cell(p_value(one.p_holm)),
            Cell(one.test or NOTHING),
            Cell(number(one.mde)),
        )
        for name, found in summary.sets.items()
        for one in found.differences
    ]
    return Table("Differences between configurations, paired by item", header, tuple(rows), labels=4)


def counts(summary: Summary) -> Table:
    """What became of the questions."""
    rows = [
        (Cell(name), Cell(config), *(_count(one, status) for status in STATUSES))
        for name, found in summary.sets.items()
        for config, one in found.counts.items()
    ]
    return Table("What became of the questions", ("set", "configuration", *STATUSES), tuple(rows), labels=2)


def _count(one: Mapping[str, int], status: str) -> Cell:
    total, own = sum(one.get(key, 0) for key in STATUSES), one.get(status, 0)
    return Cell(str(own), _notes(f"{own / total:.0%}" if total and own else ""))


def slices(name: str, found: SetSummary) -> list[Table]:
    """For each kind of slice: its values by configurations, in the set's main metric."""
    tables: list[Table] = []
    if not found.metric_names:
        return tables
    metric = found.metric_names[0]
    for kind, values in found.slices.items():
        own = tuple(config for config in found.metrics if any(config in one for one in values.values()))
        rows = tuple(
            (Cell(value, _notes(_items(by_config, metric))), *(_slice(by_config, c, metric) for c in own))
            for value, by_config in values.items()
        )
        tables.append(Table(f"{name} by {kind}: {arrow(metric)}", (kind, *own), rows))
    return tables


def _items(by_config: Mapping[str, Mapping[str, Figure]], metric: str) -> str:
    most = max((figures[metric].n for figures in by_config.values() if metric in figures), default=0)
    return f"n {most}" if most else ""


def _slice(by_config: Mapping[str, Mapping[str, Figure]], config: str, metric: str) -> Cell:
    figure = by_config.get(config, {}).get(metric)
    return (
        Cell(NOTHING)
        if figure is None
        else Cell(number(figure.value), _notes(interval(figure.low, figure.high)))
    )


def confusions(name: str, found: SetSummary) -> list[Table]:
    """What was expected by what was given, one table a configuration."""
    return [
        Table(
            f"{name}, {config}: expected by given",
            ("expected", *one.labels),
            tuple(
                (Cell(label), *(Cell(f"{value:g}", share=value / (sum(row) or 1)) for value in row))
                for label, row in zip(one.labels, one.matrix, strict=False)
            ),
        )
        for config, one in found.confusion.items()
    ]


# ------------------------------------------------------------------ costs and origins


def resources(summary: Summary) -> Table:
    header = (
        "configuration",
        "latency, median",
        "latency, 95th percentile",
        "of it the model's",
        "tokens",
        "cost at the price given",
        "peak memory, MB",
    )
    rows = [
        (
            Cell(config),
            Cell(_milliseconds(one.latency_ms.p50 if one.latency_ms else None)),
            Cell(_milliseconds(one.latency_ms.p95 if one.latency_ms else None)),
            Cell(f"{one.model_seconds / one.seconds:.0%}" if one.model_seconds and one.seconds else NOTHING),
            Cell(_plain(one.tokens)),
            Cell(f"{one.cost:.4f}" if one.cost is not None else NOTHING),
            Cell(number(one.peak_memory_mb)),
        )
        for config, one in summary.resources.items()
    ]
    return Table("Latency and memory", header, tuple(rows))


def _milliseconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"


def environment(summary: Summary) -> Table:
    command = summary.command if isinstance(summary.command, str) else " ".join(summary.command)
    values = {"created": summary.created, "command": command, **summary.environment}
    rows = tuple((Cell(key), Cell(_plain(value))) for key, value in values.items() if value not in ("", None))
    return Table("Environment", ("what", "value"), rows, labels=2)


def data(summary: Summary) -> Table:
    rows = tuple(
        (Cell(name), Cell(one.task), Cell(one.path), Cell(one.sha256), Cell(f"{one.rows:,}"))
        for name, one in summary.data.items()
    )
    return Table("Data", ("set", "task", "file", "sha256", "rows"), rows, labels=4)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in cast(Mapping[str, Any], value).items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, cast(Sequence[Any], value)))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
    return NOTHING if value is None else str(value)


def ratings(means: Mapping[tuple[str, str], Estimate]) -> Table:
    """What users said, by set and configuration."""
    rows = tuple(
        (
            Cell(name),
            Cell(config),
            Cell(number(one.mean), _notes(interval(one.low, one.high))),
            Cell(str(one.count)),
        )
        for (name, config), one in means.items()
    )
    return Table("Ratings of users", ("set", "configuration", "mean rating", "ratings"), rows, labels=2)


# ------------------------------------------------------------------ an earlier run


def score_changes(found: Comparison) -> Table:
    """Each metric of both runs, the later minus the earlier."""
    header = ("set", "configuration", "metric", "earlier", "later", "difference", "p", "p (Holm)", "n")
    rows = [
        (
            Cell(one.set),
            Cell(one.config),
            Cell(arrow(one.metric)),
            Cell(number(one.first)),
            Cell(number(one.second)),
            Cell(signed(one.paired.difference), _notes(interval(one.paired.low, one.paired.high))),
            Cell(p_value(one.paired.p)),
            Cell(p_value(one.p_holm)),
            Cell(str(one.paired.n)),
        )
        for one in found.scores
    ]
    return Table("Scores, later minus earlier run", header, tuple(rows), labels=3)


def stage_changes(found: Comparison) -> Table:
    """The stages in which outcomes changed first."""
    rows = [
        (
            Cell(one.stage),
            Cell(", ".join("/".join(key) for key in one.items[:EXAMPLES])),
            Cell(str(len(one.items))),
            Cell(str(one.better)),
            Cell(str(one.worse)),
        )
        for one in found.stages
    ]
    header = ("stage that changed first", "for example", "answers", "better", "worse")
    return Table("Where outcomes changed first", header, tuple(rows), labels=2)


# ------------------------------------------------------------------ one row a figure


def long_form(summary: Summary) -> Iterator[dict[str, Any]]:
    """Every value of the run as a row, at full precision."""
    for name, found in summary.sets.items():
        for config, figures in found.metrics.items():
            for metric, figure in figures.items():
                held = held_against(found.differences, config, metric)
                yield {
                    "set": name,
                    "config": config,
                    "metric": metric,
                    "value": figure.value,
                    "low": figure.low,
                    "high": figure.high,
                    "n": figure.n,
                    "against": held.against if held else None,
                    "difference": held.difference if held else None,
                    "difference_low": held.low if held else None,
                    "difference_high": held.high if held else None,
                    "p": held.p if held else None,
                    "p_holm": held.p_holm if held else None,
                }


def _notes(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)
