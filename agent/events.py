"""What a caller of the agent sees: the typed events of one turn, ending in an Answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from agent.plan import Step
from agent.record import DecisionRecord
from skills import errors
from skills.records import Citation, Retrieved, Status, Token, ToolCall, ToolCalled, Verified


@dataclass(frozen=True, slots=True)
class Part:
    """What of a request is one domain's to answer."""

    domain: str
    text: str
    """Its questions, after what the request tells about the case."""


@dataclass(frozen=True, slots=True)
class Routed:
    """Which skills own the request."""

    domains: tuple[str, ...]
    """Chosen domains; empty: out of scope."""
    probabilities: Mapping[str, float]
    """By domain, and "general" for out of scope; they sum to 1."""
    milliseconds: float
    parts: tuple[Part, ...] = ()
    """One for each domain where the request asks several things of several domains; empty: it is asked as it is."""
    unclear: bool = False
    """Whether no label is probable enough to rely on: its conformal set is empty (skills.learning.route)."""
    leans: bool | None = None
    """Whether it was read with what was said before and is not its domain's without that; None: it was read alone."""
    kind: Literal["routed"] = "routed"


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of an answer that one domain gave."""

    domain: str
    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A tool call that changes things and waits for approval (see ``Agent.approve``)."""

    id: str
    """Names this call, so that an approval cannot meet another one."""
    tool: str
    arguments: Mapping[str, object]
    domain: str
    """The skill that would make it."""
    started: bool = False
    """It was approved and begun, and its end is not known: it is not run again."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Something that the user told earlier and that took part in an answer: the user's word, not a source."""

    id: str
    """The fact's; "style" for a setting, empty for what was said in this conversation."""
    text: str
    use: str
    """The calculator's argument that it gave, "place" for where the user is, "question" where it completed that."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one turn."""

    status: Status
    text: str
    citations: tuple[Citation, ...] = ()
    domains: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    confidence: float = 0.0
    segments: tuple[Segment, ...] = ()
    reason: str = ""
    timings: Mapping[str, float] = field(default_factory=dict[str, float])
    """Milliseconds by stage, and "total"."""
    session: str = ""
    plan: tuple[Step, ...] = ()
    """Who was asked what."""
    record: DecisionRecord | None = None
    """What decided the turn."""
    awaiting: Awaiting | None = None
    """What runs when it is approved; the status is then "clarify"."""
    remembered: tuple[Remembered, ...] = ()
    offer: str = ""
    """What the user just told and may want remembered: a plain yes as the next message gives consent."""

    def to_json(self) -> dict[str, Any]:
        """The output row of the scripting interface (``answer`` is the text)."""
        row = asdict(self)
        return {"status": row.pop("status"), "answer": row.pop("text"), **row}


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer
    kind: Literal["answered"] = "answered"


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn ended in an error; nothing was added to the session."""

    message: str
    error: str
    """Name of the exception class."""
    retry_after: int = 0
    """Seconds after which the same request is likely to be answered; 0: that is not what is wrong."""
    kind: Literal["failed"] = "failed"

    def as_error(self) -> errors.CollegiumError:
        """The error to raise: its class says who must act."""
        if self.error == errors.BusyError.__name__:
            return errors.BusyError(self.message, retry_after=self.retry_after)
        kinds = (errors.UserError, errors.ToolInputError, errors.ModelError, errors.DataError)
        named = {kind.__name__: kind for kind in kinds} | {"ToolFailed": errors.ModelError}
        return named.get(self.error, errors.CollegiumError)(self.message)


Event = Routed | Retrieved | ToolCalled | Token | Verified | Answered | Failed
