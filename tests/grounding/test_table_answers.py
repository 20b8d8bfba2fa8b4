"""Figures that a question asks for: read or worked out from the right row and year, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.table_answers import answer_from_table
from skills.grounding.table_questions import operation_of

REPORT = """(In thousands) | 2019 | 2018 | 2017
Revenue: | | |
Net sales | $1,200 | $1,000 | $800
Services | 300 | 250 | (50)
Total revenue | 1,500 | 1,250 | 750
Research costs | 12.5 | 10.0 | –
Earnings per share | 2.50 | 2.00 | 1.60
Tax rate | 21% | 25% | 24%
Due to related parties | 30 | 20 | 10
"""


@pytest.mark.parametrize(
    ("question", "text", "formula"),
    [
        ("What was the change in net sales from 2018 to 2019?", "200 thousand", "1,200 - 1,000"),
        ("What was the change in net sales in 2019 from 2018?", "200 thousand", "1,200 - 1,000"),
        (
            "What is the percentage change in services between 2018 and 2019?",
            "20 percent",
            "(300 - 250) / 250",
        ),
        ("What was the increase / (decrease) in services from 2017 to 2018?", "300 thousand", "250 - (-50)"),
        ("What was the average total revenue for 2018 and 2019?", "1375 thousand", "(1,250 + 1,500) / 2"),
        ("What was the average net sales?", "1000 thousand", "(1,200 + 1,000 + 800) / 3"),
        ("What is the average net sales from 2017 to 2019?", "1000 thousand", "(800 + 1,000 + 1,200) / 3"),
        ("What is the sum of net sales and services in 2018?", "1250 thousand", "1,000 + 250"),
        ("What is the difference between net sales and services in 2019?", "900 thousand", "1,200 - 300"),
        ("What are services as a percentage of total revenue in 2019?", "20 percent", "300 / 1,500"),
        ("What is the ratio of services to net sales in 2018?", "0.25", "250 / 1,000"),
        ("What was the average earnings per share in 2018 and 2019?", "2.25", "(2 + 2.5) / 2"),
        ("What was the change in the tax rate between 2018 and 2019?", "-4 percent", "21 - 25"),
        ("In which year were services higher, 2018 or 2019?", "2019", "300 > 250"),
        ("Which year had the lowest tax rate?", "2019", "21 < 24 < 25"),
        (
            "What was the change in amounts due to related parties from 2018 to 2019?",
            "10 thousand",
            "30 - 20",
        ),
        ("What was total revenue in 2018?", "1,250 thousand", ""),
        ("What was the tax rate in 2017?", "24%", ""),
        ("What were the earnings per share in 2019?", "2.50", ""),
        ("What were net sales in 2019 and 2018 respectively?", "$1,200; $1,000 thousand", ""),
        ("What were net sales in 2018 and 2019?", "$1,000; $1,200 thousand", ""),
        ("What were total net sales in 2018 and 2019?", "2200 thousand", "1,000 + 1,200"),
        ("What were net sales and services in 2018, respectively?", "$1,000; 250 thousand", ""),
        ("What was the increase in net sales in 2019?", "200 thousand", "1,200 - 1,000"),
        ("What were net sales in FY19?", "$1,200 thousand", ""),
        ("What percentage of total revenue is made up of services in 2019?", "20 percent", "300 / 1,500"),
        (
            "In which years were net sales more than 900?",
            "2019; 2018",
            "2019: 1,200; 2018: 1,000; 2017: 800; > 900",
        ),
        (
            "How many years did net sales exceed $1.1 million?",
            "1",
            "2019: 1,200; 2018: 1,000; 2017: 800; > 1,100",
        ),
        ("Which years does the table cover, and which are included?", "2019; 2018; 2017", ""),
        ("What are the components of revenue?", "Net sales; Services", ""),
    ],
)
def test_the_figure_that_is_asked_for(question: str, text: str, formula: str) -> None:
    found = answer_from_table(question, REPORT)
    assert found is not None
    assert (found.text, found.formula) == (text, formula)


@pytest.mark.parametrize(
    "question",
    [
        "What was revenue in 2016?",  # a year that the table has not
        "What was the change in goodwill from 2018 to 2019?",  # no such row
        "What was the change in net sales?",  # three years, none named
        "What is the percentage change in research costs from 2017 to 2018?",  # from nothing
        "What are research costs as a percentage of net sales in 2017?",  # nothing of something
        "What were net sales from services in 2019?",  # names two rows
        "What was the difference between average net sales and average services?",  # several operations
        "In which year were net sales more than 2,000?",  # in none
        "What has the second highest net sales?",
        "Why did net sales increase?",
        "What was the increase in net sales in 2019 due to?",
        "What accounted for the increase in net sales from 2018 to 2019?",
        "Who audits the company?",
        "",
    ],
)
def test_what_is_unclear_is_not_answered(question: str) -> None:
    assert answer_from_table(question, REPORT) is None


def test_a_table_without_years_is_not_calculated_with() -> None:
    table = "Category | systolic | diastolic\nnormal | 110 | 70\nelevated | 125 | 79\n"
    assert answer_from_table("What is the average normal value?", table) is None
    assert answer_from_table("What was normal in 2019?", table) is None


def test_two_rows_of_one_name_are_not_told_apart() -> None:
    table = "| 2019 | 2018\nAssets: | |\nLoans | 5 | 4\nLiabilities: | |\nLoans | 7 | 9\n"
    assert answer_from_table("What is the change in loans from 2018 to 2019?", table) is None
    found = answer_from_table("What is the change in loans under liabilities from 2018 to 2019?", table)
    assert found is not None
    assert found.text == "-2"


def test_the_rows_are_those_of_the_text() -> None:
    found = answer_from_table("What is the ratio of services to net sales in 2018?", REPORT)
    assert found is not None
    assert [REPORT[row.start : row.end].split(" |")[0] for row in found.rows] == ["Services", "Net sales"]


QUARTERS = """2019 (in millions) | First | Second | Q3
Net sales | 10 | 12.5 | 9
Costs | (6) | (8) | (5)
"""
AMOUNTS = """| 2019 Amount | 2019 % of revenue | 2018 Amount | 2018 % of revenue | % Change
Sales | 600 | 60% | 500 | 62.5% | 20%
Services | 400 | 40% | 300 | 37.5% | 33%
"""
REGIONS = """Region | Gross carrying amount | Loss allowance
Americas | 70 | 1
Asia Pacific | 90 | 4
Europe | 40 | 2
Total | 200 | 7
"""
SHARES = """| Number of Shares | Weighted-Average Price
Outstanding at September 30, 2018 | 2,800 | $4.75
Granted | 300 | 5.00
Outstanding at September 30, 2019 | 1,600 | $7.00
"""


@pytest.mark.parametrize(
    ("question", "table", "text"),
    [
        ("What were net sales in the second quarter?", QUARTERS, "12.5 million"),
        ("What was the change in net sales between the second and Q3?", QUARTERS, "-3.5 million"),
        ("What was the change in costs between the first and second quarter?", QUARTERS, "2 million"),
        ("What were sales in 2019?", AMOUNTS, "600"),
        ("What was the percentage of revenue from services in 2018?", AMOUNTS, "37.5%"),
        ("What was the change in sales from 2018 to 2019?", AMOUNTS, "100"),
        ("What percentage did services increase by between 2018 and 2019?", AMOUNTS, "33.33 percent"),
        ("What is the loss allowance for Europe?", REGIONS, "2"),
        ("Which region has the highest gross carrying amount?", REGIONS, "Asia Pacific"),
        ("Which region has the lowest loss allowance?", REGIONS, "Americas"),
        (
            "Which region had the highest sales in 2019?",
            "Sales by region ($m) | 2019 | 2018\nAsia | 12 | 90\nEurope | 66 | 70\nTotal | 78 | 160\n",
            "Europe",
        ),
        ("What is the difference in gross carrying amount between Asia Pacific and Europe?", REGIONS, "50"),
        ("What was the number of shares outstanding as of September 30, 2018?", SHARES, "2,800"),
        ("What was the weighted-average price of shares granted?", SHARES, "5.00"),
    ],
)
def test_rows_and_columns_are_told_by_words_and_by_periods(question: str, table: str, text: str) -> None:
    found = answer_from_table(question, table)
    assert found is not None
    assert found.text == text


def test_names_that_cover_half_of_a_question_fit_it_less() -> None:
    full = answer_from_table("What were net sales in 2019?", REPORT)
    half = answer_from_table("What were net sales to Martian customers in 2019?", REPORT)
    assert full is not None
    assert half is not None
    assert half.fit < full.fit == 1.0


@given(st.text(), st.text(alphabet="|\n 0123456789.,%$()–a", max_size=200))
def test_any_text_is_read(question: str, text: str) -> None:
    operation_of(question)
    for asked in (question, "What is the percentage change in a from 2018 to 2019?", "What was a in 2019?"):
        found = answer_from_table(asked, f"| 2019 | 2018\n{text}\n")
        assert found is None or found.text
