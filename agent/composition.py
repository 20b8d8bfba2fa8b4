"""The composition root: everything an agent is made of, put together from Settings, loaded on first use.

Which skills there are; how they are made is in parts.py. A part that fails makes its skill
broken, with the reason; the others work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.events import Routed
from agent.mcp import require_extra
from agent.mcp.client import McpServers
from agent.mcp.settings import read_servers
from agent.model_planner import Planner, by_rules
from agent.parts import Parts
from agent.plan import TOOLS
from agent.record import Identity
from agent.settings import Settings
from agent.tools import ToolRegistry
from skills.errors import CollegiumError, DataError, UserError
from skills.grounding.guards import raised
from skills.pack import BrokenPack, Guard, Pack, discover
from skills.records import Configuration, Turn
from skills.tool_calls import ToolCaller
from skills.tool_use import ToolSkill

if TYPE_CHECKING:
    from skills.llm import Engine
    from skills.skill import Skill


class Router(Protocol):
    """Says which domains own a question."""

    def route(self, text: str, history: Sequence[Turn] = (), last_domain: str = "") -> Routed:
        """Probabilities by domain and "general", sum 1, and the domains over their threshold, best first.

        ``last_domain``: who was asked last in the conversation; empty: nobody, or it is not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain as a user sees it."""

    name: str
    title: str
    description: str = ""
    version: str = ""
    languages: tuple[str, ...] = ()
    origin: str = ""
    """Who brought it: an entry point or a folder."""
    disclaimer: str = ""
    disclaimer_zh: str = ""
    error: str = ""
    """Why it cannot be used; empty: it can, as far as is known."""


@dataclass(frozen=True, slots=True)
class Member:
    """A domain and how its skill is made."""

    domain: Domain
    build: Callable[[Path | None], Skill]
    """Make the skill with the index in that folder, None: its own. Raises CollegiumError."""
    caller: Callable[[], ToolCaller]
    """The domain's calculators. Raises DataError."""
    identity: Callable[[Path | None, Configuration], Identity] = lambda _store, _configuration: Identity()
    """What the skill with that index is made of in that configuration. Asked after ``build``; raises CollegiumError."""
    guards: tuple[Guard, ...] = ()
    """Its red flags."""


