"""Faults put into the real agent, its packs and weights: each is seen by `eval compare`, and laid to its stage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import domains
from agent.composition import compose_college
from agent.evaluation.compare import Comparison, compare
from agent.evaluation.items import load_sets
from agent.evaluation.run import run, work_of
from agent.evaluation.run_files import Run
from agent.evaluation.suite import ItemSet
from agent.evaluation.summary import write_summary
from agent.evaluation.system import System
from agent.events import Routed
from agent.parts import Parts
from agent.settings import Settings
from skills.records import Passage, Turn
from skills.retrieval.embedder import ENGLISH, load_embedder
from skills.retrieval.store import PassageStore

CONFIG = "lora+rag"
PACKS = ("medical", "finance", "legal")
ITEMS: dict[str, list[dict[str, Any]]] = {
    "medical": [
        {"question": "What are common side effects of metformin?", "gold": ["metformin#common-side-effects"]},
        {"question": "What are common side effects of statins?", "gold": ["statins#side-effects"]},
        {"question": "Why must prednisone not be stopped suddenly?", "gold": ["prednisone#stopping-safely"]},
        {"question": "What should I do after a missed dose of metformin?", "gold": ["metformin#missed-dose"]},
        {
            "question": "Is it safe to take ibuprofen while pregnant?",
            "gold": ["ibuprofen#who-should-not-take-it"],
        },
    ],
    "legal": [
        {"question": "How do I copyright something?", "gold": ["copyright#what-copyright-protects"]},
        {
            "question": "Can police search my car without a warrant?",
            "gold": ["search-and-seizure#exceptions-to-the-warrant-requirement"],
        },
        {
            "question": "What is a non-disclosure agreement?",
            "gold": ["confidentiality-clauses#what-an-nda-covers"],
        },
        {
            "question": "What is the difference between legal and physical custody?",
            "gold": ["custody-and-protection#best-interests-of-the-child"],
        },
        {
            "question": "What is adverse possession of land in property law?",
            "gold": ["real-property#adverse-possession"],
        },
        {
            "question": "How much notice does a lodger in England get?",
            "gold": ["renting-england#lodgers-and-unlawful-eviction"],
        },
    ],
    "finance": [
        {"question": "What is the percentage change from 80 to 100?", "answer": "25"},
        {"question": "By how many percent did sales change from 200 to 150?", "answer": "25"},
    ],
}


class Fault:
    """What is broken before a run; nothing, for the sound one."""

    def packs(self, folder: Path) -> None:
        """Change the copied packs."""

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Change the agent."""


class WrongRouter:
    """Gives everything to law, surely."""

    def route(self, text: str, history: Sequence[Turn] = (), last_domain: str = "") -> Routed:
        return Routed(("legal",), {"legal": 1.0}, 0.0)


class ForcedRouter(Fault):
    def patch(self, patch: pytest.MonkeyPatch) -> None:
        def router(parts: Parts) -> WrongRouter:
            return WrongRouter()

        patch.setattr(Parts, "router", router)


class EmptiedIndex(Fault):
    def packs(self, folder: Path) -> None:
        for name in PACKS:
            shutil.rmtree(folder / name / "index")
            left = Passage("left#over", "Nothing else is here.", "Left over")
            PassageStore.build([left], folder / name / "index", load_embedder(ENGLISH))


class SwappedAdapter(Fault):
    def packs(self, folder: Path) -> None:
        for name in ("medical", "legal"):
            (folder / name / "adapter").rename(folder / f"{name}.adapter")
        (folder / "medical.adapter").rename(folder / "legal" / "adapter")
        (folder / "legal.adapter").rename(folder / "medical" / "adapter")


class NoVerification(Fault):
    def patch(self, patch: pytest.MonkeyPatch) -> None:
        def configuration(name: str) -> str:
            return "no-verify"

        patch.setattr("agent.evaluation.system.configuration_of", configuration)


class FlippedSign(Fault):
    def packs(self, folder: Path) -> None:
        tools = folder / "finance" / "tools.py"
        sound = tools.read_text(encoding="utf-8")
        flipped = sound.replace("(new_value - old_value) / old_value", "(old_value - new_value) / old_value")
        assert flipped != sound
        tools.write_text(flipped, encoding="utf-8")


FAULTS: dict[type[Fault], str] = {
    ForcedRouter: "route",
    EmptiedIndex: "retrieval",
    SwappedAdapter: "adapter",
    NoVerification: "verification",
    FlippedSign: "tool",
}
"""The stage in which each fault shows first."""


def nothing_installed(group: str) -> tuple[()]:
    return ()


def asked(fault: Fault, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A run of the agent with that fault over all items."""
    packs = folder / "packs"
    for name in PACKS:
        shutil.copytree(Path(str(domains.__file__)).parent / name, packs / name)
    fault.packs(packs)
    specs: list[ItemSet] = []
    for name, items in ITEMS.items():
        path = folder / f"{name}.jsonl"
        rows = [{"id": f"{name}-{number}", "answerable": True, **item} for number, item in enumerate(items)]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        specs.append(ItemSet(name=name, task="grounded", file=str(path)))
    with patch.context() as changed:
        changed.setattr("skills.pack.entry_points", nothing_installed)
        fault.patch(changed)
        settings = Settings(domains=(packs,), trusted_domains=tuple(packs / name for name in PACKS))
        with System(settings, college=compose_college(settings)) as system:
            sets = load_sets(specs, PACKS, limit=None, seed=0, note=print)
            plan = {"configs": [CONFIG], "data": {}, "metrics": {}, "seed": 0}
            plan |= {"base": settings.base, "engine": settings.engine, "workers": 1}
            run(work_of(sets, [CONFIG]), system, folder / "run", plan=plan, resume=False)
    write_summary(folder / "run", command="collegium eval run")
    return folder / "run"


def found(before: Path, after: Path) -> Comparison:
    return compare(Run(before), Run(after))


@pytest.mark.weights
def test_each_fault_is_laid_to_its_stage(
    weights_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real weights and packs; every item that changed did so first in the stage that was broken."""
    sound = asked(Fault(), tmp_path / "sound", monkeypatch)
    assert found(sound, asked(Fault(), tmp_path / "again", monkeypatch)).changed == 0
    for fault, stage in FAULTS.items():
        seen = found(sound, asked(fault(), tmp_path / fault.__name__, monkeypatch))
        assert seen.changed, f"{fault.__name__} changed nothing"
        assert [one.stage for one in seen.stages] == [stage], fault.__name__
