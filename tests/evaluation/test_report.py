"""The report: what it shows of a run, and that what is in a run cannot do anything to its reader."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent.evaluation.report import write_report
from agent.evaluation.report.markdown import table
from agent.evaluation.report.tables import Cell, Table
from skills.errors import DataError, UserError
from tests.cli.conftest import Run
from tests.evaluation.run_folder import CONFIGS, HOSTILE, full_run, plain_set, row, write_run


class Page(HTMLParser):
    """What a browser would make of a page: tags with their attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown = ""
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.shown += data


def page_of(folder: Path, earlier: Path | None = None) -> Page:
    write_report(folder, earlier)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_shows_every_part_of_a_run(tmp_path: Path) -> None:
    run = full_run(tmp_path / "run", items=20)
    page = page_of(run)
    summary = json.loads((run / "summary.json").read_text())
    for title in (
        "What each part is worth",
        "What became of the questions",
        "Worst errors",
        "Latency and memory",
    ):
        assert title in page.shown
    for config in CONFIGS:
        assert config in page.shown
    figure = summary["sets"]["medquad"]["metrics"]["lora+rag"]["f1"]
    assert f"{figure['value']:.3f}" in page.shown
    assert f"{figure['low']:.3f} to {figure['high']:.3f}" in page.shown
    assert "to base, p<0.001" in page.shown
    assert "da" * 32 in page.shown  # the data's hash
    assert '"id": "metformin#use"' in page.shown  # the decision record
    assert "Against an earlier run" not in page.shown
    plots = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg"]
    for title in (
        "Risk by coverage",
        "Reliability, lora+rag",
        "95 % intervals",
        "what became of",
        "Milliseconds",
    ):
        assert any(title in str(plot) for plot in plots)


def test_the_best_of_a_set_is_marked_and_a_cost_is_best_when_low(tmp_path: Path) -> None:
    rows = [
        row(0, config="base", scores={"f1": 0.4, "ece": 0.1, "correct": 1.0}),
        row(0, config="rag", scores={"f1": 0.6, "ece": 0.3, "correct": 1.0}),
    ]
    write_report(write_run(tmp_path, rows))
    text = (tmp_path / "report.md").read_text()
    assert "| f1 | 0.400 (0.000 to 1.000) | **0.600**" in text
    assert "| ece ↓ | **0.100** (0.000 to 1.000) | 0.300" in text
    assert "| correct | 1.000 (0.000 to 1.000) | 1.000" in text  # the same: none is best


def test_an_earlier_run_is_compared(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", [row(n) for n in range(8)])
    second = write_run(tmp_path / "b", [row(n, status="declined", scores={"f1": 0.0}) for n in range(9)])
    page = page_of(second, first)
    assert "Against an earlier run" in page.shown
    assert "8 answers in both runs, 8 with another outcome. Only in this one: 1." in page.shown
    assert "verification" in page.shown
    assert "verification" in (second / "report.md").read_text()


def test_hostile_texts_are_shown_and_do_nothing(tmp_path: Path) -> None:
    page = page_of(full_run(tmp_path / "run", items=3))
    assert "<script>alert(1)</script>" in page.shown
    assert "中文：心脏病" in page.shown
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "link", "object", "base", "form"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], tag
        assert re.fullmatch(r"#[\w-]+", attributes.get("href") or "#x"), tag
    policy = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


@given(
    st.text(max_size=60) | st.sampled_from([HOSTILE, "a | b", "**x**", "`|`", "\\|", "1. x", "- x", "&lt;"])
)
def test_a_markdown_cell_is_shown_as_its_text(text: str) -> None:
    """A renderer that lets HTML through makes one row of two cells of it, with no element inside."""
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(table(Table("t", ("name", "n"), ((Cell(text), Cell("1")),))))
    )
    page = Page(html)
    tags = [tag for tag, _ in page.tags if tag not in ("table", "thead", "tbody", "tr", "th", "td")]
    assert not tags
    assert [tag for tag, _ in page.tags].count("td") == 2
    kept = "".join(character for character in text if character.isprintable() or character.isspace())
    assert "".join(kept.split()) in "".join(page.shown.split()) or kept != text


def test_tables_to_paste(tmp_path: Path, real_run: Run) -> None:
    run = full_run(tmp_path / "run", items=5)
    latex = real_run("eval", "table", run, "--format", "latex").out
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 4
    assert r"tatqa\textbar{}span \textless{}b\textgreater{}: f1" in latex
    assert r"ece $\downarrow$" in latex
    assert not re.search(r"(?<!\\)[#_]", re.sub(r"^%.*$", "", latex, flags=re.MULTILINE))
    markdown = real_run("eval", "table", run).out
    assert "| configuration | medquad: f1 | tatqa\\|span &lt;b&gt;: f1 |" in markdown
    rows = list(csv.DictReader(io.StringIO(real_run("eval", "table", run, "--format", "csv").out)))
    assert len(rows) == 3 * len(CONFIGS) * 3
    one = next(r for r in rows if (r["set"], r["config"], r["metric"]) == ("medquad", "rag", "f1"))
    figure = json.loads((run / "summary.json").read_text())["sets"]["medquad"]["metrics"]["rag"]["f1"]
    assert float(one["value"]) == figure["value"]
    assert one["against"] == "base"


def test_a_name_is_no_formula_in_a_spreadsheet(tmp_path: Path, real_run: Run) -> None:
    run = write_run(tmp_path, [row(0, set="=cmd()")])
    assert "\n'=cmd(),lora+rag,f1," in real_run("eval", "table", run, "--format", "csv").out


def test_a_run_with_nothing_in_it_has_a_report(tmp_path: Path) -> None:
    write_report(write_run(tmp_path, []))
    assert (tmp_path / "report.md").read_text().startswith("# Evaluation\n")
    empty = plain_set([row(0, scores={})])
    write_report(write_run(tmp_path, [row(0, scores={})], sets={"medquad": empty}))
    assert "lora+rag" in (tmp_path / "report.md").read_text()


def test_what_is_no_run_is_named(tmp_path: Path, real_run: Run) -> None:
    with pytest.raises(
        UserError, match=r"no summary\.json in .*expected the --out folder of: collegium eval run"
    ):
        write_report(tmp_path)
    run = write_run(tmp_path, [row(0), row(1, status="maybe")])
    with pytest.raises(DataError, match=r"results\.jsonl:2: 'status'"):
        write_report(
            write_run(
                tmp_path, [row(0), row(1, status="maybe")], worst=[{"set": "s", "id": 1, "config": "c"}]
            )
        )
    assert real_run("eval", "report", tmp_path / "absent").code == 2
    (run / "summary.json").write_text('{"version": 2}')
    with pytest.raises(DataError, match=r"summary\.json: 'version'"):
        write_report(run)


def test_keys_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    run = write_run(
        tmp_path, [row(0, later={"x": 1})], worst=[{"set": "medquad", "id": "q0", "config": "lora+rag"}]
    )
    assert "It lowers blood sugar" in page_of(run).shown
