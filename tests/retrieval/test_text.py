"""Sentences, index terms and script."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.retrieval.text import is_chinese, sentences, terms

WORDS = "Dr. Smith|Section 4.2.|3.14|said|No. 5|U.S.|- item|。|你好|；| |?|!|...|)|The end.|# Head|;|1.|(a)"
SIGNS = ["a | b | c", "\n", "\n\n", "\t", "\u2028", "\x0b", "\r\n", "\u3000", '"']
PIECES = st.sampled_from([*WORDS.split("|"), *SIGNS])


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@given(
    st.one_of(
        st.text(max_size=200), st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES).map("".join)
    )
)
def test_spans_are_ordered_and_hold_every_visible_character(text: str) -> None:
    spans = sentences(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. It is fast!", ["It works.", "It is fast!"]),
        ("Dr. Lee saw Mr. Wu, e.g. on Monday. He left.", ["Dr. Lee saw Mr. Wu, e.g. on Monday.", "He left."]),
        ("See Section 4.2. It costs 3.5 mg. Done.", ["See Section 4.2.", "It costs 3.5 mg.", "Done."]),
        ("See Fig. 3 and No. 5 of it.", ["See Fig. 3 and No. 5 of it."]),
        ("Acme Inc. v. Doe. The U.S. Court ruled.", ["Acme Inc. v. Doe.", "The U.S. Court ruled."]),
        ("He works at Acme Inc. The firm is new.", ["He works at Acme Inc.", "The firm is new."]),
        ("J. R. Smith wrote it. John B. Lee read it.", ["J. R. Smith wrote it.", "John B. Lee read it."]),
        ("It is common in the U. S. It spreads.", ["It is common in the U. S.", "It spreads."]),
        ("It prevents hepatitis B. Vaccines help.", ["It prevents hepatitis B.", "Vaccines help."]),
        ("1. Definitions apply. 2. Terms", ["1. Definitions apply.", "2. Terms"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("Is it? (Yes.) Good...", ["Is it?", "(Yes.)", "Good..."]),
        ("Wait... what now?", ["Wait... what now?"]),
        ("a | b\n1 | 2\nNote one. Note two.", ["a | b", "1 | 2", "Note one.", "Note two."]),
        ("| x. y | z |\n| 1 | 2 |", ["| x. y | z |", "| 1 | 2 |"]),
        ("- one\n- two\n  more of two\n\nAfter", ["- one", "- two\n  more of two", "After"]),
        ("## Head\nText of\nit.", ["## Head", "Text of\nit."]),
        (
            "今天下雨。他说：“好吗？”然后走了；没有回来！",
            ["今天下雨。", "他说：“好吗？”", "然后走了；没有回来！"],
        ),
        ("甲方付款;乙方交货", ["甲方付款;乙方交货"]),
        (f"{'甲' * 60}；{'乙' * 9}；丙。", [f"{'甲' * 60}；", f"{'乙' * 9}；丙。"]),
        (f"{'甲' * 60};乙。", [f"{'甲' * 60};", "乙。"]),
        ("缴纳社保。iPhone 不算！", ["缴纳社保。", "iPhone 不算！"]),
        ("costs; fees", ["costs; fees"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_long_sentence_stays_whole() -> None:
    text = "word " * 2000 + "end. Next."
    assert [len(piece) for piece in split(text)] == [10_004, 5]


def test_terms_are_stemmed_folded_and_without_stop_words() -> None:
    assert terms("What are the Patients\u2019 cancers?") == ["patient", "cancer"]
    assert terms("ＦＵＬＬ width 1,234.50 in 2019") == ["full", "width", "1234.50", "2019"]
    assert terms("the of and") == []


def test_chinese_terms_are_words_and_bigrams() -> None:
    found = terms("请问阿司匹林怎么服用")
    assert {"阿司匹林", "服用"} <= set(found)
    assert {"阿司", "司匹", "匹林"} <= set(found)
    assert "怎么" not in found


@given(st.text(max_size=80))
def test_terms_do_not_depend_on_case_or_space(text: str) -> None:
    assert terms(text) == terms(f"  {text}\n")
    assert all(term and not term.isspace() for term in terms(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("高血压怎么办", True),
        ("What is EBITDA?", False),
        ("BMI怎么算", True),
        ("什么是 EBITDA margin", True),
        ("The city of 北京 is the capital of the country", False),
        ("", False),
        ("123", False),
    ],
)
def test_is_chinese(text: str, expected: bool) -> None:
    assert is_chinese(text) is expected
