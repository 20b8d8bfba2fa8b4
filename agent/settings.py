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
    slots: int = Field(default=1, ge=1)
    """Answers that llama.cpp computes at once; with more than one, a word now and then depends on what runs beside."""
    warm: int = Field(default=1, ge=1)
    """Contexts that llama.cpp keeps, for as many adapters or conversations in turn; each costs memory."""
    risk: Risk = "balanced"
    """How sure a skill has to be of its evidence before it answers: cautious, balanced or bold."""
    domains: Paths = ()
    """Folders of packs besides the installed ones: a pack itself, or a folder of packs."""
    trusted_domains: Paths = ()
    """Pack folders whose ``tools.py`` may run."""
    sessions: Path | None = None
    """SQLite file of the conversations; None: ``sessions.sqlite`` in the data folder."""
    history: int = Field(default=6, ge=0)
    """Messages of a session that routing and skills get to see."""

    @property
    def session_file(self) -> Path:
        return self.sessions or home() / "sessions.sqlite"


def make_settings(**values: Any) -> Settings:
    """Settings from keywords and environment. Raises UserError naming the first bad one."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        got = f"setting {name!r} (COLLEGIUM_{name.upper()}): {first['msg']}, got {first['input']!r}"
        raise UserError(f"{got}; known: {', '.join(Settings.model_fields)}", subject=error) from error
