"""``collegium mcp``: the agent's tools for other programs. Knows transports and keys; the rest is agent.mcp.server."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.serve import listen, required_key
from skills.errors import UserError


def command(
    http: Annotated[
        bool, typer.Option("--http", help="Listen for streamable HTTP instead of standard input.")
    ] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on, with --http; 0: a free one.")
    ] = 8001,
    writes: Annotated[
        bool,
        typer.Option("--writes", help="Offer tools that change things, too: the client has to ask its user."),
    ] = False,
) -> None:
    """Serve the calculators and other tools, and `ask`, over the Model Context Protocol."""
    from agent.mcp import require_extra

    require_extra()
    if not http and (host, port) != ("127.0.0.1", 8001):
        raise UserError("--host and --port go with --http: collegium mcp --http --port 8001")
    api_key = required_key(host) if http else None
    listener = listen(host, port) if http else None

    from agent import Agent
    from agent.mcp.server import create_server

    with Agent.from_settings() as agent:
        server = create_server(agent, writes=writes)
        if listener is None:
            server.run(transport="stdio", show_banner=False)
            return
        import uvicorn
        from rich.console import Console

        from agent.server.gate import Gate

        app = Gate(server.http_app(path="/mcp"), api_key=api_key, guarded="/")
        shown = f"[{host}]" if ":" in host else host
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"serving on http://{shown}:{listener.getsockname()[1]}/mcp (Ctrl-C stops)")
        with listener:
            uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)).run(
                sockets=[listener]
            )
