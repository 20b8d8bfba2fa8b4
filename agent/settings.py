"""What a user can set: by keyword, or by environment variables with the prefix ``COLLEGIUM_``.

Knows names, types and defaults; loads nothing. The data folder is ``COLLEGIUM_HOME`` (see ``skills.home``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from skills.errors import UserError
from skills.grounding.decision import Risk
from skills.home import home


def _split(value: object) -> object:
    """``"a:b"`` of the environment as a list; anything else as it is."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]
"""Folders; in the environment joined by the platform's path separator."""


class Settings(BaseSettings):
    """Settings of one agent. A keyword wins over the environment, the environment over the default."""

    model_config = SettingsConfigDict(env_prefix="COLLEGIUM_", extra="forbid", frozen=True)

    base: str = "smollm2-135m-instruct"
    """Base model: a known name, a GGUF file or a Hugging Face folder."""
    engine: Literal["auto", "llamacpp", "torch"] = "auto"
    """What runs the model; auto: torch where there is a GPU, else llama.cpp."""
    context: int = Field(default=4096, ge=256)
    """Tokens of prompt and answer together."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the model; None: the engine's choice."""
    risk: Risk = "balanced"
    """How sure a skill has to be of its evidence before it answers: cautious, balanced or bold."""
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
        default = home() / "mcp.toml"
        return self.mcp or (default if default.exists() else None)


def make_settings(**values: Any) -> Settings:
    """Settings from keywords and environment. Raises UserError naming the first bad one."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        got = f"setting {name!r} (COLLEGIUM_{name.upper()}): {first['msg']}, got {first['input']!r}"
        raise UserError(f"{got}; known: {', '.join(Settings.model_fields)}", subject=error) from error
