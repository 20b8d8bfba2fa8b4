"""Tools that change things: asked about first, made once or never, whatever happens to the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tool_fakes import by_name, calls, tool_agent

from skills.errors import UserError
from skills.records import Turn

ROOT = Path(__file__).parents[2]


def process(folder: Path, what: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "tests.agent.tool_fakes", str(folder), what]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_it_waits_and_runs_once_when_approved(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    answer = agent.ask("save milk", session="s")
    waiting = answer.awaiting
    assert waiting is not None
    assert (answer.status, answer.reason) == ("clarify", "approval")
    assert 'save(text="milk")' in answer.text
    assert (waiting.tool, waiting.arguments, waiting.domain) == ("save", {"text": "milk"}, "tools")
    assert answer.to_json()["awaiting"]["id"] == waiting.id
    assert agent.awaiting("s") == waiting
    assert calls(tmp_path) == []

    done = agent.approve("s", True, call=waiting.id)
    assert (done.status, done.text, done.awaiting) == ("answered", "Saved milk.", None)
    assert done.tools[0].values == {"text": "milk"}
    assert calls(tmp_path) == ["milk"]
    assert agent.turns("s") == (
        Turn("user", "save milk"),
        Turn("assistant", answer.text),
        Turn("user", "yes"),
        Turn("assistant", "Saved milk."),
    )
    with pytest.raises(UserError, match="no tool call waits for approval in session 's'"):
        agent.approve("s", True)
    assert calls(tmp_path) == ["milk"]


def test_a_yes_to_it_is_none_to_an_offer(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    assert agent.ask("I am allergic to nuts. Is medical help needed?", session="other").offer
    answer = agent.ask("I am allergic to nuts. Please save milk?", session="s")
    assert (answer.offer, answer.awaiting is None) == ("", False)
    agent.ask("yes", session="s")
    assert agent.facts() == []


def test_a_refused_call_never_runs(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save milk", session="s")
    answer = agent.approve("s", False)
    assert (answer.status, answer.reason) == ("declined", "refused")
    assert answer.text == 'It was not run: save(text="milk")'
    with pytest.raises(UserError, match="no tool call waits"):
        agent.approve("s", True)
    assert calls(tmp_path) == []


def test_another_question_withdraws_it(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save milk", session="s")
    assert agent.ask("medical advice", session="s").status == "answered"
    assert agent.awaiting("s") is None
    with pytest.raises(UserError, match="no tool call waits"):
        agent.approve("s", True)
    assert calls(tmp_path) == []


def test_an_approval_is_for_the_call_it_names(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    first = agent.ask("save milk", session="s").awaiting
    second = agent.ask("save bread", session="s").awaiting
    assert first is not None
    assert second is not None
    with pytest.raises(UserError, match=rf"no call '{first.id}' waits .* waiting: '{second.id}', 'save'"):
        agent.approve("s", True, call=first.id)
    agent.approve("s", True, call=second.id)
    assert calls(tmp_path) == ["bread"]


def test_a_missing_argument_is_asked_for_first(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    answer = agent.ask("calculate: save", session="s")
    assert (answer.text, answer.awaiting) == ("Save what?", None)
    answer = agent.ask("tools", session="s", plan=by_name("save"))
    assert (answer.status, answer.awaiting) == ("clarify", None)
    assert "expected a value for 'text'" in answer.text


def test_without_a_session_nobody_can_approve(tmp_path: Path) -> None:
    answer = tool_agent(tmp_path).ask("save milk")
    assert (answer.status, answer.reason, answer.awaiting) == ("declined", "needs_approval", None)
    assert calls(tmp_path) == []


def test_a_history_of_the_caller_does_not_run_it_either(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    history = [Turn("user", "save milk"), Turn("assistant", "May I?")]
    assert agent.ask("yes", history=history).status != "answered"
    assert calls(tmp_path) == []


def test_a_copied_session_does_not_make_the_call_again(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save milk", session="s")
    agent.fork_session("s", "copy")
    assert agent.awaiting("copy") is None
    with pytest.raises(UserError, match="no tool call waits"):
        agent.approve("copy", True)
    agent.delete_session("s")
    agent.rename_session("copy", "s")
    with pytest.raises(UserError, match="no tool call waits"):
        agent.approve("s", True)
    assert agent.ask("medical advice", session="s").status == "answered"
    assert calls(tmp_path) == []


def test_a_renamed_session_still_waits(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save milk", session="s")
    agent.rename_session("s", "t")
    assert agent.approve("t", True).text == "Saved milk."
    assert calls(tmp_path) == ["milk"]


def test_it_waits_through_the_end_of_the_process(tmp_path: Path) -> None:
    assert process(tmp_path, "ask").wait() == -signal.SIGKILL
    assert calls(tmp_path) == []
    assert process(tmp_path, "approve").communicate()[0] == "Saved it.\n"
    assert calls(tmp_path) == ["it"]


def test_a_call_that_was_cut_off_is_not_made_again(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save it", session="s")
    assert process(tmp_path, "die").wait() == -signal.SIGKILL
    assert calls(tmp_path) == ["it"]
    waiting = agent.awaiting("s")
    assert waiting is not None
    assert waiting.started
    answer = agent.approve("s", True)
    assert (answer.status, answer.reason) == ("declined", "unknown_outcome")
    assert "is not run again" in answer.text
    assert calls(tmp_path) == ["it"]
    assert agent.awaiting("s") is None
    assert agent.ask("medical advice", session="s").status == "answered"


def test_two_processes_that_approve_make_one_call(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    agent.ask("save it", session="s")
    both = [process(tmp_path, "approve") for _ in range(2)]
    texts = sorted(one.communicate()[0] for one in both)
    assert texts == ["", "Saved it.\n"]
    assert calls(tmp_path) == ["it"]
