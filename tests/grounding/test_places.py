"""Places: what a question names, and whether a passage speaks about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.places import elsewhere, named, of_a_province, with_countries, without_covered_places
from skills.records import Passage


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("capital gains tax in portugal", {"PT"}),
        ("New York and New Jersey law", {"US-NY", "US-NJ"}),
        ("Tell us about nail polish and turkey", set()),
        ("US and U.S. rules", {"US"}),
        ("Polish or French tax?", {"PL", "FR"}),
        ("West Virginia", {"US-WV"}),
        ("在加拿大买房要交什么税", {"CA"}),
        ("Northern Ireland", {"UK-NI"}),
        ("London, Ontario", {"CA-ON"}),
        ("Toronto, Canada", {"CA-ON", "CA"}),
        ("Dublin and Texas", {"IE", "US-TX"}),
        ("", set()),
    ],
)
def test_names(text: str, codes: set[str]) -> None:
    assert named(text) == codes


@pytest.mark.parametrize(
    ("question", "jurisdiction", "text", "answer"),
    [
        ("capital gains tax in Portugal?", "US", "For 2025 the rate is 0%.", True),
        ("capital gains tax?", "US", "For 2025 the rate is 0%.", False),
        ("capital gains tax in Texas?", "US federal", "For 2025 the rate is 0%.", False),
        ("deposit in the US?", "US", "California: 21 days.", False),
        ("deposit in England?", "US", "In England 30 days.", False),
        ("withdrawal right in France?", "EU", "14 days.", False),
        ("withdrawal right in Norway?", "EU", "14 days.", True),
        ("dose in Norway?", "international", "500 mg.", False),
        ("dose in Norway?", "", "500 mg in the US.", False),
        ("试用期在德国多久？", "CN", "Probation is at most six months.", True),
        ("notice in Scotland?", "US, UK, DE, CN", "A month.", False),
    ],
)
def test_elsewhere(question: str, jurisdiction: str, text: str, answer: bool) -> None:
    assert elsewhere(question, Passage("p", text, jurisdiction=jurisdiction)) is answer


@given(st.text(max_size=80))
def test_a_passage_that_holds_the_question_is_never_elsewhere(question: str) -> None:
    assert not elsewhere(question, Passage("p", f"x {question} x", jurisdiction="US"))


FEDERAL = Passage("1", "An employer must give 60 days of notice.", "Notice", jurisdiction="US federal")


@pytest.mark.parametrize(
    ("question", "bare"),
    [
        ("Can my employer in Texas fire me without notice?", "Can my employer fire me without notice?"),
        ("Texas overtime rules?", "overtime rules?"),
        ("Is overtime paid in the state of New York?", "Is overtime paid?"),
        ("在加州加班有加班费吗？", "在加班有加班费吗？"),
        ("overtime in France?", "overtime in France?"),
        ("overtime?", "overtime?"),
    ],
)
def test_a_rule_for_a_whole_country_is_read_without_its_states(question: str, bare: str) -> None:
    assert without_covered_places(question, FEDERAL) == bare


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("California: 21 days. New York: 14 days.", True),
        ("It is the rule in every US state except Montana.", False),
        ("Texas: 30 days.", True),
    ],
)
def test_rules_of_other_states_hold_for_one_only_if_they_hold_for_all(text: str, kept: bool) -> None:
    question = "How long is notice in Texas?"
    passage = Passage("1", text, "Notice", jurisdiction="US")
    assert (without_covered_places(question, passage) == question) is kept


def test_what_is_stated_nowhere_is_read_with_the_place() -> None:
    question = "How long is notice in Texas?"
    assert without_covered_places(question, Passage("1", "60 days.", "Notice")) == question


@pytest.mark.parametrize(
    ("question", "jurisdiction", "text", "barred"),
    [
        ("上海今年社保缴费基数上限是多少", "CN", "社保缴费基数一般为本人上年度月平均工资。", True),
        ("江苏婚假几天", "CN", "婚假天数由各地规定，江苏为十三天。", False),
        ("婚假几天", "CN", "婚假天数由各地规定。", False),
        ("我在上海上班，试用期可以随便辞退我吗", "CN", "用人单位在试用期不能随便辞退劳动者。", False),
        ("武汉流感疫苗几号开打", "", "流感疫苗最好在每年10月底前接种。", False),
        ("海南离岛免税额度多少", "international", "免税额度各国不同。", False),
    ],
)
def test_figures_of_a_province_are_not_those_of_the_country(
    question: str, jurisdiction: str, text: str, barred: bool
) -> None:
    assert of_a_province(question, Passage("a#1", text, "Note", "law", jurisdiction)) is barred


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("Deposit in Munich?", "Deposit in Munich, Germany?"),
        ("I rent in Leeds, how much?", "I rent in Leeds, England, how much?"),
        ("A flat in Paris, France", "A flat in Paris, France"),
        (
            "Is it legal in Los Angeles or in New York?",
            "Is it legal in Los Angeles, California, or in New York?",
        ),
        ("我在慕尼黑租房", "我在慕尼黑（德国）租房"),
        ("我在多伦多工作", "我在多伦多（加拿大）工作"),
        ("I live in Paris, Texas", "I live in Paris, Texas"),
        ("Berlin, Paris or Texas?", "Berlin, Germany, Paris, France, or Texas?"),
        ("a nice bath, good reading", "a nice bath, good reading"),
    ],
)
def test_a_city_is_told_with_what_it_lies_in(text: str, whole: str) -> None:
    assert with_countries(text) == whole
    assert with_countries(whole) == whole


@given(st.text(max_size=80))
def test_a_text_without_a_city_stays_as_it_is(text: str) -> None:
    assert with_countries(text) == text or named(text)
