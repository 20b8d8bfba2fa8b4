"""The shipped memory sets and their scores: recall counts where it is right, and silence where it must be."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_fakes import FakeSkill, calculating, make_agent

from agent.evaluation import recall
from agent.evaluation.planning import SPLITS, rows_of
from skills.errors import CollegiumError
from skills.pack import discover
from skills.tool_calls import ToolCaller, ToolMatch

ROW = {
    "id": "r",
    "lang": "en",
    "kind": "argument",
    "facts": [{"text": "my weight is 80 kg", "domain": "medical"}],
    "history": [],
    "text": "calculate the medical BMI at 180 cm",
    "want": {"status": "answered", "tool": "bmi", "arguments": {"weight": 80, "height": 180}},
}


def test_a_row_counts_with_recall_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recall, "rows_of", lambda _: [ROW, {**ROW, "id": "q", "kind": "silent", "facts": []}])
    agent = make_agent({"medical": FakeSkill("medical", calculating)}, tmp_path / "s.sqlite")
    found = recall.scores("dev", agent)
    shares = {name: figure["share"] for name, figure in found.items()}
    assert (shares["with recall, argument"], shares["without recall, argument"]) == (1.0, 0.0)
    assert (shares["with recall, silent"], shares["says what it used"]) == (0.0, 1.0)
    assert (shares["with recall"], shares["without recall"], shares["gain"]) == (0.5, 0.0, 0.5)


@pytest.mark.parametrize("split", SPLITS)
def test_the_rows_are_sound(split: str) -> None:
    packs = {pack.name: pack for pack in discover()[0]}
    callers = {name: ToolCaller.for_pack(pack) for name, pack in packs.items()}
    passages = [path.stem for pack in packs.values() for path in pack.folder.glob("corpus/*.md")]
    rows = rows_of(f"memory.{split}")
    assert len(rows) == {"dev": 30, "test": 60}[split]
    for row in rows:
        want = row["want"]
        if "tool" in want:
            caller = next(one for one in callers.values() if want["tool"] in one.tools)
            assert caller.call(ToolMatch(want["tool"], want["arguments"])).text, row["id"]
        if "cites" in want:
            assert any(name.startswith(want["cites"].partition("#")[0]) for name in passages), row["id"]
        assert row["kind"] in ("argument", "place", "question", "silent")


def test_the_splits_share_no_row() -> None:
    dev, test = ({(str(row["facts"]), row["text"]) for row in rows_of(f"memory.{split}")} for split in SPLITS)
    assert not dev & test


def test_recall_keeps_what_it_reaches() -> None:
    """The calculators' rows of dev: with their facts nearly all are complete, without them hardly any."""
    from agent.facts import Fact
    from agent.recall import completed_call

    callers = [ToolCaller.for_pack(pack) for pack in discover()[0]]
    complete = {True: 0, False: 0}
    rows = [row for row in rows_of("memory.dev") if row["kind"] == "argument"]
    for row in rows:
        caller = next(one for one in callers if row["want"]["tool"] in one.tools)
        for recalls in (True, False):
            facts = [
                Fact(str(place), "u", fact["text"])
                for place, fact in enumerate(row["facts"] if recalls else [])
            ]
            match = caller.match(row["text"])
            if match is None:
                continue
            match, _ = completed_call(match, row["text"], caller, facts=facts)
            try:
                wanted = caller.call(ToolMatch(match.tool, row["want"]["arguments"])).text
                complete[recalls] += caller.call(match).text == wanted
            except CollegiumError:
                continue
    assert complete[True] >= 0.9 * len(rows)
    assert complete[False] <= 0.2 * len(rows)
