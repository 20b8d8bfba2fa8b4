"""Quantities in words become digits; words that are none stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.numerals import in_digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("twenty-two years", "22 years"),
        ("415 thousand euros", "415000 euros"),
        ("30k a year", "30000 a year"),
        ("half a million", "500000"),
        ("three and a half million", "3500000"),
        ("three and a half percent", "3.5 percent"),
        ("two and a half years", "2.5 years"),
        ("five and a quarter percent", "5.25 percent"),
        ("six and three quarters percent", "6.75 percent"),
        ("died in nineteen ninety three", "died in 1993"),
        ("since twenty nineteen", "since 2019"),
        ("one seventy six centimetres", "176 centimetres"),
        ("two twenty pounds", "220 pounds"),
        ("forty four and a half thousand", "44500"),
        ("€1.250.000,00 and 18.500,00", "€1250000.00 and 18500.00"),
        ("1.250 kg, 3.5%", "1.250 kg, 3.5%"),
        ("Rs 8,50,000 or 1,52,00,000", "Rs 850000 or 15200000"),
        ("5y9m", "5 years 9 months"),
        ("at 4% 27y monthly", "at 4% 27 years monthly"),
        ("赔我8万5", "赔我85000"),
        ("a four-year contract, a fifteen-year bond", "a 4 year contract, a 15 year bond"),
        ("eleven stone two", "11 stone 2"),
        ("十九万八千，要缴多少", "198000，要缴多少"),
        ("哪一天到期", "哪一天到期"),
        ("half a percent", "0.5 percent"),
        ("three quarters of a million", "750000"),
        ("4 1/2 percent", "4.5 percent"),
        ("on 1/2 of 3 1/2", "on 1/2 of 3 1/2"),
        ("3½ years", "3.5 years"),
        ("1,70 m and 3,5%", "1.70 m and 3.5%"),
        ("10,20,30 and 1,250 kg", "10,20,30 and 1,250 kg"),
        ("a beta of .9", "a beta of 0.9"),
        ("six foot one", "6 foot 1"),
        ("one point six million euros", "1600000 euros"),
        ("a rate of three point six five percent", "a rate of 3.65 percent"),
        ("thirty-seven point oh five", "37.05"),
        ("at one point two people left", "at one point 2 people left"),
        ("the point two of us made", "the point two of us made"),
        ("one metre fifty-nine", "1 metre 59"),
        ("工资一万五", "工资15000"),
        ("月薪八千五，包住", "月薪8500，包住"),
        ("存20万三年定期", "存20万三年定期"),
        ("a year and a half", "1.5 year"),
        ("a hundred and five pounds", "a 105 pounds"),
        ("1.25 million", "1250000"),
        ("１２％", "12%"),
        ("年利率百分之四点一，十八年", "年利率4.1%，18年"),
        ("两年零六个月", "2年6个月"),
        ("体重一百五十斤", "体重150斤"),
        ("三千五百元", "3500元"),
        ("半年", "0.5年"),
        ("Na 133 K 5.6", "Na 133 K 5.6"),
        ("贷款八十万，三十年", "贷款800000，30年"),
        ("千万别吃", "千万别吃"),
        ("万一", "万一"),
        ("my 401k", "my 401k"),
        ("one of them", "one of them"),
        ("第三十八条", "第三十八条"),
        ("一般一起一下", "一般一起一下"),
        ("一次性支付", "一次性支付"),
        ("what is two?", "what is two?"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert in_digits(text) == expected


@given(
    st.text(
        alphabet=st.sampled_from("一二两三十百千万亿点零半年个月元 0123456789.,k%abcdehortuvwy"), max_size=40
    )
)
def test_any_text_is_read(text: str) -> None:
    assert isinstance(in_digits(text), str)


@given(st.integers(1, 9_999_999))
def test_digits_stay(number: int) -> None:
    assert in_digits(f"it costs {number} euros") == f"it costs {number} euros"
