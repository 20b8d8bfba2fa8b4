"""Numbers as people write them, in digits: "twenty-two years" -> "22 years", "half a million" -> "500000",
"百分之四点一" -> "4.1%", full-width digits and signs as ASCII. What is no quantity stays: "一起", "one of them".

English words are read by text2num, Chinese numerals by cn2an. Knows texts only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache

from skills.retrieval.text import has_chinese

_PLAIN = str.maketrans("０１２３４５６７８９％．＄￥－−", "0123456789%.$¥--")
"""Full-width digits and signs as Chinese keyboards write them."""
_SCALES = {
    "k": 1_000,
    "grand": 1_000,
    "thousand": 1_000,
    "million": 1_000_000,
    "mn": 1_000_000,
    "billion": 1_000_000_000,
}
_SCALED = re.compile(
    r"(?<![\w.])(?P<number>\d[\d,]*(?:\.\d+)?)(?:\s*(?P<long>thousand|million|billion|grand|mn)|(?P<short>k))\b",
    re.IGNORECASE,
)
"""A k stands at its number: in "Na 133 K 5.6" it is potassium."""
_PENSION_PLAN = "401"
"""401k is a name."""
_THOUSANDS = re.compile(
    r"(?<![\w.,])(?:(?P<continental>\d{1,3}(?:\.\d{3})+),(?P<cents>\d{2})|(?P<points>\d{1,3}(?:\.\d{3}){2,})"
    r"|(?P<indian>\d{1,2}(?:,\d{2})+,\d{3}))(?![\d.,]*\d)"
)
"""1.250.000,00 and 8,50,000: as the Continent and India group digits. "1.250" alone may be a decimal."""
_SHORT_TIME = re.compile(
    r"(?<![\w.,])(?P<years>\d{1,2})\s?y(?:rs?)?\.?[ ,]?\s?(?P<months>\d{1,2})\s?(?:m|mos?|mths?)\b"
    r"|(?<![\w.,])(?P<alone>\d{1,2})y\b",
    re.IGNORECASE,
)
"""5y9m"""
_FRACTIONS = {"half": "0.5", "quarter": "0.25", "three quarters": "0.75", "½": ".5", "¼": ".25", "¾": ".75"}
_FRACTION_OF = re.compile(
    r"\b(?:an? )?(half|quarter|three quarters)(?: of)? (?:an?|one) (million|billion|thousand|per ?cent)\b",
    re.IGNORECASE,
)
_FRACTION_SIGN = re.compile(r"(\d*)\s?([½¼¾])")
_FRACTION_AFTER = re.compile(
    r"\b(\d{1,3})[ -]([13])/([24])(?=[\s-]*(?:%|per ?cent|years?|yrs?|months?|hours?|hrs?|stone|feet"
    r"|foot|ft|inch|lb|pounds?|kg)(?![a-z]))",
    re.IGNORECASE,
)
"""4 1/2 %; alone "3 1/2" may be anything."""
_NO_ZERO = re.compile(r"(?<![\w.])\.(?=\d)")
"""A beta of .9"""
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(\d{1,3}),(\d{1,2})(?=\s*(?:%|m|cm|kg|mg|mmol|€|EUR|euros?)(?![a-z]))", re.IGNORECASE
)
"""1,70 m: two digits after a comma are no thousands."""
_AND_A_HALF_AFTER = re.compile(
    r"\b(?P<number>\d+|an?|one) (?P<unit>million|billion|thousand|years?|months?|hours?) and an? half\b",
    re.IGNORECASE,
)
_HYPHEN = re.compile(r"(?<=[a-z])-(?=(?:year|month|week|day|hour)s?\b)", re.IGNORECASE)
"""A fifteen-year bond."""
_ENGLISH = re.compile(
    r"\b(?:hundred|thousand|million|billion|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b",
    re.IGNORECASE,
)
_SMALL = {
    word: str(value)
    for value, word in enumerate("one two three four five six seven eight nine ten".split(), 1)
}
_SMALL_VALUES = {word: int(digits) for word, digits in _SMALL.items()}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_TEENS = {
    word: value
    for value, word in enumerate(
        "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), 11
    )
}
_BELOW_TEN = {"zero": "0", "oh": "0", **{word: digit for word, digit in _SMALL.items() if word != "ten"}}
_POINT = re.compile(
    rf"(?<!\bat )(?<!\w)(?P<whole>\d+|zero|{'|'.join([*_SMALL, *_TEENS])}"
    rf"|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_SMALL)[:9])}))?)"
    rf" point (?P<digits>(?:{'|'.join(_BELOW_TEN)})(?:[ -](?:{'|'.join(_BELOW_TEN)}))*)\b",
    re.IGNORECASE,
)
"""A decimal in words: "one point six million", "three point six five per cent"."""
_COUNTED = re.compile(
    rf"\b({'|'.join(_SMALL)})(?=[\s-]+(?:years?|months?|weeks?|days?|hours?|per\s?cent|%|kg|kilos?|pounds?|stone|feet"
    r"|foot|met(?:re|er)s?|people|employees|children|million|thousand|billion)\b| and an? half\b)",
    re.IGNORECASE,
)
"""A small number in words before a unit: alone it is seldom a quantity ("one of them")."""
_FEET_AND = re.compile(
    rf"\b(?P<feet>\d+ (?:foot|feet|ft|stone)),?(?: and)? (?P<inches>{'|'.join(_SMALL)})\b", re.IGNORECASE
)
"""Inches and pounds in words have no unit either: "six foot one", "eleven stone two"."""
_BELOW_HUNDRED = rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_SMALL)[:9])}))?|{'|'.join(_TEENS)})"
_AND_A_PART = re.compile(
    rf"\b(?P<whole>\d+|{_BELOW_HUNDRED}|{'|'.join(_SMALL)}) and (?P<part>an? half|an? quarter|three[ -]quarters?)\b",
    re.IGNORECASE,
)
"""Five and a quarter per cent."""
_PARTS = {"three": ".75", "half": ".5", "quarter": ".25"}
_YEAR = re.compile(
    rf"\b(?P<century>eighteen|nineteen|twenty)[ -](?P<rest>{_BELOW_HUNDRED})\b(?!\s+(?:hundred|thousand|million|per))",
    re.IGNORECASE,
)
"""Nineteen ninety-three."""
_LEFT_OUT = re.compile(
    rf"\b(?P<hundreds>one|two) (?P<rest>{_BELOW_HUNDRED})(?=\s+(?:cm|centimet(?:re|er)s?|kg|kilos?|pounds?|lbs?)\b)",
    re.IGNORECASE,
)
"""One seventy-six centimetres: speakers leave out "hundred and"."""
_NUMERAL = r"[零〇一二两三四五六七八九十百千万亿]"
_PERCENT = re.compile(rf"百分之({_NUMERAL}+(?:点{_NUMERAL}+)?)")
_CHINESE = re.compile(
    rf"(?<![第\w])(?P<alone>半)(?=年|个月|天)|(?<![第哪某每另])(?P<number>{_NUMERAL}+(?:点{_NUMERAL}+)?)"
    # What ends in 万 or 亿 is large enough to be a quantity by itself.
    rf"(?:(?<=[十百千二三四五六七八九][万亿])(?!{_NUMERAL})|(?<=万[一二两三四五六七八九]千)(?!{_NUMERAL})|(?<=[一二两三四五六七八九十百][万千][一二三四五六七八九])(?!{_NUMERAL})|"
    r"(?=个?(?:年|月|天|日|周|星期|小时)|岁|元|块|米|斤|公斤|千克|厘米|公分|磅|毫克|克|次|倍|分(?:利|息)|期|%|人|美元|欧元|英镑|港币))"
)
_TEN_THOUSANDS = re.compile(r"(?<![\d.])(\d+)万([1-9])(?![\d.]|\s*(?:[万千百年月日天岁%个人]|小时))")
"""8万5 is 85000."""
_KEPT = re.compile(r"一(?:年到头|天到晚|次性|日游|月份|人公司)|万[一元]|十分|百分|千万")
"""Words that begin like a quantity."""


def in_digits(text: str) -> str:
    """The text with its quantities in digits."""
    plain = text.translate(_PLAIN)
    return _english(_chinese(plain) if has_chinese(plain) else plain)


def _english(text: str) -> str:
    text = _THOUSANDS.sub(_grouped, text)
    text = _HYPHEN.sub(" ", text)
    text = _SHORT_TIME.sub(_time, text)
    text = _FRACTION_OF.sub(lambda found: f"{_FRACTIONS[found[1].lower()]} {found[2]}", text)
    text = _FRACTION_SIGN.sub(lambda found: f"{found[1] or 0}{_FRACTIONS[found[2]]}", text)
    text = _FRACTION_AFTER.sub(lambda found: f"{int(found[1]) + int(found[2]) / int(found[3]):g}", text)
    text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    text = _NO_ZERO.sub("0.", text)
    text = _POINT.sub(_decimal, text)
    text = _AND_A_PART.sub(_with_part, text)
    text = _YEAR.sub(lambda found: f"{_below_hundred(found['century'])}{_below_hundred(found['rest'])}", text)
    text = _LEFT_OUT.sub(
        lambda found: f"{_SMALL[found['hundreds'].lower()]}{_below_hundred(found['rest'])}", text
    )
    text = _SCALED.sub(_scaled, text)
    if _ENGLISH.search(text):
        from text_to_num import alpha2digit

        text = str(alpha2digit(text, "en"))
    text = _COUNTED.sub(lambda found: _SMALL[found[1].lower()], text)
    text = _FEET_AND.sub(lambda found: f"{found['feet']} {_SMALL[found['inches'].lower()]}", text)
    text = _AND_A_HALF_AFTER.sub(
        lambda found: f"{found['number'] if found['number'].isdigit() else 1}.5 {found['unit']}", text
    )
    return _SCALED.sub(_scaled, text)


def _grouped(found: re.Match[str]) -> str:
    if found["continental"]:
        return f"{found['continental'].replace('.', '')}.{found['cents']}"
    return (found["points"] or found["indian"]).replace(".", "").replace(",", "")


def _time(found: re.Match[str]) -> str:
    if found["alone"]:
        return f"{found['alone']} years"
    return f"{found['years']} years {found['months']} months"


def _with_part(found: re.Match[str]) -> str:
    whole = found["whole"].lower()
    part = next(digits for word, digits in _PARTS.items() if word in found["part"].lower())
    return f"{whole if whole.isdigit() else _below_hundred(whole)}{part}"


def _below_hundred(words: str) -> int:
    return sum({**_SMALL_VALUES, **_TENS, **_TEENS}[word] for word in re.split(r"[ -]", words.lower()))


def _decimal(found: re.Match[str]) -> str:
    words = re.split(r"[ -]", found["whole"].lower())
    whole = sum(
        int(word) if word.isdigit() else {**_SMALL_VALUES, **_TENS, **_TEENS, "zero": 0}[word]
        for word in words
    )
    return f"{whole}." + "".join(_BELOW_TEN[word] for word in re.split(r"[ -]", found["digits"].lower()))


def _scaled(found: re.Match[str]) -> str:
    if found["short"] and found["number"] == _PENSION_PLAN:
        return found[0]
    scale = _SCALES[(found["long"] or found["short"]).lower()]
    value = float(found["number"].replace(",", "")) * scale
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _chinese(text: str) -> str:
    text = _TEN_THOUSANDS.sub(lambda found: f"{float(found[1]) * 10_000 + int(found[2]) * 1_000:.0f}", text)
    text = _PERCENT.sub(lambda found: f"{_read(found[1])}%", text)

    def number(found: re.Match[str]) -> str:
        if found["alone"]:
            return "0.5"
        if _KEPT.match(text, found.start()):
            return found[0]
        return _read(found["number"])

    return _CHINESE.sub(number, text)


@lru_cache(maxsize=256)
def _read(numeral: str) -> str:
    """A Chinese numeral in digits; what is none stays. 一万五 is 15000: the last digit counts the next unit down."""
    import cn2an

    if short := re.fullmatch(r"(.*[^零〇])([百千万亿])([一二三四五六七八九])", numeral):
        numeral += {"百": "十", "千": "百", "万": "千", "亿": "千万"}[short[2]]

    convert: Callable[..., object] = cn2an.cn2an
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f"{convert(numeral.replace('两', '二').replace('〇', '零'), 'smart')}"
    except (ValueError, KeyError):  # KeyError: a sign where it expects none, such as in "一亿零"
        return numeral
