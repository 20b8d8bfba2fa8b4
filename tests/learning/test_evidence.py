"""`train evidence` on a tiny encoder, and that what it saves scores the same without torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from skills.errors import ModelError, UserError
from skills.files import read_json, write_json, write_jsonl
from skills.grounding.evidence import load_evidence
from skills.learning.evidence import EvidenceConfig, train

DRUGS = ("alpha", "beta", "gamma")


@pytest.fixture
def run_folder(tmp_path: Path, tiny_encoder: Path) -> Path:
    rows = [
        {
            "question": f"what is the side effect of {drug} ?",
            "positives": [f"side effect of {drug} : nausea ."],
            "negatives": [f"capital of {drug} ." for _ in range(3)],
        }
        for drug in DRUGS
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows * 8)
    config = EvidenceConfig(
        train=(tmp_path / "rows.jsonl",), dev=(tmp_path / "rows.jsonl",), out=tmp_path / "run",
        encoder=str(tiny_encoder),
        rank=4, alpha=8, epochs=8, learning_rate=0.02, batch_tokens=256, dropout=0.0, threads=1,
    )  # fmt: skip
    train(config)
    return tmp_path / "run"


def test_it_learns_to_rank_and_is_loaded_without_torch(run_folder: Path) -> None:
    metrics = read_json(run_folder / "metrics.json")
    curve = [json.loads(line) for line in (run_folder / "curves.jsonl").read_text().splitlines()]
    assert metrics["dev_loss"] < 0.5 * curve[0]["dev_loss"]
    assert metrics["dev_auc"] > 0.95
    model = load_evidence(run_folder / "best", threads=1)
    right, wrong = model.logits(
        "what is the side effect of beta ?", ["side effect of beta : nausea .", "capital of beta ."]
    )
    assert right > 0 > wrong


def test_questions_that_nothing_answers_are_learned_from(tmp_path: Path, tiny_encoder: Path) -> None:
    """Only rows without a right passage say that the capital of a drug answers nothing."""
    rows = [
        {
            "question": f"what is the side effect of {drug} ?",
            "positives": [f"side effect of {drug} : nausea ."],
            "negatives": [f"nausea of {drug} ."],
        }
        for drug in DRUGS
    ]
    silent = [
        {"question": row["question"], "positives": [], "negatives": [f"capital of {drug} ."]}
        for row, drug in zip(rows, DRUGS, strict=True)
    ]
    write_jsonl(tmp_path / "rows.jsonl", [*rows, *silent] * 8)
    config = EvidenceConfig(
        train=(tmp_path / "rows.jsonl",), dev=(tmp_path / "rows.jsonl",), out=tmp_path / "run",
        encoder=str(tiny_encoder),
        rank=4, alpha=8, epochs=8, learning_rate=0.02, batch_tokens=256, dropout=0.0, threads=1,
    )  # fmt: skip
    metrics = train(config)
    assert metrics["dev_first"] > 0.9
    model = load_evidence(tmp_path / "run" / "best", threads=1)
    (score,) = model.logits(rows[0]["question"], [f"capital of {DRUGS[0]} ."])
    assert score < 0


def test_a_file_of_unanswered_questions_alone_is_refused(tmp_path: Path, tiny_encoder: Path) -> None:
    rows = [{"question": "capital of alpha ?", "positives": [], "negatives": ["side effect of alpha ."]}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    file = (tmp_path / "rows.jsonl",)
    with pytest.raises(UserError, match="no question with a positive"):
        train(EvidenceConfig(train=file, dev=file, out=tmp_path / "run", encoder=str(tiny_encoder)))


def test_scores_match_the_trained_model(run_folder: Path, tiny_encoder: Path) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import AutoModel

    question, text = "what is the side effect of beta ?", "side effect of gamma : rash ."
    encoder = AutoModel.from_pretrained(tiny_encoder, add_pooling_layer=False)
    encoder = PeftModel.from_pretrained(encoder, run_folder / "best").eval()
    head = load_file(run_folder / "best" / "head.safetensors")
    encoded = Tokenizer.from_file(str(tiny_encoder / "tokenizer.json")).encode(question, text)
    with torch.inference_mode():
        hidden = encoder(
            input_ids=torch.tensor([encoded.ids]), token_type_ids=torch.tensor([encoded.type_ids])
        ).last_hidden_state[0]
    expected = float(torch.cat([hidden[0], hidden.mean(0)]) @ head["weight"].reshape(-1) + head["bias"])
    (score,) = load_evidence(run_folder / "best", threads=1).logits(question, [text])
    assert np.isclose(score, expected, atol=0.15 + 0.05 * abs(expected))


def test_a_run_goes_on_from_an_artefact(run_folder: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    """The first evaluation of the second run is the last of the first."""
    rows = (tmp_path / "rows.jsonl",)
    config = EvidenceConfig(
        train=rows, dev=rows, out=tmp_path / "more", encoder=str(tiny_encoder), start=run_folder / "best",
        epochs=1, batch_tokens=256, dropout=0.0, threads=1,
    )  # fmt: skip
    train(config)
    curve = [json.loads(line) for line in (tmp_path / "more" / "curves.jsonl").read_text().splitlines()]
    assert np.isclose(curve[0]["dev_loss"], read_json(run_folder / "metrics.json")["dev_loss"], atol=0.02)


def test_a_start_without_a_head_is_refused(run_folder: Path, tmp_path: Path, tiny_encoder: Path) -> None:
    (run_folder / "best" / "head.safetensors").unlink()
    rows = (tmp_path / "rows.jsonl",)
    with pytest.raises(UserError, match=r"holds no head: it has no head\.safetensors"):
        train(
            EvidenceConfig(
                train=rows, dev=rows, out=tmp_path / "m", encoder=str(tiny_encoder), start=run_folder / "best"
            )
        )


def test_another_encoder_is_refused(run_folder: Path) -> None:
    described = read_json(run_folder / "best" / "collegium.json")
    write_json(run_folder / "best" / "collegium.json", described | {"encoder_sha256": "0" * 64})
    with pytest.raises(ModelError, match="another"):
        load_evidence(run_folder / "best")
