"""The agent's tools: who brought each, which skill may call it, and how risky it is.

Nothing registers itself: someone adds a tool, by hand. Knows LangChain tools and packs; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from langchain_core.tools import BaseTool

from skills.errors import DataError, UserError
from skills.pack import Pack
from skills.tool_calls import ToolCaller, pack_tools

Risk = Literal["none", "reads", "writes"]
"""none: computes from its arguments alone; reads: looks at files or the network; writes: changes things."""

EVERYONE = "*"
"""In a grant: every skill."""


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """A tool and its place in the agent."""

    tool: BaseTool
    owner: str
    """Who added it: "pack 'medical'"."""
    risk: Risk
    grants: frozenset[str]
    """Skills that may call it, or EVERYONE."""

    def allows(self, skill: str) -> bool:
        return skill in self.grants or EVERYONE in self.grants


class ToolRegistry:
    """Tools by name. A name belongs to one owner."""

    def __init__(self) -> None:
        self._tools: dict[str, RegisteredTool] = {}
        self._callers: dict[str, ToolCaller] = {}

    def add(
        self, tool: BaseTool, *, owner: str, grants: Iterable[str] = (EVERYONE,), risk: Risk = "none"
    ) -> None:
        """Add a tool. Raises DataError naming both owners when the name is taken."""
        taken = self._tools.get(tool.name)
        if taken is not None:
            raise DataError(
                f"tool {tool.name!r} is brought by {taken.owner} and by {owner}; rename one", subject=tool
            )
        self._tools[tool.name] = RegisteredTool(tool, owner, risk, frozenset(grants))

    def add_pack(self, pack: Pack) -> None:
        """Add a pack's tools, granted to its own skill; all of them or, on an error, none.

        Raises DataError for a tool name that is taken and for functions or patterns that do not fit.
        """
        owner = f"pack {pack.name!r}"
        tools = pack_tools(pack)
        caller = ToolCaller(tools, pack.tool_patterns if tools else {})
        before = dict(self._tools)
        try:
            for tool in tools:
                self.add(tool, owner=owner, grants=(pack.name,))
        except DataError:
            self._tools = before
            raise
        self._callers[pack.name] = caller

    def caller_of(self, pack: Pack) -> ToolCaller:
        """What finds and runs the pack's tools for its skill; adds them if they are not there yet."""
        if pack.name not in self._callers:
            self.add_pack(pack)
        return self._callers[pack.name]

    def get(self, name: str, *, skill: str) -> BaseTool:
        """A tool for a skill. Raises UserError when there is none or the skill may not call it."""
        found = self._tools.get(name)
        if found is None:
            raise UserError(
                f"no tool {name!r}; known: {', '.join(sorted(self._tools)) or 'none'}", subject=name
            )
        if not found.allows(skill):
            granted = ", ".join(sorted(found.grants))
            raise UserError(f"skill {skill!r} may not call {name!r}; granted to: {granted}", subject=found)
        return found.tool

    def granted_to(self, skill: str) -> list[BaseTool]:
        """The tools a skill may call, in the order in which they were added."""
        return [found.tool for found in self._tools.values() if found.allows(skill)]

    def __iter__(self) -> Iterator[RegisteredTool]:
        return iter(self._tools.values())
