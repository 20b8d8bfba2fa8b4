"""The agent's tools for other programs, through fastmcp's own client: in process, over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

from agent.mcp.server import create_server
from skills.errors import UserError
from tests.agent.tool_fakes import calls, made, tool_agent
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


def double(number: float) -> tuple[str, dict[str, object]]:
    return f"{number * 2:g}", {"double": number * 2}


async def asked(client: Client[Any], tool: str, **arguments: object) -> tuple[bool, str, Any]:
    result = await client.call_tool_mcp(tool, arguments)
    return bool(result.is_error), getattr(result.content[0], "text", ""), result.structured_content


def test_tools_and_ask(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path, made("double", double))

    async def use() -> None:
        async with Client(create_server(agent)) as client:
            tools = {tool.name: tool for tool in await client.list_tools()}
            assert tools.keys() == {"double", "ask"}
            assert tools["double"].input_schema["properties"]["number"]["type"] == "number"
            assert tools["double"].annotations.read_only_hint
            assert await asked(client, "double", number=21) == (False, "42", {"double": 42})
            failed, text, _ = await asked(client, "double", number="many")
            assert (failed, "number: got 'many'" in text) == (True, True)
            failed, text, row = await asked(client, "ask", question="medical question")
            assert (failed, text) == (False, "medical says medical question")
            assert row["status"] == "answered"
            for wrong in ({"question": " "}, {"question": "x", "domain": "law"}, {"query": "x"}):
                assert (await asked(client, "ask", **wrong))[0]
            _, text, row = await asked(client, "ask", question="save milk", session="s")
            assert (row["status"], row["reason"]) == ("declined", "refused")

    asyncio.run(use())
    assert calls(tmp_path) == []
    assert agent.awaiting("s") is None


def test_tools_that_change_things_are_there_if_they_are_asked_for(tmp_path: Path) -> None:
    async def use() -> None:
        async with Client(create_server(tool_agent(tmp_path), writes=True)) as client:
            tools = {tool.name: tool for tool in await client.list_tools()}
            assert tools["save"].annotations.destructive_hint
            assert await asked(client, "save", text="milk") == (False, "Saved milk.", {"text": "milk"})

    asyncio.run(use())
    assert calls(tmp_path) == ["milk"]


def test_over_stdio_with_the_packs_that_are_installed(home: Path) -> None:
    transport = StdioTransport(
        sys.executable, ["-m", "agent.cli.main", "mcp"], cwd=str(ROOT), env={"COLLEGIUM_HOME": str(home)}
    )

    async def use() -> None:
        async with Client(transport) as client:
            failed, text, values = await asked(client, "bmi", weight_kg=80, height_cm=180)
            assert not failed, text
            assert "24.7 kg/m²" in text
            assert "Source: WHO" in text
            assert values == {"bmi": 24.7, "category": "normal weight"}
        await client.close()

    asyncio.run(use())


def test_over_http_with_a_key(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.agent.tool_fakes", "mcp", "--http", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "COLLEGIUM_HOME": str(tmp_path), "COLLEGIUM_API_KEY": "key"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        found = re.search(r"http://\S+/mcp", line := child.stderr.readline())
        assert found, line

        async def use(key: str) -> bool:
            headers = {"Authorization": f"Bearer {key}"}
            async with Client(StreamableHttpTransport(found.group(), headers=headers)) as client:
                return (await asked(client, "ask", question="medical question"))[0]

        assert not asyncio.run(use("key"))
        with pytest.raises(Exception, match="error response"):
            asyncio.run(use("wrong"))
    finally:
        child.terminate()
        child.wait(30)


def test_what_the_command_refuses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLLEGIUM_API_KEY", raising=False)
    assert "--host and --port go with --http" in run("mcp", "--port", "9").err
    result = run("mcp", "--http", "--host", "0.0.0.0")
    assert (result.code, "set COLLEGIUM_API_KEY first" in result.err) == (2, True)
    monkeypatch.setattr("agent.mcp.find_spec", lambda name: None)
    result = run("mcp")
    assert (result.code, "pip install 'collegium[mcp]'" in result.err) == (2, True)


def test_the_name_ask_is_the_servers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="test brings a tool 'ask'"):
        create_server(tool_agent(tmp_path, made("ask", double)))
