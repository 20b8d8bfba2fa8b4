"""The agent as an MCP server: its tools, and ``ask``.

Tools that change things are left out unless they are asked for: it is then the client that has to ask its user.
Knows fastmcp and the agent's face; not transports or ports (agent.cli.mcp).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, cast

from fastmcp import FastMCP
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from agent.app import Agent
from agent.tools import RegisteredTool
from skills.errors import CollegiumError, UserError
from skills.tool_use import told

ASK = "ask"

Called = Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
"""Arguments -> (text, values). Raises CollegiumError."""


class Question(BaseModel):
    """Arguments of the tool ``ask``."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(description="The question, in English or Chinese.")
    domain: str | None = Field(default=None, description="Ask this domain; left out: the right one is found.")
    session: str | None = Field(
        default=None,
        description="Name of a conversation that is remembered; left out: the question stands alone.",
    )


class AgentTool(Tool):
    """A tool whose work is done by a function of ours, in a thread."""

    _call: Called = PrivateAttr()

    @classmethod
    def made(cls, call: Called, *, risk: str, **fields: Any) -> AgentTool:
        hints = ToolAnnotations(read_only_hint=risk != "writes", destructive_hint=risk == "writes")
        tool = cls(annotations=hints, **fields)
        tool._call = call
        return tool

    async def run(self, arguments: dict[str, Any]) -> ToolResult:
        """What went wrong is a result too, for the client's model to read."""
        try:
            text, values = await asyncio.to_thread(self._call, arguments)
        except CollegiumError as error:
            return ToolResult(content=str(error), is_error=True)
        return ToolResult(content=text, structured_content=dict(values))


def create_server(agent: Agent, *, writes: bool = False) -> FastMCP:
    """The server. ``writes``: with the tools that change things. Raises UserError for a tool that is named ``ask``."""
    names = ", ".join(domain.title for domain in agent.domains if not domain.error)
    server: FastMCP = FastMCP(
        "collegium",
        version=version("collegium"),
        instructions=f"Calculators with named sources, and answers with checked citations, on: {names}.",
    )
    for one in agent.tools:
        if one.tool.name == ASK:
            raise UserError(
                f"{one.owner} brings a tool {ASK!r}, which is the server's own; rename it", subject=one
            )
        if one.risk != "writes" or writes:
            server.add_tool(_registered(agent, one))
    server.add_tool(
        AgentTool.made(
            lambda arguments: _asked(agent, arguments),
            risk="none",
            name=ASK,
            description=f"Ask the specialists on {names}. They answer from their documents, with citations, ask "
            "back, or decline where nothing supports an answer.",
            parameters=Question.model_json_schema(),
        )
    )
    return server


def _registered(agent: Agent, one: RegisteredTool) -> AgentTool:
    def call(arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        result = agent.call_tool(one.tool.name, arguments)
        return told(result), result.values

    schema = cast(type[BaseModel], one.tool.get_input_schema())
    return AgentTool.made(
        call,
        risk=one.risk,
        name=one.tool.name,
        description=one.tool.description,
        parameters=schema.model_json_schema(),
    )


def _asked(agent: Agent, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    try:
        asked = Question.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    answer = agent.ask(asked.question, domain=asked.domain, session=asked.session)
    if asked.session is not None and answer.awaiting is not None:  # nobody here can be asked
        answer = agent.approve(asked.session, False, call=answer.awaiting.id)
    lines = [answer.text]
    lines += [f"[{one.number}] {one.title or one.passage_id}: “{one.quote}”" for one in answer.citations]
    return "\n".join(lines), answer.to_json()
