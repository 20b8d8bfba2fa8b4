"""Where sections are cut, and what the parts are called: for every format that has the structure."""

from __future__ import annotations

from pathlib import Path

import pytest
from docx import Document

from skills.records import Passage
from skills.retrieval.chunks import chunks, split_text
from skills.retrieval.ingest import read_corpus

PROSE = "The balance is what is left after all payments of the month were made. " * 9  # 640 characters


def read(path: Path) -> list[Passage]:
    problems: list[str] = []
    passages = list(read_corpus(path, problems.append))
    assert problems == []
    return passages


def named(passages: list[Passage]) -> list[tuple[str, str]]:
    return [(passage.id, passage.title) for passage in passages]


LONG_NOTE = f"""---
title: Dosing
---
## Adults
{PROSE}

### Kidney
{PROSE}

#### Severe
Half the dose.

### Liver
{PROSE}
{PROSE}
{PROSE}

## Children
### Under two
Ask first.
"""


def test_a_long_section_keeps_the_path_of_its_headings(tmp_path: Path) -> None:
    (tmp_path / "dose.md").write_text(LONG_NOTE)
    passages = read(tmp_path)
    assert named(passages) == [
        ("dose#adults", "Dosing: Adults"),
        ("dose#adults/kidney", "Dosing: Adults: Kidney"),
        ("dose#adults/kidney/severe", "Dosing: Adults: Kidney: Severe"),
        ("dose#adults/liver", "Dosing: Adults: Liver"),
        ("dose#adults/liver-2", "Dosing: Adults: Liver"),
        ("dose#children", "Dosing: Children"),
    ]
    assert passages[2].text == "Half the dose."
    assert passages[-1].text == "### Under two\nAsk first."


def test_ids_stay_when_another_section_changes(tmp_path: Path) -> None:
    (tmp_path / "dose.md").write_text(LONG_NOTE)
    before = {passage.id: passage.text for passage in read(tmp_path)}
    (tmp_path / "dose.md").write_text(LONG_NOTE.replace("### Kidney", f"### Heart\n{PROSE}\n### Kidney"))
    after = {passage.id: passage.text for passage in read(tmp_path)}
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"dose#adults/heart"}


def test_ids_differ_even_where_a_heading_looks_like_a_number(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("## Step\nOne.\n## Step 2\nTwo.\n## Step\nThree.\n")
    assert [passage.id for passage in read(tmp_path)] == ["x#step", "x#step-2", "x#step-3"]


TABLE = [
    "| year | rate |",
    "|---|---|",
    *(f"| {year} | {year / 100} per cent |" for year in range(1900, 1960)),
]


def rows_of(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("| 1")]


def test_a_table_that_is_cut_repeats_its_header() -> None:
    parts = split_text("\n".join(["Rates by year:", "", *TABLE]))
    assert len(parts) > 1
    assert parts[0].startswith("Rates by year:\n\n| year | rate |\n|---|---|\n| 1900")
    assert all(part.startswith("| year | rate |\n|---|---|\n| 19") for part in parts[1:])
    assert [row for part in parts for row in rows_of(part)] == TABLE[2:]


def test_a_table_in_a_word_file_repeats_its_header(tmp_path: Path) -> None:
    document = Document()
    document.add_heading("Rates", level=1)
    table = document.add_table(rows=181, cols=2)
    for number, row in enumerate(table.rows):
        row.cells[0].text, row.cells[1].text = (str(1799 + number), "3 %") if number else ("year", "rate")
    document.add_heading("Late", level=2)
    document.add_paragraph("A fee is due.")
    document.save(str(tmp_path / "bank.docx"))
    *rates, late = read(tmp_path)
    assert len(rates) > 1
    assert all(passage.text.startswith("year | rate\n1") for passage in rates)
    assert (late.id, late.title) == ("bank.docx#rates/late", "bank: Rates: Late")


def test_a_web_page_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    items = "".join(f"<li>Item <b>{number}</b>. It has two sentences.</li>" for number in range(60))
    cells = "".join(f"<tr><td>{number}</td><td>{number} percent of it</td></tr>" for number in range(80))
    (tmp_path / "page.html").write_text(
        "<html><head><title>Money</title></head><body><article><h1>Money</h1>"
        f"<p>{PROSE}</p><h2>Lists</h2><ul>{items}</ul>"
        f"<h2>Tables</h2><p>{PROSE}</p><table><tr><th>n</th><th>share</th></tr>{cells}</table>"
        "</article></body></html>"
    )
    passages = read(tmp_path)
    sections = {passage.id.rpartition("#")[2].rstrip("-0123456789"): passage.title for passage in passages}
    assert sections == {"": "Money", "lists": "Money: Lists", "tables": "Money: Tables"}
    lists = [passage.text for passage in passages if passage.title == "Money: Lists"]
    assert len(lists) > 1
    assert all(text.startswith("- Item ") and text.endswith("It has two sentences.") for text in lists)
    tables = [passage.text for passage in passages if "| 79 |" in passage.text or "| 40 |" in passage.text]
    assert all("| n | share |" in text for text in tables)


def test_a_list_in_a_list_of_a_web_page_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        f"<html><body><article><p>{PROSE}</p><ul><li>Outer one<ul><li>Inner <i>two</i></li></ul></li>"
        "<li>Outer three</li></ul></article></body></html>"
    )
    text = "\n".join(passage.text for passage in read(tmp_path))
    assert "- Outer one\n- Inner two\n- Outer three" in text


