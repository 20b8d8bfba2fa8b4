"""README.md and docs: their Python runs, their commands and options exist, and so do the files they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from agent.cli.main import app
from tests.server.test_server import serving

ROOT = Path(__file__).parents[1]
PAGES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
}
README = PAGES["README"]


def blocks(language: str, page: str) -> list[str]:
    """The fenced blocks of that language, in order."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


PYTHON = {name: blocks("python", page) for name, page in PAGES.items()}
(BOT,) = PYTHON["README"]
STREAM, MEMORY = PYTHON["embedding"]
(CLIENT,) = PYTHON["http"]


def executed(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    return capsys.readouterr().out


def test_all_python_is_run_here() -> None:
    run = {
        "README": 1,
        "embedding": 2,
        "http": 1,
        "tools": len(PYTHON["tools"]),
    }  # tools: tests/mcp, tests/agent
    assert {name: len(code) for name, code in PYTHON.items() if code} == run


def test_the_support_bot_is_ten_lines() -> None:
    assert len([line for line in BOT.splitlines() if line.strip()]) <= 10


@pytest.mark.weights
def test_the_support_bot(weights_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = executed(BOT, capsys)
    first, second = printed.split("declined: ")
    assert first.startswith("answered: ")
    assert re.search(r"nausea|diarrh", first, re.IGNORECASE)
    assert "\n  [1] Metformin" in first
    assert second.endswith("A colleague will take over.\n")


@pytest.mark.weights
def test_streaming_from_own_passages(weights_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "with meals" in executed(STREAM, capsys)


@pytest.mark.weights
def test_memory(weights_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = executed(MEMORY, capsys)
    assert "The body mass index is 26.1" in printed
    assert "[('I weigh 80 kg', 'weight_kg')]" in printed


@pytest.mark.weights
def test_the_openai_client(weights_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving("agent.cli.main", weights_home) as address:
        assert CLIENT.count("http://127.0.0.1:8000") == 1
        printed = executed(CLIENT.replace("http://127.0.0.1:8000", address), capsys)
    assert re.search(r"nausea|diarrh", printed, re.IGNORECASE)
    assert "answered Metformin" in printed


def commands() -> Iterator[str]:
    """Every ``collegium ...`` that the pages show, in blocks and in running text."""
    for page in PAGES.values():
        for block in blocks("bash", page):
            lines = (line.partition("#")[0].strip() for line in block.splitlines())
            yield from (line for line in lines if line.startswith("collegium"))
        prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
        yield from re.findall(r"`(?:\.venv/bin/)?(collegium [^`]+)`", prose)


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_commands_and_options_exist(line: str) -> None:
    command: click.Command = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while words and hasattr(command, "commands"):
        word = words.pop(0)
        known: dict[str, click.Command] = command.commands  # type: ignore[attr-defined]
        assert word in known, f"{line!r}: no command {word!r}"
        command = known[word]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if re.match(r"-[a-z-]", word)} <= options, line


@pytest.mark.parametrize("name", sorted(PAGES))
def test_linked_pages_are_there(name: str) -> None:
    folder = ROOT if name == "README" else ROOT / "docs"
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[name]):
        assert (folder / target).exists(), target


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    wanted = set(re.findall(r"\bmake ([a-z]+)", README)) - {"one"}
    assert {"chat", "ask", "test", "setup", "check"} <= wanted
    for target in wanted:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_file_tree_is_there() -> None:
    tree = next(block for block in blocks("", README) if block.startswith("agent/"))
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else ROOT / name
        path = folder / name if line.startswith(" ") else folder
        assert path.exists(), name


def test_the_changelog_has_a_section_for_what_is_not_released() -> None:
    assert "## [Unreleased]\n\n### Added\n" in (ROOT / "CHANGELOG.md").read_text()
