"""Two runs side by side: what the scores have gained or lost, item by item, and which stage it comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from agent.evaluation import statistics
from agent.evaluation.attribution import STAGES, changed, gain, stage
from agent.evaluation.figures import Figure, ResultRow, mean
from agent.evaluation.run_files import Key, Result, Run, lower_is_better
from agent.evaluation.tasks import TASKS
from skills.errors import UserError

EXAMPLES = 5
"""Changed items named for each stage."""


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """The second run minus the first, over the items that have the metric in both."""

    set: str
    config: str
    metric: str
    first: float
    second: float
    paired: statistics.Comparison
    """The second minus the first."""
    p_holm: float = 1.0
    """Corrected for the number of comparisons of the two runs."""

    @property
    def lower_is_better(self) -> bool:
        return lower_is_better(self.metric)


@dataclass(frozen=True, slots=True)
class StageChange:
    """The items whose outcome changed, and first so in this stage."""

    stage: str
    items: tuple[Key, ...]
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class Comparison:
    shared: int
    """Answers (items by configuration) that both runs have."""
    only_first: tuple[Key, ...]
    only_second: tuple[Key, ...]
    other_data: tuple[str, ...]
    """Sets whose files differ, as far as both runs name them."""
    scores: tuple[ScoreChange, ...]
    stages: tuple[StageChange, ...]
    """In the order of a turn; stages in which nothing changed first are left out."""

    @property
    def changed(self) -> int:
        return sum(len(one.items) for one in self.stages)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(first: Run, second: Run) -> Comparison:
    """What changed from one run to the other. Raises UserError when they have no answer in common."""
    shared = [key for key in first.results if key in second.results]
    if not shared:
        raise UserError(
            f"{str(first.folder)!r} and {str(second.folder)!r} have no set, item and configuration in common; "
            "expected two runs over the same sets",
            subject=(first, second),
        )
    pairs = [(first.results[key], second.results[key]) for key in shared]
    return Comparison(
        shared=len(shared),
        only_first=tuple(key for key in first.results if key not in second.results),
        only_second=tuple(key for key in second.results if key not in first.results),
        other_data=_other_data(first, second),
        scores=_corrected(score_changes(pairs)),
        stages=_stages(pairs),
    )


def _other_data(first: Run, second: Run) -> tuple[str, ...]:
    one, two = first.summary.data, second.summary.data
    return tuple(name for name in one if name in two and one[name].sha256 != two[name].sha256)


def groups(results: Iterable[Result]) -> dict[tuple[str, str], list[ResultRow]]:
    """Rows by set and configuration, as figures read them."""
    found: dict[tuple[str, str], list[ResultRow]] = {}
    for result in results:
        found.setdefault((result.set, result.config), []).append(result.model_dump())
    return found


def figures_of(rows: Sequence[ResultRow]) -> list[Figure]:
    """The figures of a set's rows: its task's; of a task that is not known here, the means of its scores."""
    task = TASKS.get(rows[0]["task"])
    if task is not None:
        return task.figures(rows)
    return [mean(name) for name in dict.fromkeys(name for row in rows for name in row["scores"])]


def score_changes(pairs: Sequence[tuple[Result, Result]], only: Collection[str] = ()) -> list[ScoreChange]:
    """Every figure of every set and configuration; ``only``: those of these names, if any are given."""
    before, after = groups(one for one, _ in pairs), groups(other for _, other in pairs)
    found: list[ScoreChange] = []
    for (name, config), rows in before.items():
        others = after[name, config]
        for figure in figures_of([*rows, *others]):
            if only and figure.name not in only:
                continue
            parts = [
                (one, other)
                for row, other_row in zip(rows, others, strict=True)
                if (one := figure.parts(row)) is not None and (other := figure.parts(other_row)) is not None
            ]
            if parts:
                one, other = (np.asarray(side, dtype=np.float64) for side in zip(*parts, strict=True))
                first, second = (float(figure.value(side.sum(axis=0))) for side in (one, other))
                paired = statistics.compare(other, one, figure.value)
                found.append(ScoreChange(name, config, figure.name, first, second, paired))
    return found


def _corrected(found: Sequence[ScoreChange]) -> tuple[ScoreChange, ...]:
    p_values = statistics.holm([one.paired.p for one in found])
    return tuple(replace(one, p_holm=p) for one, p in zip(found, p_values, strict=True))


def _stages(pairs: list[tuple[Result, Result]]) -> tuple[StageChange, ...]:
    found: dict[str, list[tuple[Key, float]]] = {name: [] for name in STAGES}
    for before, after in pairs:
        if changed(before, after):
            found[stage(before, after)].append((before.key, gain(before, after)))
    return tuple(
        StageChange(
            name,
            tuple(key for key, _ in items),
            better=sum(gained > 0 for _, gained in items),
            worse=sum(gained < 0 for _, gained in items),
        )
        for name, items in found.items()
        if items
    )