def test_list_items_are_not_cut_in_the_middle() -> None:
    item = "- A tenant pays rent. A tenant keeps quiet; guests too. " + "Nobody smokes in the hall. " * 5
    text = "\n".join([item.strip()] * 14)
    parts = split_text(text)
    assert len(parts) > 1
    assert all(line == item.strip() for part in parts for line in part.split("\n"))


def test_a_heading_stays_with_what_follows() -> None:
    text = "\n".join(f"### Part {number}\n{'It is so. ' * 20}" for number in range(8))
    assert not any(part.rpartition("\n")[2].startswith("#") for part in split_text(text))


LEASE = f"""LEASE

Contents
Article 1 Rent ........ 1
Article 2 Deposit ........ 2

Article 1. Rent
Rent is due on the first, as set out in
Section 3.2 Schedule of the annex.
See Article 2 for the deposit.

ARTICLE 2
{PROSE}{PROSE}{PROSE}

§ 12a Termination
(a) With notice.

Section 3.2 The landlord may sell.

Rule 4(a) A notice is in writing.
"""


@pytest.mark.parametrize("kind", ["txt", "docx"])
def test_numbered_articles_stand_alone(tmp_path: Path, kind: str) -> None:
    if kind == "txt":
        (tmp_path / "lease.txt").write_text(LEASE)
    else:
        document = Document()
        for paragraph in LEASE.split("\n\n"):
            document.add_paragraph(paragraph)
        document.save(str(tmp_path / "lease.docx"))
    passages = read(tmp_path)
    file = f"lease.{kind}"
    assert named(passages) == [
        (f"{file}#1", "lease"),
        (f"{file}#article-1", "lease: Article 1 Rent"),
        (f"{file}#article-2", "lease: ARTICLE 2"),
        (f"{file}#article-2-2", "lease: ARTICLE 2"),
        (f"{file}#§12a", "lease: § 12a Termination"),
        (f"{file}#section-3.2", "lease: Section 3.2"),
        (f"{file}#rule-4", "lease: Rule 4"),
    ]
    assert passages[1].text.endswith("See Article 2 for the deposit.")
    assert passages[4].text == "§ 12a Termination\n(a) With notice."


def test_an_article_within_a_headed_section_has_both_names(tmp_path: Path) -> None:
    (tmp_path / "code.md").write_text("# Code\n## Part One\nOpening.\n\nArticle 5 Scope\nAll of it.\n")
    assert named(read(tmp_path)) == [
        ("code#part-one", "Code: Part One"),
        ("code#part-one/article-5", "Code: Part One: Article 5 Scope"),
    ]


def test_a_number_above_a_number_of_another_kind_goes_with_it() -> None:
    (only,) = chunks("ARTICLE II\nSection 2.1 Rent is due.")
    assert (only.names, only.slugs) == (("Section 2.1",), ("section-2.1",))
    assert only.text.startswith("ARTICLE II\n")


def test_chinese_articles_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "民法典.txt").write_text(
        "第一章 总则\n第一条　为了保护民事主体的合法权益，制定本法。\n"
        "第五条　民事主体从事民事活动，依照\n第六条的规定执行。\n"
        "第一百二十条之一　资助恐怖活动组织的，处罚。\n"
    )
    assert named(read(tmp_path)) == [
        ("民法典.txt#1", "民法典"),
        ("民法典.txt#第一条", "民法典: 第一条"),
        ("民法典.txt#第五条", "民法典: 第五条"),
        ("民法典.txt#第一百二十条之一", "民法典: 第一百二十条之一"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The parties follow\nArticle 5 of the Treaty, and that is all there is.",
        "This is a long line of a paragraph that was wrapped just before\nSection 9 Without more.",
        "Section 4 is repealed.",
        "Rule of law. Article of faith.",
        "§ 5% of it",
    ],
)
def test_a_reference_is_no_article(text: str) -> None:
    assert [chunk.names for chunk in chunks(text)] == [()]


def test_metadata_of_notes_has_dates(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: A\neffective: 2024-01-01\nexpires: 2025-06\n---\nText.\n")
    (passage,) = read(tmp_path)
    assert (passage.effective, passage.expires) == ("2024-01-01", "2025-06")
    (tmp_path / "b.md").write_text("---\ntitle: B\neffective: soon\n---\nText.\n")
    problems: list[str] = []
    assert len(list(read_corpus(tmp_path, problems.append))) == 1
    assert problems == [f"{tmp_path}/b.md: effective: 'soon' is not a date; expected YYYY-MM-DD or YYYY-MM"]
