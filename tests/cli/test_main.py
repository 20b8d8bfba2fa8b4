"""Exit codes and error lines of the command, and what it does not load."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rich.markup import render
from typer.main import get_command

from agent.cli import ask
from agent.cli.main import app, main
from skills.errors import DataError, ModelError, UserError
from tests.cli.conftest import Run


def test_version_and_help_name_the_commands(run: Run) -> None:
    version = run("--version")
    assert (version.code, version.out) == (0, "collegium 0.1.0\n")
    text = run("--help").out
    for name in (
        "chat",
        "ask",
        "serve",
        "domains",
        "doctor",
        "models",
        "sessions",
        "index",
        "retrieve",
        "route",
    ):
        assert f" {name} " in text


def test_no_part_of_a_help_text_is_taken_for_markup() -> None:
    def texts(command: Any) -> Iterator[str]:
        yield command.help or ""
        yield from (getattr(option, "help", None) or "" for option in command.params)
        for one in getattr(command, "commands", {}).values():
            yield from texts(one)

    found = list(texts(get_command(app)))
    assert len(found) > 100
    assert [text for text in found if render(text).plain != text.replace("\\[", "[")] == []


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("ask", "--nonsense"), ("ask", "hi", "--config", "magic")]
)
def test_a_wrong_command_line_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.err
    assert not result.out


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("change it"), 2, "error: change it"),
        (ModelError("no\n model"), 1, "error: no model"),
        (DataError("broken"), 1, "error: broken"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 1, "error: the disk is full: '/x/y'"),
        (ZeroDivisionError("a bug"), 1, "error: unexpected ZeroDivisionError: a bug"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, says: str
) -> None:
    def fails(given: str | None) -> str:
        raise error

    monkeypatch.setattr(ask, "_question", fails)
    result = run("ask", "hi")
    assert result.code == code
    assert says in result.err
    assert result.err.count("\n") == 1
    assert not result.out


def test_ctrl_c_ends_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(given: str | None) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(ask, "_question", interrupted)
    assert run("ask", "hi").code == 130


@pytest.mark.parametrize("arguments", [("ask", "hi", "--domain", "medical"), ("chat",)])
def test_without_models_the_command_that_gets_them_is_told(real_run: Run, arguments: tuple[str, ...]) -> None:
    result = real_run(*arguments, stdin="hi\n")
    assert result.code == 1
    assert "collegium models pull" in result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


def test_debug_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(given: str | None) -> str:
        raise ModelError("no model")

    monkeypatch.setattr(ask, "_question", fails)
    monkeypatch.setenv("COLLEGIUM_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["collegium", "ask", "hi"])
    with pytest.raises(ModelError):
        main()


def test_as_a_module_it_starts_without_the_heavy_packages() -> None:
    heavy = (
        "torch",
        "transformers",
        "peft",
        "langchain_core",
        "langgraph",
        "faiss",
        "onnxruntime",
        "fastapi",
        "numpy",
    )
    code = (
        "import sys; sys.argv = ['collegium', '--version']\n"
        "import runpy\n"
        "try: runpy.run_module('agent.cli.main', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == ["collegium 0.1.0", "[]"]
