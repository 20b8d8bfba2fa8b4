"""A finished evaluation run, read from its folder: ``results.jsonl`` and ``summary.json``.

Reads what ``collegium eval run`` and ``collegium ask --json`` write; keys that it does not know are kept as extra
data, since a newer writer may say more. Knows nothing of how the scores came about, nor of how they are shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from skills.errors import DataError, UserError
from skills.files import numbered_jsonl, read_json, sha256_file

RESULTS, SUMMARY, FEEDBACK = "results.jsonl", "summary.json", "feedback.jsonl"

_LOWER_IS_BETTER = frozenset(
    {"aurc", "ece", "missed", "over_refusal", "routing_regret", "spurious", "unsupported_rate"}
)


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better: errors, and answers that should not have been given."""
    return metric in _LOWER_IS_BETTER


class _Read(BaseModel):
    """What was written by another version may say more than we know: it is kept in ``model_extra``."""

    model_config = ConfigDict(extra="allow", frozen=True)


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known(scores: object) -> object:
    """Scores without those that are not known."""
    if isinstance(scores, dict):
        return {name: one for name, one in cast(dict[str, object], scores).items() if one is not None}
    return scores


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Id = Annotated[str, BeforeValidator(_text)]
"""An item's id; a number is taken as text."""
Number = Annotated[float | None, AfterValidator(_finite)]
"""None: not known, or not a number."""


# ------------------------------------------------------------------ results.jsonl


class CitedPassage(_Read):
    passage_id: str
    quote: str = ""


class Ranked(_Read):
    """A passage that was looked at; ``score`` is None where only the order was kept."""

    id: str
    score: Number = None


class UsedTool(_Read):
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    result: Any = None


def _ranked(value: object) -> object:
    """Passages best first: ids, objects {id, score}, or either by domain."""
    if isinstance(value, Mapping):
        by_domain = cast(Mapping[str, list[object]], value)
        value = [passage for passages in by_domain.values() for passage in passages]
    if isinstance(value, list):
        return [{"id": one} if isinstance(one, str) else one for one in cast(list[object], value)]
    return value


def _by_domain(value: object) -> object:
    """A hash by domain; a single one stands for all domains."""
    return {"": value} if isinstance(value, str) else value or {}


Passages = Annotated[tuple[Ranked, ...], BeforeValidator(_ranked)]
Hashes = Annotated[dict[str, str | None], BeforeValidator(_by_domain)]


class StepRecord(_Read):
    domain: str
    search_query: str = ""
    question: str = ""
    needs: str = ""


