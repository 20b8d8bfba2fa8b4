"""`collegium data`: what it cannot make is refused, and nothing is written."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("method", "domain"), [("answer", "medical"), ("retriever", "legal"), ("evidence", "finance")]
)
def test_chinese_rows_that_no_set_has_are_refused(run: Run, tmp_path: Path, method: str, domain: str) -> None:
    out = tmp_path / "rows.jsonl"
    refused = run(
        "data", "public", "--folder", str(tmp_path), "--domain", domain, "--method", method, "--language",
        "zh", "--stores", str(tmp_path / "stores"), "--out", str(out),
    )  # fmt: skip
    assert refused.code == 2
    assert "only evidence has Chinese rows" in " ".join(refused.err.split())
    assert not out.exists()
