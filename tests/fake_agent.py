"""A whole agent over scripted skills and a scripted router: what a terminal or a server can be tested with.

Run as a program it is the ``collegium`` command over that agent, for tests that need a process of its own.

    "slow ..."       streams a word every 50 ms, for a minute      "crash ..."   the engine fails
    "unknown ..."    declined, no evidence                         "bug ..."     an error nobody foresaw
    "calculate ..."  needs a tool                                  "weather"     out of scope
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.app import Agent
from agent.composition import College, Domain, Member
from agent.events import Routed
from skills.errors import ModelError
from skills.records import (
    Citation,
    Evidence,
    Passage,
    Retrieved,
    SkillAnswer,
    SkillEvent,
    SkillRequest,
    Token,
    ToolCall,
    ToolCalled,
    Turn,
)
from skills.tool_calls import ToolCaller

PASSAGE = Passage(
    "metformin#side-effects",
    "Metformin often causes nausea and diarrhoea. They usually pass.",
    title="Metformin: side effects",
    source="FDA label",
    as_of="2025-01",
)
QUOTE = "Metformin often causes nausea and diarrhoea."
DOMAINS = (
    Domain("medical", "Medical", "Medicines and diseases.", disclaimer="This is not medical advice."),
    Domain("finance", "Finance", "Money.", disclaimer="This is not financial advice."),
)


class FakeSkill:
    """Answers by the first word of the question."""

    def __init__(self, name: str) -> None:
        self.name = name

    def stream(self, request: SkillRequest) -> Iterator[SkillEvent]:
        before = sum(turn.role == "user" for turn in request.history)
        match request.question.split()[0].lower():
            case "slow":
                for number in range(1200):
                    time.sleep(0.05)
                    yield Token(f"word{number} ", self.name)
                yield SkillAnswer(self.name, "answered", "too late")
            case "crash":
                raise ModelError("the engine stopped; run: collegium doctor")
            case "bug":
                raise ZeroDivisionError("a bug")
            case "unknown":
                yield Retrieved(self.name, ())
                yield SkillAnswer(
                    self.name, "declined", "The store says nothing on that.", reason="no_evidence"
                )
            case "calculate":
                call = ToolCall("bmi", {"weight": 80}, "The BMI is 24.7.", {"bmi": 24.7}, "WHO 2000")
                yield ToolCalled(call)
                yield Token(call.text, self.name)
                yield SkillAnswer(self.name, "answered", call.text, tools=(call,), confidence=1.0)
            case _:
                passage = request.passages[0] if request.passages else PASSAGE
                quote = passage.text.split(". ")[0].rstrip(".") + "."
                yield Retrieved(self.name, (Evidence(passage, ((0, len(quote)),), 0.9),))
                text = f"{quote.rstrip('.')} [1]. Asked before: {before}."
                for word in text.split(" "):
                    yield Token(word if text.startswith(word) else f" {word}", self.name)
                citation = Citation(
                    1, passage.id, quote, 0, len(quote), passage.title, passage.source, passage.as_of
                )
                yield SkillAnswer(self.name, "answered", text, (citation,), confidence=0.9)


class FakeRouter:
    def route(self, text: str, history: Sequence[Turn] = (), last_domain: str = "") -> Routed:
        if "weather" in text:
            return Routed((), {"medical": 0.1, "finance": 0.1, "general": 0.8}, 0.1)
        domain = "finance" if "bond" in text else "medical"
        return Routed((domain,), {"medical": 0.05, "finance": 0.05, "general": 0.05, domain: 0.9}, 0.1)


def fake_agent(sessions: Path) -> Agent:
    """The agent; its sessions are real ones, in that file."""
    members = [
        Member(domain, lambda _, name=domain.name: FakeSkill(name), lambda: ToolCaller((), {}))
        for domain in DOMAINS
    ]
    return Agent(College(members, FakeRouter), sessions=sessions)


if __name__ == "__main__":
    from agent.cli.main import main

    Agent.from_settings = classmethod(  # type: ignore[method-assign]
        lambda cls, *_, **__: fake_agent(Path(os.environ["COLLEGIUM_HOME"]) / "sessions.sqlite")
    )
    main()
