"""Sessions: what a conversation keeps, over restarts, several processes, crashes and a damaged file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.app import Agent
from agent.turn import TurnOptions
from skills.errors import DataError, ModelError, UserError
from skills.records import SkillEvent, SkillRequest, Turn
from tests.agent.agent_fakes import FakeSkill, answered, make_agent

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


@pytest.fixture
def skill() -> FakeSkill:
    return FakeSkill("medical")


def agent_over(skill: FakeSkill, file: Path, history: int = 6) -> Agent:
    return make_agent({"medical": skill}, file, history=history)


def test_a_session_survives_the_agent(skill: FakeSkill, file: Path) -> None:
    with agent_over(skill, file) as agent:
        assert agent.ask("medical one", session="s").session == "s"
    with agent_over(skill, file) as agent:
        agent.ask("medical two", session="s")
        assert agent.turns("s") == (
            Turn("user", "medical one"),
            Turn("assistant", "medical says medical one"),
            Turn("user", "medical two"),
            Turn("assistant", "medical says medical two"),
        )
    assert skill.requests[0].history == ()
    assert [turn.text for turn in skill.requests[1].history] == ["medical one", "medical says medical one"]


def test_skills_see_the_last_messages_only(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file, history=2)
    for number in range(3):
        agent.ask(f"medical {number}", session="s")
    assert [turn.text for turn in skill.requests[-1].history] == ["medical 1", "medical says medical 1"]
    assert len(agent.turns("s")) == 6


def test_without_a_session_nothing_is_left(skill: FakeSkill, file: Path) -> None:
    with agent_over(skill, file) as agent:
        agent.ask("medical one")
        agent.ask("medical two")
        assert skill.requests[1].history == ()
        assert agent.sessions() == []
    assert not file.parent.exists()


def test_sessions_belong_to_their_user(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    agent.ask("medical of ann", session="s", user="ann")
    agent.ask("medical of an/n", session="s", user="an/n")
    agent.ask("medical of nobody", session="ann/s")
    assert [(info.name, info.turns, info.first) for info in agent.sessions("ann")] == [
        ("s", 1, "medical of ann")
    ]
    assert [info.first for info in agent.sessions("an/n")] == ["medical of an/n"]
    assert [info.name for info in agent.sessions()] == ["ann/s"]
    assert agent.sessions("an") == []
    assert [turn.text for turn in agent.turns("s", "ann")][:1] == ["medical of ann"]


def test_sessions_are_listed_last_used_first_and_deleted(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    for name in ("a", "b", "a"):
        agent.ask(f"medical {name}", session=name)
    assert [(info.name, info.turns) for info in agent.sessions()] == [("a", 2), ("b", 1)]
    agent.delete_session("a")
    assert [info.name for info in agent.sessions()] == ["b"]
    for missing in (agent.turns, agent.delete_session):
        with pytest.raises(UserError, match="no session 'a'; known: 'b'"):
            missing("a")
    agent.ask("medical again", session="a")
    assert len(agent.turns("a")) == 2


def test_a_deleted_session_is_erased_from_the_files(skill: FakeSkill, file: Path) -> None:
    def stored() -> bytes:
        return b"".join(path.read_bytes() for path in file.parent.iterdir() if path.is_file())

    with agent_over(skill, file) as agent:
        agent.ask("medical secret one", session="s")
        agent.ask("medical secret two", session="s")
        assert b"secret one" in stored()
        agent.delete_session("s")
        assert b"secret" not in stored()


def test_looking_does_not_make_a_file(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    assert agent.sessions() == []
    with pytest.raises(UserError, match="no session 'x'; known: none"):
        agent.turns("x")
    assert not file.exists()


def test_a_failed_turn_is_not_remembered(file: Path) -> None:
    def script(request: SkillRequest) -> list[SkillEvent]:
        if "bad" in request.question:
            raise ModelError("the engine stopped")
        return answered("medical", "fine")

    agent = agent_over(FakeSkill("medical", script), file)
    with pytest.raises(ModelError):
        agent.ask("medical bad", session="s")
    assert agent.sessions() == []
    agent.ask("medical good", session="s")
    with pytest.raises(ModelError):
        agent.ask("medical bad", session="s")
    agent.ask("medical better", session="s")
    assert [turn.text for turn in agent.turns("s") if turn.role == "user"] == [
        "medical good",
        "medical better",
    ]


def test_a_long_session_keeps_one_state(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    for number in range(4):
        agent.ask(f"medical {number}", session="s")
    agent.graph.invoke(
        {"question": "medical by graph"},
        {"configurable": {"thread_id": "local/s"}},
        context=TurnOptions(),
        durability="sync",
    )
    agent.close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM writes").fetchone() == (0,)
    assert len(agent.turns("s")) == 10


@pytest.mark.parametrize(
    "content", [b"this is not a database, " * 200, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_file_is_kept_and_named(skill: FakeSkill, file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    agent = agent_over(skill, file)
    assert agent.ask("medical without session").status == "answered"
    for attempt in (lambda: agent.ask("medical", session="s"), agent.sessions, lambda: agent.turns("s")):
        with pytest.raises(DataError, match=r"sessions\.sqlite' is damaged .*mv .*sessions\.sqlite\.damaged"):
            attempt()
    assert file.read_bytes() == content


def test_damaged_content_is_reported_too(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    agent.ask("medical", session="s")
    agent.close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE checkpoints SET checkpoint = x'c1c1c1'")
    with pytest.raises(DataError, match="is damaged"):
        agent.turns("s")


@pytest.mark.parametrize(
    ("user", "whose"), [(None, ""), ("ann o'", r" --user 'ann o'\"'\"''")], ids=["local", "named"]
)
def test_a_damaged_session_leaves_the_others_alone(
    skill: FakeSkill, file: Path, user: str | None, whose: str
) -> None:
    with agent_over(skill, file) as agent:
        for name in ("whole", "broken one"):
            agent.ask("medical", session=name, user=user)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE checkpoints SET checkpoint = x'c1c1c1' WHERE thread_id LIKE '%broken one'")
    with agent_over(skill, file) as agent:
        message = rf"session 'broken one' in file .*collegium sessions delete 'broken one'{whose}$"
        for attempt in (agent.turns, lambda name, user: agent.ask("medical", session=name, user=user)):
            with pytest.raises(DataError, match=message):
                attempt("broken one", user)
        assert agent.ask("medical again", session="whole", user=user).status == "answered"
        listed = {info.name: bool(info.error) for info in agent.sessions(user)}
        assert listed == {"whole": False, "broken one": True}
        agent.delete_session("broken one", user)
        assert [info.name for info in agent.sessions(user)] == ["whole"]


def test_a_place_that_cannot_be_written_is_named(skill: FakeSkill, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file, not a folder")
    agent = agent_over(skill, tmp_path / "plain" / "sessions.sqlite")
    with pytest.raises(DataError, match=r"session file .*plain/sessions\.sqlite"):
        agent.ask("medical", session="s")


def test_a_file_that_another_process_holds_is_an_error(
    skill: FakeSkill, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.memory.BUSY_SECONDS", 0.05)
    agent = agent_over(skill, file)
    agent.ask("medical before", session="s")
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match=r"sessions\.sqlite' is in use by another process; try again"):
        agent.ask("medical blocked", session="s")
    other.close()
    agent.ask("medical after", session="s")
    assert [turn.text for turn in agent.turns("s") if turn.role == "user"] == [
        "medical before",
        "medical after",
    ]


def test_threads_share_a_session_without_loss(skill: FakeSkill, file: Path) -> None:
    agent = agent_over(skill, file)
    threads = [
        threading.Thread(target=agent.ask, args=(f"medical {number}",), kwargs={"session": f"s{number % 2}"})
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(info.turns for info in agent.sessions()) == [3, 3]


PROCESS = """
import signal
import sys
from pathlib import Path
from tests.agent.agent_fakes import FakeSkill, Endless, make_agent

