"""What nearly is one of the words that matter is put right; other words are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.pack import Pack, discover
from skills.spelling import put_right

WORDS = ("mortgage", "paracetamol", "copyright", "current", "annual")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mortage of 200k", "mortgage of 200k"),
        ("Paracetmol for a child", "paracetamol for a child"),
        ("copywright on a song", "copyright on a song"),
        ("mortgages and copyrighted songs", "mortgages and copyrighted songs"),
        ("which currency", "which currency"),
        ("房贷 mortage", "房贷 mortgage"),
        ("", ""),
    ],
)
def test_words_that_matter(text: str, expected: str) -> None:
    assert put_right(text, WORDS) == expected


@given(st.text())
def test_nothing_is_changed_without_words(text: str) -> None:
    assert put_right(text, ()) == text


@given(st.text(), st.sampled_from(WORDS))
def test_what_is_right_stays(text: str, word: str) -> None:
    assert word in put_right(f"{text} {word} {text}", WORDS)


@pytest.mark.parametrize("pack", discover()[0], ids=lambda pack: pack.name)
def test_the_words_of_a_pack_are_in_its_patterns(pack: Pack) -> None:
    assert pack.tool_words
    texts = [
        regex for pattern in pack.tool_patterns.values() for regex in (*pattern.triggers, *pattern.unless)
    ]
    texts += [
        found.regex
        for pattern in pack.tool_patterns.values()
        for argument in pattern.arguments.values()
        for found in argument.patterns
    ]
    for word in pack.tool_words:
        assert any(word[:4] in text.lower() for text in texts), word
