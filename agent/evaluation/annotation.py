"""People choose between two answers without knowing whose they are; and how far the choosers agree.

    1. both answers to an item form a pair; pairs with the same words need no choice
    2. the order of pairs, and which answer stands first, come from a seed: resuming shows what is left of the same list
    3. each choice is appended to a JSON Lines file at once, under the name of who made it

Knows pairs, choices and statistics; not the terminal.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.evaluation.run_files import Result, Run, first_problem
from skills.errors import UserError
from skills.files import numbered_jsonl

Choice = Literal["a", "b", "tie", "skip"]


class Judgement(BaseModel):
    """One choice of one person: a row of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    annotator: str
    set: str
    id: str
    a: str
    """Whose answer a is: configuration@hash of the results."""
    b: str
    choice: Choice


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one item."""

    a: Result
    b: Result
    swapped: bool
    """Whether b is shown first."""

    @property
    def shown(self) -> tuple[Result, Result]:
        return (self.b, self.a) if self.swapped else (self.a, self.b)

    def choice(self, place: int) -> Choice:
        """What the answer shown at ``place`` (1 or 2) is."""
        return "b" if (place == 2) != self.swapped else "a"


@dataclass(frozen=True, slots=True)
class Side:
    """The answers of one configuration of one run."""

    run: Run
    config: str

    @property
    def name(self) -> str:
        return f"{self.config}@{self.run.sha256[:12]}"


def side(reference: str) -> Side:
    """``DIR`` of a run with one configuration, or ``DIR#configuration``. Raises UserError."""
    folder, _, config = reference.partition("#")
    run = Run(Path(folder))
    known = list(dict.fromkeys(result.config for result in run.results.values()))
    if not config and len(known) == 1:
        return Side(run, known[0])
    if config not in known:
        raise UserError(
            f"{reference!r}: expected DIR#CONFIGURATION, with one of: {', '.join(known) or 'none'}",
            subject=reference,
        )
    return Side(run, config)


def pairs(a: Side, b: Side, *, seed: int = 0) -> list[Pair]:
    """The items that both answered, and with different words, in an order and on sides given by the seed."""
    others = {(one.set, one.id): one for one in b.run.results.values() if one.config == b.config}
    chance = random.Random(seed)
    found = [
        Pair(one, other, chance.random() < 0.5)
        for one in a.run.results.values()
        if one.config == a.config
        and (other := others.get((one.set, one.id))) is not None
        and one.text.split() != other.text.split()
    ]
    chance.shuffle(found)
    return found


def read_judgements(path: Path, a: Side, b: Side) -> list[Judgement]:
    """The choices in a file; none if there is no file. Raises UserError for rows about other answers."""
    if not path.exists():
        return []
    found: list[Judgement] = []
    for number, row in numbered_jsonl(path):
        try:
            one = Judgement.model_validate(row)
        except ValidationError as error:
            raise UserError(f"{path}:{number}: {first_problem(error)}", subject=row) from error
        if (one.a, one.b) != (a.name, b.name):
            raise UserError(
                f"{path}:{number} is about {one.a} and {one.b}, not {a.name} and {b.name}; choose another --out",
                subject=row,
            )
        found.append(one)
    return found


def append(path: Path, judgement: Judgement) -> None:
    """Add a choice in one write, after what is whole in the file."""
    line = json.dumps(judgement.model_dump(), ensure_ascii=False).encode() + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


# ------------------------------------------------------------------ statistics


@dataclass(frozen=True, slots=True)
class Preference:
    """How often b was preferred."""

    a: int
    b: int
    tie: int
    share: float
    """Of the choices that were no ties, those for b; 0.5 where there are none."""
    low: float
    high: float
    """95 % Wilson interval."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def preference(judgements: Iterable[Judgement]) -> Preference:
    from scipy.stats import binomtest

    choices = [one.choice for one in judgements]
    a, b = choices.count("a"), choices.count("b")
    if not a + b:
        return Preference(0, 0, choices.count("tie"), 0.5, 0.0, 1.0)
    interval = binomtest(b, a + b).proportion_ci(method="wilson")
    return Preference(a, b, choices.count("tie"), b / (a + b), float(interval.low), float(interval.high))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two annotators, over the items that both judged."""

    first: str
    second: str
    n: int
    agreed: float
    """Share of the same choices."""
    kappa: float | None
    """Cohen's kappa (1960) over a, b and tie; None where both always chose the same one thing."""


def agreements(judgements: Sequence[Judgement]) -> list[Agreement]:
    """Every two annotators who judged an item in common."""
    by_annotator: dict[str, dict[tuple[str, str], Choice]] = {}
    for one in judgements:
        if one.choice != "skip":
            by_annotator.setdefault(one.annotator, {})[one.set, one.id] = one.choice
    found: list[Agreement] = []
    for first, second in combinations(sorted(by_annotator), 2):
        ones, others = by_annotator[first], by_annotator[second]
        shared: list[tuple[Choice, Choice]] = [(ones[key], others[key]) for key in ones if key in others]
        if shared:
            agreed = sum(one == other for one, other in shared) / len(shared)
            found.append(Agreement(first, second, len(shared), agreed, _kappa(shared, agreed)))
    return found


def _kappa(shared: Sequence[tuple[Choice, Choice]], agreed: float) -> float | None:
    """(observed - expected) / (1 - expected) agreement, the expected from how often each chose what."""
    expected = (
        sum(
            sum(one == choice for one, _ in shared) * sum(other == choice for _, other in shared)
            for choice in ("a", "b", "tie")
        )
        / len(shared) ** 2
    )
    return None if expected == 1 else (agreed - expected) / (1 - expected)
