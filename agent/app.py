"""``Agent``: one base model and a college of specialists behind ``ask`` and ``stream``.

Runs turns and cancels them, nothing else: what happens in a turn is in graph.py, what the parts are in
composition.py. Knows nothing of terminals or HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, cast, get_args

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agent.approval import awaiting_in
from agent.composition import College, Domain, compose_college
from agent.events import Answer, Answered, Awaiting, Event, Failed, Routed
from agent.graph import Graph, build_graph
from agent.keeping import Keeping
from agent.memory import thread_id
from agent.plan import MOST_STEPS, TOOLS, Plan
from agent.settings import Settings, make_settings
from agent.tools import RegisteredTool
from agent.turn import TurnCancelled, TurnOptions
from skills.errors import CollegiumError, UserError
from skills.records import Configuration, Filter, Passage, ToolCall, ToolMatch, Turn

LONGEST_QUESTION = 20_000
"""Characters."""
MOST_NESTED = 2
"""Turns that one turn's tools may ask for in each other: a tool that asks the agent, whose tool asks the agent."""
_UNDER_WAY: ContextVar[tuple[str, ...]] = ContextVar("collegium_turns", default=())
"""Sessions of the turns that the code here is called from, outermost first; empty texts for those without."""

Given = Passage | Mapping[str, object]
"""A passage, or its row: {"id", "text", "title"?, "source"?, ...}."""


@dataclass(frozen=True, slots=True)
class _Request:
    question: str
    options: TurnOptions
    session: str = ""
    thread: str = ""
    """Key of the session in the checkpointer; empty: nothing is remembered."""
    decision: bool | None = None
    """On the tool call that the session waits with; None: this is a question."""
    call: str | None = None
    """Id of that call; None: whichever waits."""
    outer: tuple[str, ...] = field(default_factory=_UNDER_WAY.get)
    """Sessions of the turns whose tools this turn is asked by."""


