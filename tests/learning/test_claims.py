"""Claims drawn from passages, the rows made of them, and which split a passage belongs to."""

import random

import pytest

from skills.grounding.support import check, numbers
from skills.learning.claims import Asked, claims, rows, shortened
from skills.learning.support_sets import of_split
from skills.records import Passage

NOTE = Passage(
    "lease#deposit",
    "However, the Lessee must pay a deposit (also called a bond) within 14 days. "
    "The Lessor keeps it at Harbour Bank, which pays interest of 2 percent. "
    "The rent may rise once a year. It never rises in the first 12 months of a lease.",
    "Leases",
)
HARD = Passage(
    "lease#parties",
    "The Lessor can sell the flat to Harbour Bank, but the Lessee can keep the keys of Flat Twelve. "
    "The Lessee can sublet a room to the Caretaker of the house, or to a guest. "
    "The Agent of the Lessor can enter the flat after a call, and the Caretaker can enter the cellar.",
    "Parties",
)
TABLE = Passage(
    "costs#1",
    "(in thousands) | 2023 | 2024\nRent | 1,100 | 1,200\nHeating | 80 | 95\nWater | 31 | 33",
    "Costs",
)
ASKED = Asked(TABLE, "What was the rent in 2024?", "1,200")


def drawn(asked: Asked) -> list:
    return [claim for seed in range(6) for claim in claims(asked, random.Random(seed))]


@pytest.mark.parametrize("asked", [Asked(NOTE), ASKED])
def test_what_is_drawn_is_supported(asked: Asked) -> None:
    assert drawn(asked)
    for claim in drawn(asked):
        assert check(claim.sentence, claim.parts, claim.question, context=claim.context).supported, claim
        assert claim.parts[claim.origin]


def test_forms() -> None:
    assert {claim.form for claim in drawn(Asked(NOTE))} == {"verbatim", "shortened"}
    assert {claim.form for claim in drawn(ASKED)} == {"short", "row", "statement"}
    statement = next(claim for claim in drawn(ASKED) if claim.form == "statement")
    assert statement.sentence == "The rent in 2024 was 1,200."


def test_what_is_left_out_does_not_turn_the_sense() -> None:
    choose = random.Random(0)
    assert (
        shortened("The bank pays interest on it, which is taxed.", choose) == "The bank pays interest on it."
    )
    assert shortened("The bank pays interest on it, although not in May.", choose) is None
    assert shortened("If the rent is late, the bank takes a fee.", choose) is None


def test_rows_are_the_same_for_a_seed_and_even_over_kinds() -> None:
    collection = [Asked(NOTE), ASKED]
    made = list(rows(collection, altered_each=2, seed=1))
    assert made == list(rows(collection, altered_each=2, seed=1))
    assert {row["supported"] for row in made} == {True, False}
    kinds = [row["kind"] for row in made if not row["supported"]]
    assert max(kinds.count(kind) for kind in kinds) <= 3
    for row in made:
        assert row["supported"] or numbers(row["sentence"]) or row["kind"] not in ("number", "cell")


def test_hard_rows_are_those_that_rules_let_pass() -> None:
    def passing(hard: bool) -> int:
        made = rows([Asked(HARD), ASKED], altered_each=2, seed=1, hard=hard)
        return sum(
            check(row["sentence"], row["parts"], row["question"], context=row["context"]).supported
            for row in made
            if not row["supported"]
        )

    assert passing(True) > passing(False)


def test_a_document_is_in_one_split() -> None:
    passages = [Passage(f"note-{number % 60}#{number}", "text") for number in range(180)]
    found = {split: {p.id for p in of_split(passages, split)} for split in ("train", "dev", "test")}
    assert sum(map(len, found.values())) == 180
    documents = [{name.partition("#")[0] for name in names} for names in found.values()]
    assert not documents[0] & documents[1]
    assert not documents[0] & documents[2]
    assert min(map(len, documents)) >= 1
