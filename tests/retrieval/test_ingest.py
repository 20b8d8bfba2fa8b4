"""Documents to passages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.errors import UserError
from skills.records import Passage
from skills.retrieval.chunks import slug, split_text
from skills.retrieval.ingest import read_corpus

NOTE = """---
title: Metformin
source: "Label: metformin"
jurisdiction: US
as_of: 2026-10
---
Opening words.

## What it is
Metformin lowers glucose. It is a biguanide.

### Detail
More of it.

```
## not a heading
```

## Side effects (common)
| effect | how often |
| nausea | often |

## What it is
Said again.
"""


def read(path: Path) -> tuple[list[Passage], list[str]]:
    problems: list[str] = []
    return list(read_corpus(path, problems.append)), problems


def test_a_note_gives_one_passage_per_heading(tmp_path: Path) -> None:
    (tmp_path / "metformin.md").write_text(NOTE)
    passages, problems = read(tmp_path)
    assert problems == []
    assert [one.id for one in passages] == [
        "metformin#intro",
        "metformin#what-it-is",
        "metformin#side-effects-common",
        "metformin#what-it-is-2",
    ]
    first, body, table, _ = passages
    assert (first.title, first.text) == ("Metformin", "Opening words.")
    assert body.title == "Metformin: What it is"
    assert (body.source, body.jurisdiction, body.as_of) == ("Label: metformin", "US", "2026-10")
    assert body.text.startswith("Metformin lowers glucose.")
    assert "## not a heading" in body.text
    assert table.text == "| effect | how often |\n| nausea | often |"


def test_a_plain_markdown_file_takes_its_first_heading_as_title(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "my_note.md").write_text("# The title\nSome text.\n## Part\nOther text.\n")
    passages, _ = read(tmp_path)
    assert [(one.id, one.title, one.text) for one in passages] == [
        ("sub/my_note#intro", "The title", "Some text."),
        ("sub/my_note#part", "The title: Part", "Other text."),
    ]


def test_json_lines_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": 7, "text": "Body.", "title": null, "extra": 1}\n\n{"id": "b", "text": "  "}\n')
    passages, problems = read(path)
    assert passages == [Passage(id="7", text="Body.")]
    assert problems == [f"{path}: passage 'b' has no text"]


def test_a_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "b"}\n')
    with pytest.raises(UserError, match=r"corpus\.jsonl:2: no key 'text'"):
        read(path)


def test_csv_rows_become_passages(tmp_path: Path) -> None:
    (tmp_path / "fees.csv").write_text("service,fee\nWire,25\nCheck,\n", encoding="utf-8-sig")
    (tmp_path / "notes.csv").write_text('id,text,title\nn1,"One, two.",T\n')
    passages, _ = read(tmp_path)
    assert [(one.id, one.title, one.text) for one in passages] == [
        ("fees.csv#1", "fees", "service: Wire\nfee: 25"),
        ("fees.csv#2", "fees", "service: Check"),
        ("n1", "T", "One, two."),
    ]


def test_a_web_page_gives_its_text_and_title(tmp_path: Path) -> None:
    told = [
        "Interest compounds every month on the balance that is left.",
        "It is paid at the end of the month.",
    ]
    body = "".join(f"<p>{sentence} {'The rate is fixed for the year. ' * 4}</p>" for sentence in told)
    (tmp_path / "page.html").write_text(
        "<html><head><title>On interest</title></head>"
        f"<body><nav>Menu</nav><article>{body}</article></body></html>"
    )
    (passage,), problems = read(tmp_path)
    assert problems == []
    assert (passage.id, passage.title) == ("page.html#1", "On interest")
    assert "Interest compounds every month" in passage.text
    assert "Menu" not in passage.text


def test_a_word_file_gives_sections_and_table_rows(tmp_path: Path) -> None:
    from docx import Document

    document = Document()
    document.core_properties.title = "Lease"
    document.add_paragraph("Before any heading.")
    document.add_heading("Rent", level=1)
    document.add_paragraph("Rent is due on the first.")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Late fee", "$50"
    document.save(str(tmp_path / "lease.docx"))
    passages, _ = read(tmp_path)
    assert [(one.id, one.title) for one in passages] == [
        ("lease.docx#1", "Lease"),
        ("lease.docx#rent", "Lease: Rent"),
    ]
    assert passages[1].text == "Rent is due on the first.\n\nLate fee | $50"


def write_pdf(path: Path, *pages: list[str]) -> None:
    """A PDF with a page of each list of lines, written out by hand."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for lines in pages:
        shown = " ".join(f"({line}) Tj 0 -20 Td" for line in lines)
        content = f"BT /F1 12 Tf 40 700 Td {shown} ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects) + 2} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    body, places = "%PDF-1.4\n", list[int]()
    for number, inside in enumerate(objects, start=1):
        places.append(len(body))
        body += f"{number} 0 obj\n{inside}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    path.write_bytes(f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode())


