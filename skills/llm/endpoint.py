"""Which server the remote engine asks, as a user says it. Knows names and forms; asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from skills.errors import UserError

Place = int | str
"""Where a server has an adapter: the name it goes by, a folder that the server can read, or llama.cpp's number."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server. Raises UserError for an address that is none."""

    url: str
    """Where its API begins: "http://127.0.0.1:8080" or "https://host/path/v1"; without a path, /v1 is meant."""
    model: str = ""
    """The base model's name there; empty: the first that the server lists."""
    key: str = field(default="", repr=False)
    """Sent as bearer token. Shown nowhere."""
    adapters: Mapping[str, Place] = field(default_factory=dict[str, Place])
    """Adapter name -> where the server has it."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:  # a port that is none
            usable = False
        if not usable:
            raise UserError(
                f"server address {self.shown!r} cannot be used; expected http://HOST:PORT or https://HOST/v1 "
                "(COLLEGIUM_REMOTE_URL)",
                subject=self,
            )

    @property
    def base(self) -> str:
        """The address that "models" or "chat/completions" is put after, with a slash at its end."""
        parts = urlsplit(self.url)
        return urlunsplit(
            (parts.scheme, _host(parts.netloc), (parts.path.rstrip("/") or "/v1") + "/", "", "")
        )

    @property
    def root(self) -> str:
        """The address of what is not part of OpenAI's API: without the /v1 at the end."""
        return self.base.removesuffix("/").removesuffix("/v1") + "/"

    @property
    def login(self) -> tuple[str, str] | None:
        """Name and password, if the address has them."""
        parts = urlsplit(self.url)
        return (parts.username, parts.password or "") if parts.username else None

    @property
    def shown(self) -> str:
        """The address for messages and logs: without name, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, _host(parts.netloc), parts.path, "", ""))


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]
