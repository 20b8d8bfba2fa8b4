"""What needs no skill, and what only begins like it."""

import pytest

from agent.courtesy import courtesy_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hello", "greeting"), ("Hi there!", "greeting"), ("你好", "greeting"), ("Good morning.", "greeting"),
        ("thanks a lot!", "thanks"), ("OK, thank you", "thanks"), ("谢谢你的帮助", "thanks"),
        ("You're a star, that's all I needed", "thanks"), ("哈哈，你懂得真多", "thanks"), ("That's helpful", "thanks"),
        ("thanks, that's helpful", "thanks"), ("Thanks. Is it safe for children?", None),
        ("thanks! also what's a healthy weight for a woman who's 5'4", None), ("thanks, my son is 4", None),
        ("thank you so much for the quick answer", "thanks"),
        ("that's all I get from my employer?", None),
        ("That's all my employer paid me when the contract ended early", None), ("Is that enough?", None),
        ("bye", "farewell"), ("再见", "farewell"), ("ok", "agreement"), ("Great, got it", "agreement"),
        ("好的", "agreement"), ("no worries", "agreement"), ("Yes, that helps!", "agreement"),
        ("好的，知道了", "agreement"),
        ("no will", None), ("yes, both kidneys", None), ("good cholesterol", None), ("ok and how often?", None),
        ("嗯，有高血压", None), ("谢谢，那孕妇能吃吗", None), ("知道了，那要吃多久", None),
        ("What can you do?", "help"), ("help", "help"), ("你能做什么？", "help"), ("who are you", "help"),
        ("hello, what is the dose of ibuprofen for a child?", None), ("你好，请问布洛芬怎么吃？", None),
        ("Is it good?", None), ("How do loans work?", None), ("What can I take for a headache?", None),
        ("no insurance, can I sue the driver?", None), ("help with my tax return", None), ("", None),
    ],
)  # fmt: skip
def test_kinds(text: str, kind: str | None) -> None:
    assert courtesy_of(text) == kind
