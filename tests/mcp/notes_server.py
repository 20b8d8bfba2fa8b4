"""An MCP server over stdio with tools that behave, and some that do not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

from fastmcp import FastMCP
from pydantic import Field

server = FastMCP("notes")


@server.tool
def find(text: str, limit: Annotated[int, Field(ge=1, le=9)] = 3) -> str:
    """Find a note."""
    return f"{limit} notes on {text}, for {os.environ.get('WHOSE', 'nobody')}"


@server.tool
def write(text: str) -> str:
    """Write a note."""
    with Path(os.environ["TRACE"]).open("a") as file:
        file.write(f"{text}\n")
    return f"Wrote {text}."


@server.tool
def fail() -> str:
    """Fail."""
    raise ValueError("no notes today")


@server.tool
def sleep() -> str:
    """Take a minute."""
    time.sleep(60)
    return "late"


@server.tool
def stop() -> str:
    """End the server."""
    os._exit(1)


@server.tool
def flood() -> str:
    """A megabyte."""
    return "x" * 1_000_000


if __name__ == "__main__":
    print("starting", file=sys.stderr)
    server.run(show_banner=False)
