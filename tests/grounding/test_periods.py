"""Years, however a text writes them."""

import pytest

from skills.grounding.periods import periods_of, without_periods


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("December 31, 2019 and 2018", ("2019", "2018")),
        ("FY19 against FY 2018", ("2019", "2018")),
        ("F18", ("2018",)),
        ("2018/2019", ("2019",)),
        ("the season 2018-19", ("2019",)),
        ("fiscal years 2017-2019", ("2017", "2019")),
        ("on 2018-09-30", ("2018",)),
        ("2019 over 2019", ("2019",)),
        ("form 1040, 25 people", ()),
    ],
)
def test_years(text: str, years: tuple[str, ...]) -> None:
    assert periods_of(text) == years


def test_a_text_without_its_years() -> None:
    assert without_periods("Sales in FY19").split() == ["Sales", "in"]
