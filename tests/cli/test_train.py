"""`collegium train`: one command a method, all with the same options and each with its own text and settings."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run

OPTIONS = ("--train", "--dev", "--out", "--seed", "--threads", "--resume", "--set")


@pytest.mark.parametrize(
    ("method", "rows", "setting"),
    [
        ("answer", "{question, evidence, answer}", "system"),
        ("evidence", "{question, positives, negatives}", "negatives"),
        ("retriever", "{question, positives, negatives}", "temperature"),
        ("support", "{sentence, parts, kind, supported}", "strength"),
        ("classify", "{text, label}", "encoder"),
        ("tokens", "{tokens: [word], tags: [BIO tag]}", "encoder"),
        ("route", "{text, label, lang?}", "buckets"),
    ],
)
def test_a_method_tells_its_rows_and_its_settings(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: str, rows: str, setting: str
) -> None:
    monkeypatch.setenv("COLUMNS", "100")  # options are not cut
    text = " ".join(run("train", method, "--help").out.split())
    assert rows in text
    assert all(option in text for option in OPTIONS)
    refused = run(
        "train", method, "--train", "T", "--dev", "D", "--out", "O", "--set", f"{setting}=x", "--set", "y=1"
    )
    assert refused.code == 2
    assert f" {setting}," in refused.err
