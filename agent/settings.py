"""What a user can set: by keyword, or by environment variables with the prefix ``COLLEGIUM_``.

Knows names, types and defaults; loads nothing. The data folder is ``COLLEGIUM_HOME`` (see ``skills.home``).
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, StrictInt, StrictStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from skills.errors import UserError
from skills.grounding.decision import Risk
from skills.home import home
from skills.llm import Endpoint, EngineKind


def _split(value: object) -> object:
    """``"a:b"`` of the environment as a list; anything else as it is."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _table(value: object) -> object:
    """A JSON object, or the TOML file of that name, as a dictionary; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.lstrip().startswith("{") else tomllib.loads(Path(value).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a JSON object or the path of a TOML file ({error})") from error


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]
"""Folders; in the environment joined by the platform's path separator."""

Places = Annotated[dict[str, StrictInt | StrictStr], NoDecode, BeforeValidator(_table)]
"""Adapter name -> where a server has it; in the environment as JSON, or the path of a TOML file."""


class Settings(BaseSettings):
    """Settings of one agent. A keyword wins over the environment, the environment over the default."""

    model_config = SettingsConfigDict(env_prefix="COLLEGIUM_", extra="forbid", frozen=True)

    base: str = "smollm2-135m-instruct"
    """Base model: a known name, a GGUF file or a Hugging Face folder."""
    engine: EngineKind = "auto"
    """What runs the model; auto: torch where there is a GPU, else llama.cpp; remote: a server."""
    remote_url: str = ""
    """The server of the remote engine: any that speaks OpenAI's chat completions."""
    remote_model: str = ""
    """Its base model's name there; empty: the first that it lists."""
    remote_key: SecretStr = SecretStr("")
    """Its key. Shown nowhere."""
    remote_adapters: Places = Field(default_factory=dict[str, int | str])
    """Domain -> its adapter on the server: a model name, a folder that vLLM loads, or llama.cpp's number or file.
    The others are written by the server's base model."""
    context: int = Field(default=4096, ge=256)
    """Tokens of prompt and answer together."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the model; None: the engine's choice."""
    slots: int = Field(default=1, ge=1)
    """Answers that llama.cpp computes at once; with more than one, a word now and then depends on what runs beside."""
    warm: int = Field(default=1, ge=1)
    """Contexts that llama.cpp keeps, for as many adapters or conversations in turn; each costs memory."""
    risk: Risk = "balanced"
    """How sure a skill has to be of its evidence before it answers: cautious, balanced or bold."""
    planner: Literal["rules", "model"] = "rules"
    """Who plans: rules, or the base model held to a JSON schema, for bases that plan better than they do (see
    ``collegium eval planning``)."""
    domains: Paths = ()
    """Folders of packs besides the installed ones: a pack itself, or a folder of packs."""
    trusted_domains: Paths = ()
    """Pack folders whose ``tools.py`` may run."""
    sessions: Path | None = None
    """SQLite file of the conversations, facts are beside it; None: ``sessions.sqlite`` in the data folder."""
    mcp: Path | None = None
    """File of the MCP servers whose tools the agent has; None: ``mcp.toml`` in the data folder, if it is there."""
    history: int = Field(default=6, ge=0)
    """Messages of a session that routing and skills get to see."""

    @property
    def session_file(self) -> Path:
        return self.sessions or home() / "sessions.sqlite"

    @property
    def mcp_file(self) -> Path | None:
        """The file of MCP servers, if there is one."""
        default = home() / "mcp.toml"
        return self.mcp or (default if default.exists() else None)

    @property
    def endpoint(self) -> Endpoint | None:
        """The server of the remote engine, if one is set. Raises UserError for an address that is none."""
        if not self.remote_url:
            return None
        key = self.remote_key.get_secret_value()
        return Endpoint(self.remote_url, self.remote_model, key, self.remote_adapters)


def make_settings(**values: Any) -> Settings:
    """Settings from keywords and environment. Raises UserError naming the first bad one."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        value = "something" if "key" in name else repr(first["input"])  # a misspelled key is still one
        got = f"setting {name!r} (COLLEGIUM_{name.upper()}): {first['msg']}, got {value}"
        raise UserError(f"{got}; known: {', '.join(Settings.model_fields)}", subject=error) from error
