"""The document that a question names decides which passages are about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skills.grounding.documents import named_document, of_another_document
from skills.records import Passage

LEASE = Passage("lease_2024.docx#rent/late", "Late rent costs 5 %.", "Lease 2024: Rent, late payment")


@pytest.mark.parametrize(
    ("question", "name"),
    [
        (
            'In the contract "ACME, Inc. Hosting Agreement", Cap On Liability: is there one?',
            "ACME, Inc. Hosting Agreement",
        ),
        (
            "According to our handbook “Working  at Acme”, how many days of leave are there?",
            "Working at Acme",
        ),
        ('Under the policy, "Homeowners 2020", is flood covered?', "Homeowners 2020"),
        ('According to the loan agreement "Acme 2021", when is interest due?', "Acme 2021"),
        ('What do the terms "APR" and "APY" mean?', ""),
        ('Will "force majeure" excuse late delivery?', ""),
        ('Does the notice "pay or quit" end a lease?', ""),
        ('Is it true that "the lease ends in May"?', ""),
        ('What does "force majeure" in a contract mean?', ""),
        ("What is the renewal term of the contract?", ""),
    ],
)
def test_a_noun_and_quotation_marks_name_a_document(question: str, name: str) -> None:
    assert named_document(question) == name


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ('In the lease "Lease 2024", what does late rent cost?', False),
        ('In the lease "lease_2024.docx", what does late rent cost?', False),
        ('In the lease "Lease 2023", what does late rent cost?', True),
        ('In the contract "Acme Hosting", what does late rent cost?', True),
        ("What does late rent cost?", False),
    ],
)
def test_title_source_or_id_have_to_have_the_name(question: str, other: bool) -> None:
    assert of_another_document(question, LEASE) is other


def test_a_passage_without_a_title_is_not_judged() -> None:
    assert not of_another_document('In the lease "Other", what?', Passage("1", "Rent is 900."))


@given(
    st.text(
        alphabet=st.characters(blacklist_characters='"“”', blacklist_categories=["Cs"]),
        min_size=3,
        max_size=80,
    )
)
def test_a_document_is_never_another_than_itself(title: str) -> None:
    assert not of_another_document(f'In the report "{title}", what?', Passage("1", "Text.", title))
