"""The items of a suite, ready to be asked: read, limited, given their ids, stores and slices."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.evaluation.corpus import index_of, withheld_ids, without_withheld
from agent.evaluation.formats import PROBLEM, read_rows
from agent.evaluation.suite import ItemSet
from agent.evaluation.tasks import TASKS, Item, Task
from skills.errors import UserError
from skills.files import sha256_file
from skills.retrieval.text import is_chinese

SHORT, LONG = 12, 40
"""Words up to which a question is short, and from which it is long; a Chinese character counts as half a word."""
OWNERS = ("domain",)
"""Keys of a row that say whose question it is."""


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """A set and its items."""

    spec: ItemSet
    task: Task
    items: tuple[Item, ...]
    problems: Mapping[str, str]
    """What is wrong with an item that cannot be asked, by id."""
    sha256: str

    @property
    def name(self) -> str:
        return self.spec.name


def load_sets(
    sets: Sequence[ItemSet], domains: Sequence[str], *, limit: int | None, seed: int, note: Any
) -> list[LoadedSet]:
    """Read all sets. ``domains``: the installed ones. ``note``: told what an optional set lacks.

    ``limit``: items of a set at most, instead of the sets' own limits; drawn with ``seed``, in the file's order.
    Raises UserError for a missing file.
    """
    found: list[LoadedSet] = []
    for spec in sets:
        path = Path(spec.file)
        if spec.optional and not path.is_file():
            note(f"set {spec.name!r} is left out: no file {spec.file!r}")
            continue
        found.append(_load(spec, domains, limit, seed))
    if not found:
        raise UserError("no set is left to evaluate; its files are not there", subject=sets)
    return found


def _load(spec: ItemSet, domains: Sequence[str], limit: int | None, seed: int) -> LoadedSet:
    path, task = Path(spec.file), TASKS[spec.task]
    rows: Sequence[Mapping[str, Any]] = read_rows(path, spec.format)
    if not rows:
        raise UserError(f"set {spec.name!r}: {spec.file!r} holds no rows", subject=spec)
    store = _store(spec)
    if spec.corpus is not None and spec.withhold is not None:
        gone = withheld_ids(Path(spec.corpus), spec.withhold)
        rows = [without_withheld(row, gone) for row in rows]
    names = _ids(rows)
    predictions = _predictions(spec, rows, names)
    most = limit or spec.limit or len(rows)
    chosen = range(len(rows))
    if most < len(rows):
        chosen = sorted(random.Random(seed).sample(chosen, most))
    items: list[Item] = []
    problems: dict[str, str] = {}
    for place in chosen:
        row, name = rows[place], names[place]
        problem = str(row.get(PROBLEM) or "")
        if not problem:
            try:
                task.check(row)
            except (UserError, TypeError, AttributeError) as error:
                problem = str(error)
        if problem:
            problems[name] = problem
        owner = spec.domain or next((row[key] for key in OWNERS if row.get(key) in domains), None)
        items.append(
            Item(
                name,
                row,
                domain=spec.domain if not spec.route else None,
                owner=owner,
                store=store,
                model=spec.path("model"),
                prediction=predictions.get(name),
            )
        )
    return LoadedSet(spec, task, tuple(items), problems, sha256_file(path))


def slices_of(task: Task, item: Item, set_name: str) -> dict[str, str]:
    """The groups that an item belongs to."""
    row = item.row
    question = task.question(row) if not row.get(PROBLEM) else ""
    chinese = is_chinese(question)
    words = len(question) / 2 if chinese else len(question.split())
    topic = row.get("topic") or row.get("kind") or row.get("subject") or row.get("category") or ""
    if not topic and row.get("gold"):
        topic = str(row["gold"][0]).rpartition("#")[0]
    return {
        "language": str(row.get("lang") or ("zh" if chinese else "en")),
        "length": "short" if words <= SHORT else "long" if words >= LONG else "medium",
        "source": str(row.get("source") or set_name),
        "topic": str(topic),
    }


def _ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """An id for each row: its own, else its number; one that comes twice is told apart by it too."""
    found: list[str] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        name = str(row.get("id") or number)
        if name in seen:
            name = f"{name}@{number}"
        seen.add(name)
        found.append(name)
    return found


def _predictions(
    spec: ItemSet, rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Rows predicted elsewhere, by id where both files have ids, else by position."""
    path = spec.path("predictions")
    if path is None:
        return {}
    given = read_rows(path, "jsonl")
    if all("id" in row for row in [*rows, *given]):
        return {str(row["id"]): row for row in given}
    if len(given) != len(rows):
        raise UserError(
            f"set {spec.name!r}: {len(rows)} rows but {len(given)} predictions, without ids to join by"
        )
    return dict(zip(names, given, strict=True))


def _store(spec: ItemSet) -> Path | None:
    """The set's store: one that is there, or the index of its corpus."""
    if spec.corpus is None:
        return spec.path("store")
    try:
        return index_of(Path(spec.corpus), spec.withhold)
    except UserError as error:
        raise UserError(f"set {spec.name!r}: {error}", subject=spec) from error
