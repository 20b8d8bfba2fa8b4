"""Who may send what: an API key and a limit on bodies, checked before anything is read. Knows no route."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.server.schemas import error_body

LARGEST_BODY = 4 * 2**20
"""Bytes; a question has at most 20,000 characters, but a conversation comes with each request."""


class Gate:
    """ASGI middleware. Paths that begin with ``guarded`` need the key, if there is one."""

    def __init__(self, app: ASGIApp, *, api_key: str | None, guarded: str = "/v1/") -> None:
        self.app, self.api_key, self.guarded = app, api_key, guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self.api_key and str(scope["path"]).startswith(self.guarded):
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.api_key.encode()):
                body = error_body("no API key, or a wrong one", "invalid_request_error", "invalid_api_key")
                return JSONResponse(body, 401)
        length = headers.get("content-length")
        if length is None:
            # Only a body has a length to tell: one that comes in chunks could be endless.
            if headers.get("transfer-encoding"):
                return JSONResponse(error_body("a body needs a length", "invalid_request_error"), 411)
        elif not length.isdecimal() or int(length) > LARGEST_BODY:
            message = f"the body is over {LARGEST_BODY:,} bytes"
            return JSONResponse(error_body(message, "invalid_request_error"), 413)
        return None
