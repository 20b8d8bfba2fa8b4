"""MCP servers' tools in the agent: over stdio with a real program, over HTTP with a real port, and what goes wrong."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from agent.app import Agent
from agent.composition import College
from agent.mcp.client import McpServers, ServerState, check_servers
from agent.mcp.schema import arguments_model
from agent.mcp.settings import INSIDE, read_servers
from agent.plan import Plan, Step
from agent.tools import ToolRegistry
from skills.errors import DataError, UserError
from tests.agent.agent_fakes import FakeSkill, WordRouter, member
from tests.cli.conftest import Run

SERVER = Path(__file__).with_name("notes_server.py")
FILE = f"""
[servers.notes]
command = [{json.dumps(sys.executable)}, {json.dumps(str(SERVER))}]
env = {{ TRACE = "${{TRACE}}", WHOSE = "ann" }}
seconds = 5

[servers.notes.tools.find]
risk = "reads"
triggers = ['\\bmy notes\\b']
arguments.text = {{ patterns = [{{ regex = 'my notes on (?P<value>\\w+)' }}], ask = "Notes on what?" }}

[servers.notes.tools.fail]
risk = "reads"

[servers.notes.tools.sleep]
risk = "reads"
seconds = 0.3

[servers.notes.tools.stop]
risk = "reads"

[servers.notes.tools.flood]
risk = "reads"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp")


