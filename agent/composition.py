"""The composition root: everything an agent is made of, put together from Settings, loaded on first use.

The only place that knows all parts. A part that fails makes its skill broken, with the reason; the others
work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.events import Routed
from agent.settings import Settings
from agent.tools import ToolRegistry
from skills.errors import CollegiumError, DataError, UserError
from skills.pack import BrokenPack, Pack, discover
from skills.records import Turn
from skills.tool_calls import ToolCaller

if TYPE_CHECKING:
    from skills.grounding.checker import Checker
    from skills.grounding.evidence import EvidenceModel
    from skills.llm import Engine
    from skills.skill import Skill


class Router(Protocol):
    """Says which domains own a question."""

    def route(self, text: str, history: Sequence[Turn] = ()) -> Routed:
        """Probabilities by domain and "general", sum 1, and the domains over their threshold, best first."""
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


class College:
    """The skills and the router of one agent. Loads each on first use; safe for use from several threads."""

    def __init__(
        self,
        members: Sequence[Member],
        router: Callable[[], Router],
        *,
        broken: Sequence[Domain] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._members = {member.domain.name: member for member in members}
        if len(self._members) != len(members):
            names = [member.domain.name for member in members]
            raise DataError(f"two members have one name: {sorted(names)}", subject=members)
        self._make_router, self._close = router, close
        self._broken = tuple(broken)
        self._errors: dict[str, str] = {}
        self._router: Router | None = None
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

    def caller(self, name: str) -> ToolCaller:
        """The calculators of a domain."""
        with self._lock:
            if name not in self._callers:
                self._callers[name] = self.member(name).caller()
            return self._callers[name]

    @property
    def router(self) -> Router:
        with self._lock:
            if self._router is None:
                self._router = self._make_router()
            return self._router

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
            self._router = None
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
    """The college of all packs that are found. Reads their TOML files; loads no model, index or adapter."""
    packs, broken = discover(settings.domains, settings.trusted_domains)
    parts = _Parts(settings, packs)
    members = [
        Member(_domain(pack), partial(parts.skill, pack), partial(parts.caller, pack)) for pack in packs
    ]
    return College(members, parts.router, broken=[_broken_domain(pack) for pack in broken], close=parts.close)


def _warm_up(engine: Engine) -> None:
    with suppress(CollegiumError):  # the first request meets the same error and reports it
        engine.warm_up()


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


class _Parts:
    """The parts that skills share, each made once, when first needed. The College's lock guards it."""

    def __init__(self, settings: Settings, packs: Sequence[Pack]) -> None:
        self._settings, self._packs = settings, packs
        self._engine: Engine | None = None
        self._evidence: EvidenceModel | None = None
        self._checker: Checker | None = None
        self._bad_adapters: dict[str, CollegiumError] = {}
        self._tools: ToolRegistry | None = None

    def engine(self) -> Engine:
        """The base model with every pack's adapter. One that does not fit breaks its own skill only."""
        if self._engine is None:
            from skills.llm import load_engine

            settings = self._settings
            engine = load_engine(
                settings.engine,
                settings.base,
                context=settings.context,
                threads=settings.threads,
                slots=settings.slots,
                warm=settings.warm,
            )
            self._bad_adapters = {}
            for pack in self._packs:
                if pack.adapter is not None:
                    try:
                        engine.add_adapter(pack.name, pack.adapter)
                    except CollegiumError as error:
                        self._bad_adapters[pack.name] = error
            self._engine = engine
            # The model loads while the question is routed and its evidence is found.
            threading.Thread(target=_warm_up, args=(engine,), name="warm-up", daemon=True).start()
        return self._engine

    def skill(self, pack: Pack, folder: Path | None) -> Skill:
        from skills.grounding.checker import load_checker
        from skills.llm.chat_model import CollegiumChatModel
        from skills.retrieval.store import PassageStore
        from skills.skill import DomainSkill

        engine = self.engine()
        if pack.name in self._bad_adapters:
            raise self._bad_adapters[pack.name]
        store = PassageStore.load(folder if folder is not None else pack.index)
        if self._checker is None:
            self._checker = load_checker()
        return DomainSkill(
            pack,
            model=CollegiumChatModel(engine=engine),
            store=store,
            evidence=self._judge(pack),
            tools=self.caller(pack),
            check=self._checker.check,
        )

    def _judge(self, pack: Pack) -> EvidenceModel:
        """The evidence model with the pack's own decision, if it has one."""
        from skills.grounding.decision import read_decision
        from skills.grounding.evidence import load_evidence

        if self._evidence is None:
            self._evidence = load_evidence()
        decision = self._evidence.decision if pack.decision is None else read_decision(pack.decision)
        return self._evidence.deciding(decision, self._settings.risk)

    def tools(self) -> ToolRegistry:
        """All packs' tools; a pack that brings a tool another one has is refused, naming both."""
        if self._tools is None:
            self._tools = ToolRegistry()
        return self._tools

    def caller(self, pack: Pack) -> ToolCaller:
        return self.tools().caller_of(pack)

    def router(self) -> Router:
        from agent.router import Router as TrainedRouter
        from skills.retrieval.embedder import load_embedder

        return TrainedRouter.load(self._packs, embedders=load_embedder)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None
