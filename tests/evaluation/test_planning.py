"""The shipped sets and their scores: what is right counts, what is wrong does not."""

import json
from collections import Counter
from pathlib import Path

import pytest

from agent.evaluation.planning import SETS, SPLITS, scores
from agent.events import Routed
from agent.router import Router
from skills.files import read_jsonl
from skills.pack import discover
from skills.tool_calls import ToolCaller

DOMAINS = {"medical", "finance", "legal", "general"}


class Oracle(Router):
    """Knows the sets by heart, or says what it is told."""

    def __init__(self, always: tuple[str, ...] | None = None) -> None:
        self.always = always
        self.known: dict[str, tuple[str, ...]] = {}
        for path in SETS.glob("*.jsonl"):
            for row in read_jsonl(path):
                if "parts" in row:
                    self.known[row["text"]] = tuple(part["domain"] for part in row["parts"])
                elif "label" in row:
                    self.known[row["text"]] = () if row["label"] == "general" else (row["label"],)

    def route(self, text: str, history: object = (), last_domain: str = "") -> Routed:
        domains = self.known.get(text, ("medical",)) if self.always is None else self.always
        shares = {**dict.fromkeys(DOMAINS, 0.0), **dict.fromkeys(domains or ("general",), 1.0)}
        return Routed(domains, shares, 0.0)


@pytest.mark.parametrize("split", SPLITS)
def test_a_router_that_knows_better_scores_better(split: str) -> None:
    known, always = (scores(split, router, {}) for router in (Oracle(), Oracle(("medical",))))
    assert known["several domains: the right ones"]["share"] == 1.0
    assert always["several domains: the right ones"]["share"] < 0.5
    assert known["follow-ups: the right domain, moves"]["share"] > 0.8
    assert always["follow-ups: the right domain"]["share"] < known["follow-ups: the right domain"]["share"]
    assert all(0 <= one["low"] <= one["share"] <= one["high"] <= 1 for one in known.values())


def test_the_splits_are_large_enough_and_share_no_text() -> None:
    texts: dict[str, list[str]] = {split: [] for split in SPLITS}
    sizes: Counter[str] = Counter()
    for path in SETS.glob("*.jsonl"):
        split = path.stem.rpartition(".")[2]
        rows = list(read_jsonl(path, required=("text",)))
        texts[split] += [json.dumps([row.get("history"), row["text"]]) for row in rows]
        sizes[path.stem] = len(rows)
    assert not set(texts["dev"]) & set(texts["test"])
    assert sizes["several_domains.test"] >= 150
    assert sizes["follow_ups.test"] >= 100
    assert all(sizes[f"tools.{domain}.test"] >= 100 for domain in DOMAINS - {"general"})


def test_the_calculators_keep_what_they_reach() -> None:
    packs, _ = discover()
    callers = {pack.name: ToolCaller.for_pack(pack) for pack in packs if pack.name in DOMAINS}
    found = scores("dev", Oracle(), callers)
    assert found["tools: the right one"]["share"] >= 0.95
    assert found["tools: all arguments"]["share"] >= 0.90
    assert found["tools: no call"]["share"] >= 0.97


def test_a_caller_without_patterns_calls_nothing() -> None:
    found = scores("dev", Oracle(), {"legal": ToolCaller([], {})})
    assert found["tools: no call"]["share"] == 1.0
    assert found["tools: the right one"]["share"] == 0.0


def test_the_sets_are_where_the_package_is() -> None:
    assert Path(SETS).is_dir()
