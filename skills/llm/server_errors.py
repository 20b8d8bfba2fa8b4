"""What went wrong with a server, told so that somebody can act: address, status, its own words, what to do.

Knows HTTP's failures, not requests. Nothing told holds the key, a password or a query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from skills.errors import ModelError
from skills.llm.endpoint import Endpoint
from skills.llm.watch import Watch

_SAID = 500
"""Characters of a server's own words in an error."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds."""

    connect: float = 5.0
    first_token: float = 120.0
    """From sending the request; also for any whole reply."""
    between_tokens: float = 30.0
    attempts: int = 4
    """Of one request, as long as no token of it has come."""
    longest_wait: float = 20.0
    """Between two attempts; a server that asks for more (Retry-After) is not waited for."""


class ServerError(ModelError):
    """A server gave no usable answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        said: str = "",
        again: bool = False,
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status; 0: there was none."""
        self.said = said
        """The server's own words."""
        self.again = again
        """Another attempt may help."""
        self.after = after
        """Seconds that the server asked to wait."""

    @property
    def unreachable(self) -> bool:
        """There was no answer at all, as from a server that is down or has just been started again."""
        return self.again and not self.status


@dataclass(frozen=True, slots=True)
class Faults:
    """Makes the errors of one endpoint."""

    endpoint: Endpoint
    limits: Limits

    def broken(self, error: httpx2.RequestError, watch: Watch | None, *, begun: bool = False) -> ServerError:
        """What a failure of the transport means."""
        where = self.endpoint.shown
        late = watch is not None and watch.expired
        if begun:
            what = f"sent nothing more for {self.limits.between_tokens:g} s" if late else "was cut off"
            return ServerError(
                f"{where} {what} in the middle of an answer; ask again, or see the server's log"
            )
        if late or isinstance(error, httpx2.ReadTimeout):
            return ServerError(
                f"{where} gave no token within {self.limits.first_token:g} s; it may be loading a model or "
                "have too many requests: see the server's log"
            )
        reason = str(error) or type(error).__name__
        return ServerError(
            f"{where} cannot be reached: {self._clean(reason)}; is the server running, and is "
            "COLLEGIUM_REMOTE_URL right? See: collegium doctor",
            again=isinstance(error, httpx2.NetworkError | httpx2.ConnectTimeout | httpx2.RemoteProtocolError),
        )

    def refused(self, response: httpx2.Response) -> ServerError:
        """What a status other than 200 means, and what to do about it."""
        status = response.status_code
        said = self._said(response)
        after = _retry_after(response.headers.get("retry-after", ""))
        wait = after is None or after <= self.limits.longest_wait
        advice = {
            401: "set COLLEGIUM_REMOTE_KEY to a key it knows",
            403: "set COLLEGIUM_REMOTE_KEY to a key that may do this",
            404: "check COLLEGIUM_REMOTE_URL and COLLEGIUM_REMOTE_MODEL; see: collegium doctor",
            429: "it has too many requests; ask again later",
            503: "it is loading or overloaded; ask again later",
        }.get(status, "see the server's log" if status >= 500 else "see: collegium doctor")
        if not wait:
            advice = f"it asks to wait {after:.0f} s"
        if response.next_request is not None:
            said = f"moved to {response.next_request.url.copy_with(query=None)}"
            advice = "set COLLEGIUM_REMOTE_URL to the new address"
        where = response.url.copy_with(query=None)
        return ServerError(
            f"{where} answered {status}{f' ({said})' if said else ''}; {advice}",
            status=status,
            said=said,
            again=status in (429, 503) and wait,
            after=after,
        )

    def malformed(self, response: httpx2.Response, event: str) -> ServerError:
        """An event that is none of a chat completion."""
        return ServerError(
            f"{response.url.copy_with(query=None)} sent an event that is no chat completion chunk: "
            f"{self._clean(event)!r}; expected an OpenAI-compatible server (COLLEGIUM_REMOTE_URL)"
        )

    def gave_up(self, error: Any) -> ServerError:
        """An error object in place of a chunk."""
        said, status = _error_of(error)
        return ServerError(
            f"{self.endpoint.shown} gave up: {self._clean(said)}; see the server's log",
            status=status or 500,
            said=said,
            again=status in (429, 503),
        )

    def unexpected(self, response: httpx2.Response, expected: str) -> ServerError:
        """A reply of another kind."""
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        return ServerError(
            f"{response.url.copy_with(query=None)} answered with {kind!r} ({self._said(response)}), expected "
            f"{expected}: is it an OpenAI-compatible server? Check COLLEGIUM_REMOTE_URL"
        )

    def _said(self, response: httpx2.Response) -> str:
        """The error message in a reply, or how it begins."""
        if "html" in response.headers.get("content-type", ""):
            return "an HTML page"
        try:
            return self._clean(_error_of(json.loads(response.content))[0])
        except ValueError:
            return self._clean(response.text)

    def _clean(self, text: str) -> str:
        """One short line without the key, which some servers repeat."""
        for secret in (self.endpoint.key, *(self.endpoint.login or ())[1:]):
            text = text.replace(secret, "...") if secret else text
        line = " ".join(text.split())
        return line if len(line) <= _SAID else f"{line[:_SAID]}..."


def _retry_after(value: str) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date; None if it holds neither."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _error_of(value: Any) -> tuple[str, int]:
    """Message and status in the error objects that servers of several kinds send."""
    if isinstance(value, Mapping) and isinstance(value.get("error"), Mapping | str):
        value = value["error"]
    if not isinstance(value, Mapping):
        return str(value), 0
    code = value.get("code")
    text = next((value[key] for key in ("message", "detail") if value.get(key)), value)
    return str(text), code if isinstance(code, int) else 0