# Ctrl-C is ignored by what a shell starts in the background, and so by the children of that.
signal.signal(signal.SIGINT, signal.default_int_handler)
kind, file, name = sys.argv[1:]
endless = Endless()
endless.on = kind == "endless"
agent = make_agent({"medical": FakeSkill("medical", endless)}, Path(file))
if kind == "endless":
    for event in agent.stream("medical of " + name, session="s"):
        print(event.kind, flush=True)
else:
    for number in range(4):
        agent.ask(f"medical {number} of {name}", session="s")
"""


def process(kind: str, file: Path, name: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROCESS, kind, str(file), name]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_processes_share_a_session_without_loss(skill: FakeSkill, file: Path) -> None:
    processes = [process("four", file, name) for name in ("ann", "bob")]
    assert [one.wait() for one in processes] == [0, 0]
    asked = {turn.text for turn in agent_over(skill, file).turns("s") if turn.role == "user"}
    assert asked == {f"medical {number} of {name}" for number in range(4) for name in ("ann", "bob")}


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_process_loses_its_turn_only(skill: FakeSkill, file: Path, kill: signal.Signals) -> None:
    agent = agent_over(skill, file)
    agent.ask("medical before", session="s")
    killed = process("endless", file, "ann")
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.strip() == "token":
            break
    killed.send_signal(kill)
    assert killed.wait() == -kill
    agent.ask("medical after", session="s")
    assert [turn.text for turn in agent.turns("s") if turn.role == "user"] == [
        "medical before",
        "medical after",
    ]


def test_a_renamed_session_goes_on_under_its_new_name(skill: FakeSkill, file: Path) -> None:
    with agent_over(skill, file) as agent:
        agent.ask("medical one", session="draft")
        agent.rename_session("draft", "knee")
        agent.ask("medical two", session="knee")
        assert [info.name for info in agent.sessions()] == ["knee"]
        assert len(agent.turns("knee")) == 4
        with pytest.raises(UserError, match="no session 'draft'"):
            agent.turns("draft")


def test_a_fork_goes_its_own_way(skill: FakeSkill, file: Path) -> None:
    with agent_over(skill, file) as agent:
        agent.ask("medical one", session="a")
        agent.fork_session("a", "b")
        agent.ask("medical of a", session="a")
        agent.ask("medical of b", session="b")
    with agent_over(skill, file) as agent:
        assert [turn.text for turn in agent.turns("a")][::2] == ["medical one", "medical of a"]
        assert [turn.text for turn in agent.turns("b")][::2] == ["medical one", "medical of b"]
        agent.delete_session("a")
        assert len(agent.turns("b")) == 4


@pytest.mark.parametrize(
    ("new", "message"), [("b", "there is a session 'b' already"), ("a", "has that name"), ("", "1 to 200")]
)
def test_a_name_that_cannot_be_had_is_refused(skill: FakeSkill, file: Path, new: str, message: str) -> None:
    with agent_over(skill, file) as agent:
        agent.ask("medical one", session="a")
        agent.ask("medical two", session="b")
        for change in (agent.rename_session, agent.fork_session):
            with pytest.raises(UserError, match=message):
                change("a", new)
            with pytest.raises(UserError, match="no session 'lost'"):
                change("lost", "c")
        assert {info.name: info.turns for info in agent.sessions()} == {"a": 1, "b": 1}


def test_no_secret_of_a_user_reaches_another(skill: FakeSkill, file: Path) -> None:
    """Each of 20 users tells the agent a secret in each of 50 turns; nothing reaches another."""
    users = [f"user-{number}" for number in range(20)]
    with agent_over(skill, file, history=6) as agent:
        for turn in range(50):
            for user in users:
                agent.ask(f"medical secret-of-{user}. turn {turn}", session="s", user=user)
                seen = " ".join(old.text for old in skill.requests[-1].history)
                assert all(f"secret-of-{other}." not in seen for other in users if other != user)
                assert (f"secret-of-{user}." in seen) == (turn > 0)
        for user in users:
            told = " ".join(turn.text for turn in agent.turns("s", user))
            assert {name for name in users if f"secret-of-{name}." in told} == {user}


def test_no_fact_of_a_user_reaches_another(skill: FakeSkill, file: Path) -> None:
    """1,000 turns of 20 users, each with a plan, a medicine and a place that no other gets to see."""
    users = [f"<user-{number}>" for number in range(20)]
    places = ("China", "Germany", "France", "Canada", "Japan")
    homes = {user: places[number % len(places)] for number, user in enumerate(users)}
    with agent_over(skill, file) as agent:
        for user in users:
            agent.ask(f"Remember that my medical plan is secret{user}.", session="s", user=user)
            agent.remember(f"I take drug{user}", user=user, domain="medical")
            agent.remember(f"I live in {homes[user]}", user=user)
        for turn in range(50):
            asked = ("my plan", "my medicine", "a plan")[turn % 3]
            for user in users:
                answer = agent.ask(f"what is medical about {asked}?", user=user)
                request = skill.requests[-1]
                seen = f"{request} {answer}"
                assert not [other for other in users if other != user and other in seen]
                assert (user in request.search_query) == (asked != "a plan")
                assert request.place == homes[user]
        agent.forget_all(users[0])
        agent.ask("what is medical about my plan?", user=users[0])
        assert (skill.requests[-1].search_query, skill.requests[-1].place) == ("", "")
        assert all(len(agent.facts(user)) == 3 for user in users[1:])
