"""``Agent``: one base model and a college of specialists behind ``ask`` and ``stream``.

Runs turns and cancels them, nothing else: what happens in a turn is in graph.py, what the parts are in
composition.py. Knows nothing of terminals or HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, Unpack, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from agent.approval import awaiting_in
from agent.composition import College, Domain, compose_college
from agent.events import Answer, Answered, Awaiting, Event, Failed, Routed
from agent.graph import Graph, build_graph
from agent.keeping import Keeping
from agent.memory import thread_id
from agent.plan import TOOLS
from agent.request import AskOptions, Request, make_request
from agent.settings import Settings, make_settings
from agent.tools import RegisteredTool
from agent.turn import TurnCancelled, TurnOptions
from skills.errors import CollegiumError, UserError
from skills.records import ToolCall, ToolMatch, Turn


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

    def ask(self, text: str, **options: Unpack[AskOptions]) -> Answer:
        """Answer a question. The keywords are those of ``agent.request.AskOptions``, all optional.

        A tool call that changes things is not made: in a session the answer's ``awaiting`` names it, and
        ``approve`` makes it; without a session it is declined.

        Raises UserError for an empty or overlong question and unknown names, ModelError and DataError when a
        part cannot work. Then, and when interrupted, the session is as it was. TypeError for an unknown keyword.
        """
        return self._answer(self._request(text, options))

    def stream(self, text: str, **options: Unpack[AskOptions]) -> Iterator[Event]:
        """Answer a question (see ``ask``) and report the turn's events; the last is Answered or Failed.

        The texts of the Token events, joined, are the answer's text. Closing the iterator stops the engine.
        Raises UserError at once for a bad request; what goes wrong later comes as Failed.
        """
        return self._reported(self._request(text, options))

    async def astream(self, text: str, **options: Unpack[AskOptions]) -> AsyncIterator[Event]:
        """``stream`` for an event loop, which it never blocks. Cancelling the task stops the engine."""
        request = self._request(text, options)
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
        thread = thread_id(session, user)
        return self._answer(Request("", TurnOptions(), session, thread, decision=yes, call=call))

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
        last_domain = next((turn.domain for turn in reversed(history) if turn.domain), "")
        return self._college.router.route(text, history, last_domain)

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

    def _request(self, text: str, options: AskOptions) -> Request:
        return make_request(text, options, self._college, self._user_memory)

    def _answer(self, request: Request) -> Answer:
        for event in self._events(request):
            if isinstance(event, Answered):
                return event.answer
        raise TurnCancelled

    def _reported(self, request: Request) -> Generator[Event]:
        try:
            yield from self._events(request)
        except CollegiumError as error:
            yield _failed(error)

    def _events(self, request: Request) -> Generator[Event]:
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
        self, request: Request, put: Callable[[Event | BaseException | None], None]
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

    def _turn(self, request: Request, put: Callable[[Event], None]) -> Answer:
        start = time.perf_counter()
        request.enter()
        if request.thread:
            with self._sessions.turn(request.thread, request.options.cancelled.is_set):
                if request.decision is not None:
                    self._check_waiting(request)
                answer = self._run(self.graph, request, put)
        else:
            answer = self._run(self._stateless, request, put)
        timings = {**answer.timings, "total": (time.perf_counter() - start) * 1000}
        return replace(answer, timings=timings, session=request.session)

    def _check_waiting(self, request: Request) -> None:
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
    def _run(graph: Graph, request: Request, put: Callable[[Event], None]) -> Answer:
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


def _failed(error: CollegiumError) -> Failed:
    return Failed(str(error), type(error).__name__, getattr(error, "retry_after", 0))
