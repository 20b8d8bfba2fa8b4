"""The agent's tools: who brought each, which skill may call it, and how risky it is.

Nothing registers itself: someone adds a tool, by hand. Knows LangChain tools and packs; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.tools import BaseTool

from agent.plan import TOOLS
from skills.errors import DataError, UserError
from skills.pack import Pack, ToolPattern
from skills.tool_calls import ToolCaller, pack_tools
from skills.tool_runs import SECONDS, Risk, ToolTerms

__all__ = ["EVERYONE", "RegisteredTool", "Risk", "ToolRegistry"]

EVERYONE = "*"
"""In a grant: every skill."""


@dataclass(frozen=True, slots=True)
class RegisteredTool:
    """A tool and its place in the agent."""

    tool: BaseTool
    owner: str
    """Who added it: "pack 'medical'"."""
    grants: frozenset[str]
    """Skills that may call it, or EVERYONE."""
    terms: ToolTerms
    pattern: ToolPattern | None
    """How a question calls it; None: by name only, or as its pack says."""

    @property
    def risk(self) -> Risk:
        return self.terms.risk

    def allows(self, skill: str) -> bool:
        return skill in self.grants or skill == TOOLS or EVERYONE in self.grants


class ToolRegistry:
    """Tools by name. A name belongs to one owner."""

    def __init__(self) -> None:
        self._tools: dict[str, RegisteredTool] = {}
        self._packs: dict[str, Mapping[str, ToolPattern]] = {}

    def add(
        self,
        tool: BaseTool,
        *,
        owner: str,
        grants: Iterable[str] = (EVERYONE,),
        risk: Risk = "none",
        seconds: float = SECONDS,
        pattern: ToolPattern | None = None,
    ) -> None:
        """Add a tool; before the skills that may call it are made.

        ``risk``: a tool that writes is run after approval only. ``seconds``: how long it may take. ``pattern``: how
        a question calls it. Raises DataError naming both owners when the name is taken, and for a pattern that does
        not fit.
        """
        taken = self._tools.get(tool.name)
        if taken is not None:
            raise DataError(
                f"tool {tool.name!r} is brought by {taken.owner} and by {owner}; rename one", subject=tool
            )
        if pattern is not None:
            ToolCaller([tool], {tool.name: pattern})
        terms = ToolTerms(risk, seconds)
        self._tools[tool.name] = RegisteredTool(tool, owner, frozenset(grants), terms, pattern)

    def add_pack(self, pack: Pack) -> None:
        """Add a pack's tools, granted to its own skill; all of them or, on an error, none.

        Raises DataError for a tool name that is taken and for functions or patterns that do not fit.
        """
        owner = f"pack {pack.name!r}"
        tools = pack_tools(pack)
        ToolCaller(tools, pack.tool_patterns if tools else {})
        before = dict(self._tools)
        try:
            for tool in tools:
                self.add(tool, owner=owner, grants=(pack.name,))
        except DataError:
            self._tools = before
            raise
        self._packs[pack.name] = pack.tool_patterns if tools else {}

    def caller_of(self, pack: Pack) -> ToolCaller:
        """What finds and runs the tools that the pack's skill may call; adds the pack's if they are not there yet."""
        if pack.name not in self._packs:
            self.add_pack(pack)
        return self._caller(pack.name, self._packs[pack.name], pack.tool_words)

    def caller(self) -> ToolCaller:
        """What runs any tool by its name, and finds those that every skill may call. It is the skill TOOLS's."""
        return self._caller(TOOLS, {})

    def _caller(
        self, skill: str, patterns: Mapping[str, ToolPattern], words: Sequence[str] = ()
    ) -> ToolCaller:
        mine = [found for found in self if found.allows(skill)]
        found = {
            one.tool.name: one.pattern
            for one in mine
            if one.pattern is not None and (skill != TOOLS or EVERYONE in one.grants)
        }
        return ToolCaller(
            [one.tool for one in mine],
            {**patterns, **found},
            {one.tool.name: one.terms for one in mine},
            words,
        )

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