class Agent(Keeping):
    """Answers questions with the skills of its college.

    One turn, in numbered steps (details in ``agent.graph``):

        1 memory   load the session's messages
        2 route    probabilities by domain and "general"
        3 plan     who answers, with the question made self-contained; or decline
        4 skills   guard, tools, retrieve, evidence, generate, verify, decide: each domain for itself
        5 compose  one answer: a single skill's untouched, several under their titles
        6 memory   the turn is saved whole, after that the answer is given out

    Making an agent is cheap: parts load when the first question needs them, or all in ``warm_up``. One agent
    may be used from several threads. Turns of one session run one after the other, across processes too.
    """

    def __init__(self, college: College, *, sessions: Path, history: int = 6) -> None:
        """``sessions``: SQLite file; what users want remembered is kept beside it, in ``memory.sqlite``.
        ``history``: messages of a session that routing and skills see, besides a digest of the older ones.
        """
        super().__init__(college, sessions)
        self._history = history
        self._stateless = build_graph(college, history=history)
        self._graph: Graph | None = None
        self._compiling = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings | None = None, **overrides: Any) -> Self:
        """The agent of the installed packs and the given settings. Loads no model.

        ``overrides``: fields of Settings, which win over ``settings``. Raises UserError for a bad setting.
        """
        if settings is None:
            settings = make_settings(**overrides)
        elif overrides:
            settings = make_settings(**{**settings.model_dump(), **overrides})
        return cls(compose_college(settings), sessions=settings.session_file, history=settings.history)

    # ------------------------------------------------------------------ questions

    def ask(
        self,
        text: str,
        *,
        session: str | None = None,
        user: str | None = None,
        history: Sequence[Turn] = (),
        domain: str | None = None,
        passages: Sequence[Given] | None = None,
        store: Path | str | None = None,
        configuration: Configuration = "lora+rag",
        where: Filter | None = None,
        plan: Plan | None = None,
    ) -> Answer:
        """Answer a question.

        session: name of the conversation it belongs to; None: it stands alone and leaves nothing behind.
        user: whose session and memory; None: the local user's, if there is a session, else nobody's.
        history: the messages before this question, of a conversation that the caller keeps; no session.
        domain: ask this skill; None: the router decides.
        passages: evidence to use instead of a store. store: index folder to use instead of the skill's own.
        configuration: which parts take part (see ``skills.records.Configuration``).
        where: which passages of the store may be used (see ``skills.records.Filter``); None: all.
        plan: who is to be asked what, or which tool is to be called, instead of router and planner.

        A tool call that changes things is not made: in a session the answer's ``awaiting`` names it, and
        ``approve`` makes it; without a session it is declined.

        Raises UserError for an empty or overlong question and unknown names, ModelError and DataError when a
        part cannot work. Then, and when interrupted, the session is as it was.
        """
        request = self._request(
            text, session, user, history, domain, passages, store, configuration, where, plan
        )
        for event in self._events(request):
            if isinstance(event, Answered):
                return event.answer
        raise TurnCancelled

    def stream(
        self,
        text: str,
        *,
        session: str | None = None,
        user: str | None = None,
        history: Sequence[Turn] = (),
        domain: str | None = None,
        passages: Sequence[Given] | None = None,
        store: Path | str | None = None,
        configuration: Configuration = "lora+rag",
        where: Filter | None = None,
        plan: Plan | None = None,
    ) -> Iterator[Event]:
        """Answer a question (see ``ask``) and report the turn's events; the last is Answered or Failed.

        The texts of the Token events, joined, are the answer's text. Closing the iterator stops the engine.
        Raises UserError at once for a bad request; what goes wrong later comes as Failed.
        """
        return self._reported(
            self._request(text, session, user, history, domain, passages, store, configuration, where, plan)
        )

    async def astream(
        self,
        text: str,
        *,
        session: str | None = None,
        user: str | None = None,
        history: Sequence[Turn] = (),
        domain: str | None = None,
        passages: Sequence[Given] | None = None,
        store: Path | str | None = None,
        configuration: Configuration = "lora+rag",
        where: Filter | None = None,
        plan: Plan | None = None,
    ) -> AsyncIterator[Event]:
        """``stream`` for an event loop, which it never blocks. Cancelling the task stops the engine."""
        request = self._request(
            text, session, user, history, domain, passages, store, configuration, where, plan
        )
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()

        def put(item: Event | BaseException | None) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        worker = self._start(request, put)
        try:
            while (item := await items.get()) is not None:
                if isinstance(item, CollegiumError):
                    yield _failed(item)
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            request.options.cancelled.set()
            await asyncio.to_thread(worker.join)

    def approve(self, session: str, yes: bool, *, user: str | None = None, call: str | None = None) -> Answer:
        """Decide on the tool call that a session waits with: it is made now, or not at all.

        call: the ``id`` of ``Answer.awaiting``; None: whichever call waits. The answer holds the tool's result.
        A call that a broken-off turn had begun already is not made again, and the answer says so (reason
        "unknown_outcome"). Asking another question instead withdraws the call.

        Raises UserError when no call waits, or another one.
        """
        options = TurnOptions()
        request = _Request("", options, session, thread_id(session, user), decision=yes, call=call)
        self._check_nesting(request)
        for event in self._events(request):
            if isinstance(event, Answered):
                return event.answer
        raise TurnCancelled

    def call_tool(self, name: str, arguments: Mapping[str, object]) -> ToolCall:
        """Call a tool now, whatever it does: the program that calls this has decided.

        Raises UserError for an unknown tool, ToolInputError for arguments that do not fit, ToolFailed.
        """
        self._college.tools.get(name, skill=TOOLS)
        return self._college.caller(TOOLS).call(ToolMatch(name, arguments))

    def awaiting(self, session: str, user: str | None = None) -> Awaiting | None:
        """The tool call that a session waits with."""
        return awaiting_in(self._sessions.values(thread_id(session, user)))

    # ------------------------------------------------------------------ parts

    def route(self, text: str, *, history: Sequence[Turn] = ()) -> Routed:
        """Which domains own a question; nobody is asked. Raises ModelError or DataError without a router."""
        return self._college.router.route(text, history)

    @property
    def tools(self) -> tuple[RegisteredTool, ...]:
        """All tools that can be called, with their risk and who may call them."""
        return tuple(self._college.tools)

    @property
    def graph(self) -> Graph:
        """The compiled LangGraph graph, with the sessions as its checkpointer.

        Input {"question"}, output {"answer", "messages"}; thread ids are "<user>/<session>" ("local" is the
        user without a name); ``context=TurnOptions(...)`` is optional. Raises DataError when the session
        file cannot be used.
        """
        with self._compiling:
            if self._graph is None:
                self._graph = build_graph(
                    self._college, history=self._history, checkpointer=self._sessions.saver
                )
            return self._graph

    @property
    def domains(self) -> tuple[Domain, ...]:
        """All domains found; ``error`` says why one cannot be used."""
        return self._college.domains

    def warm_up(self) -> None:
        """Load router, engine, indexes and adapters now. Raises ModelError or DataError if no skill works."""
        self._college.warm_up()

    def close(self) -> None:
        """Free the engine and close the session file. Calling it again does nothing."""
        self._college.close()
        with self._compiling:
            self._graph = None
            self._sessions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ one turn

    def _request(
        self,
        text: str,
        session: str | None,
        user: str | None,
        history: Sequence[Turn],
        domain: str | None,
        passages: Sequence[Given] | None,
        store: Path | str | None,
        configuration: Configuration,
        where: Filter | None,
        plan: Plan | None,
    ) -> _Request:
        """Check all that can be checked before any work. Raises UserError, or DataError for a broken pack."""
        question = text.strip()
        if not question:
            raise UserError("the question is empty; expected some text", subject=text)
        if len(question) > LONGEST_QUESTION:
            raise UserError(
                f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} can be answered"
            )
        if configuration not in get_args(Configuration):
            known = ", ".join(get_args(Configuration))
            raise UserError(f"unknown configuration {configuration!r}; known: {known}", subject=configuration)
        if domain is not None:
            self._college.member(domain)
        if plan is not None:
            self._check_plan(plan, domain)
            if any(step.tool for step in plan.steps) and (
                passages is not None or configuration in ("base", "lora")
            ):
                raise UserError(
                    "a plan that calls a tool takes no passages, and no configuration without tools"
                )
        if history and session is not None:
            raise UserError(
                "give either a session, which remembers its messages, or a history", subject=session
            )
        options = TurnOptions(
            domain=domain,
            passages=None if passages is None else given_passages(passages),
            store=None if store is None else Path(store),
            configuration=configuration,
            where=where,
            history=tuple(history),
            plan=plan,
            memory=self._user_memory(session, user),
        )
        thread = "" if session is None else thread_id(session, user)
        request = _Request(question, options, session or "", thread)
        self._check_nesting(request)
        return request

    @staticmethod
    def _check_nesting(request: _Request) -> None:
        if len(request.outer) > MOST_NESTED:
            raise UserError(
                f"a tool asked the agent, whose tool asked the agent, and so on: at most {MOST_NESTED} deep"
            )
        if request.thread and request.thread in request.outer:
            raise UserError(
                f"session {request.session!r} is held by the turn whose tool asks; ask without a session",
                subject=request,
            )

    def _check_plan(self, plan: Plan, domain: str | None) -> None:
        if domain is not None:
            raise UserError("give either a plan, which names its domains, or a domain", subject=plan)
        domains = [step.domain for step in plan.steps]
        if not 1 <= len(domains) <= MOST_STEPS or len(set(domains)) < len(domains):
            raise UserError(
                f"the plan asks {domains}; expected 1 to {MOST_STEPS} domains, each once", subject=plan
            )
        for step in plan.steps:
            self._college.member(step.domain)
            if step.tool:
                self._college.tools.get(step.tool, skill=step.domain)
            elif step.arguments:
                raise UserError(f"the plan gives {step.domain!r} arguments, but no tool", subject=step)

    def _reported(self, request: _Request) -> Generator[Event]:
        try:
            yield from self._events(request)
        except CollegiumError as error:
            yield _failed(error)

    def _events(self, request: _Request) -> Generator[Event]:
        """Run the turn in a thread of its own, so that an interrupt in this one reaches us while we wait."""
        items: SimpleQueue[Event | BaseException | None] = SimpleQueue()
        worker = self._start(request, items.put)
        try:
            while (item := items.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            request.options.cancelled.set()
            worker.join()

    def _start(
        self, request: _Request, put: Callable[[Event | BaseException | None], None]
    ) -> threading.Thread:
        def work() -> None:
            try:
                put(Answered(self._turn(request, put)))
            except BaseException as error:
                put(error)
            finally:
                put(None)

        # What the caller has set up for its calls, such as LangChain's callbacks, holds for the turn too.
        worker = threading.Thread(target=copy_context().run, args=(work,), name="collegium-turn", daemon=True)
        worker.start()
        return worker

    def _turn(self, request: _Request, put: Callable[[Event], None]) -> Answer:
        start = time.perf_counter()
        _UNDER_WAY.set((*request.outer, request.thread))
        if request.thread:
            with self._sessions.turn(request.thread, request.options.cancelled.is_set):
                if request.decision is not None:
                    self._check_waiting(request)
                answer = self._run(self.graph, request, put)
        else:
            answer = self._run(self._stateless, request, put)
        timings = {**answer.timings, "total": (time.perf_counter() - start) * 1000}
        return replace(answer, timings=timings, session=request.session)

    def _check_waiting(self, request: _Request) -> None:
        waiting = awaiting_in(self._sessions.values(request.thread))
        if waiting is None:
            raise UserError(
                f"no tool call waits for approval in session {request.session!r}", subject=request
            )
        if request.call not in (None, waiting.id):
            raise UserError(
                f"no call {request.call!r} waits in session {request.session!r}; waiting: {waiting.id!r}, "
                f"{waiting.tool!r}",
                subject=waiting,
            )

    @staticmethod
    def _run(graph: Graph, request: _Request, put: Callable[[Event], None]) -> Answer:
        config: RunnableConfig = {"configurable": {"thread_id": request.thread}} if request.thread else {}
        if request.options.cancelled.is_set():
            raise TurnCancelled
        last: Mapping[str, Any] = {}
        decides = request.decision is not None
        for mode, item in graph.stream(
            Command(resume=request.decision) if decides else {"question": request.question},
            config,
            context=request.options,
            stream_mode=["custom", "values"],
            # That a tool call was begun is on disk before it is made.
            durability="sync" if decides else "exit" if request.thread else None,
        ):
            if mode == "custom":
                put(cast(Event, item))
            elif "answer" in item:
                last = cast(Mapping[str, Any], item)
        return cast(Answer, last["answer"])


def given_passages(rows: Sequence[Given]) -> tuple[Passage, ...]:
    """Passages from rows. Raises UserError for a row without text or id, and for an id that comes twice."""
    found: dict[str, Passage] = {}
    for position, row in enumerate(rows):
        if isinstance(row, Passage):
            passage = row
        else:
            values = {field.name: row.get(field.name) for field in fields(Passage)}
            if not isinstance(values["text"], str) or values["id"] is None:
                raise UserError(f"passages[{position}]: expected an object with 'id' and 'text'", subject=row)
            passage = Passage(**{key: str(value) for key, value in values.items() if value is not None})
        if passage.id in found:
            raise UserError(
                f"passages[{position}]: id {passage.id!r} comes twice; ids must differ", subject=row
            )
        found[passage.id] = passage
    return tuple(found.values())


def _failed(error: CollegiumError) -> Failed:
    return Failed(str(error), type(error).__name__, getattr(error, "retry_after", 0))
