"""`train decision`: what is in the store is found, what has been taken out of it is not."""

from pathlib import Path

import pytest

from skills.errors import UserError
from skills.files import read_json, write_jsonl
from skills.grounding.evidence import FEATURES, load_evidence
from skills.learning.decision import DecisionConfig, Sample, decision_scores, train
from skills.learning.evidence import EvidenceConfig
from skills.learning.evidence import train as train_evidence
from skills.records import Passage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store import PassageStore

DRUGS = ("alpha", "beta", "gamma")


@pytest.fixture
def parts(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """An evidence encoder, a store and questions about it."""
    texts = {drug: f"{drug}\nside effect of {drug} : nausea ." for drug in DRUGS}
    rows = [
        {
            "question": f"what is the side effect of {drug} ?",
            "positives": [texts[drug]],
            "negatives": [text for other, text in texts.items() if other != drug],
        }
        for drug in DRUGS
    ]
    write_jsonl(tmp_path / "pairs.jsonl", rows * 8)
    train_evidence(
        EvidenceConfig(
            train=(tmp_path / "pairs.jsonl",),
            dev=(tmp_path / "pairs.jsonl",),
            out=tmp_path / "evidence",
            encoder=str(tiny_encoder),
            rank=8,
            alpha=16,
            epochs=12,
            learning_rate=0.02,
            batch_tokens=256,
            dropout=0.0,
            threads=1,
        )
    )
    passages = [Passage(f"{drug}#1", f"side effect of {drug} : nausea .", drug) for drug in DRUGS]
    embedder = HashingEmbeddings()
    PassageStore.build(passages, tmp_path / "store", embedder)
    monkeypatch.setattr("skills.retrieval.store.load_embedder", lambda name: embedder)
    write_jsonl(
        tmp_path / "questions.jsonl",
        [{"question": f"what is the side effect of {d} ?", "gold": [f"{d}#1"]} for d in DRUGS],
    )
    return {name: tmp_path / name for name in ("evidence", "store", "questions.jsonl")}


def config(parts: dict[str, Path], out: Path, stores: int = 2) -> DecisionConfig:
    rows = (parts["questions.jsonl"],)
    return DecisionConfig(
        train=rows, dev=rows, out=out, stores=(parts["store"],) * stores, evidence=parts["evidence"] / "best"
    )


def test_it_tells_present_from_absent(parts: dict[str, Path], tmp_path: Path) -> None:
    metrics = train(config(parts, tmp_path / "run"))
    assert metrics["questions: coverage"] == 1.0
    assert metrics["questions: unsupported"] == 0.0
    fitted = read_json(parts["evidence"] / "best" / "decision.json")
    assert set(fitted["english"]) == set(FEATURES)
    assert load_evidence(parts["evidence"] / "best", threads=1).weights(False) == fitted["english"]


def test_files_and_stores_have_to_pair(parts: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 files of rows but 1 stores"):
        train(config(parts, tmp_path / "run", stores=1))


def test_scores_of_nothing(parts: dict[str, Path]) -> None:
    model = load_evidence(parts["evidence"] / "best", threads=1)
    assert decision_scores(model, [Sample((), (), 1.0)]) == {
        "coverage": 0.0,
        "right": 0.0,
        "unsupported": 0.0,
    }
