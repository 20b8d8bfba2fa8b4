"""``collegium doctor``: is everything here that an answer needs, and if not, what to do.

Looks and verifies; changes nothing, downloads nothing. One function a check, each independent of the others.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from skills.errors import CollegiumError

if TYPE_CHECKING:
    from agent.settings import Settings
    from skills.pack import Pack

IMPORT_NAMES = ("agent", "skills", "domains", "prompts")
NEEDED_MEMORY = 900
"""Mebibytes: the agent with the default base and its skills loaded."""
NEEDED_DISK = 500
"""Mebibytes: the default models, conversions and indexes."""

_BASE_WRITES = "the server's base model writes, without the adapter"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at and found."""

    name: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    next: str = ""
    """What to do about it."""


def command(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """Check this installation. Exit code 1 if something needed does not work."""
    checks = list(run_checks())
    if as_json:
        print(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=1))
    else:
        _show(checks)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(1)


def run_checks() -> Iterator[Check]:
    """All checks, in the order in which a failure explains those after it."""
    parts: tuple[Callable[[], Iterable[Check]], ...] = (
        python,
        packages,
        import_names,
        memory,
        disk,
        home_folder,
        session_file,
        engine,
        models,
        domains,
        mcp_servers,
    )
    for part in parts:
        try:
            yield from part()
        except CollegiumError as error:
            yield Check(part.__name__, "failed", str(error))
        except Exception as error:  # a check that breaks is a finding, not the end of the others
            yield Check(part.__name__, "failed", f"{type(error).__name__}: {error}")


def python() -> Iterator[Check]:
    """The interpreter."""
    fits = sys.version_info >= (3, 11)
    yield Check(
        "python",
        "ok" if fits else "failed",
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "" if fits else "install Python 3.11 or newer",
    )


def packages() -> Iterator[Check]:
    """Every dependency is installed in a version that fits."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    wrong: list[str] = []
    needed = [Requirement(text) for text in requires("collegium") or []]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        try:
            found = version(one.name)
        except PackageNotFoundError:
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} is {found}, expected {one.specifier}")
    yield Check(
        "packages",
        "failed" if wrong else "ok",
        "; ".join(wrong) or f"collegium {version('collegium')}, {len(needed)} dependencies",
        "make setup" if wrong else "",
    )


def import_names() -> Iterator[Check]:
    """Our import names are general words: another distribution with one of them would overwrite files."""
    from importlib.metadata import packages_distributions

    owners = packages_distributions()
    others = {
        name: sorted(set(owners.get(name, ())) - {"collegium"})
        for name in IMPORT_NAMES
        if set(owners.get(name, ())) - {"collegium"}
    }
    detail = "; ".join(f"{name!r} is also installed by {', '.join(by)}" for name, by in others.items())
    unwanted = sorted({owner for by in others.values() for owner in by})
    yield Check(
        "import names",
        "failed" if others else "ok",
        detail or "only collegium owns " + ", ".join(IMPORT_NAMES),
        f"pip uninstall {' '.join(unwanted)}, then make setup" if others else "",
    )


def memory() -> Iterator[Check]:
    """Memory that a new process can have, in mebibytes."""
    file = Path("/proc/meminfo")
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines()) if file.is_file() else {}
    if "MemAvailable" not in lines:
        yield Check("memory", "ok", "not known on this system")
        return
    free = int(lines["MemAvailable"].split()[0]) // 1024
    enough = free >= NEEDED_MEMORY
    yield Check(
        "memory",
        "ok" if enough else "warning",
        f"{free:,} MB available, {NEEDED_MEMORY} MB needed",
        "" if enough else "close other programs",
    )


def disk() -> Iterator[Check]:
    """Free space where the data folder is."""
    from skills.home import home

    place = home()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 2**20
    enough = free >= NEEDED_DISK
    yield Check(
        "disk",
        "ok" if enough else "warning",
        f"{free:,} MB free, {NEEDED_DISK} MB needed at most",
        "" if enough else f"free some space, or set COLLEGIUM_HOME to another disk than {str(place)!r}",
    )


def home_folder() -> Iterator[Check]:
    """The data folder can be written."""
    from skills.home import home

    place = home()
    parent = place
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        yield Check(
            "home", "failed", f"{str(place)!r} cannot be written: {error.strerror}", "set COLLEGIUM_HOME"
        )
        return
    yield Check("home", "ok", f"{place}{'' if place.exists() else ' (will be made when it is needed)'}")


def session_file() -> Iterator[Check]:
    """SQLite works, and the session file, if there is one, can be read."""
    from agent.memory import Sessions
    from agent.settings import make_settings

    file = make_settings().session_file
    sessions = Sessions(file)
    try:
        count = len(sessions.list()) if file.exists() else 0
    finally:
        sessions.close()
    yield Check("sessions", "ok", f"SQLite {sqlite3.sqlite_version}, {count} sessions")


def engine() -> Iterator[Check]:
    """llama.cpp can be loaded into this process, or the server that is set answers and has what is asked of it."""
    from importlib.metadata import version

    from agent.settings import make_settings
    from skills.llm.bindings import load_bindings

    settings = make_settings()
    if settings.engine == "remote":
        yield from _server(settings)
        return
    load_bindings()
    yield Check("engine", "ok", f"llama.cpp through xllamacpp {version('xllamacpp')}")


def _server(settings: Settings) -> Iterator[Check]:
    """The remote engine's server, and each adapter that the settings place there."""
    from skills.llm.connection import Connection
    from skills.llm.remote_server import look
    from skills.llm.server_errors import Limits

    if (endpoint := settings.endpoint) is None:
        yield Check("engine", "failed", "no server is set", "set COLLEGIUM_REMOTE_URL=http://HOST:PORT")
        return
    server = look(Connection(endpoint, Limits(first_token=10, attempts=1)))
    kind = {"vllm": "vLLM", "llamacpp": "llama.cpp", "other": "a server"}[server.kind]
    yield Check("engine", "ok", f"{kind} at {endpoint.shown} serves {server.base.id}")
    for name, place in endpoint.adapters.items():
        try:
            detail = server.find(name, place)
        except CollegiumError as error:
            yield Check(f"adapter {name}", "failed", str(error))
        else:
            yield Check(f"adapter {name}", "ok", detail)


