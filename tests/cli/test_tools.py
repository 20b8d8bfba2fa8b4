"""Tools from the terminal: called by name, and asked about when they change things."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from agent.app import Agent
from agent.cli.chat import Chat, read_call
from agent.cli.render import TurnView
from skills.errors import UserError
from tests.agent.tool_fakes import calls, made, tool_agent
from tests.cli.conftest import Run


def double(number: float) -> tuple[str, dict[str, object]]:
    return f"{number * 2:g}", {}


def talk(agent: Agent, *lines: str, confirm: Callable[[], bool], session: str = "s") -> str:
    rest = iter(lines)

    def read() -> str:
        try:
            return next(rest)
        except StopIteration:
            raise EOFError from None

    out = StringIO()
    chat = Chat(agent, TurnView(Console(file=out, width=200)), read, session=session, confirm=confirm)
    chat.resume()
    chat.run()
    return out.getvalue()


def no() -> bool:
    return False


def interrupted() -> bool:
    raise KeyboardInterrupt


def test_a_tool_is_called_by_name(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path, made("double", double))
    out = talk(
        agent,
        "/tool",
        "/tool double number=21",
        "/tool double",
        "/tool nothing",
        "/tool double 21",
        confirm=no,
    )
    assert "  save                    A tool.\n  double                  A tool." in out
    assert "double(number=21): 42" in out
    assert "expected a value for 'number'" in out
    assert "error: no tool 'nothing'; known: double, save" in out
    assert "error: '21' is no key=value" in out


@pytest.mark.parametrize("confirm", [no, interrupted])
def test_a_call_that_changes_things_is_shown_and_not_made(
    tmp_path: Path, confirm: Callable[[], bool]
) -> None:
    agent = tool_agent(tmp_path)
    out = talk(agent, "save milk", "medical question", confirm=confirm)
    assert 'May I run save(text="milk")?' in out
    assert 'It was not run: save(text="milk")' in out
    assert "medical says medical question" in out
    assert calls(tmp_path) == []
    assert agent.awaiting("s") is None


def test_a_yes_makes_it(tmp_path: Path) -> None:
    out = talk(tool_agent(tmp_path), '/tool save text="fresh milk"', confirm=lambda: True)
    assert "Saved fresh milk." in out
    assert calls(tmp_path) == ["fresh", "milk"]


def test_a_session_that_waits_asks_again(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save milk", session="s")
    agent.ask("save bread", session="t")
    out = talk(agent, "/session t", confirm=lambda: True)
    assert 'This session waits with save(text="milk").' in out
    assert "Saved bread." in out
    assert sorted(calls(tmp_path)) == ["bread", "milk"]


def test_scripts_decline(tmp_path: Path, real_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Agent, "from_settings", classmethod(lambda cls, *_, **__: tool_agent(tmp_path)))
    assert "It was not run" in real_run("ask", "save milk", "--session", "s").out
    row = json.loads(real_run("ask", "save milk", "--session", "s", "--json").out)
    assert (row["status"], row["reason"], row["awaiting"]) == ("declined", "refused", None)
    questions, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    questions.write_text(
        '{"id": 1, "question": "save milk", "session": "s"}\n{"id": 2, "question": "save it"}\n'
    )
    assert real_run("ask", "--in", questions, "--out", answers).code == 0
    reasons = [json.loads(line)["reason"] for line in answers.read_text().splitlines()]
    assert reasons == ["refused", "needs_approval"]
    assert "It was not run" in real_run("chat", stdin="save milk\nyes\n").out
    assert calls(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bmi weight=80 height=1.8", ("bmi", {"weight": 80, "height": 1.8})),
        (
            """f a='two words' b=[1,2] c="x=y" d=""",
            ("f", {"a": "two words", "b": [1, 2], "c": "x=y", "d": ""}),
        ),
    ],
)
def test_reading_a_call(text: str, expected: object) -> None:
    assert read_call(text) == expected


@pytest.mark.parametrize("text", ["", "f a", "f =1", "f a=1 a=2", "f a='open"])
def test_what_is_no_call(text: str) -> None:
    with pytest.raises(UserError, match="expected: /tool NAME"):
        read_call(text)