@pytest.fixture(scope="module")
def agent(folder: Path) -> Iterator[Agent]:
    """An agent with the notes server, started once."""
    path = folder / "mcp.toml"
    path.write_text(FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE", str(folder / "trace"))
        patch.setenv("COLLEGIUM_HOME", str(folder / "home"))
        registry, servers = ToolRegistry(), McpServers(read_servers(path))
        states = servers.connect(registry)
        assert [(state.name, len(state.tools), state.error) for state in states] == [("notes", 6, "")]
        members = [member("medical", FakeSkill("medical"))]
        college = College(
            members, lambda: WordRouter(["medical"]), tools=lambda: registry, close=servers.close
        )
        with Agent(college, sessions=folder / "sessions.sqlite") as agent:
            yield agent
    assert "starting" in (folder / "home" / "logs" / "mcp-notes.log").read_text()


def call(tool: str, **arguments: object) -> Plan:
    return Plan((Step("tools", tool=tool, arguments=arguments),))


def test_a_question_finds_its_tool(agent: Agent) -> None:
    answer = agent.ask("what is in my notes on leases?")
    assert answer.text == "3 notes on leases, for ann\nSource: MCP server 'notes'"
    assert answer.domains == ("tools",)
    assert answer.tools[0].name == "notes_find"
    assert agent.ask("calculate: my notes").text == "Notes on what?"
    assert agent.ask("weather").status == "declined"


def test_a_tool_is_called_by_name_with_checked_arguments(agent: Agent) -> None:
    assert agent.ask("go", plan=call("notes_find", text="x", limit=9)).text.startswith("9 notes on x")
    for arguments, problem in (({"limit": 99, "text": "x"}, "less than or equal to 9"), ({}, "'text'")):
        answer = agent.ask("go", plan=call("notes_find", **arguments))
        assert (answer.status, answer.reason) == ("clarify", "bad_argument")
        assert problem in answer.text


def test_what_the_file_does_not_name_writes_and_waits(agent: Agent, folder: Path) -> None:
    trace = folder / "trace"
    assert agent.ask("go", plan=call("notes_write", text="a"), session="s").awaiting is not None
    assert not trace.exists()
    assert agent.approve("s", True).text.startswith("Wrote a.")
    assert trace.read_text() == "a\n"
    assert {one.tool.name: one.risk for one in agent.tools}["notes_write"] == "writes"


def test_what_goes_wrong_is_told_and_the_server_is_there_again(agent: Agent) -> None:
    assert "no notes today" in agent.ask("go", plan=call("notes_fail")).text
    assert "no result within 0.3 seconds" in agent.ask("go", plan=call("notes_sleep")).text
    assert "[cut: 1,000,000 characters;" in agent.ask("go", plan=call("notes_flood")).text
    assert "The tool 'notes_stop' failed: MCP server 'notes'" in agent.ask("go", plan=call("notes_stop")).text
    assert agent.ask("go", plan=call("notes_find", text="x")).status == "answered"


def servers(path: Path, text: str) -> tuple[ServerState, ...]:
    path.write_text(text)
    return tuple(check_servers(read_servers(path)))


def test_servers_that_are_away_are_named(home: Path, tmp_path: Path) -> None:
    found = servers(
        tmp_path / "mcp.toml",
        f"""
        [servers.missing]
        command = ["no-such-program"]
        [servers.silent]
        command = [{json.dumps(sys.executable)}, "-c", "import time; time.sleep(60)"]
        start_seconds = 0.3
        [servers.broken]
        command = [{json.dumps(sys.executable)}, "-c", "print('hello')"]
        [servers.nowhere]
        url = "http://127.0.0.1:9/mcp"
        [servers.secret]
        url = "http://127.0.0.1:9/mcp"
        headers = {{ Authorization = "Bearer ${{NOT_SET}}" }}
        """,
    )
    errors = {state.name: state.error for state in found}
    assert "away" in errors["missing"]
    assert "no-such-program" in errors["missing"]
    assert errors["silent"] == "away: no answer within 0.3 seconds"
    assert "away" in errors["broken"]
    assert "away" in errors["nowhere"]
    assert "'NOT_SET' is not set" in errors["secret"]


def test_a_server_over_http(home: Path, tmp_path: Path) -> None:
    from tests.mcp.notes_server import server as notes

    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(notes.http_app(), log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        registry = ToolRegistry()
        path = tmp_path / "mcp.json"
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        tools = {"find": {"risk": "none"}, "lost": {}}
        path.write_text(json.dumps({"servers": {"web": {"url": url, "grants": ["law"], "tools": tools}}}))
        connected = McpServers(read_servers(path))
        (state,) = connected.connect(registry)
        assert state.error == "it has no tool 'lost'"
        assert registry.get("web_find", skill="law").invoke({"text": "x"}) == "3 notes on x, for nobody"
        with pytest.raises(UserError, match="granted to: law"):
            registry.get("web_find", skill="medical")
        connected.close()
    finally:
        running.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[servers.a]", "servers.a: Value error, expected either 'command' or 'url'"),
        ("[servers.a]\ncommand = ['x']\nurl = 'http://x'", "either 'command' or 'url'"),
        ("[servers.a]\nurl = 'file:///etc'", "servers.a.url"),
        ("[servers.a]\ncommand = ['x']\nrisks = 'none'", "servers.a.risks: Extra inputs"),
        ("[servers.a]\ncommand = ['x']\nrisk = 'some'", "servers.a.risk"),
        ("[servers.A-b]\ncommand = ['x']", "servers.A-b"),
        ("[servers.a]\ncommand = ['x']\ntools.t.unless = ['y']", "need 'triggers'"),
        ("[servers.a]\ncommand = ['x']\ntools.t.triggers = ['(']", "servers.a.tools.t.triggers"),
        ("[servers", "mcp.toml"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mcp.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"mcp\.toml'.*{message}|{message}"):
        Agent.from_settings(mcp=path)
    with pytest.raises(DataError, match=r"COLLEGIUM_MCP: .*gone\.toml' cannot be read"):
        Agent.from_settings(mcp=tmp_path / "gone.toml")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mcp.toml"
    path.write_text("[servers.a]\ncommand = ['x']")
    monkeypatch.setattr("agent.mcp.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'collegium\[mcp\]'"):
        Agent.from_settings(mcp=path)


def test_a_server_that_is_an_agent_starts_no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mcp.toml"
    path.write_text("[servers.a]\ncommand = ['x']")
    assert list(read_servers(path)) == ["a"]
    monkeypatch.setenv(INSIDE, "1")
    assert read_servers(path) == {}


def test_doctor_and_domains_say_what_is_there(
    home: Path, real_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    monkeypatch.delenv("TRACE", raising=False)
    (home / "mcp.toml").write_text(FILE + "[servers.missing]\ncommand = ['no-such-program']\n")
    checks = {one["name"]: one for one in json.loads(real_run("doctor", "--json").out)}
    assert checks["mcp notes"]["state"] == "warning"
    assert "'TRACE' is not set" in checks["mcp notes"]["detail"]
    assert checks["mcp missing"]["state"] == "warning"
    rows = {row["name"]: row for row in json.loads(real_run("domains", "--json").out)}
    assert (rows["missing"]["status"], rows["medical"]["status"]) == ("broken", "ok")
    assert "MCP server missing:" in real_run("domains").out


def test_schemas_become_models() -> None:
    model = arguments_model(
        "t",
        {
            "properties": {
                "n": {"type": "number", "minimum": 0, "description": "How many"},
                "kind": {"enum": ["a", "b"]},
                "many": {"type": "array", "items": {"type": "integer"}},
                "any": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "schema": {"type": "string"},
            },
            "required": ["n", "kind"],
        },
    )
    given = model.model_validate({"n": 1, "kind": "a", "many": [1], "any": {"x": 1}, "schema": "s"})
    assert given.model_dump(exclude_unset=True)["many"] == [1]
    assert model.model_fields["n"].description == "How many"
    for wrong in ({"n": -1, "kind": "a"}, {"n": 1, "kind": "c"}, {"n": 1}, {"n": 1, "kind": "a", "x": 1}):
        with pytest.raises(ValueError, match="validation error"):
            model.model_validate(wrong)
    with pytest.raises(DataError, match="its arguments cannot be used"):
        arguments_model("t", {"properties": {"_private": {"type": "string"}}})
