"""docs/tools.md: its Python runs, and its files and requests are read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tool_fakes import calls, tool_agent

from agent.mcp.settings import McpFile
from agent.server.schemas import ChatRequest
from skills.tool_runs import LONGEST_RESULT, LONGEST_VALUES, SECONDS

TEXT = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_its_python_runs(tmp_path: Path) -> None:
    names: dict[str, object] = {"agent": tool_agent(tmp_path)}
    for block in blocks("python"):
        exec(compile(block, "docs/tools.md", "exec"), names)
    assert calls(tmp_path) == ["milk"]


def test_its_files_and_requests_are_read() -> None:
    (toml,) = blocks("toml")
    notes = McpFile.model_validate(tomllib.loads(toml)).servers["notes"]
    assert notes.tools["find"].pattern is not None
    assert (notes.tools["delete"].risk, notes.seconds) == ("writes", 30)
    (request,) = blocks("json")
    decision = ChatRequest.model_validate_json(request).collegium
    assert decision is not None
    assert (decision.approve, decision.call) == (True, "1f2e3d4c")


def test_its_limits_are_the_limits() -> None:
    assert f"({SECONDS:g} s, " in TEXT
    assert f"more than {LONGEST_RESULT:,} characters" in TEXT
    assert LONGEST_VALUES == LONGEST_RESULT
