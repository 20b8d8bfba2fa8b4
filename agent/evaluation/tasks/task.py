"""The shape of a task: what an item is, what comes of it, and what every kind of task has to say.

Each sibling module is one task, or two that differ in a word. A task knows rows and scores; how items are run, kept and
summed up is ``agent.evaluation.run``'s and ``summary``'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.evaluation.figures import Figure, ResultRow
from skills.errors import UserError

if TYPE_CHECKING:
    from agent.evaluation.system import System
    from agent.events import Answer

Row = Mapping[str, Any]
Status = Literal["answered", "clarify", "declined", "failed"]


@dataclass(frozen=True, slots=True)
class Item:
    """One row of a set, and what the set says about asking it."""

    id: str
    row: Row
    domain: str | None = None
    """Domain that is told; None: the router decides."""
    owner: str | None = None
    """Domain that the question belongs to, for an oracle; None: nobody's, or not known."""
    store: Path | None = None
    """Store instead of the skill's own."""
    model: Path | None = None
    """Trained model that is asked instead of the agent."""
    prediction: Row | None = None
    """Row of a file of predictions; None: nothing was predicted elsewhere."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking an item."""

    status: Status
    answer: Any = ""
    """Text of an answer, or what the task gives: a label, tags, ids of passages."""
    reason: str = ""
    citations: tuple[Mapping[str, str], ...] = ()
    """{passage_id, quote}"""
    domains: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    confidence: float = 0.0
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The decision record, as JSON."""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What only this task scores; not kept."""


FAILED = Outcome("failed")


class Task(ABC):
    """One kind of item."""

    name: str
    primary: tuple[str, ...]
    """Figures by which configurations are compared."""
    configured: bool = True
    """Whether the configuration makes a difference; if not, items are asked once."""

    @abstractmethod
    def check(self, row: Row) -> None:
        """Raise UserError for a row that cannot be asked or scored."""

    @abstractmethod
    def question(self, row: Row) -> str:
        """What is asked, as text."""

    @abstractmethod
    def expected(self, row: Row) -> Any:
        """What is right, as JSON; None where there is nothing to be right about."""

    @abstractmethod
    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        """Ask an item. Raises CollegiumError."""

    @abstractmethod
    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        """Scores of one outcome. A failed one is scored as if nothing had been answered."""

    @abstractmethod
    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        """Figures of a set's rows."""

    def labels(self) -> bool:
        """Whether expected and answer are labels, so that a confusion matrix makes sense."""
        return False


class LabelledTexts(Task):
    """Rows {text, label}. What gives the labels takes no part in answering."""

    configured = False

    def check(self, row: Row) -> None:
        text_of(row, "text")
        text_of(row, "label")

    def question(self, row: Row) -> str:
        return str(row["text"])

    def expected(self, row: Row) -> Any:
        return row["label"]

    def labels(self) -> bool:
        return True


def text_of(row: Row, key: str) -> str:
    """A text that a row has to have."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{key!r} should be a text that is not empty, got {value!r}", subject=row)
    return value


def outcome_of(answer: Answer) -> Outcome:
    """What came of a turn of the agent."""
    row = answer.to_json()
    record = row["record"] or {}
    record["reason"] = answer.reason
    return Outcome(
        answer.status,
        answer.text,
        answer.reason,
        tuple({"passage_id": one.passage_id, "quote": one.quote} for one in answer.citations),
        answer.domains,
        tuple(call.name for call in answer.tools),
        answer.confidence,
        record,
    )
