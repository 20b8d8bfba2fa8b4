"""Tools of MCP servers in the registry.

    1 connect   ask every server at once which tools it has; one that is away, or wrong, is reported and left out
    2 add       each tool under its server's name, on the file's terms, its arguments checked like a pack's
    3 call      the server is asked; one that ended is started again by the next call

Calls run on an event loop of their own, in a thread. What a server says is data: its own word on whether a tool is
harmless is not believed. Knows the protocol through fastmcp; not when a tool is called.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.tools import StructuredTool

from agent.mcp import require_extra
from agent.mcp.schema import arguments_model
from agent.mcp.settings import INSIDE, McpServer, filled
from agent.tools import ToolRegistry
from skills.errors import CollegiumError, DataError, ToolFailed
from skills.home import home

if TYPE_CHECKING:
    from fastmcp import Client
    from mcp.types import Tool

Result = TypeVar("Result")

LONGEST_DESCRIPTION = 500
"""Characters."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What became of a configured server."""

    name: str
    tools: tuple[str, ...] = ()
    """Names under which its tools can be called."""
    error: str = ""
    """Why it, or some of its tools, cannot be used; empty: all can."""


class McpServers:
    """The configured servers. Nothing is started before ``connect``."""

    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        self._servers = dict(servers)
        self._clients: dict[str, Client[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect(self, registry: ToolRegistry) -> tuple[ServerState, ...]:
        """Start what has to be started and add all tools. Raises UserError when the extra is not installed."""
        if not self._servers:
            return ()
        require_extra()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
        started = {name: self._run(self._listed(name, server)) for name, server in self._servers.items()}
        return tuple(self._added(registry, name, future) for name, future in started.items())

    def close(self) -> None:
        """End the programs that were started."""
        if self._loop is None:
            return
        for client in self._clients.values():
            try:
                self._run(client.close()).result(5)
            except Exception:  # noqa: S112  it ends with its input, which ends with this process
                continue
        self._clients.clear()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._loop = None

    # ------------------------------------------------------------------ on the loop

    def _run(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        assert self._loop is not None  # noqa: S101  connect made it
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _listed(self, name: str, server: McpServer) -> list[Tool]:
        self._clients[name] = client = _client(name, server)

        async def tools() -> list[Tool]:
            async with client:
                return await client.list_tools()

        return await asyncio.wait_for(tools(), server.start_seconds)

    async def _called(
        self, name: str, tool: str, arguments: dict[str, Any], seconds: float
    ) -> tuple[str, dict[str, Any], bool]:
        client, start_seconds = self._clients[name], self._servers[name].start_seconds
        async with AsyncExitStack() as connected:
            try:  # a program that ended is started again
                async with asyncio.timeout(start_seconds):
                    await connected.enter_async_context(client)
            except TimeoutError:
                raise ConnectionError(f"no answer within {start_seconds:g} seconds") from None
            async with asyncio.timeout(seconds):
                result = await client.call_tool_mcp(tool, arguments)
        parts = [getattr(part, "text", None) or f"[{part.type}]" for part in result.content]
        return "\n".join(parts), result.structured_content or {}, bool(result.is_error)

    # ------------------------------------------------------------------ in the registry

    def _added(self, registry: ToolRegistry, name: str, listed: Future[list[Tool]]) -> ServerState:
        server = self._servers[name]
        try:
            found = {tool.name: tool for tool in listed.result()}
        except TimeoutError:
            return ServerState(name, error=f"away: no answer within {server.start_seconds:g} seconds")
        except CollegiumError as error:
            return ServerState(name, error=str(error))
        except Exception as error:  # whatever a program or an address does that is no MCP server
            return ServerState(name, error=f"away: {_reason(error)}")
        problems = [f"it has no tool {one!r}" for one in server.tools.keys() - found.keys()]
        added: list[str] = []
        for tool in found.values():
            try:
                self._add(registry, name, tool)
                added.append(f"{name}_{tool.name}")
            except DataError as error:
                problems.append(str(error))
        return ServerState(name, tuple(added), "; ".join(problems))

    def _add(self, registry: ToolRegistry, name: str, tool: Tool) -> None:
        server, full = self._servers[name], f"{name}_{tool.name}"
        said = server.tools.get(tool.name)
        seconds = (said.seconds if said else None) or server.seconds
        required = tool.input_schema.get("required", ())

        def call(**arguments: Any) -> tuple[str, dict[str, Any]]:
            # What was left out is None here and nothing there.
            given = {key: value for key, value in arguments.items() if value is not None or key in required}
            try:
                text, values, failed = self._run(self._called(name, tool.name, given, seconds)).result()
            except TimeoutError:
                raise ToolFailed(full, f"no result within {seconds:g} seconds") from None
            except Exception as error:
                raise ToolFailed(full, f"MCP server {name!r}: {_reason(error)}") from error
            if failed:
                raise ToolFailed(full, text or "it gave no reason")
            return text or "Done.", values

        registry.add(
            StructuredTool.from_function(
                call,
                name=full,
                description=(tool.description or tool.title or full)[:LONGEST_DESCRIPTION],
                args_schema=arguments_model(full, tool.input_schema),
                response_format="content_and_artifact",
                metadata={"source": f"MCP server {name!r}"},
            ),
            owner=f"MCP server {name!r}",
            grants=server.grants,
            risk=(said.risk if said else None) or server.risk,
            seconds=server.start_seconds + seconds,
            pattern=said.pattern if said else None,
        )


def check_servers(servers: Mapping[str, McpServer]) -> Sequence[ServerState]:
    """What each server has, or why it has nothing: connects, looks and closes."""
    connected = McpServers(servers)
    try:
        return connected.connect(ToolRegistry())
    finally:
        connected.close()


def _client(name: str, server: McpServer) -> Client[Any]:
    from fastmcp import Client
    from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

    if server.url:
        return Client(StreamableHttpTransport(server.url, headers=filled(server.headers)))
    command, *arguments = server.command
    environment = {**filled(server.env), INSIDE: "1"}
    return Client(StdioTransport(command, arguments, env=environment, log_file=_log(name)))


def _log(name: str) -> Path:
    """Where a program's standard error goes: not into a conversation."""
    folder = home() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"mcp-{name}.log"


def _reason(error: BaseException) -> str:
    """The first cause in a line; the library wraps what happened in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
