"""``collegium serve``: the agent over HTTP. Knows addresses and keys; the protocol is in ``agent.server``."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer

from skills.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def command(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = 8000,
) -> None:
    """Serve OpenAI's chat completions. COLLEGIUM_API_KEY, if set, is asked of every client."""
    api_key = required_key(host)
    listener = listen(host, port)

    from rich.console import Console

    from agent import Agent

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with listener, Agent.from_settings() as agent:
        with console.status("loading"):
            agent.warm_up()
            import uvicorn

            from agent.server.app import create_app

            app = create_app(agent, api_key=api_key)
        shown = f"[{host}]" if ":" in host else host
        console.print(f"serving on http://{shown}:{listener.getsockname()[1]}/v1 (Ctrl-C stops)")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
        server.run(sockets=[listener])


def required_key(host: str) -> str | None:
    """COLLEGIUM_API_KEY, None where there is none. Raises UserError if the address needs one."""
    api_key = os.environ.get("COLLEGIUM_API_KEY") or None
    if host not in LOOPBACK and api_key is None:
        raise UserError(
            f"--host {host!r} lets others in: set COLLEGIUM_API_KEY first, or listen on 127.0.0.1"
        )
    return api_key


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is loaded. Raises UserError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port or --host"
        ) from error