class College:
    """The skills and the router of one agent. Loads each on first use; safe for use from several threads."""

    def __init__(
        self,
        members: Sequence[Member],
        router: Callable[[], Router],
        *,
        broken: Sequence[Domain] = (),
        engine: Callable[[], Engine] | None = None,
        tools: Callable[[], ToolRegistry] = ToolRegistry,
        planner: Callable[[], Planner] = lambda: by_rules,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """``tools``: makes the registry of all the members' tools and those that belong to no domain. ``planner``:
        makes what goes over the rules' plans."""
        self._members = {member.domain.name: member for member in members}
        if len(self._members) != len(members):
            names = [member.domain.name for member in members]
            raise DataError(f"two members have one name: {sorted(names)}", subject=members)
        self._make_router, self._make_tools, self._make_planner = router, tools, planner
        self._engine, self._close = engine, close
        self._broken = tuple(broken)
        self._errors: dict[str, str] = {}
        self._router: Router | None = None
        self._planner: Planner | None = None
        self._tools: ToolRegistry | None = None
        self._skills: dict[tuple[str, Path | None], Skill] = {}
        self._callers: dict[str, ToolCaller] = {}
        self._lock = threading.RLock()

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All domains found, with what is known to be wrong with them."""
        known = [
            replace(member.domain, error=self._errors.get(name, "")) for name, member in self._members.items()
        ]
        return (*known, *self._broken)

    def member(self, name: str) -> Member:
        """Raises UserError for an unknown domain, DataError for a broken pack."""
        if name in self._members:
            return self._members[name]
        if name == TOOLS:
            return Member(
                Domain(TOOLS, "Tools"),
                lambda _: ToolSkill(TOOLS, self.tools.caller()),
                lambda: self.tools.caller(),
            )
        for domain in self._broken:
            if domain.name == name:
                raise DataError(f"domain {name!r} is broken: {domain.error}", subject=domain)
        known = ", ".join(sorted(self._members)) or "none"
        raise UserError(f"unknown domain {name!r}; known: {known} (see: collegium domains)", subject=name)

    def skill(self, name: str, store: Path | None = None) -> Skill:
        """The skill of a domain, with another index if one is given. Raises what keeps it from working."""
        key = name, store.resolve() if store is not None else None
        with self._lock:
            if key not in self._skills:
                member = self.member(name)
                try:
                    self._skills[key] = _built(member, key[1])
                except CollegiumError as error:
                    if store is None:
                        self._errors[name] = str(error)
                    raise
                if store is None:
                    self._errors.pop(name, None)
            return self._skills[key]

    def identity(self, name: str, store: Path | None, configuration: Configuration) -> Identity:
        """What a domain's skill is made of, for the record of a turn."""
        key = name, store.resolve() if store is not None else None
        with self._lock:
            return self.member(name).identity(key[1], configuration)

    def flagged(self, question: str) -> tuple[str, ...]:
        """The domains that a question raises a red flag of."""
        return tuple(
            name for name, member in self._members.items() if raised(member.guards, question) is not None
        )

    def caller(self, name: str) -> ToolCaller:
        """The calculators of a domain."""
        with self._lock:
            if name not in self._callers:
                self._callers[name] = self.member(name).caller()
            return self._callers[name]

    @property
    def tools(self) -> ToolRegistry:
        """All tools, also those that belong to no domain."""
        with self._lock:
            if self._tools is None:
                self._tools = self._make_tools()
            return self._tools

    @property
    def router(self) -> Router:
        with self._lock:
            if self._router is None:
                self._router = self._make_router()
            return self._router

    @property
    def planner(self) -> Planner:
        """What goes over the plan that the rules made of a request."""
        with self._lock:
            if self._planner is None:
                self._planner = self._make_planner()
            return self._planner

    @property
    def engine(self) -> Engine:
        """What runs the base model and the adapters, each named like its domain. Raises UserError without one."""
        if self._engine is None:
            raise UserError("this college was put together without an engine", subject=self)
        with self._lock:
            return self._engine()

    def warm_up(self) -> None:
        """Load everything. Raises the last reason if no skill at all can be used; else see ``domains``."""
        problem: CollegiumError | None = None
        working = 0
        for name in self._members:
            try:
                self.skill(name)
                working += 1
            except CollegiumError as error:
                problem = error
        if problem is not None and not working:
            raise problem
        _ = self.router

    def close(self) -> None:
        """Free engine and indexes."""
        with self._lock:
            self._skills.clear()
            self._callers.clear()
            self._router = self._tools = self._planner = None
            self._close()


def _built(member: Member, store: Path | None) -> Skill:
    """The skill; what a pack of somebody else's breaks in an unforeseen way is that pack's error."""
    try:
        return member.build(store)
    except CollegiumError:
        raise
    except Exception as error:
        raise DataError(
            f"domain {member.domain.name!r} cannot be loaded: {error!r}", subject=member
        ) from error


def compose_college(settings: Settings) -> College:
    """The college of all packs that are found. Reads their TOML files; loads no model, index or adapter.

    Raises DataError for a file of MCP servers that cannot be read, UserError where its extra is not installed.
    """
    servers = read_servers(settings.mcp_file)
    if servers:
        require_extra()
    packs, broken = discover(settings.domains, settings.trusted_domains)
    broken += [
        BrokenPack(pack.name, pack.origin, f"the name {TOOLS!r} is the agent's own; choose another")
        for pack in packs
        if pack.name == TOOLS
    ]
    packs = [pack for pack in packs if pack.name != TOOLS]
    parts = Parts(settings, packs, McpServers(servers))
    members = [
        Member(
            _domain(pack),
            partial(parts.skill, pack),
            partial(parts.caller, pack),
            partial(parts.identity, pack),
            pack.guards,
        )
        for pack in packs
    ]
    return College(
        members,
        parts.router,
        broken=[_broken_domain(pack) for pack in broken],
        engine=parts.engine,
        tools=parts.tools,
        planner=parts.planner,
        close=parts.close,
    )


def _domain(pack: Pack) -> Domain:
    manifest = pack.manifest
    return Domain(
        manifest.name,
        manifest.title,
        manifest.description,
        manifest.version,
        manifest.languages,
        pack.origin,
        manifest.disclaimer,
        manifest.disclaimer_zh,
    )


def _broken_domain(pack: BrokenPack) -> Domain:
    return Domain(pack.name, pack.name, origin=pack.origin, error=pack.error)
