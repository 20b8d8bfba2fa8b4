"""`train retriever` on a tiny encoder, what it saves as an embedding model, and rows for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from skills.errors import UserError
from skills.files import read_json, write_json, write_jsonl
from skills.learning.mining import mine_passages
from skills.learning.public_sets import retriever_rows
from skills.learning.retriever import RetrieverConfig, train
from skills.records import Passage
from skills.retrieval.embedder import HashingEmbeddings, add_embedder, load_embedder
from skills.retrieval.encoder import load_encoder
from skills.retrieval.store import PassageStore

PAIRS = {"nausea drug": "alpha city red", "rash fever": "beta capital blue", "side effect": "gamma green"}


@pytest.fixture
def run_folder(tmp_path: Path, tiny_encoder: Path) -> Path:
    rows = [
        {
            "question": question,
            "positives": [text],
            "negatives": [other for other in PAIRS.values() if other != text],
        }
        for question, text in PAIRS.items()
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows * 8)
    config = RetrieverConfig(
        train=(tmp_path / "rows.jsonl",), dev=(tmp_path / "rows.jsonl",), out=tmp_path / "run",
        encoder=str(tiny_encoder),
        rank=8, alpha=16, epochs=12, learning_rate=0.02, batch_tokens=128, dropout=0.0, threads=1,
    )  # fmt: skip
    train(config)
    return tmp_path / "run"


def test_questions_come_near_their_passages(run_folder: Path, tiny_encoder: Path) -> None:
    metrics = read_json(run_folder / "metrics.json")
    curve = [json.loads(line) for line in (run_folder / "curves.jsonl").read_text().splitlines()]
    assert metrics["dev_mrr"] == 1.0
    assert curve[-1]["loss"] < curve[1]["loss"]
    encoder = load_encoder(tiny_encoder, run_folder / "best", threads=1)
    asked, known = (
        np.array([states.mean(0) / np.linalg.norm(states.mean(0)) for states in encoder.hidden(list(texts))])
        for texts in (PAIRS.keys(), PAIRS.values())
    )  # (3, dimension) each
    assert (np.argmax(asked @ known.T, axis=1) == np.arange(len(PAIRS))).all()


def test_rows_without_a_positive_are_no_rows(tmp_path: Path, tiny_encoder: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"question": "drug", "positives": [], "negatives": ["city"]}])
    rows = (tmp_path / "rows.jsonl",)
    with pytest.raises(UserError, match="no question with a positive"):
        train(RetrieverConfig(train=rows, dev=rows, out=tmp_path / "run", encoder=str(tiny_encoder)))


def test_an_artefact_is_kept_under_its_hash_and_missed_when_gone(run_folder: Path, home: Path) -> None:
    best = run_folder / "best"
    with pytest.raises(UserError, match="is no sentence encoder"):  # of an encoder that no store knows
        add_embedder(best)
    write_json(best / "collegium.json", read_json(best / "collegium.json") | {"encoder": "all-minilm-l6-v2"})
    name = add_embedder(best)
    assert name == add_embedder(best)
    assert name.startswith("all-minilm-l6-v2+")
    assert (home / "adapters" / name / "adapter_model.safetensors").is_file()
    assert load_embedder(name).id == name
    with pytest.raises(UserError, match=r"all-minilm-l6-v2\+00' is not in .*index build --embedder"):
        load_embedder("all-minilm-l6-v2+00")
    with pytest.raises(UserError, match="expected RUN/best"):
        add_embedder(run_folder)


def test_rows_are_whole_texts_against_what_resembles_them(tmp_path: Path) -> None:
    passages = [
        Passage("a", "Aspirin thins the blood."),
        Passage("b", "Aspirin eases pain."),
        Passage("c", "Rent."),
    ]
    store = PassageStore.build(passages, tmp_path / "store", HashingEmbeddings())
    questions = [{"question": "Does aspirin ease pain?", "gold": ["b"]}, {"question": "?", "gold": ["gone"]}]
    (row,) = mine_passages(questions, store)
    assert row["positives"] == ["Aspirin eases pain."]
    assert row["negatives"][0] == "Aspirin thins the blood."


def test_statutes_are_taught_by_what_answers_cite_but_not_by_what_they_are_tested_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skills.learning.public_sets.load_embedder", lambda name: HashingEmbeddings())
    monkeypatch.setattr("skills.retrieval.store.load_embedder", lambda name: HashingEmbeddings())
    legal = tmp_path / "legal"
    legal.mkdir()
    articles = [
        ("law-民法典-第七百条", "租赁期限不得超过二十年。"),
        ("law-劳动法-第五十条", "工资应当按月支付。"),
    ]
    write_jsonl(
        legal / "zh_statute_retrieval.passages.jsonl", [{"id": name, "text": text} for name, text in articles]
    )
    write_jsonl(
        legal / "zh_statute_retrieval.train.jsonl", [{"question": "租期多长？", "gold": [articles[0][0]]}]
    )
    write_jsonl(
        legal / "zh_statute_retrieval.test.jsonl", [{"question": "何时发工资？", "gold": [articles[1][0]]}]
    )
    cited = "根据《中华人民共和国劳动法》第五十条，应当按月支付。"
    write_jsonl(
        legal / "zh_disclaw_short_answer.train.jsonl",
        [{"question": "工资怎么付？", "answer": cited}, {"question": "何时发工资？", "answer": cited}],
    )
    write_jsonl(legal / "zh_lawbench_consult.train.jsonl", [{"question": "无依据？", "answer": "没有。"}])
    rows = list(retriever_rows(tmp_path, "legal", "train", tmp_path / "stores"))
    assert [row["question"] for row in rows[:2]] == ["租期多长？", "工资怎么付？"]
    assert rows[1]["positives"] == ["工资应当按月支付。"]
    # The others are those written for this project about the same articles.
    assert "何时发工资？" not in {row["question"] for row in rows}
    assert all(set(row["positives"]) <= {text for _, text in articles} for row in rows[2:])
