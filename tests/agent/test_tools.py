"""The tool registry: owners, grants, and packs that clash."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.tools import tool

from agent.tools import ToolRegistry
from skills.errors import DataError, UserError
from skills.pack import Pack, load_pack
from tests.agent.agent_fakes import bmi


@tool
def search(query: str) -> str:
    """Search the files."""
    return query


def pack_with(folder: Path, name: str, functions: tuple[str, ...]) -> Pack:
    folder.mkdir()
    (folder / "pack.toml").write_text(
        f'name = "{name}"\ntitle = "T"\nversion = "1"\ndescription = "d"\ndisclaimer = "none"\n'
    )
    code = "".join(f"def {one}(x: float = 1):\n    'Doc.'\n    return f'{{x}}', {{}}\n" for one in functions)
    (folder / "tools.py").write_text(f"{code}TOOLS = ({', '.join(functions)},)\n")
    (folder / "tools.toml").write_text("".join(f"[{one}]\ntriggers = ['use {one}']\n" for one in functions))
    return load_pack(folder, origin="test", trusted=True)


def test_a_name_has_one_owner() -> None:
    registry = ToolRegistry()
    registry.add(bmi, owner="pack 'medical'")
    with pytest.raises(
        DataError, match="tool 'bmi' is brought by pack 'medical' and by the user; rename one"
    ):
        registry.add(bmi, owner="the user")
    assert [(one.tool.name, one.owner, one.risk) for one in registry] == [("bmi", "pack 'medical'", "none")]


def test_grants() -> None:
    registry = ToolRegistry()
    registry.add(bmi, owner="pack 'medical'", grants=["medical"])
    registry.add(search, owner="the user", risk="reads")
    assert registry.get("bmi", skill="medical") is bmi
    assert registry.granted_to("medical") == [bmi, search]
    assert registry.granted_to("finance") == [search]
    with pytest.raises(UserError, match="skill 'finance' may not call 'bmi'; granted to: medical"):
        registry.get("bmi", skill="finance")
    with pytest.raises(UserError, match="no tool 'nothing'; known: bmi, search"):
        registry.get("nothing", skill="finance")


def test_a_pack_brings_all_its_tools_or_none(tmp_path: Path) -> None:
    registry = ToolRegistry()
    caller = registry.caller_of(pack_with(tmp_path / "a", "a", ("one", "two")))
    match = caller.match("calculate: use two")
    assert match is not None
    assert caller.call(match).text == "1"
    with pytest.raises(DataError, match="tool 'two' is brought by pack 'a' and by pack 'b'"):
        registry.caller_of(pack_with(tmp_path / "b", "b", ("three", "two")))
    assert [one.tool.name for one in registry] == ["one", "two"]
    assert [one.name for one in registry.granted_to("a")] == ["one", "two"]
