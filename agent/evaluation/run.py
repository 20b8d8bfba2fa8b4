"""Asking all items in all configurations, into ``results.jsonl``: the loop behind ``collegium eval run``.

    1. the work is a fixed list: set by set, item by item, configuration by configuration
    2. with --resume, what is finished is kept (a torn last line is dropped); data and settings have to be the same
    3. items are asked, several at once where that changes nothing; each row is written in the list's order
    4. what varies from run to run, such as times, goes to ``timings.jsonl``

So a run that was killed and resumed leaves the same ``results.jsonl``, byte for byte, as one that was not. A row that
cannot be read, a model's error or a time-out becomes a row with the status "failed", never a gap.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from agent.evaluation.formats import PROBLEM
from agent.evaluation.items import LoadedSet, slices_of
from agent.evaluation.resources import Measured
from agent.evaluation.system import DEFAULT, System, configuration_of, told
from agent.evaluation.tasks import FAILED, Item, Outcome
from skills.errors import CollegiumError, UserError
from skills.files import read_json, write_json

RESULTS, TIMINGS, PLAN = "results.jsonl", "timings.jsonl", "run.json"
_PLACES = 6
"""Decimals of scores: what is kept has to come out the same on every run."""

Advance = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Work:
    """One row to be made."""

    of: LoadedSet
    item: Item
    configuration: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.of.name, self.item.id, self.configuration


def work_of(sets: Sequence[LoadedSet], configurations: Sequence[str]) -> list[Work]:
    """All rows of an evaluation, in the order of ``results.jsonl``: by set name, item, configuration.

    What no configuration changes, such as routing, is asked once, in the default one if that is asked for.
    """
    only = (DEFAULT,) if DEFAULT in configurations else tuple(configurations[:1])
    return [
        Work(one, item, configuration)
        for one in sorted(sets, key=lambda one: one.name)
        for item in one.items
        for configuration in (sorted(configurations) if one.task.configured else only)
    ]


def run(
    work: Sequence[Work],
    system: System,
    out: Path,
    *,
    plan: Mapping[str, Any],
    resume: bool,
    workers: int = 1,
    started: Callable[[int, int], Advance] = lambda _total, _done: lambda: None,
) -> None:
    """Make all rows of ``work`` in the folder ``out``.

    ``plan``: everything that results depend on, as JSON; kept beside them. ``started``: told (rows, rows that are
    finished), gives what is to be called for each further row. Raises UserError when the folder holds another
    evaluation, or a finished part of this one and ``resume`` is not set.
    """
    done = _prepare(out, plan, work, resume)
    advance = started(len(work), done)
    with (out / RESULTS).open("ab") as results, (out / TIMINGS).open("ab") as timings:
        for row, measured in _made(work[done:], system, workers):
            # The timing first: a row without one would be missing after a kill between the two.
            for stream, value in ((timings, measured), (results, row)):
                stream.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
                stream.flush()
            advance()


def _made(
    work: Sequence[Work], system: System, workers: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(row, timing) in the order of ``work``; at most a few more than ``workers`` are ahead of what is written."""
    rest = iter(work)
    with ThreadPoolExecutor(workers, thread_name_prefix="collegium-eval") as pool:
        waiting: list[Future[tuple[dict[str, Any], dict[str, Any]]]] = [
            pool.submit(_row, one, system) for one in islice(rest, 2 * workers)
        ]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(_row, one, system) for one in islice(rest, 1)]
        finally:
            for future in waiting:
                future.cancel()


def _row(one: Work, system: System) -> tuple[dict[str, Any], dict[str, Any]]:
    """One row of results, and what it took."""
    item, task = one.item, one.of.task
    error: str | None = one.of.problems.get(item.id)
    readable = error is None
    outcome = FAILED
    with Measured() as measured:
        if readable:
            try:
                outcome = task.run(item, system, one.configuration)
            except CollegiumError as problem:
                error = str(problem)
            except Exception as problem:
                error = f"unexpected {type(problem).__name__}: {problem}"
    scores = task.scores(item, outcome, system) if readable else {}
    row = {
        "set": one.of.name,
        "task": task.name,
        "config": one.configuration,
        "id": item.id,
        "question": "" if PROBLEM in item.row or not readable else task.question(item.row),
        "expected": task.expected(item.row) if readable else None,
        "status": outcome.status,
        "answer": outcome.answer,
        "citations": list(outcome.citations),
        "domains": list(outcome.domains),
        "tools": list(outcome.tools),
        "confidence": round(outcome.confidence, _PLACES),
        "scores": {name: round(score, _PLACES) for name, score in scores.items()},
        "slices": slices_of(task, item, one.of.name) if readable else {},
        "error": error,
        "record": _record(one, outcome),
    }
    key = {"set": one.of.name, "id": item.id, "config": one.configuration}
    return row, {**key, **measured.to_json()}


def _record(one: Work, outcome: Outcome) -> dict[str, Any]:
    """What decided the row, in short, with the whole decision record, and how the item was asked."""
    record = dict(outcome.record)
    found: Any = record.get("passages") or ()
    ranked = [one for passages in found.values() for one in passages] if isinstance(found, dict) else found
    asked = {
        "configuration": configuration_of(one.configuration),
        "domain": told(one.item, one.configuration),
        "store": None if one.item.store is None else str(one.item.store),
    }
    return {
        "routed": record.get("probabilities", {}),
        "passages": [passage["id"] for passage in ranked],
        "adapter": record.get("adapter", {}),
        "index": record.get("index", {}),
        "tools": list(record.get("tools", ())),
        "config": asked,
        "decision": record,
    }


def _prepare(out: Path, plan: Mapping[str, Any], work: Sequence[Work], resume: bool) -> int:
    """Make the folder ready. Gives how many rows are finished."""
    out.mkdir(parents=True, exist_ok=True)
    results, planned = out / RESULTS, out / PLAN
    if not planned.is_file() or not results.is_file() or not results.stat().st_size:
        if results.is_file() and results.stat().st_size:
            raise UserError(
                f"{str(results)!r} is there, without a {PLAN!r}; choose another --out", subject=out
            )
        write_json(planned, plan)
        for name in (RESULTS, TIMINGS):
            (out / name).write_bytes(b"")
        return 0
    if not resume:
        raise UserError(
            f"--out {str(out)!r} holds results; go on with --resume, or choose another folder", subject=out
        )
    before = read_json(planned)
    apart = [name for name in plan if json.loads(json.dumps(plan[name])) != before.get(name)]
    if apart:
        raise UserError(
            f"--resume: {str(out)!r} was begun with another {apart[0]!r} ({before.get(apart[0])!r}); "
            "choose another --out",
            subject=out,
        )
    done = _kept(results, [one.key for one in work])
    _kept(out / TIMINGS, [one.key for one in work[:done]])
    return done


def _kept(path: Path, keys: Sequence[tuple[str, str, str]]) -> int:
    """Cut a file after its last whole row that is in its place; gives the number of rows."""
    count = size = 0
    with path.open("rb") as stream:
        for line in stream:
            try:
                row: Any = json.loads(line)
                key = row["set"], row["id"], row["config"]
            except (ValueError, KeyError, TypeError):
                break
            if not line.endswith(b"\n") or count >= len(keys) or key != keys[count]:
                break
            count, size = count + 1, size + len(line)
    with path.open("r+b") as stream:
        stream.truncate(size)
    return count
