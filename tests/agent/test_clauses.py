"""Requests in parts: where they are cut, and which parts ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clauses import clauses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Is ibuprofen safe with warfarin?", ["?Is ibuprofen safe with warfarin?"]),
        (
            "we sell to france. which vat applies and which gdpr basis covers our mails?",
            ["we sell to france.", "?which vat applies", "?which gdpr basis covers our mails?"],
        ),
        (
            "dad gets odd calls. (1) what are red flags of fraud (2) what if he misses a pill",
            ["dad gets odd calls.", "?what are red flags of fraud", "?what if he misses a pill"],
        ),
        (
            "How much is owed for 50 hours, and if I save that, what will it be?",
            ["?How much is owed for 50 hours", "if I save that", "?what will it be?"],
        ),
        ("I earn 3.5 million. (see 2) below", ["I earn 3.5 million.", "(see 2) below"]),
        (
            "what is the dose of ibuprofen and can I deduct medical bills from tax",
            ["?what is the dose of ibuprofen", "?can I deduct medical bills from tax"],
        ),
        (
            "I was hit by a car. My knee is swollen. What helps, and can I sue the driver?",
            ["I was hit by a car.", "My knee is swollen.", "?What helps", "?can I sue the driver?"],
        ),
        (
            "Tell me about bonds; also, is my landlord liable?",
            ["?Tell me about bonds", "?is my landlord liable?"],
        ),
        ("我被车撞了，要吃什么药，能不能让对方赔钱？", ["我被车撞了", "?要吃什么药", "?能不能让对方赔钱？"]),
        ("裁员赔偿要交税吗？另外失眠怎么办？", ["?裁员赔偿要交税吗？", "?另外失眠怎么办？"]),
        ("salt and pepper", ["salt and pepper"]),
        ("", []),
    ],
)  # fmt: skip
def test_parts(text: str, parts: list[str]) -> None:
    assert [f"{'?' * clause.asks}{clause.text}" for clause in clauses(text)] == parts


@given(st.text())
def test_nothing_is_made_up(text: str) -> None:
    place = 0
    for clause in clauses(text):
        place = text.index(clause.text, place) + len(clause.text)
