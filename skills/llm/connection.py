"""Asking one server: time limits, tries, a breaker, and errors that say what to do. One connection a request.

Knows HTTP and event streams, not models or adapters. Neither key nor texts are logged or put into an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from skills.llm.breaker import Breaker
from skills.llm.endpoint import Endpoint
from skills.llm.server_errors import Faults, Limits, ServerError
from skills.llm.watch import Watch
from skills.llm.wire import Chunk

Parsed = TypeVar("Parsed", bound=BaseModel)
Result = TypeVar("Result")
Json = Mapping[str, Any]


class Connection:
    """Requests to one endpoint. Every method raises ServerError. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        limits: Limits | None = None,
        *,
        breaker: Breaker | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self._limits = limits or Limits()
        self._breaker = breaker or Breaker()
        self._faults = Faults(endpoint, self._limits)
        self._last_fault = ""
        self._retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ServerError) and error.again),
            stop=stop_after_attempt(self._limits.attempts),
            wait=_wait,
            sleep=sleep,
            reraise=True,
        )
        self._client = httpx2.Client(
            base_url=endpoint.base,
            auth=endpoint.login,
            headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
            timeout=httpx2.Timeout(self._limits.first_token, connect=self._limits.connect),
            # An idle connection that a server ends just then looks like a server that fails.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    def get(self, address: str, form: type[Parsed]) -> Parsed:
        """A reply of that form. ``address``: relative to the endpoint's base, or whole."""
        return self._whole("GET", address, None, form)

    def post(self, address: str, body: Json, form: type[Parsed]) -> Parsed:
        """A reply of that form."""
        return self._whole("POST", address, body, form)

    def tell(self, address: str, body: Json) -> None:
        """A request whose reply does not matter if it is a good one."""
        self._retrying(lambda: self._reply("POST", address, body))

    def stream(self, address: str, body: Json) -> Generator[Chunk]:
        """The chunks of a completion from the first with a token on, until its end. Closing ends the connection."""
        with ExitStack() as stack:
            watch, first, rest = self._retrying(lambda: self._open(address, body, stack))
            try:
                for chunk in chain([first], rest):
                    watch.pause()
                    yield chunk
                    watch.allow(self._limits.between_tokens)
            except httpx2.RequestError as error:
                raise self._failed(self._faults.broken(error, watch, begun=True)) from error

    def close(self) -> None:
        """Later requests fail."""
        self._client.close()

    @contextmanager
    def _attempt(self, watch: Watch | None = None) -> Generator[None]:
        """One attempt as the breaker sees it."""
        if (seconds := self._breaker.enter()) > 0:
            raise ServerError(
                f"{self.endpoint.shown} has failed several times in a row and is left alone for {seconds:.0f} s. "
                f"Last: {self._last_fault}"
            )
        try:
            yield
        except httpx2.RequestError as error:
            raise self._failed(self._faults.broken(error, watch)) from error
        except ServerError as error:
            if error.status >= 500 or error.unreachable:
                self._failed(error)
            else:
                self._breaker.worked()
            raise
        except BaseException:
            self._breaker.gave_up()
            raise
        self._breaker.worked()

    def _failed(self, fault: ServerError) -> ServerError:
        self._last_fault = str(fault)
        self._breaker.failed()
        return fault

    def _whole(self, method: str, address: str, body: Json | None, form: type[Parsed]) -> Parsed:
        response = self._retrying(lambda: self._reply(method, address, body))
        try:
            return form.model_validate_json(response.content)
        except ValidationError as error:
            raise self._faults.unexpected(response, f"a reply of the form {form.__name__}") from error

    def _reply(self, method: str, address: str, body: Json | None) -> httpx2.Response:
        with self._attempt():
            response = self._client.request(method, address, json=body)
            if response.status_code != 200:
                raise self._faults.refused(response)
            return response

    def _open(self, address: str, body: Json, stack: ExitStack) -> tuple[Watch, Chunk, Generator[Chunk]]:
        """Send, and wait for the first token. The response stays open as long as the stack."""
        with ExitStack() as opened:
            watch = opened.enter_context(Watch(self._limits.first_token))
            with self._attempt(watch):
                request = self._client.build_request(
                    "POST", address, json=body, extensions={"trace": watch.trace}
                )
                request.extensions["timeout"]["read"] = None  # the watch is stricter
                response = self._client.send(request, stream=True)
                opened.callback(response.close)
                if response.status_code != 200:
                    response.read()
                    raise self._faults.refused(response)
                if response.headers.get("content-type", "").partition(";")[0].strip() != "text/event-stream":
                    response.read()
                    raise self._faults.unexpected(response, "an event stream")
                chunks = self._chunks(response, watch)
                for chunk in chunks:
                    if chunk.text or chunk.finish_reason:
                        stack.push(opened.pop_all())
                        return watch, chunk, chunks
                raise ServerError(f"{self.endpoint.shown} ended its answer before it began", again=True)

    def _chunks(self, response: httpx2.Response, watch: Watch) -> Generator[Chunk]:
        for event in httpx2.EventSource(response):
            if event.data.strip() == "[DONE]":
                return
            try:
                chunk = Chunk.model_validate_json(event.data)
            except ValidationError as error:
                raise self._faults.malformed(response, event.data) from error
            if chunk.error is not None:
                raise self._faults.gave_up(chunk.error)
            yield chunk
        if watch.expired:  # a body without a length looks whole when the watch has ended it
            raise httpx2.ReadTimeout("no token in time", request=response.request)


def _wait(state: RetryCallState) -> float:
    """What the server asked for, else exponential with full jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ServerError) and error.after is not None:
        return error.after
    return wait_random_exponential(multiplier=0.5, max=8)(state)
