"""The HTTP face: OpenAI's chat completions over an agent.

    POST /v1/chat/completions   an answer, whole or as server-sent events
    GET  /v1/models             "collegium", and "collegium/<domain>" for each domain that works
    GET  /healthz               alive, and which domains work; needs no key

A tool call that changes things waits: the answer's ``collegium.awaiting`` tells of it, and a request of the same
``user`` with ``collegium: {"approve": true | false, "call": id}`` decides.

With ``user`` the server remembers one conversation a user and looks at the last message only; without it the
request's messages are the whole conversation and nothing is remembered. Knows HTTP; no domain, no engine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from importlib.metadata import version
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent.composition import Domain
from agent.events import Answer, Answered, Event, Failed
from agent.server.gate import Gate
from agent.server.schemas import MODEL, ChatRequest, Completion, UnknownModel, error_body
from agent.server.turns import Turns
from skills.errors import BusyError, CollegiumError, ModelError, UserError
from skills.records import Token, Turn

SESSION = "api"
"""Name of the session that the server keeps for each user."""
PARALLEL = 8
"""Turns under way at a time; more wait."""
WAITING = 64
"""Turns that may wait; one more is told to come back."""


class Answering(Protocol):
    """What the server needs of ``agent.Agent``."""

    @property
    def domains(self) -> tuple[Domain, ...]: ...

    def astream(
        self, text: str, *, session: str | None, user: str | None, domain: str | None, history: Sequence[Turn]
    ) -> AsyncIterator[Event]: ...

    def approve(self, session: str, yes: bool, *, user: str | None, call: str | None) -> Answer: ...


def create_app(agent: Answering, *, api_key: str | None = None) -> FastAPI:
    """The ASGI application. With ``api_key`` every request under /v1 has to carry it as a bearer token."""
    app = FastAPI(title="Collegium", version=version("collegium"), docs_url=None, redoc_url=None)
    app.add_middleware(Gate, api_key=api_key)
    turns = Turns(PARALLEL, WAITING)

    @app.exception_handler(Exception)
    @app.exception_handler(CollegiumError)
    @app.exception_handler(HTTPException)
    @app.exception_handler(RequestValidationError)
    async def failed(_: Request, error: Exception) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        status, body = describe(error)
        headers = {"Retry-After": str(error.retry_after)} if isinstance(error, BusyError) else None
        return JSONResponse(body, status, headers)

    @app.get("/healthz")
    async def health() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        domains = {domain.name: domain.error or "ok" for domain in agent.domains}
        return {"status": "ok", "version": version("collegium"), "domains": domains}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"object": "list", "data": [model(name) for name in model_names(agent)]}

    @app.get("/v1/models/{name:path}")
    async def one_model(name: str) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        if name not in model_names(agent):
            raise UnknownModel(name)
        return model(name)

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(body: ChatRequest) -> Response:  # pyright: ignore[reportUnusedFunction]
        domain = body.domain
        if domain is not None and body.model not in model_names(agent):
            raise UnknownModel(body.model)
        events = limited(turns, decided(agent, body) if body.collegium else asked(agent, body, domain))
        completion = Completion(body.model)
        if not body.stream:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Answered):
                        return JSONResponse(completion.whole(event.answer))
            raise ModelError("the turn ended without an answer")
        # Until the first word an error can still be an HTTP status.
        first = await anext(events, None)
        return EventSourceResponse(chunks(completion, first, events), ping=15)

    return app


def asked(agent: Answering, body: ChatRequest, domain: str | None) -> AsyncIterator[Event]:
    """The events of a question's turn."""
    remembered = body.user is not None
    return agent.astream(
        body.question,
        session=SESSION if remembered else None,
        user=body.user,
        domain=domain,
        history=() if remembered else body.history,
    )


async def decided(agent: Answering, body: ChatRequest) -> AsyncIterator[Event]:
    """The events of a decision. Raises UserError when nothing waits for it."""
    decision = body.collegium
    if body.user is None or decision is None:
        raise UserError("'collegium' decides on a call of a conversation: name its 'user'")
    answer = await asyncio.to_thread(
        agent.approve, SESSION, decision.approve, user=body.user, call=decision.call
    )
    yield Token(answer.text, answer.domains[0])
    yield Answered(answer)


async def limited(
    turns: AbstractAsyncContextManager[Any], events: AsyncIterator[Event]
) -> AsyncGenerator[Token | Answered]:
    """The text and the answer of a turn, once it is its turn. Raises the error of a turn that failed."""
    async with turns:
        try:
            async for event in events:
                match event:
                    case Failed():
                        raise event.as_error()
                    case Token() | Answered():
                        yield event
                    case _:
                        pass
        finally:
            if isinstance(events, AsyncGenerator):
                await events.aclose()  # stops the engine when the client has gone


async def chunks(
    completion: Completion, first: Token | Answered | None, rest: AsyncGenerator[Token | Answered]
) -> AsyncIterator[dict[str, str]]:
    """Server-sent events of one answer, ending in ``[DONE]``."""

    def sent(value: dict[str, Any]) -> dict[str, str]:
        return {"data": json.dumps(value, ensure_ascii=False)}

    answer: Answer | None = None
    async with aclosing(rest):
        yield sent(completion.chunk({"role": "assistant", "content": ""}))
        event = first
        try:
            while event is not None:
                if isinstance(event, Answered):
                    answer = event.answer
                else:
                    yield sent(completion.chunk({"content": event.text}))
                event = await anext(rest, None)
        except Exception as error:  # the status has been sent: the error goes the way of the text
            yield sent(describe(error)[1])
            return
    if answer is not None:
        yield sent(completion.chunk({}, answer))
    yield {"data": "[DONE]"}


def model_names(agent: Answering) -> list[str]:
    return [MODEL, *(f"{MODEL}/{domain.name}" for domain in agent.domains if not domain.error)]


def model(name: str) -> dict[str, Any]:
    """OpenAI's model object."""
    return {"id": name, "object": "model", "created": 0, "owned_by": MODEL}


def describe(error: Exception) -> tuple[int, dict[str, Any]]:
    """HTTP status and OpenAI error object, by who must act. What nobody raised on purpose is not told."""
    match error:
        case UnknownModel():
            return 404, error_body(str(error), "invalid_request_error", "model_not_found")
        case UserError():
            return 400, error_body(str(error), "invalid_request_error")
        case RequestValidationError():
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"] if part != "body")
            return 400, error_body(f"{where or 'body'}: {problem['msg']}", "invalid_request_error")
        case HTTPException():
            return error.status_code, error_body(str(error.detail), "invalid_request_error")
        case ModelError():
            return 503, error_body(str(error), "service_unavailable")
        case CollegiumError():
            return 500, error_body(str(error), "server_error")
        case _:
            return 500, error_body("unexpected error; the server's log has the details", "server_error")
