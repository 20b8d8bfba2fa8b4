"""Tools that raise, hang, return too much or call the agent: the turn goes on, and says so."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from tool_fakes import by_name, hanging, made, tool_agent

from agent.app import Agent
from agent.plan import Plan, Step
from skills.errors import UserError
from skills.tool_runs import LONGEST_RESULT, MOST_RUNNING
from tests.agent.agent_fakes import FakeSkill, calculating, make_agent


def raising() -> tuple[str, dict[str, object]]:
    raise RuntimeError("boom")


def exiting() -> tuple[str, dict[str, object]]:
    raise SystemExit(3)


def large() -> tuple[str, dict[str, object]]:
    return "x" * 1_000_000, {"small": 1, "large": "y" * 1_000_000}


def odd() -> tuple[str, dict[str, object]]:
    return "odd", {"nan": float("nan"), "object": object(), "fine": [1, 2]}


@pytest.mark.parametrize(("function", "why"), [(raising, "RuntimeError('boom')"), (exiting, "SystemExit(3)")])
def test_what_a_tool_raises_is_told(tmp_path: Path, function: object, why: str) -> None:
    agent = tool_agent(tmp_path, made("odd", function))  # type: ignore[arg-type]
    answer = agent.ask("run it", plan=by_name("odd"), session="s")
    assert (answer.status, answer.reason) == ("declined", "tool_failed")
    assert answer.text == f"The tool 'odd' failed: {why}"
    assert [call.error for call in answer.tools] == [why]
    assert agent.ask("medical question", session="s").status == "answered"
    assert len(agent.turns("s")) == 4


def test_a_tool_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    release = threading.Event()
    agent = tool_agent(tmp_path, hanging(release), seconds=0.05)
    try:
        for _ in range(MOST_RUNNING):
            answer = agent.ask("run it", plan=by_name("hang"))
            assert answer.text == "The tool 'hang' failed: no result within 0.05 seconds"
        answer = agent.ask("run it", plan=by_name("hang"))
        assert f"{MOST_RUNNING} calls of it have not come back" in answer.text
    finally:
        release.set()


def test_a_result_that_is_too_long_is_cut_and_says_so(tmp_path: Path) -> None:
    answer = tool_agent(tmp_path, made("large", large)).ask("run it", plan=by_name("large"))
    assert answer.status == "answered"
    assert len(answer.text) == LONGEST_RESULT
    assert answer.text.endswith("x [cut: 1,000,000 characters; without 1 of 2 values] …")
    assert answer.tools[0].values == {"small": 1}


def test_values_that_json_cannot_hold_become_texts(tmp_path: Path) -> None:
    answer = tool_agent(tmp_path, made("odd", odd)).ask("run it", plan=by_name("odd"))
    row = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    assert row["tools"][0]["values"]["nan"] == "nan"
    assert row["tools"][0]["values"]["fine"] == [1, 2]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("tools", tool="nothing"), "no tool 'nothing'; known: odd, save"),
        (Step("medical", tool="nothing"), "no tool 'nothing'; known: odd, save"),
        (Step("medical", arguments={"x": 1}), "the plan gives 'medical' arguments, but no tool"),
    ],
)
def test_a_plan_names_tools_that_are_there(tmp_path: Path, step: Step, message: str) -> None:
    agent = tool_agent(tmp_path, made("odd", odd))
    with pytest.raises(UserError, match=message):
        agent.ask("run it", plan=Plan((step,)))
    with pytest.raises(UserError, match="takes no passages"):
        agent.ask("run it", plan=by_name("odd"), passages=[{"id": "1", "text": "t"}])


def test_arguments_that_do_not_fit_are_asked_back(tmp_path: Path) -> None:
    def double(number: float) -> tuple[str, dict[str, object]]:
        return f"{number * 2:g}", {}

    agent = tool_agent(tmp_path, made("double", double))
    assert agent.ask("run", plan=by_name("double", number="4")).text == "8"
    assert "number: got 'four'" in agent.ask("run", plan=by_name("double", number="four")).text
    answer = agent.ask("run", plan=by_name("double", number=1, colour="red"))
    assert (answer.status, answer.reason) == ("clarify", "bad_argument")
    assert answer.text == "double has no argument 'colour'; it has: number."


def test_a_complete_calculation_that_no_domain_owns_goes_to_its_calculator(tmp_path: Path) -> None:
    agent = make_agent({"medical": FakeSkill("medical", calculating)}, tmp_path / "sessions.sqlite")
    answer = agent.ask("BMI of 80 kg and 180 cm")
    assert (answer.status, answer.domains, answer.text) == ("answered", ("medical",), "BMI is 24.7.")
    assert agent.ask("BMI of 80 kg").reason == "out_of_scope"


def asking(agents: list[Agent], name: str, session: str | None) -> object:
    def ask() -> tuple[str, dict[str, object]]:
        return agents[0].ask("again", plan=by_name(name), session=session).text, {}

    return made(name, ask)


def test_tools_that_ask_the_agent_in_each_other_come_to_an_end(tmp_path: Path) -> None:
    agents: list[Agent] = []
    agent = tool_agent(tmp_path, asking(agents, "loop", None))  # type: ignore[arg-type]
    agents.append(agent)
    answer = agent.ask("run it", plan=by_name("loop"))
    assert "The tool 'loop' failed: a tool asked the agent, whose tool asked the agent" in answer.text


def test_a_tool_cannot_wait_for_its_own_session(tmp_path: Path) -> None:
    agents: list[Agent] = []
    agent = tool_agent(tmp_path, asking(agents, "loop", "s"))  # type: ignore[arg-type]
    agents.append(agent)
    answer = agent.ask("run it", plan=by_name("loop"), session="s")
    assert "session 's' is held by the turn whose tool asks" in answer.text


def test_an_approved_tool_that_fails_is_told(tmp_path: Path) -> None:
    agent = tool_agent(tmp_path)
    (tmp_path / "trace").mkdir()
    agent.ask("save milk", session="s")
    answer = agent.approve("s", True)
    assert answer.reason == "tool_failed"
    assert "The tool 'save' failed: IsADirectoryError" in answer.text
