"""What users said about answers of a run, kept beside it as ``feedback.jsonl``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from agent.evaluation.answers import Estimate, estimate
from agent.evaluation.run_files import FEEDBACK, Id, Key, Run, first_problem
from skills.errors import UserError
from skills.files import numbered_jsonl, write_jsonl


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a number")
    return value


class Rating(BaseModel):
    """One user's word on one item. Without a set or configuration it is about all answers to the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    rating: Annotated[float, AfterValidator(_finite)]
    """On a scale of the user's, higher is better: 0 and 1, 1 to 5."""
    comment: str = ""
    set: str = ""
    config: str = ""


def import_feedback(run: Run, source: Path) -> list[Rating]:
    """Add the rows of a file to the run's; rows that are there already are not added again. Gives all.

    Raises UserError naming file and line for a row that is none, or is about no answer of the run.
    """
    new = _read(source)
    answers = _answers(run)
    for line, one in new:
        if not _about(one, answers):
            what = ", ".join(
                f"{name} {value!r}"
                for name, value in one.model_dump(include={"id", "set", "config"}).items()
                if value
            )
            raise UserError(f"{source}:{line}: {str(run.folder)!r} has no answer with {what}", subject=one)
    whole = list(dict.fromkeys([*ratings_of(run), *(one for _, one in new)]))
    write_jsonl(run.folder / FEEDBACK, (one.model_dump(exclude_defaults=True) for one in whole))
    return whole


def ratings_of(run: Run) -> list[Rating]:
    """The ratings kept beside a run."""
    path = run.folder / FEEDBACK
    return [one for _, one in _read(path)] if path.is_file() else []


def rated(run: Run, ratings: list[Rating]) -> dict[Key, list[Rating]]:
    """The ratings of each answer that has some."""
    answers = _answers(run)
    found: dict[Key, list[Rating]] = {}
    for one in ratings:
        for key in _about(one, answers):
            found.setdefault(key, []).append(one)
    return found


def means(found: Mapping[Key, list[Rating]]) -> dict[tuple[str, str], Estimate]:
    """Mean rating with its interval by (set, configuration)."""
    values: dict[tuple[str, str], list[float]] = {}
    for (set_, _, config), ratings in found.items():
        values.setdefault((set_, config), []).extend(one.rating for one in ratings)
    return {key: estimate(own) for key, own in values.items()}


def _answers(run: Run) -> dict[str, list[Key]]:
    """Answers by item id."""
    found: dict[str, list[Key]] = {}
    for key in run.results:
        found.setdefault(key[1], []).append(key)
    return found


def _about(one: Rating, answers: Mapping[str, list[Key]]) -> list[Key]:
    """The answers that a rating is about."""
    return [key for key in answers.get(one.id, ()) if one.set in ("", key[0]) and one.config in ("", key[2])]


def _read(path: Path) -> list[tuple[int, Rating]]:
    found: list[tuple[int, Rating]] = []
    for line, row in numbered_jsonl(path, required=("id", "rating")):
        try:
            found.append((line, Rating.model_validate(row)))
        except ValidationError as error:
            raise UserError(f"{path}:{line}: {first_problem(error)}", subject=row) from error
    return found
