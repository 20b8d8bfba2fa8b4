"""Tables in passages: which header belongs to which value."""

import pytest

from skills.grounding.tables import rows, unit

SIMPLE = " | Year Ended December 31, | \n(In thousands) | 2019 | 2018\nRevenue | $ 4,013 | $ 3,249\nCosts | (822) | —"


def test_values_carry_their_header() -> None:
    first, second = rows(SIMPLE)
    assert first.label == "Revenue"
    assert dict(first.cells) == {"2019": "$ 4,013", "2018": "$ 3,249"}
    assert second.render() == "Costs: 2019 = (822); 2018 = —"


def test_offsets_point_at_the_line() -> None:
    for row in rows(SIMPLE):
        assert SIMPLE[row.start : row.end].startswith(row.label)
        assert "\n" not in SIMPLE[row.start : row.end]


def test_unit_is_found() -> None:
    assert unit(SIMPLE) == "In thousands"
    assert unit("Revenue | 2019\nA | 5") == ""


def test_spanning_header_names_every_column_below_it() -> None:
    text = " | Revenues |  | Income | \n | 2019 | 2018 | 2019 | 2018\nTeekay | 601 | 510 | 299 | 148"
    (row,) = rows(text)
    assert [header for header, _ in row.cells] == [
        "Revenues 2019",
        "Revenues 2018",
        "Income 2019",
        "Income 2018",
    ]


def test_section_lines_qualify_the_rows_below() -> None:
    text = " | 2019 | 2018\nCurrent: |  | \nFederal | 5 | 4\nDeferred: |  | \nFederal | 7 | 6"
    assert [row.label for row in rows(text)] == ["Current: Federal", "Deferred: Federal"]


def test_a_second_table_has_its_own_header() -> None:
    text = " | 2019\nA | 1\n | 2018\nB | 2"
    assert [row.render() for row in rows(text)] == ["A: 2019 = 1", "B: 2018 = 2"]


def test_prose_has_no_rows() -> None:
    assert rows("Revenue rose to 5 in 2019.\nCosts fell.") == []


def test_ranges_in_words_are_values() -> None:
    lines = ["category | systolic | | diastolic", "normal | below 120 | and | below 80"]
    text = "\n".join([*lines, "stage 2 | 140 or more | or | 90 or more"])
    assert [row.render() for row in rows(text)] == [
        "normal: systolic = below 120; and; diastolic = below 80",
        "stage 2: systolic = 140 or more; or; diastolic = 90 or more",
    ]


def test_numbered_headers_are_no_values() -> None:
    text = " | Level 1 | Level 2\nCash | 5 | 7"
    assert [row.render() for row in rows(text)] == ["Cash: Level 1 = 5; Level 2 = 7"]


def test_of_a_table_of_words_the_first_line_names_the_columns() -> None:
    text = "Screening:\ncancer | who | test\nbreast | women | mammogram\nbowel | adults | stool test\nAsk."
    assert [row.render() for row in rows(text)] == [
        "breast: who = women; test = mammogram",
        "bowel: who = adults; test = stool test",
    ]
    assert [text[row.start : row.end] for row in rows(text)] == text.splitlines()[2:4]


@pytest.mark.parametrize("table", ["a | b\nc | d", "a | b | c\nd | e\nf | g | h", "a | b\nc | \ne | f"])
def test_a_few_or_uneven_lines_of_words_are_no_table(table: str) -> None:
    assert rows(table) == []
