"""Calibration: what is in the store is found, what has been taken out of it is not; its report; the command."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent.cli import calibrate as calibrating
from skills.errors import DataError, UserError
from skills.files import read_jsonl, write_json, write_jsonl
from skills.grounding.decision import FEATURES, RISKS, UNFITTED, read_decision
from skills.grounding.evidence import load_evidence
from skills.learning.calibration import SILENT, Prediction, calibrate, figures
from skills.learning.calibration_report import calibration_error, diagram, reliability, report
from skills.learning.evidence import EvidenceConfig
from skills.learning.evidence import train as train_evidence
from skills.records import Passage, ScoredPassage
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.store import PassageStore
from skills.retrieval.store_edit import judge_questions

runner = CliRunner()
command = typer.Typer()
command.command()(calibrating.command)
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
    for module in ("skills.retrieval.store", "skills.grounding.evidence"):
        monkeypatch.setattr(f"{module}.load_embedder", lambda name: embedder)
    write_jsonl(
        tmp_path / "questions.jsonl",
        [{"question": f"what is the side effect of {d} ?", "gold": [f"{d}#1"]} for d in DRUGS],
    )
    return {name: tmp_path / name for name in ("evidence", "store", "questions.jsonl")}


def test_it_tells_present_from_absent(parts: dict[str, Path]) -> None:
    model = load_evidence(parts["evidence"] / "best", threads=1)
    decision, predictions = calibrate([(parts["questions.jsonl"], parts["store"], 1.0)], model)
    assert set(decision.english.weights) == set(FEATURES)
    assert decision.chinese == model.decision.chinese  # no question of that language: as it was
    assert decision.given == model.decision.given  # three drugs leave no three others to give
    assert len(predictions) == 2 * len(DRUGS)
    by_risk = {risk: figures(predictions, decision, risk)["questions"] for risk in RISKS}
    there = [p.probability for p in predictions if p.answerable]
    assert min(there) > max(p.probability for p in predictions if not p.answerable)
    assert by_risk["balanced"]["coverage"] == 1.0
    assert by_risk["cautious"]["unsupported"] == 0.0
    thresholds = decision.english.thresholds
    assert thresholds["cautious"] >= thresholds["balanced"] >= thresholds["bold"]


@pytest.mark.parametrize(("silent", "states"), [(SILENT - 1, 2), (SILENT, 1)])
def test_of_a_file_with_enough_unanswerable_questions_no_answers_are_taken_out(
    parts: dict[str, Path], silent: int, states: int
) -> None:
    asked = list(read_jsonl(parts["questions.jsonl"]))
    unanswerable = [
        {"question": f"what is the capital of {n} ?", "gold": [], "answerable": False} for n in range(silent)
    ]
    write_jsonl(parts["questions.jsonl"], [*asked, *unanswerable])
    model = load_evidence(parts["evidence"] / "best", threads=1)
    _, predictions = calibrate([(parts["questions.jsonl"], parts["store"], 1.0)], model)
    assert len(predictions) == states * len(asked) + silent


def test_judged_questions_are_fitted_with_and_without(parts: dict[str, Path]) -> None:
    judged = [{"question": f"which side effect has {drug} ?", "gold": [f"{drug}#1"]} for drug in DRUGS]
    judge_questions(parts["store"], judged, embedder=HashingEmbeddings())
    model = load_evidence(parts["evidence"] / "best", threads=1)
    decision, predictions = calibrate([(parts["questions.jsonl"], parts["store"], 1.0)], model)
    sources = {prediction.source for prediction in predictions}
    assert sources == {"questions", "questions, no judged questions"}
    assert decision.english.weights["known"] > 0.0  # the right passage is the one that is known to answer
    by_source = figures(predictions, decision, "balanced")
    assert {row["coverage"] for row in by_source.values()} == {1.0}
    (found,) = PassageStore.load(parts["store"]).search("which side effect has beta ?", 1)
    near, far = model.signs("which side effect has beta ?", [found, replace(found, known=0.0)])
    assert near.known > 0.4 > far.known == 0.0
    assert decision.english.probability(near.features()) > decision.english.probability(far.features())


def test_what_is_given_without_a_title_is_decided_by_itself(parts: dict[str, Path]) -> None:
    model = load_evidence(parts["evidence"] / "best", threads=1)
    text, question = "side effect of beta : nausea .", "what is the side effect of beta ?"
    items = [
        ScoredPassage(Passage("found", text), 1.0, similarity=0.5, out_of=5),
        ScoredPassage(Passage("given", text), 1.0, out_of=2),
        ScoredPassage(Passage("titled", text, "beta"), 1.0, out_of=2),
        ScoredPassage(Passage("chinese", "高血压患者应当少吃盐。"), 1.0, out_of=2),
    ]
    logits = {item.passage.id: 0.0 for item in items}
    assert [signs.kind for signs in model.signs(question, items, logits=logits)] == [
        "english",
        "given",
        "english",
        "chinese",
    ]


def test_given_passages_are_fitted_where_there_are_enough_others(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    passages = [Passage(f"{drug}#1", f"side effect of {drug} : nausea .", drug) for drug in DRUGS]
    passages += [Passage(f"city-{colour}", f"the capital of {colour} city .") for colour in ("red", "blue")]
    PassageStore.build(passages, tmp_path / "larger", HashingEmbeddings())
    model = load_evidence(parts["evidence"] / "best", threads=1)
    decision, predictions = calibrate([(parts["questions.jsonl"], tmp_path / "larger", 1.0)], model)
    bold = figures(predictions, decision, "bold")["questions, given"]
    assert (bold["answerable"], bold["unanswerable"]) == (len(DRUGS), len(DRUGS))
    assert bold["coverage"] >= 0.66  # of three, what COVERED leaves
    assert decision.given.thresholds["cautious"] >= decision.given.thresholds["bold"]


def test_where_a_document_is_named_its_own_passages_are_judged_by_themselves(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    drugs = [f"{drug}{letter}" for letter in "abcdefghijkl" for drug in DRUGS]
    passages = [Passage(f"{drug}#a", f"side effect of {drug} : nausea .", drug) for drug in drugs]
    passages += [Passage(f"{drug}#b", f"{drug} is taken with water .", drug) for drug in drugs]
    PassageStore.build(passages, tmp_path / "leaflets", HashingEmbeddings())
    rows = [
        {"question": f'in the leaflet "{d}", what is the side effect ?', "gold": [f"{d}#a"]} for d in drugs
    ]
    write_jsonl(tmp_path / "named.jsonl", rows)
    model = load_evidence(parts["evidence"] / "best", threads=1)
    decision, predictions = calibrate([(tmp_path / "named.jsonl", tmp_path / "leaflets", 1.0)], model)
    own = [prediction for prediction in predictions if prediction.kind == "named"]
    assert (sum(p.answerable for p in own), sum(not p.answerable for p in own)) == (len(drugs), len(drugs))
    assert decision.named != model.decision.named
    bold = decision.named.thresholds["bold"]
    assert sum(p.probability >= bold for p in own if p.answerable) >= 0.9 * len(drugs)
    assert (
        decision.english == model.decision.english
    )  # where the document is not there, nothing is left to judge


def test_questions_of_another_store_are_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    write_jsonl(tmp_path / "other.jsonl", [{"question": "what ?", "gold": ["nowhere#1"]}])
    with pytest.raises(UserError, match="'gold'"):
        calibrate(
            [(tmp_path / "other.jsonl", parts["store"], 1.0)],
            load_evidence(parts["evidence"] / "best", threads=1),
        )


def test_where_a_wrong_answer_costs_more_more_is_asked_of_a_passage(parts: dict[str, Path]) -> None:
    model = load_evidence(parts["evidence"] / "best", threads=1)
    files = [(parts["questions.jsonl"], parts["store"], 1.0)]
    alike, dear = (calibrate(files, model, wrong_answer_cost=cost)[0].english for cost in (1.0, 3.0))
    assert alike.weights == dear.weights
    assert alike.thresholds == {"cautious": 0.6667, "balanced": 0.5, "bold": 0.25}
    assert dear.thresholds == {"cautious": 0.8571, "balanced": 0.75, "bold": 0.5}


def made(pairs: list[tuple[float, bool]]) -> list[Prediction]:
    return [Prediction("q", probability, right, right, "english", 1.0) for probability, right in pairs]


def test_reliability_of_exact_probabilities_is_on_the_line() -> None:
    predictions = made([(0.25, True)] + [(0.25, False)] * 3 + [(0.75, False)] + [(0.75, True)] * 3)
    assert reliability(predictions) == [(0.25, 0.25, 4), (0.75, 0.75, 4)]
    assert calibration_error(predictions) == 0.0
    assert calibration_error(made([(0.9, False)])) == pytest.approx(0.9)


def test_the_report_names_every_figure() -> None:
    predictions = made([(0.9, True), (0.2, False), (0.6, False)])
    page = report("medical", UNFITTED, predictions)
    assert "| q | balanced | 1 | 1.00 | 1.00 | 2 | 0.50 |" in page
    assert "| q | cautious | 1 | 1.00 | 1.00 | 2 | 0.00 |" in page
    assert diagram(predictions).count("<circle") == 3


def test_the_command_writes_a_calibration_and_protects_other_folders(
    parts: dict[str, Path], tmp_path: Path
) -> None:
    arguments = ["--questions", str(parts["questions.jsonl"]), "--store", str(parts["store"])]
    arguments += ["--evidence", str(parts["evidence"] / "best"), "--out"]
    for _ in range(2):  # an earlier calibration gives way to the new one
        result = runner.invoke(command, [*arguments, str(tmp_path / "made")], catch_exceptions=False)
        assert json.loads(result.stdout)["questions"]["coverage"] == 1.0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "decision.json", "reliability.svg", "report.md",
    ]  # fmt: skip
    assert read_decision(tmp_path / "made" / "decision.json").english.thresholds
    with pytest.raises(UserError, match="holds no calibration"):
        runner.invoke(command, [*arguments, str(parts["store"])], catch_exceptions=False)
    with pytest.raises(UserError, match="2 --questions but 1 --store"):
        runner.invoke(command, [*arguments[:2], *arguments, "x"], catch_exceptions=False)
    with pytest.raises(UserError, match="give --out DIR, or name a domain"):
        runner.invoke(command, arguments[:-1], catch_exceptions=False)


def test_a_decision_of_other_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    write_json(path, {kind: fitted for kind, fitted in UNFITTED.model_dump().items() if kind != "named"})
    assert read_decision(path).named == UNFITTED.english  # as it was judged before there was the kind
    path.write_text(json.dumps({"english": UNFITTED.model_dump()["english"]}))
    with pytest.raises(DataError, match=r"chinese: Field required.*collegium calibrate"):
        read_decision(path)
    write_json(path, UNFITTED.model_dump() | {"english": {"weights": {"bias": 1.0}, "thresholds": {}}})
    with pytest.raises(DataError, match=r"english\.weights: .*expected a weight for each of bias, logit"):
        read_decision(path)
