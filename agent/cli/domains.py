"""``collegium domains``: the installed packs, what each brings, and why one cannot be used.

Reads the packs' files only; no model, no index and no pack's code is loaded. Configured MCP servers are asked.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agent.settings import Settings
    from skills.pack import Pack


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the domains: installed packs and those of COLLEGIUM_DOMAINS."""
    from agent.settings import make_settings
    from skills.pack import discover

    settings = make_settings()
    packs, broken = discover(settings.domains, settings.trusted_domains)
    rows: list[dict[str, Any]] = [describe(pack) for pack in packs]
    rows += [
        {"name": one.name, "status": "broken", "error": one.error, "origin": one.origin} for one in broken
    ]
    servers = _servers(settings)
    if as_json:
        print(json.dumps([*rows, *servers], ensure_ascii=False, indent=1))
        return

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("domain", "title", "version", "languages", "passages", "tools", "adapter", "origin"):
        table.add_column(column, justify="right" if column in ("passages", "tools") else "left")
    for row in rows:
        if row["status"] == "broken":
            table.add_row(Text(row["name"], "red"), Text("broken", "red"), *[""] * 5, row["origin"])
        else:
            adapter = "yes" if row["adapter"] else "no"
            cells = [
                row["name"],
                row["title"],
                row["version"],
                " ".join(row["languages"]),
                str(row["passages"]),
            ]
            table.add_row(*cells, str(row["tools"]), adapter, row["origin"])
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for one in broken:
        console.print(Text.assemble((f"{one.name}: ", "bold red"), one.error), soft_wrap=True)
    for row in servers:
        colour = "red" if row["error"] else "cyan"
        line = ", ".join(row["tools"]) + (f"  {row['error']}" if row["error"] else "")
        console.print(Text.assemble((f"MCP server {row['name']}: ", colour), line), soft_wrap=True)


def _servers(settings: Settings) -> list[dict[str, Any]]:
    """A row for each configured MCP server; they are started to see what they have, and ended again."""
    from agent.mcp.settings import read_servers

    if not (servers := read_servers(settings.mcp_file)):
        return []
    from agent.mcp.client import check_servers

    return [
        {
            "name": one.name,
            "status": "broken" if one.error else "ok",
            "tools": list(one.tools),
            "grants": list(servers[one.name].grants),
            "error": one.error,
            "origin": "MCP server",
        }
        for one in check_servers(servers)
    ]


def describe(pack: Pack) -> dict[str, Any]:
    """One row of the JSON output: a usable pack and what it brings."""
    manifest = pack.manifest
    return {
        "name": pack.name,
        "status": "ok",
        "title": manifest.title,
        "description": manifest.description,
        "version": manifest.version,
        "languages": list(manifest.languages),
        "jurisdiction": manifest.jurisdiction,
        "passages": _passages(pack),
        "tools": len(pack.tool_patterns) if pack.trusted else 0,
        "adapter": pack.adapter is not None,
        "origin": pack.origin,
        "trusted": pack.trusted,
        "folder": str(pack.folder),
    }


def _passages(pack: Pack) -> int:
    """Passages of the prebuilt indexes; 0 if there is none."""
    from skills.errors import DataError
    from skills.files import read_json

    try:
        indexes = (pack.index, pack.chinese_index)
        return sum(int(read_json(one / "manifest.json").get("count", 0)) for one in indexes if one)
    except DataError:
        return 0
