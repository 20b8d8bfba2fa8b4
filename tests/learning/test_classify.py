"""`train classify` on a tiny encoder, and `collegium predict` with what it leaves."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from skills.errors import DataError, ModelError, UserError
from skills.files import read_json, read_jsonl, write_json, write_jsonl
from skills.learning.classifier import Panel, load_classifier
from skills.learning.classify import ClassifyConfig, train

TEXTS = {
    "drug": ["nausea rash", "fever drug", "side effect of drug"],
    "place": ["city red", "capital of blue", "green city"],
}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    write_jsonl(
        tmp_path / "rows.jsonl",
        [{"text": text, "label": label} for label, texts in TEXTS.items() for text in texts] * 6,
    )
    return tmp_path / "rows.jsonl"


def _train(rows: Path, encoder: Path, out: Path, start: Path | None = None) -> Path:
    train(
        ClassifyConfig(
            train=(rows,),
            dev=(rows,),
            out=out,
            encoder=str(encoder),
            start=start,
            rank=8,
            alpha=16,
            epochs=8,
            learning_rate=0.02,
            batch_tokens=128,
            dropout=0.0,
            threads=1,
        )
    )
    return out / "best"


@pytest.fixture
def model(rows: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    return _train(rows, tiny_encoder, tmp_path / "run")


def test_texts_get_their_labels_in_the_served_model_too(model: Path) -> None:
    assert read_json(model.parent / "metrics.json")["dev_accuracy"] == 1.0
    classifier = load_classifier(model, threads=1)
    assert classifier.labels == ("drug", "place")
    shares = classifier.probabilities([text for texts in TEXTS.values() for text in texts])
    assert shares.argmax(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert np.allclose(shares.sum(1), 1.0)


def test_a_panel_is_the_geometric_mean_of_classifiers_with_the_same_labels(
    model: Path, rows: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    other = load_classifier(_train(rows, tiny_encoder, tmp_path / "other", model), threads=1)
    one = load_classifier(model, threads=1)
    texts = ["nausea city", "green drug rash"]
    product = np.sqrt(one.probabilities(texts) * other.probabilities(texts))
    panel = Panel([one, other])
    assert panel.labels == one.labels
    assert np.allclose(panel.probabilities(texts), product / product.sum(1, keepdims=True), atol=1e-5)
    write_jsonl(tmp_path / "more.jsonl", [{"text": "red", "label": name} for name in ("colour", "drug")] * 6)
    odd = load_classifier(_train(tmp_path / "more.jsonl", tiny_encoder, tmp_path / "odd"), threads=1)
    with pytest.raises(DataError, match="should have the labels"):
        Panel([one, odd])


def test_predict_keeps_rows_in_order_with_their_fields(model: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"id": "a", "text": "green city"}, {"id": "b", "text": "fever drug"}])
    arguments = [
        "predict",
        "--model",
        str(model),
        "--in",
        str(tmp_path / "in.jsonl"),
        "--out",
        str(tmp_path / "o.jsonl"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    first, second = read_jsonl(tmp_path / "o.jsonl")
    assert (first["id"], first["label"], second["label"]) == ("a", "place", "drug")
    assert sum(first["probabilities"].values()) == pytest.approx(1.0, abs=1e-4)


def test_training_goes_on_from_an_artefact_with_a_new_head_for_other_labels(
    model: Path, rows: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    best = _train(rows, tiny_encoder, tmp_path / "second", start=model)
    assert load_classifier(best, threads=1).labels == ("drug", "place")
    write_jsonl(
        tmp_path / "other.jsonl", [{"text": "city", "label": "x"}, {"text": "drug", "label": "y"}] * 3
    )
    best = _train(tmp_path / "other.jsonl", tiny_encoder, tmp_path / "third", start=model)
    assert load_classifier(best, threads=1).labels == ("x", "y")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": " ", "label": "drug"}, "row 1: 'text' and 'label' should be non-empty"),
        ({"text": "city", "label": 3}, "row 1: 'text' and 'label' should be non-empty"),
        ({"text": "city", "label": "place"}, "rows of at least two"),
    ],
)
def test_rows_that_teach_nothing_are_refused(
    tmp_path: Path, tiny_encoder: Path, row: dict[str, object], message: str
) -> None:
    write_jsonl(tmp_path / "bad.jsonl", [row])
    with pytest.raises(UserError, match=message):
        _train(tmp_path / "bad.jsonl", tiny_encoder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_label_that_dev_alone_has_is_named(rows: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "dev.jsonl", [{"text": "city", "label": "strange"}])
    with pytest.raises(UserError, match="label 'strange' is not in the training rows"):
        train(
            ClassifyConfig(
                train=(rows,), dev=(tmp_path / "dev.jsonl",), out=tmp_path / "run", encoder=str(tiny_encoder)
            )
        )


def test_damaged_and_foreign_models_are_named(model: Path, tmp_path: Path) -> None:
    described = read_json(model / "collegium.json")
    write_json(model / "collegium.json", described | {"labels": ["one"]})
    with pytest.raises(DataError, match="is damaged"):
        load_classifier(model)
    write_json(model / "collegium.json", described | {"encoder_sha256": "0"})
    with pytest.raises(ModelError, match="was trained from another"):
        load_classifier(model)
    write_json(model / "collegium.json", described | {"method": "evidence"})
    with pytest.raises(DataError, match="holds no classifier"):
        load_classifier(model)
    rows = tmp_path / "in.jsonl"
    write_jsonl(rows, [{"text": "x"}])
    result = CliRunner().invoke(
        app, ["predict", "--model", str(tmp_path), "--in", str(rows), "--out", str(rows) + "2"]
    )
    assert result.exit_code != 0
