"""``collegium index`` and ``collegium retrieve`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent.cli import index, retrieve
from skills.errors import DataError, UserError

runner = CliRunner()
retrieving = typer.Typer()
retrieving.command()(retrieve.command)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "loans.md").write_text(
        "---\ntitle: Loans\n---\n## Interest\nA loan bears interest.\n## Term\nIt ends.\n"
    )
    (folder / "broken.pdf").write_bytes(b"no pdf")
    return folder


def build(corpus: Path, store: Path) -> str:
    arguments = ["build", "--corpus", str(corpus), "--store", str(store), "--embedder", "hashing-64"]
    result = runner.invoke(index.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "left out" in result.stderr
    assert "broken.pdf" in result.stderr
    return result.stdout


@pytest.mark.weights
def test_the_evidence_model_reads_what_was_found(tmp_path: Path, weights_home: Path) -> None:
    notes = {
        "a": "Metformin treatment starts with a small dose that is raised over some weeks.",
        "b": "Common side effects of metformin are nausea, diarrhoea and stomach pain.",
    }
    corpus, store, source = tmp_path / "c.jsonl", tmp_path / "store", tmp_path / "q.jsonl"
    corpus.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in notes.items()))
    arguments = ["build", "--corpus", str(corpus), "--store", str(store)]
    assert runner.invoke(index.app, arguments, catch_exceptions=False).exit_code == 0
    source.write_text('{"id": 1, "question": "What are common side effects of metformin?"}\n')
    scores: dict[str, dict[str, float]] = {}
    for option in ("", "--fast"):
        target = tmp_path / f"r{option}.jsonl"
        arguments = [
            "--store",
            str(store),
            "--in",
            str(source),
            "--out",
            str(target),
            *filter(None, [option]),
        ]
        assert runner.invoke(retrieving, arguments, catch_exceptions=False).exit_code == 0
        (row,) = [json.loads(line) for line in target.read_text().splitlines()]
        scores[option] = {one["id"]: one["score"] for one in row["passages"]}
    gained = {name: scores[""][name] - scores["--fast"][name] for name in notes}
    assert gained["b"] > gained["a"]


def test_build_then_retrieve(corpus: Path, tmp_path: Path) -> None:
    store, source, target = tmp_path / "store", tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    assert build(corpus, store) == f"{store}: 2 passages indexed with hashing-64, 1 left out\n"
    source.write_text(
        '{"id": 1, "question": "Does a loan bear interest?", "kept": true}\n{"id": 2, "question": "term"}\n'
    )
    arguments = ["--store", str(store), "--in", str(source), "--out", str(target), "-k", "1", "--fast"]
    assert runner.invoke(retrieving, arguments, catch_exceptions=False).exit_code == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, 2]
    assert rows[0]["kept"] is True
    assert [[one["id"] for one in row["passages"]] for row in rows] == [["loans#interest"], ["loans#term"]]
    assert all(row["ms"] > 0 and isinstance(row["passages"][0]["score"], float) for row in rows)


def run(*arguments: str) -> str:
    result = runner.invoke(index.app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_add_list_remove(corpus: Path, tmp_path: Path) -> None:
    store, more = str(tmp_path / "store"), tmp_path / "more.jsonl"
    build(corpus, Path(store))
    rows = [
        {"id": "loans#term", "text": "It ends in May.", "title": "Loans: Term"},
        {"id": "tax", "text": "Tax is due.", "title": "Tax", "jurisdiction": "UK", "effective": "2024-01"},
        {"id": "twin", "text": "Tax is due.", "title": "Tax"},
        {"id": "bad", "text": "No date.", "expires": "one day"},
    ]
    more.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shown = run("add", "--corpus", str(more), "--store", store)
    assert shown == (
        f"{store}: 2 added, 1 replaced (2 embedded); 4 passages, 1 duplicates folded, 1 left out\n"
    )
    assert run("list", "--store", store).splitlines() == [
        "loans  2 passages  Loans",
        "tax  1 passages  Tax | UK | from 2024-01",
        "twin  1 passages  Tax",
    ]
    listed = json.loads(run("list", "--store", store, "--json"))
    assert (listed[1]["document"], listed[1]["jurisdiction"], listed[1]["expires"]) == ("tax", ["UK"], [])
    shown = run("remove", "--store", store, "--document", "loans", "--id", "twin")
    assert shown == f"{store}: 3 removed (0 embedded); 1 passages\n"
    shown = run("add", "--corpus", str(corpus / "loans.md"), "--store", store, "--prune")
    assert shown == f"{store}: 2 added (2 embedded); 3 passages\n"


def test_judge(corpus: Path, tmp_path: Path) -> None:
    store, judged = str(tmp_path / "store"), tmp_path / "judged.jsonl"
    build(corpus, Path(store))
    rows = [
        {"question": "what do i owe the bank each month", "gold": ["loans#interest", "gone"]},
        {"question": "who signs", "gold": [], "silent": ["loans#term"]},
    ]
    judged.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run("judge", "--store", store, "--in", str(judged)) == (
        f"{store}: 2 judged questions, 1 that nothing answers; 1 passages that they name are not in the store\n"
    )
    source, target = tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    source.write_text('{"id": 1, "question": "what do i owe the bank each month"}\n')
    arguments = ["--store", store, "--in", str(source), "--out", str(target), "--fast"]
    assert runner.invoke(retrieving, arguments, catch_exceptions=False).exit_code == 0
    assert json.loads(target.read_text())["passages"][0]["id"] == "loans#interest"
    with pytest.raises(UserError, match="give --in FILE: the judged questions"):
        run("judge", "--store", store)


def test_retrieve_with_a_filter(tmp_path: Path) -> None:
    store, source, target = tmp_path / "store", tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    rows = [
        {"id": "old", "text": "Rent is 5.", "jurisdiction": "California", "expires": "2024-01-01"},
        {"id": "new", "text": "Rent is 6.", "jurisdiction": "California", "effective": "2024-01-01"},
        {"id": "ny", "text": "Rent is 7.", "jurisdiction": "New York"},
    ]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("build", "--corpus", str(tmp_path / "c.jsonl"), "--store", str(store), "--embedder", "hashing-64")
    source.write_text('{"id": 1, "question": "What is the rent?"}\n')
    arguments = ["--store", str(store), "--in", str(source), "--out", str(target), "--fast"]
    arguments += ["--where", "jurisdiction=California", "--as-of", "2024-06-01"]
    assert runner.invoke(retrieving, arguments, catch_exceptions=False).exit_code == 0
    assert [one["id"] for one in json.loads(target.read_text())["passages"]] == ["new"]
    with pytest.raises(UserError, match="--where 'color=red': expected KEY=VALUE"):
        runner.invoke(retrieving, [*arguments, "--where", "color=red"], catch_exceptions=False)


def test_verify_reports_and_refuses(corpus: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    build(corpus, store)
    shown = runner.invoke(index.app, ["verify", "--store", str(store)], catch_exceptions=False)
    assert "ok, 2 passages, hashing-64" in shown.stdout
    as_json = runner.invoke(index.app, ["verify", "--store", str(store), "--json"], catch_exceptions=False)
    assert json.loads(as_json.stdout)["count"] == 2
    (store / "dense.faiss").write_bytes(b"")
    with pytest.raises(DataError, match=r"'dense\.faiss' has 0 bytes"):
        runner.invoke(index.app, ["verify", "--store", str(store)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "--corpus PATH and --store DIR, or --domain"),
        (["build", "--domain", "medical", "--store", "x"], "leave --corpus and --store out"),
        (["build", "--domain", "nobody"], "unknown domain 'nobody'"),
        (["build", "--corpus", "nowhere", "--store", "x"], "no corpus 'nowhere'"),
        (["verify"], "--store DIR or --domain NAME"),
        (["list", "--domain", "medical", "--store", "x"], "leave --store out"),
        (["add", "--store", "x"], "give --corpus PATH"),
        (["remove", "--store", "x"], "--id ID, --document NAME or --source PREFIX"),
    ],
)
def test_wrong_use_says_what_is_expected(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        runner.invoke(index.app, arguments, catch_exceptions=False)


def test_an_unknown_embedder_lists_the_known(corpus: Path, tmp_path: Path) -> None:
    arguments = ["build", "--corpus", str(corpus), "--store", str(tmp_path / "s"), "--embedder", "gpt"]
    with pytest.raises(UserError, match="unknown embedding model 'gpt'; known: 'all-minilm-l6-v2'"):
        runner.invoke(index.app, arguments, catch_exceptions=False)


def test_a_corpus_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="gives no passages"):
        runner.invoke(
            index.app,
            ["build", "--corpus", str(tmp_path / "c"), "--store", str(tmp_path / "s")],
            catch_exceptions=False,
        )


def test_a_bad_question_stops_before_any_work(corpus: Path, tmp_path: Path) -> None:
    store, source, target = tmp_path / "store", tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    build(corpus, store)
    source.write_text('{"id": 1, "question": "fine"}\n{"id": 2, "question": " "}\n')
    arguments = ["--store", str(store), "--in", str(source), "--out", str(target), "--fast"]
    with pytest.raises(UserError, match=r"q\.jsonl:2: 'question' should be a text"):
        runner.invoke(retrieving, arguments, catch_exceptions=False)
    assert not target.exists()