class Record(_Read):
    """The decision record of one answer."""

    question: str = ""
    domains: tuple[str, ...] = ()
    routed: dict[str, float] = Field(
        default_factory=dict, validation_alias=AliasChoices("routed", "probabilities")
    )
    """Probabilities by domain and "general"."""
    passages: Passages = ()
    """What was found, best first."""
    evidence: Passages = ()
    """What was answered from."""
    adapter: Hashes = Field(default_factory=dict)
    """sha256 by domain."""
    index: Hashes = Field(default_factory=dict)
    """Version of the store by domain."""
    tools: tuple[UsedTool, ...] = ()
    configuration: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    base: str = ""
    plan: tuple[StepRecord, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """A row of results has the turn's own record under "decision"; it says more than its summary beside it."""
        if isinstance(value, dict) and isinstance((row := cast(dict[str, Any], value)).get("decision"), dict):
            return {**{key: one for key, one in row.items() if key != "decision"}, **row["decision"]}
        return cast(object, value)


class Result(_Read):
    """What one configuration answered to one item."""

    set: str
    config: str
    id: Id
    status: Literal["answered", "clarify", "declined", "failed"]
    task: str = ""
    question: str = ""
    expected: Any = None
    answer: Any = None
    """A text; or what the task gives: a label, tags, ids of passages."""
    citations: tuple[CitedPassage, ...] = ()
    domains: tuple[str, ...] = ()
    tools: tuple[Any, ...] = ()
    confidence: float = 0.0
    scores: Annotated[dict[str, float], BeforeValidator(_known)] = Field(default_factory=dict)
    slices: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    record: Record | None = None

    @property
    def key(self) -> Key:
        return self.set, self.id, self.config

    @property
    def text(self) -> str:
        """The answer as it can be shown."""
        if self.answer is None or isinstance(self.answer, str):
            return self.answer or ""
        return json.dumps(self.answer, ensure_ascii=False)


Key = tuple[str, str, str]
"""(set, item id, configuration)."""


# ------------------------------------------------------------------ summary.json


class Figure(_Read):
    """A value with its 95 % interval."""

    value: Number = None
    low: Number = None
    high: Number = None
    n: int = 0


class Difference(_Read):
    """A configuration against another, on the same items."""

    config: str
    against: str
    metric: str
    difference: Number = None
    low: Number = None
    high: Number = None
    p: Number = None
    p_holm: Number = None
    test: str = ""
    mde: Number = None
    """Smallest difference that this many items would show with a power of 0.8."""


class Curves(_Read):
    risk_coverage: tuple[tuple[float, float], ...] = ()
    reliability: tuple[tuple[float, float, float], ...] = ()
    """(mean confidence, share that was right, items) of each bin."""


class Confusion(_Read):
    labels: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    """Rows: what was expected; columns: what was given."""


Figures = dict[str, dict[str, Figure]]
"""By configuration, then by metric."""


class SetSummary(_Read):
    task: str = ""
    n: int = 0
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    metrics: Figures = Field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    slices: dict[str, dict[str, Figures]] = Field(default_factory=dict)
    curves: dict[str, Curves] = Field(default_factory=dict)
    confusion: dict[str, Confusion] = Field(default_factory=dict)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """All metrics, the main one first: in the order in which they were written."""
        return tuple(dict.fromkeys(name for figures in self.metrics.values() for name in figures))


class DataFile(_Read):
    path: str = ""
    sha256: str = ""
    rows: int = 0
    task: str = ""


class Latency(_Read):
    p50: Number = None
    p95: Number = None


class Resources(_Read):
    latency_ms: Latency | None = None
    seconds: Number = None
    model_seconds: Number = None
    cost: Number = None
    tokens: Number | dict[str, Any] = None
    peak_memory_mb: Number = None


class Worst(_Read):
    set: str
    id: Id
    config: str
    reason: str = ""


class Summary(_Read):
    version: Literal[1]
    created: str = ""
    command: str | list[str] = ""
    environment: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, DataFile] = Field(default_factory=dict)
    configs: tuple[str, ...] = ()
    sets: dict[str, SetSummary] = Field(default_factory=dict)
    resources: dict[str, Resources] = Field(default_factory=dict)
    worst: tuple[Worst, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Configurations of every set in the order of the run's."""
        order = {config: place for place, config in enumerate(self.configs)}
        for one in self.sets.values():
            for by_config in (one.counts, one.metrics, one.curves, one.confusion):
                own = sorted(by_config.items(), key=lambda item: order.get(item[0], len(order)))
                by_config.clear()
                cast(dict[str, Any], by_config).update(own)
        return self


# ------------------------------------------------------------------ the folder


@dataclass(frozen=True)
class Run:
    """One output folder of ``collegium eval run``, read when it is asked for."""

    folder: Path

    @cached_property
    def summary(self) -> Summary:
        """Raises UserError when the folder holds no run, DataError when the file is not one we can read."""
        path = self.folder / SUMMARY
        if not path.is_file():
            raise UserError(
                f"no {SUMMARY} in {str(self.folder)!r}; expected the --out folder of: collegium eval run",
                subject=self.folder,
            )
        try:
            return Summary.model_validate(read_json(path))
        except ValidationError as error:
            raise DataError(f"{path}: {first_problem(error)}", subject=path) from error

    @cached_property
    def results(self) -> Mapping[Key, Result]:
        """All rows in the order of the file. Raises UserError and DataError as ``summary`` does."""
        found: dict[Key, Result] = {}
        for where, row in self._rows():
            if row.key in found:
                raise DataError(f"{where}: {'/'.join(row.key)!r} comes twice", subject=row)
            found[row.key] = row
        return found

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the results: what judgements and feedback about a run name."""
        return sha256_file(self.folder / RESULTS)

    def _rows(self) -> Iterator[tuple[str, Result]]:
        path = self.folder / RESULTS
        if not path.is_file():
            raise UserError(
                f"no {RESULTS} in {str(self.folder)!r}; expected the --out folder of: collegium eval run",
                subject=self.folder,
            )
        for number, row in numbered_jsonl(path):
            where = f"{path}:{number}"
            try:
                yield where, Result.model_validate(row)
            except ValidationError as error:
                raise DataError(f"{where}: {first_problem(error)}", subject=row) from error


def first_problem(error: ValidationError) -> str:
    """Where in a row the first thing is wrong, and what."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "the row"
    return f"{name!r}: {first['msg']}"
