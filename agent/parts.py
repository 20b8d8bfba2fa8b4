"""The parts that the skills of a college share, and how a skill is made of them and its pack.

Imports what is heavy where it is made, so that putting a college together loads nothing. Knows packs and settings; not
members, turns or what is done with a skill.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agent.mcp.client import McpServers
from agent.model_planner import ModelPlanner, Planner, by_rules
from agent.record import Identity
from agent.settings import Settings
from agent.tools import ToolRegistry
from skills.errors import CollegiumError
from skills.files import sha256_text
from skills.pack import Pack
from skills.records import Configuration
from skills.tool_calls import ToolCaller

if TYPE_CHECKING:
    from agent.router import Router
    from skills.grounding.checker import Checker
    from skills.grounding.evidence import EvidenceModel
    from skills.grounding.pointer import Pointer
    from skills.llm import Engine
    from skills.skill import Skill


class Parts:
    """The parts that skills share, each made once, when first needed. The College's lock guards it."""

    def __init__(self, settings: Settings, packs: Sequence[Pack], servers: McpServers) -> None:
        self._settings, self._packs, self._servers = settings, packs, servers
        self._engine: Engine | None = None
        self._evidence: EvidenceModel | None = None
        self._checker: Checker | None = None
        self._pointer: Pointer | None = None
        self._bad_adapters: dict[str, CollegiumError] = {}
        self._tools: ToolRegistry | None = None
        self._indexes: dict[tuple[str, Path | None], str] = {}
        """Versions of the stores that were opened."""
        self._adapters: dict[str, str] = {}
        """sha256 of the adapters that were loaded, by pack."""

    def engine(self) -> Engine:
        """The base model with every pack's adapter. One that does not fit breaks its own skill only.

        What a server's base is cannot be seen from here: it gets an adapter only where the settings name one.
        """
        if self._engine is None:
            from skills.llm import load_engine
            from skills.llm.adapter_files import read_adapter

            settings = self._settings
            engine = load_engine(
                settings.engine,
                settings.base,
                context=settings.context,
                threads=settings.threads,
                endpoint=settings.endpoint,
                slots=settings.slots,
                warm=settings.warm,
            )
            self._bad_adapters = {}
            for pack in self._packs:
                if pack.adapter is not None and settings.engine != "remote":
                    try:
                        engine.add_adapter(pack.name, pack.adapter)
                        self._adapters[pack.name] = read_adapter(
                            pack.name, pack.adapter, engine.base_hash
                        ).digest
                    except CollegiumError as error:
                        self._bad_adapters[pack.name] = error
            self._engine = engine
            # The model loads while the question is routed and its evidence is found.
            threading.Thread(target=_warm_up, args=(engine,), name="warm-up", daemon=True).start()
        return self._engine

    def planner(self) -> Planner:
        """What goes over the rules' plans: nothing, or the base model where the settings say so."""
        if self._settings.planner == "rules":
            return by_rules
        from skills.llm.chat_model import CollegiumChatModel

        domains = {pack.name: pack.manifest.description or pack.manifest.title for pack in self._packs}
        return ModelPlanner(CollegiumChatModel(engine=self.engine()), domains)

    def skill(self, pack: Pack, folder: Path | None) -> Skill:
        from skills.grounding.checker import load_checker
        from skills.grounding.pointer import load_pointer
        from skills.llm.chat_model import CollegiumChatModel
        from skills.retrieval.store import PassageStore
        from skills.skill import DomainSkill

        engine = self.engine()
        if pack.name in self._bad_adapters:
            raise self._bad_adapters[pack.name]
        store = PassageStore.load(folder if folder is not None else pack.index)
        version, chinese = store.manifest.version, None
        if folder is None and pack.chinese_index is not None:
            chinese = PassageStore.load(pack.chinese_index)
            version = sha256_text(version, chinese.manifest.version)
        self._indexes[pack.name, folder] = version
        if self._checker is None:
            self._checker = load_checker()
        if self._pointer is None:
            self._pointer = load_pointer()
        return DomainSkill(
            pack,
            model=CollegiumChatModel(engine=engine),
            adapter=pack.name if pack.name in engine.adapters() else None,
            store=store,
            evidence=self._judge(pack),
            pointer=self._pointer,
            tools=self.caller(pack),
            check=self._checker.check,
            other_adapter=self._other(pack),
            chinese_store=chinese,
        )

    def _other(self, pack: Pack) -> str | None:
        """The pack after this one, by name and in a circle, that has an adapter too; None: there is none."""
        names = sorted(self._adapters.keys() - {pack.name})
        return next((name for name in names if name > pack.name), names[0] if names else None)

    def identity(self, pack: Pack, folder: Path | None, configuration: Configuration) -> Identity:
        """What the skill that was built with that folder is made of."""
        other = self._other(pack) or ""
        writes = {"lora": pack.name, "lora+rag": pack.name, "no-verify": pack.name, "wrong-adapter": other}
        writer = "" if pack.manifest.quotes(configuration) else writes.get(configuration, "")
        return Identity(
            base=self.engine().base_hash,
            adapter=self._adapters.get(writer, ""),
            index=self._indexes.get((pack.name, folder), ""),
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
        """All packs' tools and those of MCP servers; who brings a name that is taken is refused, naming both."""
        if self._tools is None:
            self._tools = ToolRegistry()
            for pack in self._packs:
                with suppress(CollegiumError):  # its skill meets the same error and is broken for it
                    self._tools.add_pack(pack)
            self._servers.connect(self._tools)  # one that is away is a matter of `collegium doctor`
        return self._tools

    def caller(self, pack: Pack) -> ToolCaller:
        return self.tools().caller_of(pack)

    def router(self) -> Router:
        from agent.router import Router
        from skills.retrieval.embedder import load_embedder

        return Router.load(self._packs, embedders=load_embedder)

    def close(self) -> None:
        self._servers.close()
        self._tools = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _warm_up(engine: Engine) -> None:
    with suppress(CollegiumError):  # the first request meets the same error and reports it
        engine.warm_up()
