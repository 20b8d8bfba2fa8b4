"""The check of a sentence against its source."""

import pytest

from skills.grounding import support
from skills.grounding.support import Support, numbers, without_marks
from skills.retrieval.text import sentences

SOURCE = (
    "Metformin lowers the amount of sugar made by the liver. Used alone it rarely causes low blood sugar. "
    "Treatment is stopped when eGFR is below 30 mL/min. The company reported revenue of $1,250 million in 2019."
)


def check(sentence: str, source: str, question: str) -> Support:
    """Against the sentences of a source."""
    return support.check(sentence, [source[start:end] for start, end in sentences(source)], question)


@pytest.mark.parametrize(
    "sentence",
    [
        "Metformin lowers the amount of sugar made by the liver [1].",
        "Metformin lowers sugar made by the liver [1].",
        "Treatment is stopped when eGFR is below 30 [1].",
        "Revenue was $1250 million in 2019 [1].",
        "Yes [1].",
    ],
)
def test_supported(sentence: str) -> None:
    assert check(sentence, SOURCE, "What does metformin do?").supported


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Treatment is stopped when eGFR is below 45 [1].", "number"),
        ("Revenue was $1,350 million in 2019 [1].", "number"),
        ("Warfarin thins the blood and prevents strokes in many patients [1].", "words"),
    ],
)
def test_not_supported(sentence: str, reason: str) -> None:
    verdict = check(sentence, SOURCE, "What does metformin do?")
    assert (verdict.supported, verdict.reason) == (False, reason)


def test_negation_that_the_source_lacks() -> None:
    source = "Metformin lowers the amount of sugar made by the liver."
    assert check("Metformin does not lower the sugar made by the liver.", source, "q").reason == "negation"


def test_the_nearest_sentence_is_named() -> None:
    verdict = check("Used alone it rarely causes low blood sugar [1].", SOURCE, "q")
    assert verdict.part == 1


def test_a_number_of_the_question_may_be_repeated() -> None:
    assert check(
        "At 64 years treatment is stopped when eGFR is below 30.", SOURCE, "I am 64 years old"
    ).supported


def test_marks_and_separators() -> None:
    assert without_marks("A [1]. B [2, 3].") == "A. B."
    assert numbers("1,250 and 3.5") == {"1250", "3.5"}


COSTS = (
    "When prices rise, FIFO gives the lowest cost and the highest profit; "
    "LIFO gives the highest cost and the lowest profit."
)


def test_a_turned_comparison_is_caught() -> None:
    assert check("FIFO gives the lowest cost and the highest profit [1].", COSTS, "q").supported
    assert check("LIFO gives the lowest cost and the lowest profit [1].", COSTS, "q").reason == "turned"


def test_who_owes_whom_is_not_turned() -> None:
    source = "The landlord must return the deposit to the tenant within 30 days."
    assert check("The landlord must return the deposit to the tenant.", source, "q").supported
    assert check("The tenant must return the deposit to the landlord.", source, "q").reason == "turned"


def test_an_alternative_is_not_what_the_other_one_is() -> None:
    source = (
        "It is unlawful if it creates a hostile work environment, or when a job benefit depends on favours."
    )
    question = "What is a hostile work environment?"
    assert check(
        "A hostile work environment is when a job benefit depends on favours.", source, question
    ).reason == ("turned")
    assert check("It is unlawful when a job benefit depends on favours.", source, question).supported


NOTE = [
    "The means test compares the income of the household with the median income of the state.",
    "A second discharge is possible only eight years after the filing of the earlier case.",
]


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (
            "The income limit of the means test is eight years after the filing of the earlier case.",
            "borrowed",
        ),
        ("The limit for a second discharge is eight years after the filing of the earlier case.", "borrowed"),
        ("A second discharge is possible eight years after the filing of the earlier case.", ""),
        ("The means test compares the income with the median income of the state.", ""),
    ],
)
def test_what_is_asked_about_is_not_given_the_value_of_another_sentence(sentence: str, reason: str) -> None:
    verdict = support.check(
        sentence, NOTE, "What is the income limit of the means test?", context="Bankruptcy"
    )
    assert verdict.reason == reason


def test_a_dropped_negation_is_caught() -> None:
    source = "The tablet is not crushed. Alcohol must not be taken with it."
    assert check("The tablet is not crushed.", source, "q").supported
    assert check("The tablet is crushed.", source, "q").reason == "negation"
    assert check("Alcohol must be taken with it.", source, "q").reason == "negation"


def test_what_is_in_brackets_may_be_left_out() -> None:
    source = "The notice (see form B) must be sent within ten (10) days after the sale."
    assert check("The notice must be sent within ten days after the sale.", source, "q").supported


def test_a_word_in_the_place_of_another_is_caught() -> None:
    source = "Aspirin thins the blood in most patients. Insulin lowers the sugar of adults with diabetes."
    assert check("Aspirin thins the blood in most patients.", source, "q").supported
    assert check("Aspirin thins the sugar in patients.", source, "q").reason == "moved"
    assert check("Insulin lowers the sugar of aspirin patients.", source, "q").reason == "moved"


ROWS = ["Rent: 2023 = 1,100; 2024 = 1,200", "Net rent: 2023 = 900; 2024 = 950"]


@pytest.mark.parametrize(
    ("answer", "question", "reason"),
    [
        ("1,200 [1].", "What was the rent in 2024?", ""),
        ("1,100 [1].", "What was the rent in 2024?", "cell"),
        ("950 [1].", "What was the rent in 2024?", "cell"),
        ("950 [1].", "What was the net rent in 2024?", ""),
        ("1,200 [1].", "How did the rent change from 2023 to 2024?", ""),
        ("The rent for 2024 was 1,200 [1].", "", ""),
        ("The rent for 2024 was 1,100 [1].", "", "cell"),
    ],
)
def test_a_figure_of_another_row_or_column_is_caught(answer: str, question: str, reason: str) -> None:
    assert support.check(answer, ROWS, question).reason == reason
