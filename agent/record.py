"""The decision record of a turn: what decided it, and what it would take to decide it the same way again.

Plain data, carried by the Answer; ``collegium eval`` keeps it beside every result, and a turn can be repeated from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.plan import Step
from skills.records import Configuration, Retrieved, ToolCall

if TYPE_CHECKING:
    from agent.events import Routed


@dataclass(frozen=True, slots=True)
class Identity:
    """What one skill is made of. An empty string: it has none, or it is not known."""

    base: str = ""
    """sha256 of the base model."""
    adapter: str = ""
    """sha256 of the adapter it writes with."""
    index: str = ""
    """Version of its store: sha256 of the manifest, which holds the hashes of all other files."""


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage that was looked at."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class UsedTool:
    """A tool that was run."""

    name: str
    arguments: Mapping[str, object]
    result: str
    """As it was shown."""


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What decided a turn. Mappings by domain hold the domains that were asked."""

    question: str
    domains: tuple[str, ...]
    """Who was chosen: told by the caller, or by the router."""
    probabilities: Mapping[str, float]
    """The router's, by domain and "general"; 1 for a domain that was told."""
    configuration: Configuration = "lora+rag"
    adapter: Mapping[str, str] = field(default_factory=dict[str, str])
    """sha256 of the adapter; empty: written without one."""
    index: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version of the skill's store, of both together where it has a Chinese one too; whether the turn used it or not
    (see ``passages``)."""
    passages: Mapping[str, tuple[RankedPassage, ...]] = field(
        default_factory=dict[str, tuple[RankedPassage, ...]]
    )
    """What was found, best first, with its retrieval score; none where a tool or a guard answered."""
    evidence: Mapping[str, tuple[RankedPassage, ...]] = field(
        default_factory=dict[str, tuple[RankedPassage, ...]]
    )
    """What was answered from, with the probability that it answers the question."""
    tools: tuple[UsedTool, ...] = ()
    base: str = ""
    """sha256 of the base model; empty: no skill was asked."""
    plan: tuple[Step, ...] = ()
    """Who was asked what."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one skill leaves behind of a turn, besides its answer."""

    identity: Identity
    retrieved: Retrieved | None
    """None: it did not look into its store."""


def recorded(
    question: str,
    routed: Routed,
    plan: Sequence[Step],
    configuration: Configuration,
    traces: Mapping[str, Trace],
    calls: Sequence[ToolCall],
) -> DecisionRecord:
    """The record of a turn. ``traces``: by domain asked."""
    found = {domain: trace.retrieved for domain, trace in traces.items() if trace.retrieved is not None}
    return DecisionRecord(
        question=question,
        domains=routed.domains,
        probabilities={name: round(share, 6) for name, share in routed.probabilities.items()},
        configuration=configuration,
        adapter={domain: trace.identity.adapter for domain, trace in traces.items()},
        index={domain: trace.identity.index for domain, trace in traces.items()},
        passages={
            domain: tuple(RankedPassage(one.passage.id, round(one.score, 6)) for one in event.considered)
            for domain, event in found.items()
        },
        evidence={
            domain: tuple(RankedPassage(one.passage.id, round(one.score, 6)) for one in event.evidence)
            for domain, event in found.items()
        },
        tools=tuple(UsedTool(call.name, call.arguments, call.text) for call in calls),
        base=next((trace.identity.base for trace in traces.values()), ""),
        plan=tuple(
            replace(step, search_query=found[step.domain].query)
            if step.domain in found and found[step.domain].query
            else step
            for step in plan
        ),
    )
