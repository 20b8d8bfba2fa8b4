"""Conversations of several turns in one session: rows {turns: [{question, expect: {...}, memory?}]}.

A turn is right if all that is expected of it holds. completion: every turn is right. memory_recall: of the turns that
cannot be answered without what was said before (``memory`` true; by default all but the first), those that are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.evaluation.figures import Figure, ResultRow, mean, pooled
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Row, Task, outcome_of
from agent.events import Answer
from skills.errors import UserError


class Expectation(BaseModel):
    """What a turn has to come to; what is left out does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    status: Literal["answered", "clarify", "declined"] | None = None
    answered: bool | None = None
    """Whether anything is answered, as against asked back or declined."""
    domain: str | None = None
    """Among those that were asked."""
    gold: tuple[str, ...] = ()
    """One of them is cited."""
    tool: str | None = None
    """Was called."""
    contains: tuple[str, ...] = ()
    """Each is in the answer, upper or lower case."""


class DialogueTurn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str = Field(min_length=1)
    expect: Expectation
    memory: bool | None = None


class Dialogue(Task):
    name = "dialogue"
    primary = ("completion", "memory_recall")

    def check(self, row: Row) -> None:
        turns_of(row)

    def question(self, row: Row) -> str:
        return "\n".join(turn.question for turn in turns_of(row))

    def expected(self, row: Row) -> Any:
        return [turn.expect.model_dump(exclude_defaults=True) for turn in turns_of(row)]

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        answers = [
            system.ask(turn.question, item, configuration, session=f"{item.id} {configuration}")
            for turn in turns_of(item.row)
        ]
        right = [
            _holds(turn.expect, answer) for turn, answer in zip(turns_of(item.row), answers, strict=True)
        ]
        turns = [outcome_of(answer) for answer in answers]
        record = {
            **turns[-1].record,
            "turns": [
                {"answer": turn.answer, "right": ok, **turn.record}
                for turn, ok in zip(turns, right, strict=True)
            ],
        }
        return replace(turns[-1], record=record, details={"right": right})

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        turns = turns_of(item.row)
        right: Sequence[bool] = outcome.details.get("right") or [False] * len(turns)
        leaning = [turn.memory if turn.memory is not None else place > 0 for place, turn in enumerate(turns)]
        remembered = [ok for ok, leans in zip(right, leaning, strict=True) if leans]
        return {
            "completion": float(all(right)),
            "turns_right": float(sum(right)),
            "turns": float(len(right)),
            "memory_right": float(sum(remembered)),
            "memory_turns": float(len(remembered)),
        }

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return [
            mean("completion"),
            pooled("turns_right", "turns_right", "turns"),
            pooled("memory_recall", "memory_right", "memory_turns"),
        ]


def turns_of(row: Row) -> list[DialogueTurn]:
    """The turns of a row. Raises UserError naming the first thing that is wrong."""
    given = row.get("turns")
    if not isinstance(given, list) or not given:
        raise UserError("expected 'turns': [{question, expect: {...}}]", subject=row)
    try:
        return [DialogueTurn.model_validate(turn) for turn in given]
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"turns: {'.'.join(map(str, first['loc']))}: {first['msg']}", subject=row) from error


def _holds(expect: Expectation, answer: Answer) -> bool:
    text = answer.text.lower()
    return (
        expect.status in (None, answer.status)
        and expect.answered in (None, answer.status == "answered")
        and (expect.domain is None or expect.domain in answer.domains)
        and (not expect.gold or any(one.passage_id in expect.gold for one in answer.citations))
        and (expect.tool is None or expect.tool in [call.name for call in answer.tools])
        and all(part.lower() in text for part in expect.contains)
    )
