"""Doubles of what an agent is composed of: skills that follow a script, a router that looks for words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from langchain_core.tools import tool

from agent.app import Agent
from agent.composition import College, Domain, Member
from agent.events import Routed
from skills.pack import ToolPattern
from skills.records import Citation, SkillAnswer, SkillEvent, SkillRequest, Token, Turn
from skills.tool_calls import ToolCaller

Script = Callable[[SkillRequest], Iterable[SkillEvent]]


class FakeSkill:
    """Runs a script for each request and remembers the requests; ``closed`` counts ended generators."""

    def __init__(self, name: str, script: Script | None = None, store: Path | None = None) -> None:
        self.name, self.store = name, store
        self.script = script or (lambda request: answered(name, f"{name} says {request.question}"))
        self.requests: list[SkillRequest] = []
        self.closed = 0

    def stream(self, request: SkillRequest) -> Iterator[SkillEvent]:
        self.requests.append(request)
        try:
            yield from self.script(request)
        finally:
            self.closed += 1


def answered(domain: str, text: str, citations: Sequence[Citation] = ()) -> list[SkillEvent]:
    """Two tokens and the answer."""
    half = len(text) // 2
    final = SkillAnswer(domain, "answered", text, tuple(citations), confidence=0.9, timings={"generate": 2.0})
    return [Token(text[:half], domain), Token(text[half:], domain), final]


def citation(number: int, passage: str = "p") -> Citation:
    return Citation(number, passage, "quote", 0, 5)


@dataclass
class WordRouter:
    """A domain whose name is in the text owns it; nobody else does. A text with "perhaps" is then unclear."""

    names: Sequence[str]
    histories: list[Sequence[Turn]] = field(default_factory=list[Sequence[Turn]])

    def route(self, text: str, history: Sequence[Turn] = (), last_domain: str = "") -> Routed:
        self.histories.append(history)
        found = tuple(name for name in self.names if name in text)
        share = {name: (0.9 / len(found) if name in found else 0.02) for name in self.names}
        unclear = not found and "perhaps" in text
        return Routed(found, {**share, "general": 1 - sum(share.values())}, 0.0, unclear=unclear)


@tool(response_format="content_and_artifact")
def bmi(weight: float, height: float) -> tuple[str, dict[str, float]]:
    """Body mass index."""
    value = weight / (height / 100) ** 2
    return f"BMI is {value:.1f}.", {"bmi": value}


def bmi_caller() -> ToolCaller:
    pattern = ToolPattern.model_validate(
        {
            "triggers": ["BMI"],
            "arguments": {
                "weight": {
                    "patterns": [{"regex": r"(?P<value>[\d.]+) ?kg"}],
                    "ask": "What is the weight?",
                    "recall": ["weight"],
                },
                "height": {"patterns": [{"regex": r"(?P<value>[\d.]+) ?cm"}], "ask": "What is the height?"},
            },
        }
    )
    return ToolCaller([bmi], {"bmi": pattern})


def calculating(request: SkillRequest) -> Iterator[SkillEvent]:
    """A skill that runs its calculator, asks for what is missing, and answers anything else in words."""
    caller = bmi_caller()
    match = request.tool or caller.match(request.question)
    if match is None:
        yield from answered("medical", f"words: {request.question}")
    elif match.missing:
        yield SkillAnswer("medical", "clarify", match.ask, reason="missing_argument")
    else:
        call = caller.call(match)
        yield SkillAnswer("medical", "answered", call.text, tools=(call,))


def member(name: str, skill: FakeSkill, caller: Callable[[], ToolCaller] | None = None) -> Member:
    def build(store: Path | None) -> FakeSkill:
        return skill if store is None else FakeSkill(name, skill.script, store)

    return Member(Domain(name, name.title()), build, caller or (lambda: ToolCaller([], {})))


def broken_member(name: str, error: Exception) -> Member:
    def build(store: Path | None) -> FakeSkill:
        raise error

    return Member(Domain(name, name.title()), build, lambda: ToolCaller([], {}))


def make_agent(
    skills: Mapping[str, FakeSkill], sessions: Path, *, extra: Sequence[Member] = (), history: int = 6
) -> Agent:
    """An agent over fake skills; the medical one gets the BMI calculator."""
    members = [
        member(name, skill, bmi_caller if name == "medical" else None) for name, skill in skills.items()
    ]
    router = WordRouter([*skills, *(one.domain.name for one in extra)])
    return Agent(College([*members, *extra], lambda: router), sessions=sessions, history=history)


class Endless:
    """A script that, while ``on``, goes on giving tokens until its generator is closed (20 s at most)."""

    def __init__(self) -> None:
        self.on = True
        self.reached = threading.Event()

    def __call__(self, request: SkillRequest) -> Iterator[SkillEvent]:
        text = ""
        for _ in range(2000 if self.on else 2):
            text += "more "
            yield Token("more ", "medical")
            self.reached.set()
            time.sleep(0.01)
        yield SkillAnswer("medical", "answered", text)
