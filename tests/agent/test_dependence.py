"""Which part of a request waits for the figure of another, and what it is asked then."""

import pytest

from agent.conflict import conflict
from agent.dependence import filled, needs_of
from agent.events import Part
from skills.records import SkillAnswer, ToolCall


def _answer(text: str, domain: str = "legal", **values: float) -> SkillAnswer:
    calls = (ToolCall("tool", {}, text, values),) if values else ()
    return SkillAnswer(domain, "answered", text, tools=calls)


@pytest.mark.parametrize(
    ("first", "second", "needs"),
    [
        ("How much severance am I owed?", "what will that amount grow to in 10 years?", {"finance": "legal"}),
        ("What is 12% of 80,000?", "what tax is due on that", {"finance": "legal"}),
        ("我被辞退，补偿金是多少？", "这笔钱存三年有多少利息？", {"finance": "legal"}),
        ("How much severance am I owed?", "can I also claim on my insurance?", {}),
        ("Can I be dismissed?", "how much tax is due on that amount?", {}),
        ("How much may I take?", "is it safe to rely on this medicine?", {}),
    ],
)
def test_who_waits_for_whom(first: str, second: str, needs: dict[str, str]) -> None:
    parts = (Part("finance", second), Part("legal", first))
    assert needs_of(f"{first} And {second}", parts) == needs


def test_a_part_is_found_without_its_marks() -> None:
    parts = (
        Part("finance", "if I invest that amount at 5% for 10 years what will it be?"),
        Part("legal", "How much is owed for 50 hours"),
    )
    question = (
        "How much is owed for 50 hours, and if I invest that amount at 5% for 10 years, what will it be?"
    )
    assert needs_of(question, parts) == {"finance": "legal"}


def test_nothing_waits_for_what_comes_after_it() -> None:
    parts = (Part("legal", "What tax is due on that amount?"), Part("finance", "How much do I get?"))
    assert needs_of("What tax is due on that amount? How much do I get?", parts) == {}


@pytest.mark.parametrize(
    ("question", "answer", "text"),
    [
        ("What tax on that amount?", _answer("It is $1,200.00.", pay=1200.0), "What tax on $1,200?"),
        ("What tax on that?", _answer("It is 1,200.50.", pay=1200.5), "What tax on 1,200.50?"),
        ("这笔钱要交多少税？", _answer("N is 60,000.00 yuan.", n=60000.0, months=5), "60,000要交多少税？"),
        ("What tax on that?", _answer("Some 30 or 40."), "What tax on that?"),
    ],
)
def test_the_figure_takes_the_place_of_what_refers_to_it(
    question: str, answer: SkillAnswer, text: str
) -> None:
    assert filled(question, answer) == text


@pytest.mark.parametrize(
    ("question", "one", "other", "differ"),
    [
        ("Can I take it abroad?", "Yes, with a prescription.", "No, it is forbidden.", True),
        ("Can I take it abroad?", "Yes, with a prescription.", "Yes, up to a month.", False),
        ("How long do I keep it?", "Keep it 7 years.", "Keep it for ten or 10 years.", True),
        ("How long do I keep it?", "Keep it 7 years.", "7 years, in some cases 10 years.", False),
        ("How long do I keep it?", "Keep it 7 years.", "Keep it 30 days.", False),
        ("How much is it?", "It costs $1,000.", "It is £90 or $1,200.", True),
        ("Who keeps it?", "Keep it 7 years.", "Keep it 10 years.", False),
        ("要保存多久？", "保存7年。", "保存10年。", True),
        ("要保存几天？", "保存7天。", "保存10天。", True),
    ],
)
def test_contradictions(question: str, one: str, other: str, differ: bool) -> None:
    found = conflict(question, [_answer(one, "medical"), _answer(other, "legal")])
    assert (found is not None) == differ
