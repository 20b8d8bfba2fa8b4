"""The command line in this process: over the real agent, and over the fake one."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.app import Agent
from agent.cli.main import main
from tests.fake_agent import fake_agent


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def real_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("ask", "question", stdin="...")``: exit code, standard output and standard error."""
    monkeypatch.delenv("COLLEGIUM_DEBUG", raising=False)

    def call(*arguments: object, stdin: str | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["collegium", *map(str, arguments)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return call


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, real_run: Run) -> Run:
    """The same over the fake agent."""
    monkeypatch.setattr(
        Agent, "from_settings", classmethod(lambda cls, *_, **__: fake_agent(home / "sessions.sqlite"))
    )
    return real_run
