"""``mcp.toml`` (or the same as JSON): which MCP servers' tools the agent has, and on which terms.

    [servers.notes]
    command = ["python", "notes_server.py"]     # or: url = "https://example.org/mcp"
    risk = "reads"                              # none, reads or writes; "writes", if the file says nothing
    grants = ["legal"]                          # skills that may call its tools; all, if the file says nothing

    [servers.notes.tools.find]                  # how a question calls the tool "notes_find", as in a pack's tools.toml
    triggers = ['\\bmy notes\\b']
    arguments.text = { patterns = [{ regex = 'notes on (?P<value>.+?)\\??$' }], ask = "Notes on what?" }

Knows the file; not the protocol.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.tools import EVERYONE
from skills.errors import DataError
from skills.pack import NAME, Argument, Regex, ToolPattern
from skills.tool_runs import SECONDS, Risk

INSIDE = "COLLEGIUM_INSIDE_MCP"
"""Set for servers that are started here: an agent among them starts none itself, or they would go on forever."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class McpTool(_Strict):
    """What the file says of one tool."""

    risk: Risk | None = None
    """None: the server's."""
    seconds: float | None = Field(default=None, gt=0)
    """None: the server's."""
    triggers: tuple[Regex, ...] = ()
    """None: it is called by name only."""
    unless: tuple[Regex, ...] = ()
    arguments: Mapping[str, Argument] = {}

    @model_validator(mode="after")
    def _has_triggers(self) -> Self:
        if (self.unless or self.arguments) and not self.triggers:
            raise ValueError("'unless' and 'arguments' need 'triggers'")
        return self

    @property
    def pattern(self) -> ToolPattern | None:
        if not self.triggers:
            return None
        return ToolPattern(triggers=self.triggers, unless=self.unless, arguments=self.arguments)


class McpServer(_Strict):
    """One server: a program that is started and spoken to over stdio, or an address of streamable HTTP."""

    command: tuple[str, ...] = ()
    url: str = Field(default="", pattern=r"^(https?://.+)?$")
    env: Mapping[str, str] = {}
    """For the program, besides PATH, HOME and the like. ``${NAME}`` stands for a variable of our environment."""
    headers: Mapping[str, str] = {}
    """For the address. ``${NAME}`` as in ``env``."""
    grants: tuple[str, ...] = Field(default=(EVERYONE,), min_length=1)
    """Skills that may call its tools."""
    risk: Risk = "writes"
    seconds: float = Field(default=SECONDS, gt=0)
    """How long one call may take."""
    start_seconds: float = Field(default=20.0, gt=0)
    """How long the server may take to say what tools it has."""
    tools: Mapping[str, McpTool] = {}
    """By the name that the server gives them."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError("expected either 'command' or 'url'")
        if (self.env and self.url) or (self.headers and self.command):
            raise ValueError("'env' goes with 'command', 'headers' with 'url'")
        return self


class McpFile(_Strict):
    """The whole file."""

    servers: Mapping[Annotated[str, Field(pattern=NAME)], McpServer] = {}


def read_servers(path: Path | None) -> Mapping[str, McpServer]:
    """The servers of a file, by name; none where there is no file. Raises DataError naming the file and the field."""
    if path is None or os.environ.get(INSIDE):
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        return McpFile.model_validate(
            json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        ).servers
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{str(path)!r}: {where}: {first['msg']}", subject=path) from error
    except OSError as error:
        raise DataError(
            f"COLLEGIUM_MCP: {str(path)!r} cannot be read: {error.strerror}", subject=path
        ) from error
    except ValueError as error:  # of TOML, JSON or UTF-8
        raise DataError(f"{str(path)!r}: {error}", subject=path) from error


def filled(values: Mapping[str, str]) -> dict[str, str]:
    """The values with ``${NAME}`` replaced. Raises DataError naming a variable that is not set."""
    try:
        return {key: Template(value).substitute(os.environ) for key, value in values.items()}
    except KeyError as error:
        raise DataError(f"the environment variable {error} is not set") from error
    except ValueError as error:
        raise DataError(f"{error}; write ${{NAME}} for a variable and $$ for a dollar sign") from error