def models() -> Iterator[Check]:
    """The default models are there and whole, and so is a base that was chosen instead; no base for a server."""
    from agent.settings import make_settings
    from skills import weights

    settings = make_settings()
    embedders = [name for name, source in weights.MODELS.items() if source.kind == "embedder"]
    needed = embedders if settings.engine == "remote" else [settings.base, *weights.MODELS]
    for name in dict.fromkeys(needed):
        try:
            weights.verify(name)
        except CollegiumError as error:
            yield Check(f"model {name}", "failed", str(error), f"collegium models pull {name}")
        else:
            yield Check(f"model {name}", "ok", "there and verified")


def domains() -> Iterator[Check]:
    """Every pack is valid, its index loads and its adapter fits the base."""
    from agent.settings import make_settings
    from skills.pack import discover

    settings = make_settings()
    packs, broken = discover(settings.domains, settings.trusted_domains)
    for one in broken:
        yield Check(f"domain {one.name}", "failed", one.error, f"repair or remove {one.origin}")
    for pack in packs:
        notes: list[str] = []
        try:
            from skills.retrieval.store import PassageStore

            notes.append(f"{len(PassageStore.load(pack.index))} passages")
            if pack.chinese_index is not None:
                notes.append(f"{len(PassageStore.load(pack.chinese_index))} Chinese ones")
            notes.append(f"{len(pack.tools())} tools")
            notes.append(_adapter(pack, settings))
        except CollegiumError as error:
            yield Check(f"domain {pack.name}", "failed", str(error))
            continue
        if notes[-1] == _BASE_WRITES:
            advice = "name its adapter there in COLLEGIUM_REMOTE_ADAPTERS, a JSON object or TOML file"
            yield Check(f"domain {pack.name}", "warning", ", ".join(notes), advice)
        else:
            yield Check(f"domain {pack.name}", "ok", ", ".join(notes))
    if not packs:
        yield Check("domains", "failed", "no usable domain is installed", "make setup")


def mcp_servers() -> Iterator[Check]:
    """Every configured MCP server answers. The agent works without them."""
    from agent.mcp import require_extra
    from agent.mcp.client import check_servers
    from agent.mcp.settings import read_servers
    from agent.settings import make_settings
    from skills.home import home

    if not (servers := read_servers(make_settings().mcp_file)):
        return
    require_extra()
    for one in check_servers(servers):
        found = f"{len(one.tools)} tools"
        if one.error:
            log = home() / "logs" / f"mcp-{one.name}.log"
            hint = f"see {log}" if servers[one.name].command else "check its address, and whether it runs"
            yield Check(f"mcp {one.name}", "warning", f"{found}; {one.error}", hint)
        else:
            yield Check(f"mcp {one.name}", "ok", found)


def _adapter(pack: Pack, settings: Settings) -> str:
    """What writes for a pack. Raises CollegiumError for an adapter that does not fit."""
    from skills import weights
    from skills.llm.adapter_files import read_adapter

    if settings.engine == "remote" and (place := settings.remote_adapters.get(pack.name)) is not None:
        return f"adapter at {place!r} of the server"
    if pack.adapter is None:
        return "no adapter"
    if settings.engine == "remote":
        return _BASE_WRITES
    read_adapter(pack.name, pack.adapter, weights.base_hash(settings.base))
    return "adapter fits the base"


def _show(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    colours = {"ok": "green", "warning": "yellow", "failed": "bold red"}
    for check in checks:
        line = Text.assemble(
            (f"{check.state:<8}", colours[check.state]), (check.name, "bold"), f": {check.detail}"
        )
        console.print(line, soft_wrap=True)
        if check.next:
            console.print(f"        next: {check.next}", markup=False, highlight=False, soft_wrap=True)
