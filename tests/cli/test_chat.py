"""``collegium chat``: through a pipe, with a scripted reader, and in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from agent.cli.chat import Chat, new_session
from agent.cli.render import TurnView
from agent.events import Event, Routed
from skills.records import Token
from tests.cli.conftest import Run
from tests.fake_agent import DOMAINS, fake_agent

ROOT = Path(__file__).parents[2]


def test_a_piped_conversation_is_plain_lines_and_is_remembered(run: Run) -> None:
    result = run("chat", "--session", "s", stdin="metformin?\n\nand \\\nmore?\n/quit\nnever asked\n")
    assert result.code == 0
    assert result.out.count("Medical:") == 2
    assert "Asked before: 0." in result.out
    assert "Asked before: 1." in result.out
    assert result.out.count("This is not medical advice.") == 1
    assert "\x1b" not in result.out
    assert "and \nmore?" in run("sessions", "show", "s").out


def test_a_bad_turn_does_not_end_the_conversation(run: Run) -> None:
    result = run("chat", stdin=f"crash\nbug\n{'x' * 100_000}\nmetformin?\n")
    assert result.code == 0
    assert "error: the engine stopped; run: collegium doctor" in result.out
    assert "error: unexpected ZeroDivisionError: a bug" in result.out
    assert "100,000 characters" in result.out
    assert "Asked before: 0." in result.out


def test_commands(run: Run) -> None:
    run("ask", "metformin?", "--session", "older")
    typed = ("/help", "/sources", "/plan", "/skills", "metformin?", "/sources", "/plan", "/session")
    typed += ("/session other", "/session", "/new", "/nonsense")
    out = run("chat", "--session", "s", stdin="\n".join(typed)).out
    assert "Alt-Enter" in out
    assert "There is no answer yet." in out
    assert "medical     Medicines and diseases." in out
    assert "    metformin#side-effects\n    “Metformin often causes nausea and diarrhoea.”" in out
    assert "medical     your question" in out
    assert "session s\n  older\n" in out
    assert "session other\n" in out
    assert "session chat-" in out
    assert "unknown command '/nonsense'; known: /help" in out


def test_an_unknown_domain_is_an_error(run: Run) -> None:
    result = run("chat", "--domain", "astrology", stdin="hi\n")
    assert (result.code, "unknown domain 'astrology'" in result.err) == (2, True)


def scripted(*lines: str | type[BaseException]) -> Callable[[], str]:
    """A reader that gives the lines, then the end of the input."""
    rest = iter(lines)

    def read() -> str:
        line = next(rest, EOFError)
        if isinstance(line, str):
            return line
        raise line

    return read


def test_ctrl_c_stops_an_answer_and_closes_its_events() -> None:
    class Interrupted:
        closed = False

        def stream(self, text: str, *, session: str | None, domain: str | None) -> Iterator[Event]:
            try:
                yield Routed(("medical",), {"medical": 1.0}, 0.1)
                yield Token("half an ans", "medical")
                raise KeyboardInterrupt
            finally:
                self.closed = True

    agent, output = Interrupted(), StringIO()
    view = TurnView(Console(file=output, force_terminal=True, width=60), DOMAINS)
    # Ctrl-C at the prompt does not end the conversation either.
    Chat(
        agent, view, scripted("question", KeyboardInterrupt, "/skills"), session="s", skills=["the skills"]
    ).run()
    text = output.getvalue()
    assert agent.closed
    assert (
        text.index("half an ans")
        < text.index("(stopped")
        < text.index("/quit ends")
        < text.index("the skills")
    )


def test_a_terminal_gets_a_panel_for_tools_and_no_broken_words(tmp_path: Path) -> None:
    output = StringIO()
    view = TurnView(Console(file=output, force_terminal=True, width=30, color_system=None), DOMAINS)
    with fake_agent(tmp_path / "sessions.sqlite") as agent:
        Chat(agent, view, scripted("calculate it", "metformin?"), session="s").run()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output.getvalue())
    assert "╭─ bmi(weight=80) ─" in text
    assert "│ bmi = 24.7" in text
    assert "Metformin often causes nausea\nand diarrhoea [1]. Asked\nbefore: 1.\n" in text


def test_control_characters_of_a_store_do_not_reach_the_terminal(tmp_path: Path) -> None:
    output = StringIO()
    view = TurnView(Console(file=output, force_terminal=True, color_system=None), DOMAINS)
    passages = [
        {"id": "x\x1b[2J", "text": "Evil \x1b]0;title\x07\x1b[31mred\x1b[0m text.", "title": "\x1b[5mT"}
    ]
    with fake_agent(tmp_path / "sessions.sqlite") as agent:
        view.sources(view.show(agent.stream("anything?", passages=passages)))
    text = output.getvalue()
    assert "Evil ]0;titlered text" in text
    assert not re.search(r"\x1b\[(2J|31m|5m)|\x1b\]|\x07", text)


def test_new_sessions_have_names_of_their_own() -> None:
    assert len({new_session() for _ in range(50)}) > 1


class Terminal:
    """A command in a pseudo-terminal: type into it, wait for what it shows."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        self.shown = ""
        self.master, slave = pty.openpty()
        environment = {
            **os.environ,
            "COLLEGIUM_HOME": str(home),
            "TERM": "xterm",
            "COLUMNS": "100",
            "LINES": "40",
        }
        self.child = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: _controlling(slave),
        )
        os.close(slave)

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait_for(self, text: str, seconds: float = 120) -> str:
        """What was shown up to and with ``text``; that part is taken off."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} was not shown; shown: {self.shown[-2000:]!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode(errors="replace")
                except OSError:  # the program has ended
                    assert text in self.shown, f"{text!r} was not shown; shown: {self.shown[-2000:]!r}"
                if "\x1b[6n" in self.shown:  # a terminal answers when it is asked where the cursor is
                    self.shown = self.shown.replace("\x1b[6n", "")
                    self.type("\x1b[1;1R")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def end(self) -> int:
        """Close and give the exit code."""
        try:
            while select.select([self.master], [], [], 60)[0]:
                os.read(self.master, 65536)
        except OSError:
            pass
        return self.child.wait(60)


def _controlling(slave: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(home: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(list(arguments), home))
        return opened[-1]

    yield start
    for one in opened:
        one.child.send_signal(signal.SIGKILL)
        one.child.wait()
        os.close(one.master)


def test_a_conversation_in_a_terminal(terminal: Callable[..., Terminal], home: Path) -> None:
    screen = terminal("-m", "tests.fake_agent", "chat", "--session", "s")
    screen.wait_for("›")
    screen.type("What does metformin do?\r")
    screen.wait_for("Asked before: 0.")
    screen.wait_for("[1] Metformin: side effects")
    screen.wait_for("This is not medical advice.")
    screen.wait_for("›")

    screen.type("slow one\r")  # Ctrl-C stops the answer, not the program
    screen.wait_for("word2")
    screen.type("\x03")
    screen.wait_for("(stopped; this turn is not remembered)")
    screen.wait_for("›")

    screen.type("first line\\\rsecond line\x1b\rthird line\r")  # backslash and Alt-Enter
    screen.wait_for("Asked before: 1.")
    screen.wait_for("›")

    screen.type("\x04")  # Ctrl-D
    assert screen.end() == 0
    history = (home / "history").read_text()
    assert "+first line\n+second line\n+third line\n" in history


@pytest.mark.weights
def test_the_real_agent_in_a_terminal(terminal: Callable[..., Terminal], weights_home: Path) -> None:
    """Default weights, shipped packs: a routed answer with a citation, and one that is out of scope."""
    screen = terminal("-m", "agent.cli.main", "chat")
    screen.wait_for("›")
    screen.type("What are common side effects of metformin?\r")
    screen.wait_for("Medical:")
    assert re.search(r"nausea|diarrh", screen.wait_for("[1] "), re.IGNORECASE)
    screen.wait_for("›")
    screen.type("Who won the 1998 World Cup?\r")
    screen.wait_for("(declined: outside the installed domains)")
    screen.wait_for("›")
    screen.type("/quit\r")
    assert screen.end() == 0
