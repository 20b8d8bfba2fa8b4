"""The Model Context Protocol: other programs' tools in the agent (client), the agent's tools in others (server).

Its library is the optional extra ``mcp`` and is imported only where a server is configured or started.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from skills.errors import UserError


def require_extra() -> None:
    """Raises UserError naming the extra where the library is not installed; keeps it quiet where it is."""
    if find_spec("fastmcp") is None:
        raise UserError("MCP needs an optional extra: pip install 'collegium[mcp]'")
    # Its log goes to the terminal, where a conversation is.
    os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")