def test_a_pdf_gives_its_pages(tmp_path: Path) -> None:
    write_pdf(tmp_path / "annual_report.pdf", ["Revenue rose to 5.2 million.", "Costs fell."])
    (passage,), problems = read(tmp_path)
    assert problems == []
    assert (passage.id, passage.title) == ("annual_report.pdf#page-1", "annual report")
    assert "Revenue rose to 5.2 million." in passage.text


def test_an_article_goes_on_to_the_next_number_of_the_next_page(tmp_path: Path) -> None:
    pages = (
        ["Our lease.", "Article 1 Rent", "Rent is due."],
        ["It is paid in cash.", "Article 2 Term"],
        ["The end."],
    )
    write_pdf(tmp_path / "lease.pdf", *pages)
    passages, _ = read(tmp_path)
    assert [(one.id, one.title, one.text) for one in passages] == [
        ("lease.pdf#page-1", "lease", "Our lease."),
        ("lease.pdf#article-1", "lease: Article 1 Rent", "Article 1 Rent\nRent is due."),
        ("lease.pdf#article-1-2", "lease: Article 1 Rent", "It is paid in cash."),
        ("lease.pdf#article-2", "lease: Article 2 Term", "Article 2 Term"),
        ("lease.pdf#page-3", "lease", "The end."),
    ]


def test_broken_files_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Good text.")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "c.docx").write_bytes(b"not a zip")
    (tmp_path / "d.md").write_text("---\ntitle: [\n---\nText")
    (tmp_path / "e.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "f.jsonl").write_text("{")
    (tmp_path / "g.png").write_bytes(b"x")
    (tmp_path / "h.txt").write_text(" \n")
    (tmp_path / ".hidden.txt").write_text("Not read.")
    (tmp_path / "z.txt").write_text("Also good.")
    passages, problems = read(tmp_path)
    assert [one.id for one in passages] == ["a.txt#1", "z.txt#1"]
    assert [problem.removeprefix(str(tmp_path) + "/")[0] for problem in problems] == list("bcdefgh")


def test_a_missing_corpus_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no corpus .*expected a file or a folder of \.csv"):
        read(tmp_path / "nowhere")


@given(
    st.lists(
        st.sampled_from(["A short sentence.", "Rate is 3.5 per cent.", "x" * 700 + ".", "短句子。", "\n\n"])
    )
)
def test_long_text_is_cut_between_sentences_and_nothing_is_lost(pieces: list[str]) -> None:
    text = " ".join(pieces)
    parts = split_text(text)
    assert "".join("".join(part.split()) for part in parts) == "".join(text.split())
    assert all(part == part.strip() and part for part in parts)
    assert all(part in text for part in parts)


def test_parts_are_near_the_size_asked_for() -> None:
    text = " ".join(f"Sentence number {number} says a little." for number in range(100))
    parts = split_text(text, 900)
    assert len(parts) >= 3
    assert all(500 <= len(part) <= 1200 for part in parts)
    chinese = split_text("这是一个用来测试切分长度的句子。" * 100, 900)
    assert all(len(part) <= 600 for part in chinese)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("What it is", "what-it-is"),
        ("Side effects (common)", "side-effects-common"),
        ("高血压", "高血压"),
        ("!!", "section"),
    ],
)
def test_slug(heading: str, expected: str) -> None:
    assert slug(heading) == expected
