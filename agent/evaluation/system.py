"""The system under test: the whole agent as a user has it, and views of its parts for tasks that look at one.

Knows the agent; not sets, scores or files of results.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from agent.app import Agent
from agent.composition import College, compose_college
from agent.events import Answer, Answered, Failed, Routed
from agent.settings import Settings
from skills.errors import DataError, ModelError, UserError
from skills.pack import Pack, discover
from skills.records import Configuration, Retrieved, ScoredPassage, Turn
from skills.retrieval.text import is_chinese

if TYPE_CHECKING:
    from agent.evaluation.tasks.task import Item
    from skills.grounding.evidence import EvidenceModel
    from skills.learning.classifier import Classifier
    from skills.llm.engine import Engine
    from skills.retrieval.store import PassageStore
    from skills.tool_calls import ToolCaller

ORACLE = "oracle-route"
"""The default configuration, with the right domain told instead of routed."""
CONFIGURATIONS: tuple[str, ...] = (*get_args(Configuration), ORACLE)
DEFAULT = "lora+rag"


class TimedOut(ModelError):
    """An item took longer than it may."""


class System:
    """The agent of some settings, with sessions of its own that go with it."""

    def __init__(self, settings: Settings, *, timeout: float = 120.0, college: College | None = None) -> None:
        """``timeout``: seconds an item may take. ``college``: instead of the one that the settings make."""
        self.settings, self._timeout = settings, timeout
        self._college = college or compose_college(settings)
        self._folder = tempfile.TemporaryDirectory(prefix="collegium-eval-")
        self.agent = Agent(
            self._college, sessions=Path(self._folder.name) / "sessions.sqlite", history=settings.history
        )
        self._stores: dict[Path, PassageStore] = {}
        self._classifiers: dict[Path, Classifier] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.agent.close()
        self._folder.cleanup()

    # ------------------------------------------------------------------ the whole

    def ask(
        self,
        question: str,
        item: Item,
        configuration: str,
        *,
        history: Sequence[Turn] = (),
        session: str | None = None,
        passages: Sequence[Mapping[str, object]] | None = None,
    ) -> Answer:
        """One turn. Raises what the agent raises, and TimedOut; a turn is stopped at the next thing it reports."""
        deadline = time.monotonic() + self._timeout
        events = self.agent.stream(
            question,
            session=session,
            history=history,
            domain=told(item, configuration),
            passages=passages,
            store=item.store,
            configuration=configuration_of(configuration),
        )
        for event in events:
            if isinstance(event, Answered):
                return event.answer
            if isinstance(event, Failed):
                raise event.as_error()
            if time.monotonic() > deadline:
                events.close()  # type: ignore[attr-defined]  # ends the turn
                raise TimedOut(f"no answer within {self._timeout:g} s", subject=question)
        raise ModelError("the turn ended without an answer", subject=question)

    # ------------------------------------------------------------------ its parts

    @property
    def engine(self) -> Engine:
        return self._college.engine

    def route(self, text: str) -> Routed:
        return self.agent.route(text)

    def caller(self, domain: str) -> ToolCaller:
        return self._college.caller(domain)

    def adapter(self, domain: str, configuration: str) -> str | None:
        """Name of the adapter that a configuration writes with, None: the base alone."""
        known = self.engine.adapters()
        if configuration_of(configuration) == "wrong-adapter":
            others = [name for name in known if name != domain]
            return next((name for name in others if name > domain), others[0] if others else None)
        adapted = configuration_of(configuration) in ("lora", "lora+rag", "no-verify")
        return domain if adapted and domain in known else None

    def evidence(self, question: str, item: Item, configuration: str) -> tuple[str, str, dict[str, Any]]:
        """(domain, evidence, record) of a question that the agent does not answer itself; "" where it finds none."""
        domain = told(item, configuration) or next(iter(self.route(question).domains), "")
        record: dict[str, Any] = {"domains": [domain] if domain else [], "configuration": configuration}
        if not domain or configuration_of(configuration) in ("base", "lora"):
            return domain, "", record
        events = self.agent.stream(
            question,
            domain=domain,
            passages=item.row.get("passages"),
            store=item.store,
            configuration="rag",
        )
        try:
            for event in events:
                if isinstance(event, Failed):
                    raise event.as_error()
                if isinstance(event, Retrieved):
                    record["evidence"] = [one.passage.id for one in event.evidence]
                    return domain, event.evidence[0].text if event.evidence else "", record
        finally:
            events.close()  # type: ignore[attr-defined]  # nothing needs to be written
        return domain, "", record

    def search(self, item: Item, question: str, k: int) -> list[ScoredPassage]:
        """The passages that `collegium retrieve` gives."""
        store, judge = self.store(item), self._judge
        return judge.rank(question, store.search(question, max(k, judge.looks_at)))[:k]

    def store(self, item: Item, domain: str | None = None) -> PassageStore:
        """The store of an item: its own, or its domain's in its language. Raises UserError where neither is named."""
        from skills.retrieval.store import PassageStore

        place = item.store
        if place is None and (pack := self._packs.get(domain or item.domain or item.owner or "")) is not None:
            chinese = pack.chinese_index if is_chinese(str(item.row.get("question", ""))) else None
            place = chinese or pack.index
        if place is None:
            raise UserError("the set names no store; expected 'store', 'corpus' or 'domain'", subject=item)
        with self._lock:
            if place not in self._stores:
                self._stores[place] = PassageStore.load(place)
            return self._stores[place]

    def passage_text(self, item: Item, domains: Sequence[str], passage_id: str) -> str:
        """Text of a passage that was cited, "" if it is not known."""
        for given in item.row.get("passages") or ():
            if given["id"] == passage_id:
                return str(given["text"])
        if item.row.get("document") and passage_id == "document":
            return str(item.row["document"])
        for domain in domains or (None,):
            try:
                passage = self.store(item, domain).get(passage_id)
            except (UserError, DataError):
                continue
            if passage is not None:
                return passage.text
        return ""

    def classifier(self, folder: Path) -> Classifier:
        from skills.learning.classifier import load_classifier

        if not (folder / "collegium.json").is_file():
            raise UserError(
                f"{str(folder)!r} holds no trained model; expected RUN/best of `collegium train classify`"
            )
        with self._lock:
            if folder not in self._classifiers:
                self._classifiers[folder] = load_classifier(folder)
            return self._classifiers[folder]

    @cached_property
    def _judge(self) -> EvidenceModel:
        from skills.grounding.evidence import load_evidence

        return load_evidence()

    @cached_property
    def _packs(self) -> dict[str, Pack]:
        packs, _ = discover(self.settings.domains, self.settings.trusted_domains)
        return {pack.name: pack for pack in packs}


def configuration_of(name: str) -> Configuration:
    """The agent's configuration behind one of an evaluation."""
    for known in get_args(Configuration):
        if name == known:
            return known
    return DEFAULT


def told(item: Item, configuration: str) -> str | None:
    """The domain that the agent is told. The right one, for the oracle, unless the question is nobody's."""
    if item.domain is not None or configuration != ORACLE:
        return item.domain
    return item.owner
