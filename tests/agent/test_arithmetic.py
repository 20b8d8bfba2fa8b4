"""Sums are worked out exactly; everything else is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.arithmetic import calculate


@pytest.mark.parametrize(
    ("message", "result"),
    [
        ("what is 15% of 240", "36"),
        ("15 percent of 240?", "36"),
        ("2+2", "4"),
        ("What's 0.1 + 0.2?", "0.3"),
        ("calculate (12.5 - 2.5) x 3", "30"),
        ("1,234,567 times 1000", "1,234,567,000"),
        ("10 divided by 4", "2.5"),
        ("1/3", "0.333333333333"),
        ("2^10 =", "1,024"),
        ("5 squared", "25"),
        ("-3 * -4", "12"),
        ("23乘以17等于多少？", "391"),
        ("240的15%是多少", "36"),
        ("100除以8", "12.5"),
    ],
)
def test_a_sum_is_worked_out(message: str, result: str) -> None:
    call = calculate(message)
    assert call is not None
    assert call.text.endswith(f" = {result}")


@pytest.mark.parametrize(
    "message",
    [
        "what is 240", "5", "2024-11-24", "what is 120/80?", "11/24/2026", "1/0", "9**9**9", "2**1000",
        "", "()", "1 +", "(" * 300,
        "what is 15% of my salary", "metformin 500 mg + 2 tablets", "__import__('os')", "1 if 2 else 3",
        "120 over 80", "6.8%", "-4.25 / -0.75 x 180", "is 5 + 5 tablets too much?", "401(k)",
    ],
)  # fmt: skip
def test_anything_else_is_no_sum(message: str) -> None:
    assert calculate(message) is None


@given(st.text(alphabet="0123456789+-*/(). %xof,", max_size=60))
def test_any_message_is_read(message: str) -> None:
    call = calculate(message)
    assert call is None or " = " in call.text
