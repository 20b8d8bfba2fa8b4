"""A recorded turn, asked again: the same plan, configuration and store; and what came out differently.

Knows records and the agent; the first stage that changed is ``attribution``'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from agent.evaluation.attribution import sentences, stage
from agent.evaluation.run_files import Ranked, Record, Result, Run, first_problem
from agent.plan import Plan, Step
from skills.errors import UserError
from skills.files import read_json

if TYPE_CHECKING:
    from agent.app import Agent
    from skills.records import Configuration


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was recorded."""

    what: str
    """route, index, passages, evidence, base, adapter, tool, status or text."""
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Replay:
    before: Result
    after: Result
    route: tuple[str, ...] | None
    """The domains that the router names today; None: it was not asked, since it did not decide then."""

    @property
    def same(self) -> bool:
        """Whether status and words of the answer are as recorded."""
        return (self.before.status, self.before.text) == (self.after.status, self.after.text)

    @property
    def stage(self) -> str:
        """The first stage that changed; empty: the answer is the same."""
        if self.same:
            return ""
        return "route" if self.route_changed else stage(self.before, self.after)

    @property
    def route_changed(self) -> bool:
        return self.route is not None and set(self.route) != set(_record(self.before).domains)

    def changes(self) -> list[Change]:
        """Everything that differs, in the order of a turn."""
        one, two = _record(self.before), _record(self.after)
        pairs: list[tuple[str, str, str]] = [
            (
                "route",
                _names(one.domains),
                _names(self.route or ()) if self.route_changed else _names(one.domains),
            ),
            ("tool", _calls(one), _calls(two)),
            ("index", _hashes(one.index), _hashes(two.index)),
            ("passages", _ids(one.passages), _ids(two.passages)),
            ("evidence", _ids(one.evidence), _ids(two.evidence)),
            ("base", one.base, two.base),
            ("adapter", _hashes(one.adapter), _hashes(two.adapter)),
            ("status", self.before.status, self.after.status),
            ("text", self.before.text, self.after.text),
        ]
        return [Change(*pair) for pair in pairs if pair[1] != pair[2]]

    def text_difference(self) -> list[str]:
        """Both answers, sentence by sentence, as ``difflib.ndiff`` marks them."""
        return [
            line for line in ndiff(sentences(self.before.text), sentences(self.after.text)) if line[0] != "?"
        ]


def read_recorded(reference: str) -> Result:
    """The answer that a reference names, with its decision record.

    reference: ``DIR#set/id/config``, a row of a run; or a file with the output of ``collegium ask --json``.
    Raises UserError when there is no such answer, or it carries no record of a turn.
    """
    folder, sign, key = reference.partition("#")
    found = _row(Path(folder), key) if sign and not Path(reference).is_file() else _file(Path(reference))
    if found.record is None or not found.record.question:
        raise UserError(
            f"{reference!r} has no decision record of a turn; expected a row of a run whose task asks the agent, "
            "or the output of: collegium ask --json",
            subject=reference,
        )
    return found


def _row(folder: Path, key: str) -> Result:
    name, _, rest = key.partition("/")
    item, _, config = rest.rpartition("/")
    results = Run(folder).results
    if (name, item, config) not in results:
        example = "/".join(next(iter(results), ("set", "id", "config")))
        raise UserError(
            f"no row {key!r} in {str(folder)!r}; expected DIR#set/id/config, for example {folder}#{example}",
            subject=key,
        )
    return results[name, item, config]


def _file(path: Path) -> Result:
    if not path.is_file():
        raise UserError(
            f"no file {str(path)!r}; expected DIR#set/id/config, or the output of: collegium ask --json",
            subject=path,
        )
    row = read_json(path)
    record: object = row.get("record")
    named = {
        "set": "",
        "id": str(path),
        "config": cast(Mapping[str, object], record).get("configuration", "")
        if isinstance(record, dict)
        else "",
    }
    try:
        return Result.model_validate({**row, **named})
    except ValidationError as error:
        raise UserError(
            f"{str(path)!r} is not the output of `collegium ask --json`: {first_problem(error)}", subject=path
        ) from error


def replay(
    before: Result,
    agent: Agent,
    *,
    store: Path | None = None,
    passages: Iterable[Mapping[str, object]] | None = None,
) -> Replay:
    """Ask the recorded question again, of the domains that were asked.

    store: index instead of the recorded one. passages: those that came with the question, if any did; their
    texts are not recorded. Raises UserError where they are missing, and what ``Agent.ask`` raises.
    """
    record = _record(before)
    recorded_store: object = record.config.get("store")
    if store is None and isinstance(recorded_store, str):
        store = Path(recorded_store)
    if passages is None and record.passages and not any(record.index.values()):
        raise UserError(
            f"{before.id!r} was answered from passages that came with the question; give them with --passages FILE",
            subject=before,
        )
    plan = Plan(tuple(Step(one.domain, one.search_query, one.question) for one in record.plan))
    answer = agent.ask(
        record.question,
        plan=plan if plan.steps else None,
        store=store,
        passages=None if passages is None else list(passages),
        configuration=cast("Configuration", record.configuration or "lora+rag"),
    )
    after = Result.model_validate(
        {
            **answer.to_json(),
            "set": before.set,
            "id": before.id,
            "config": before.config,
            "scores": before.scores,
        }
    )
    return Replay(before, after, agent.route(record.question).domains if _was_routed(record) else None)


def _was_routed(record: Record) -> bool:
    """Whether the router decided, by this question alone: a follow-up was routed with its history."""
    return "general" in record.routed and not any(step.search_query for step in record.plan)


def _record(result: Result) -> Record:
    return result.record or Record()


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nobody"


def _ids(passages: Iterable[Ranked]) -> str:
    return ", ".join(passage.id for passage in passages) or "none"


def _hashes(hashes: Mapping[str, str | None]) -> str:
    return ", ".join(f"{domain}: {value}" for domain, value in sorted(hashes.items()) if value) or "none"


def _calls(record: Record) -> str:
    return "; ".join(_call(call.name, call.arguments, call.result) for call in record.tools) or "none"


def _call(name: str, arguments: Mapping[str, Any], result: object) -> str:
    return f"{name}({json.dumps(arguments, ensure_ascii=False, sort_keys=True, default=str)}) = {result}"


def lines(found: Replay) -> Iterator[str]:
    """What differs, for people."""
    for change in found.changes():
        if change.what == "text":
            yield "text:"
            yield from (f"  {line}" for line in found.text_difference())
        else:
            yield f"{change.what}: {change.before} -> {change.after}"
