"""``collegium chat``: a conversation in the terminal, or line by line through a pipe.

    1 read      a line (more with Alt-Enter or a trailing backslash), or a /command
    2 answer    the agent's events go to the view; Ctrl-C stops the answer, never the program
    3 repeat    until /quit, Ctrl-D or the end of the input

Knows the keyboard and the commands. How a turn looks is the view's business, how it is made the agent's.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from agent.cli import memory
from agent.cli.render import TurnView, clean
from agent.events import Answer, Answered, Awaiting, Event
from agent.plan import TOOLS, Plan, Step
from skills.errors import CollegiumError, UserError
from skills.records import ToolCalled

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from agent.app import Agent
    from agent.tools import RegisteredTool

HELP = """\
Type a question. Alt-Enter, or a backslash at the end of the line, starts a new line.
Ctrl-C stops an answer, Ctrl-D ends the conversation.
  /skills          the domains that answer
  /sources         what the last answer rests on, with the quoted words
  /plan            who was asked what
  /tool            the tools; /tool NAME key=value ... calls one
  /session [NAME]  show the session, or go on with another one
  /new             start a new session
  /memory          what I remember about you
  /remember TEXT   remember that; /remember DOMAIN: TEXT for one domain only
  /forget ID       erase it
  /style [X=Y]     how you want to be answered, or change it
  /help            this text
  /quit            end the conversation"""
MEMORY = ("/memory", "/remember", "/forget", "/style")
COMMANDS = ("/help", "/skills", "/sources", "/plan", "/tool", "/session", "/new", *MEMORY, "/quit")


class Talker(Protocol):
    """What the conversation needs of ``agent.Agent``."""

    @property
    def tools(self) -> Sequence[RegisteredTool]: ...

    def stream(
        self, text: str, *, session: str | None, domain: str | None = None, plan: Plan | None = None
    ) -> Iterator[Event]: ...

    def awaiting(self, session: str) -> Awaiting | None: ...

    def approve(self, session: str, yes: bool, *, call: str | None) -> Answer: ...


class Chat:
    """One conversation.

    ``read`` gives the next input, raises EOFError at its end and KeyboardInterrupt on Ctrl-C.
    ``skills`` are the lines of /skills; ``known`` lists the stored sessions; ``memory`` runs one of MEMORY with the
    rest of its line and gives what to say. ``confirm`` asks whether a tool that changes things may run; without it
    nobody is there to ask, and none runs.
    """

    def __init__(
        self,
        agent: Talker,
        view: TurnView,
        read: Callable[[], str],
        *,
        session: str,
        domain: str | None = None,
        skills: Iterable[str] = (),
        known: Callable[[], Iterable[str]] = tuple,
        confirm: Callable[[], bool] = lambda: False,
        memory: Callable[[str, str], str] = lambda command, _: f"{command}: there is no memory here",
    ) -> None:
        self.agent = agent
        self.view = view
        self.session = session
        self.last: Answer | None = None
        self._read = read
        self._domain = domain
        self._skills = tuple(skills)
        self._known = known
        self._confirm = confirm
        self._memory = memory

    def run(self) -> None:
        """Talk until the user ends it."""
        while True:
            try:
                text = self._read().strip()
            except EOFError:
                return
            except KeyboardInterrupt:
                if self.view.plain:
                    raise
                self._say("Ctrl-D or /quit ends the conversation.")
                continue
            if not text:
                continue
            if text == "/quit":
                return
            try:
                if text.startswith("/"):
                    self._command(text)
                else:
                    self._turn(text)
            except CollegiumError as error:
                self.view.error(str(error))
            except Exception as error:  # one bad turn must not end a conversation
                if os.environ.get("COLLEGIUM_DEBUG") == "1":
                    raise
                self.view.error(f"unexpected {type(error).__name__}: {error} (COLLEGIUM_DEBUG=1 shows where)")

    def _turn(self, text: str, plan: Plan | None = None) -> None:
        whom: dict[str, Any] = {"domain": self._domain} if plan is None else {"plan": plan}
        events = self.agent.stream(text, session=self.session, **whom)
        try:
            self.last = self.view.show(events)
            if self.last.awaiting is not None:
                self._decide(self.last.awaiting)
        except KeyboardInterrupt:
            self._say("(stopped; this turn is not remembered)")
        finally:
            close = getattr(events, "close", None)  # a generator that is not read to its end stops its work
            if close is not None:
                close()
        self._say()

    def resume(self) -> None:
        """A session that was left with a tool call waiting: show it, and ask again."""
        from skills.tool_use import written

        if (waiting := self.agent.awaiting(self.session)) is not None:
            self._say(f"This session waits with {written(waiting.tool, waiting.arguments)}.")
            self._decide(waiting)

    def _decide(self, waiting: Awaiting) -> None:
        """Ask whether a call that waits may be made; no answer is a no."""
        try:
            yes = not waiting.started and self._confirm()
        except (EOFError, KeyboardInterrupt):
            yes = False
        answer = self.agent.approve(self.session, yes, call=waiting.id)
        self.last = self.view.show((*map(ToolCalled, answer.tools), Answered(answer)))

    def _tool(self, call: str) -> None:
        if call:
            name, arguments = read_call(call)
            self._turn(f"/tool {call}", Plan((Step(TOOLS, tool=name, arguments=arguments),)))
        else:
            lines = [f"  {one.tool.name:<24}{one.tool.description}" for one in self.agent.tools]
            self._say("\n".join(lines) or "there are no tools")

    def _command(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        rest = rest.strip()
        match name:
            case "/help":
                self._say(HELP)
            case "/skills":
                self._say("\n".join(self._skills) or "no domain is installed (see: collegium domains)")
            case "/sources":
                if self.last is None:
                    self._say("There is no answer yet.")
                else:
                    self.view.sources(self.last)
            case "/plan":
                self._say(self._plan())
            case "/tool":
                self._tool(rest)
            case "/session" if rest:
                self.session, self.last = rest, None
                self._say(f"session {rest}")
                self.resume()
            case "/session":
                others = [known for known in self._known() if known != self.session]
                self._say(f"session {self.session}" + "".join(f"\n  {known}" for known in others[:20]))
            case "/new":
                self.session, self.last = new_session(), None
                self._say(f"session {self.session}")
            case _ if name in MEMORY:
                self._say(self._memory(name, rest))
            case _:
                self._say(f"unknown command {name!r}; known: {' '.join(COMMANDS)}")

    def _plan(self) -> str:
        if self.last is None:
            return "There is no answer yet."
        steps = [
            f"  {step.domain:<12}{step.question or step.search_query or 'your question'}"
            f"{f' (after {step.needs})' if step.needs else ''}"
            for step in self.last.plan
        ]
        return "\n".join(steps) or f"  nobody was asked: {self.last.reason or 'no plan'}"

    def _say(self, text: str = "") -> None:
        self.view.console.print(clean(text), markup=False, highlight=False, soft_wrap=True)


def read_call(text: str) -> tuple[str, dict[str, object]]:
    """(name, arguments) of ``NAME key=value ...``. A value is JSON where it reads as such, else text; quotes as in a
    shell. Raises UserError for anything else."""
    usage = "expected: /tool NAME key=value ... (/tool lists the tools)"
    try:
        name, *pairs = shlex.split(text)
    except ValueError as error:
        raise UserError(f"{error} in {text!r}; {usage}", subject=text) from error
    arguments: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or key in arguments:
            raise UserError(f"{pair!r} is no key=value, or its key comes twice; {usage}", subject=text)
        try:
            arguments[key] = json.loads(value)
        except ValueError:
            arguments[key] = value
    return name, arguments


def ask_yes_or_no() -> bool:
    """Whether the user types yes. Anything else, the end of the input too, is a no."""
    return input("Run it? [y/N] ").strip().lower() in ("y", "yes", "是", "好")


def new_session() -> str:
    """A name that sorts by time and is free unless two sessions start in the same microsecond."""
    return datetime.now().strftime("chat-%Y%m%d-%H%M%S-%f")


def plain_reader() -> str:
    """The next question of a pipe: a line, and the ones after it while they end in a backslash."""
    lines: list[str] = []
    while sys.stdin is not None:  # a program may be started with its input closed
        line = sys.stdin.readline()
        if not line and not lines:
            raise EOFError
        continued = line.rstrip("\n").endswith("\\")
        lines.append(line.rstrip("\n").removesuffix("\\"))
        if not continued:
            return "\n".join(lines)
    raise EOFError


def terminal_reader(history: Path) -> Callable[[], str]:
    """Line editing with history, completion of commands and multi-line input."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.shortcuts import CompleteStyle

    class History(FileHistory):
        """Does without the file where it cannot be written: a full disk must not end a conversation."""

        def store_string(self, string: str) -> None:
            try:
                history.parent.mkdir(parents=True, exist_ok=True)
                super().store_string(string)
            except OSError:
                return

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def newline(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction]
        event.current_buffer.insert_text("\n")

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:  # pyright: ignore[reportUnusedFunction]
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    prompt: PromptSession[str] = PromptSession(
        history=History(str(history)),
        key_bindings=keys,
        multiline=True,
        prompt_continuation="… ",
        completer=WordCompleter(list(COMMANDS), sentence=True),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
    )
    return lambda: prompt.prompt("› ")


