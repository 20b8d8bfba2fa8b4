"""A case with all its figures is told for many reasons: only some of them want a calculation."""

import pytest

from skills.calculations import wants_words


@pytest.mark.parametrize(
    "text",
    [
        "I pay 900 a month on 140,000 at 4%, 20 years left. Where do I see the interest on my statement?",
        "He weighs 14 kg and threw up his paracetamol, do I give it again?",
        "My severance was 40,000 after 4 years. Can I sue them?",
        "The motion came on 3 May 2026 and I have 14 days. How do I prove that I mailed it?",
        "BMI of 31 at 90 kg, who can I talk to?",
        "We borrow 200,000 at 4%. Is it smarter to rent?",
        "贷款100万，利率4%，30年，可以停止还月供吗",
        "入职3年，月薪8000，被开除，我该怎么收集证据",
    ],
)
def test_a_last_question_that_no_figure_answers(text: str) -> None:
    assert wants_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Born 1950, died 1993. Is the novel in the public domain now?",
        "70 kg, 1.62 m, am I overweight?",
        "Served on 3 May 2026, 21 days. Is filing on 26 May too late?",
        "200,000 at 4% over 20 years, is the instalment below 1,300?",
        "He was sacked after 4 years on 20,000 a month, they offer 80,000. Is that enough?",
        "How do I work out the interest on 5,000 at 3%?",
        "weight 70 kg, height 1.70 m, BMI please",
        "每月存1000元，利率3%，8年能不能攒到10万，够吗",
        "年薪25万，个税会超过4万吗",
    ],
)
def test_a_last_question_that_a_figure_answers(text: str) -> None:
    assert not wants_words(text)
