"""``collegium sessions``: list, show, export, rename, fork, delete.

Knows the session file only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Remembered conversations.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the session (see: collegium sessions list).")]
New = Annotated[str, typer.Argument(help="The new name.")]
User = Annotated[str | None, typer.Option("--user", help="Whose sessions; default: the terminal's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(user: User = None, as_json: AsJson = False) -> None:
    """List the sessions, the one used last first."""
    from dataclasses import asdict

    found = _sessions().list(user)
    if as_json:
        print(json.dumps([asdict(info) for info in found], ensure_ascii=False, indent=1))
        return
    for info in found:
        first = info.error or " ".join(info.first.split())
        print(
            f"{info.name}  {info.updated[:16]}  {info.turns:>3} turns  {first if info.error else first[:60]}"
        )


@app.command()
def show(name: Name, user: User = None, as_json: AsJson = False) -> None:
    """Print the messages of a session."""
    from agent.cli.render import clean

    for turn in _sessions().turns(name, user):
        if as_json:
            print(json.dumps({"role": turn.role, "text": turn.text}, ensure_ascii=False))
        else:
            print(f"{turn.role}: {clean(turn.text)}")


@app.command()
def export(
    name: Annotated[str | None, typer.Argument(help="Name of the session; default: all of them.")] = None,
    target: Annotated[Path | None, typer.Option("--out", help="File; default: standard output.")] = None,
    user: User = None,
) -> None:
    """Write sessions as JSON Lines, a message each: {session, role, text, domain}."""
    from skills.files import atomic_file

    stored = _sessions()
    names = [name] if name is not None else [info.name for info in stored.list(user)]
    rows = [
        {"session": one, "role": turn.role, "text": turn.text, "domain": turn.domain}
        for one in names
        for turn in stored.turns(one, user)
    ]
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    if target is None:
        print(lines, end="")
    else:
        with atomic_file(target) as partial:
            partial.write_text(lines, encoding="utf-8")


@app.command()
def rename(name: Name, new: New, user: User = None) -> None:
    """Give a session another name."""
    _sessions().rename(name, new, user)
    print(f"session {name!r} is now {new!r}")


@app.command()
def fork(name: Name, new: New, user: User = None) -> None:
    """Copy a session, to go on from here in two ways."""
    _sessions().fork(name, new, user)
    print(f"session {new!r} is a copy of {name!r}")


@app.command()
def delete(name: Name, user: User = None) -> None:
    """Forget a session."""
    _sessions().delete(name, user)
    print(f"session {name!r} is deleted")


def _sessions():
    from agent.memory import Sessions
    from agent.settings import make_settings

    return Sessions(make_settings().session_file)
