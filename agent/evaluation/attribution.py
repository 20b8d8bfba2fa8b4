"""Which stage of a turn changed first, where two runs answered one item differently.

Reads the decision records of both; the stages are those of a turn, in their order (see ``agent.app.Agent``).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.evaluation.run_files import Record, Result, lower_is_better
from agent.evaluation.tasks import TASKS
from skills.grounding.support import without_marks

_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_RIGHT = ("right", "correct")
"""Scores that say whether an item is right."""
_SAME = 1e-9
"""Up to which two scores are one."""


def changed(before: Result, after: Result) -> bool:
    """Whether the outcome differs: status, words or a score."""
    return (
        before.status != after.status
        or before.text != after.text
        or before.scores.keys() != after.scores.keys()
        or any(abs(gained) > _SAME for gained in _gains(before, after).values())
    )


def gain(before: Result, after: Result) -> float:
    """What the telling scores of an item have gained in sum; less than 0: it became worse.

    Telling: those by which its task compares, and whether it is right; not counts, such as of numbers or citations.
    """
    task = TASKS.get(before.task)
    telling = {*_RIGHT, *(task.primary if task is not None else ())} & before.scores.keys()
    gains = _gains(before, after)
    return sum(gains[metric] for metric in telling or gains if metric in gains)


def _gains(before: Result, after: Result) -> dict[str, float]:
    return {
        metric: (before.scores[metric] - after.scores[metric]) * (1 if lower_is_better(metric) else -1)
        for metric in before.scores
        if metric in after.scores
    }


def stage(before: Result, after: Result) -> str:
    """The first stage in which two different answers to one item differ.

    failure       one of them ended in an error
    route         other domains, or other questions to them
    tool          another call, other arguments, or another result
    retrieval     other passages were found, or the same ones in an index of another version
    evidence      of the same passages, others were answered from
    adapter       the same passages, another adapter or base model
    verification  all of that is the same, and the status differs, the checks were off in one of the two, or
                  one answer is the other without some of its sentences
    generation    nothing but the words differs
    """
    return next((name for name, differs in _STAGES if differs(before, after)), "generation")


def _record(result: Result) -> Record:
    return result.record or Record()


def _route(before: Result, after: Result) -> bool:
    return _asked(before) != _asked(after)


def _asked(result: Result) -> list[tuple[str, str]]:
    record = _record(result)
    if record.plan:
        return [(step.domain, step.question) for step in record.plan]
    return [(domain, "") for domain in record.domains or result.domains]


def _tool(before: Result, after: Result) -> bool:
    calls = [
        [(call.name, call.arguments, call.result) for call in _record(result).tools]
        for result in (before, after)
    ]
    return calls[0] != calls[1]


def _retrieval(before: Result, after: Result) -> bool:
    one, two = _record(before), _record(after)
    return [passage.id for passage in one.passages] != [passage.id for passage in two.passages]


def _evidence(before: Result, after: Result) -> bool:
    one, two = _record(before), _record(after)
    return [passage.id for passage in one.evidence] != [passage.id for passage in two.evidence]


def _adapter(before: Result, after: Result) -> bool:
    one, two = _record(before), _record(after)
    return (one.adapter, one.base) != (two.adapter, two.base)


def _index(before: Result, after: Result) -> bool:
    """The same ids may stand for other texts in an index of another version."""
    return _record(before).index != _record(after).index


def _verification(before: Result, after: Result) -> bool:
    unchecked = {_record(result).configuration == "no-verify" for result in (before, after)}
    if before.status != after.status or len(unchecked) == 2:
        return True
    few, many = sorted((sentences(before.text), sentences(after.text)), key=len)
    return len(few) < len(many) and _in_order(few, many)


def sentences(text: str) -> list[str]:
    """The sentences of an answer, without citation marks."""
    found = _SENTENCE.split(without_marks(text))
    return [" ".join(part.split()) for part in found if part and part.strip()]


def _in_order(few: list[str], many: list[str]) -> bool:
    """Whether ``many`` without some of its sentences is ``few``."""
    rest = iter(many)
    return all(sentence in rest for sentence in few)


def _failure(before: Result, after: Result) -> bool:
    return (before.status == "failed") != (after.status == "failed")


_STAGES: tuple[tuple[str, Callable[[Result, Result], bool]], ...] = (
    ("failure", _failure),
    ("route", _route),
    ("tool", _tool),
    ("retrieval", _retrieval),
    ("evidence", _evidence),
    ("adapter", _adapter),
    ("retrieval", _index),
    ("verification", _verification),
)
STAGES = (*dict.fromkeys(name for name, _ in _STAGES), "generation")
