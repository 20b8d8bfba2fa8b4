"""The agent with its real parts, and with parts that do not belong together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.app import Agent
from agent.events import Answered
from skills.errors import DataError, ModelError
from skills.records import Token

pytestmark = pytest.mark.weights

PACK = Path(__file__).parents[2] / "domains" / "medical"


def copy_of_medical(folder: Path, name: str) -> Path:
    """A data-only pack with the medical pack's parts under another name."""
    shutil.copytree(
        PACK, folder, ignore=shutil.ignore_patterns("__pycache__", "corpus", "eval", "route.jsonl")
    )
    manifest = folder / "pack.toml"
    manifest.write_text(manifest.read_text().replace('name = "medical"', f'name = "{name}"'))
    return folder


@pytest.fixture
def agent(weights_home: Path, tmp_path: Path) -> Iterator[Agent]:
    foreign = copy_of_medical(tmp_path / "packs" / "foreign", "foreign")
    record = foreign / "adapter" / "collegium.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "base_sha256": "0" * 64}))
    half = copy_of_medical(tmp_path / "packs" / "half", "half")
    (half / "index" / "dense.faiss").unlink()
    with Agent.from_settings(domains=(tmp_path / "packs",)) as made:
        yield made


def test_a_conversation_and_its_neighbours(agent: Agent) -> None:
    for domain, error, message in (
        ("foreign", ModelError, "adapter 'foreign' was trained on base 000000000000"),
        ("half", DataError, "'dense.faiss' is missing"),
    ):
        with pytest.raises(error, match=message):
            agent.ask("What is metformin used for?", domain=domain)
        assert message in {one.name: one.error for one in agent.domains}[domain]

    events = list(agent.stream("What is metformin used for?", session="s", domain="medical"))
    last = events[-1]
    assert isinstance(last, Answered)
    assert last.answer.status == "answered"
    assert last.answer.citations[0].passage_id.startswith("metformin#")
    assert "".join(event.text for event in events if isinstance(event, Token)) == last.answer.text

    later = agent.ask("And its side effects?", session="s", domain="medical")
    assert later.citations[0].passage_id.startswith("metformin#")

    assert agent.ask("Calculate my BMI, I am 180 cm tall", session="s", domain="medical").status == "clarify"
    assert agent.ask("80 kg", session="s").tools[0].values["bmi"] == pytest.approx(24.69, abs=0.05)


def test_given_evidence_is_used(agent: Agent) -> None:
    passages = [
        {"id": "x", "text": "The car of Mr Smith is red."},
        {"id": "y", "text": "Bananas grow in Ecuador."},
    ]
    given = agent.ask("What colour is the car of Mr Smith?", domain="medical", passages=passages)
    assert [one.passage_id for one in given.citations] == ["x"]
    other = agent.ask("What is compound interest?", domain="medical", store=PACK.parent / "finance" / "index")
    assert "interest" in other.citations[0].passage_id