def _warm_up(agent: Agent) -> None:
    """Load the parts while the first question is typed; what fails says so when that is asked."""
    with suppress(CollegiumError):
        agent.warm_up()


def command(
    session: Annotated[
        str | None, typer.Option("--session", help="Go on with this session; default: a new one.")
    ] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Ask this domain only.")] = None,
) -> None:
    """Talk with the agent. Works in a pipe as well: one question a line."""
    from rich.console import Console

    from agent import Agent
    from skills.home import home

    console = Console(highlight=False)
    interactive = sys.stdin is not None and sys.stdin.isatty() and console.is_terminal
    with Agent.from_settings() as agent:
        known = {one.name for one in agent.domains}
        if domain is not None and domain not in known:
            raise UserError(f"unknown domain {domain!r}; known: {', '.join(sorted(known))}", subject=domain)
        chat = Chat(
            agent,
            TurnView(console, agent.domains),
            terminal_reader(home() / "history") if interactive else plain_reader,
            session=session or new_session(),
            domain=domain,
            skills=[f"  {one.name:<12}{one.error or one.description}" for one in agent.domains],
            known=lambda: [info.name for info in agent.sessions()],
            confirm=ask_yes_or_no if interactive else lambda: False,
            memory=lambda name, rest: memory.in_chat(agent, name, rest),
        )
        if interactive:
            # A shell's background jobs start with Ctrl-C ignored, and so do their children.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            threading.Thread(target=_warm_up, args=(agent,), daemon=True).start()
            console.print("Collegium. /help for help, Ctrl-D to leave.", style="dim")
        else:
            agent.warm_up()
        chat.resume()
        chat.run()
