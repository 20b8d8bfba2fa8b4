"""Tools that do what tools should not do, one that leaves a trace of each call, and an agent that has them.

As a program it is that agent in a process of its own: ``tool_fakes FOLDER ask|approve|die``, or, with anything else,
the ``collegium`` command over it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from langchain_core.tools import BaseTool, StructuredTool

from agent.app import Agent
from agent.composition import College
from agent.plan import Plan, Step
from agent.tools import ToolRegistry
from skills.pack import ToolPattern
from tests.agent.agent_fakes import FakeSkill, WordRouter, member

SAVE = ToolPattern.model_validate(
    {
        "triggers": ["save"],
        "arguments": {"text": {"patterns": [{"regex": r"save (?P<value>\w+)"}], "ask": "Save what?"}},
    }
)


def made(name: str, function: Callable[..., tuple[str, dict[str, object]]]) -> BaseTool:
    return StructuredTool.from_function(
        function, name=name, description="A tool.", response_format="content_and_artifact"
    )


def saving(trace: Path, *, dies: bool = False) -> BaseTool:
    """Writes a line for each call; ``dies``: and then takes its process with it."""

    def save(text: str) -> tuple[str, dict[str, object]]:
        with trace.open("a") as file:
            file.write(f"{text}\n")
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"Saved {text}.", {"text": text}

    return made("save", save)


def tool_agent(folder: Path, *tools: BaseTool, seconds: float = 10.0, dies: bool = False) -> Agent:
    """An agent with a domain "medical", the tool ``save``, which writes, and others, which do not."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = ToolRegistry()
    registry.add(saving(folder / "trace", dies=dies), owner="test", risk="writes", pattern=SAVE)
    for one in tools:
        registry.add(one, owner="test", seconds=seconds)
    members = [member("medical", FakeSkill("medical"))]
    college = College(members, lambda: WordRouter(["medical"]), tools=lambda: registry)
    return Agent(college, sessions=folder / "sessions.sqlite")


def calls(folder: Path) -> list[str]:
    trace = folder / "trace"
    return trace.read_text().split() if trace.exists() else []


def by_name(tool: str, **arguments: object) -> Plan:
    return Plan((Step("tools", tool=tool, arguments=arguments),))


def hanging(release: threading.Event) -> BaseTool:
    def hang() -> tuple[str, dict[str, object]]:
        release.wait()
        return "late", {}

    return made("hang", hang)


if __name__ == "__main__":
    if sys.argv[-1] in ("ask", "approve", "die"):
        with tool_agent(Path(sys.argv[1]), dies=sys.argv[2] == "die") as agent:
            if sys.argv[2] == "ask":
                agent.ask("save it", session="s")
                os.kill(os.getpid(), signal.SIGKILL)
            print(agent.approve("s", True).text)
    else:
        from agent.cli.main import main

        Agent.from_settings = classmethod(  # type: ignore[method-assign]
            lambda cls, *_, **__: tool_agent(Path(os.environ["COLLEGIUM_HOME"]))
        )
        main()
