"""Filters: what they let through, and that they come before the search and not after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skills.errors import UserError
from skills.records import Filter, Passage
from skills.retrieval.columns import document_of
from skills.retrieval.embedder import HashingEmbeddings
from skills.retrieval.filters import filter_of
from skills.retrieval.store import PassageStore

RENT = [
    Passage(
        "ca#1", "Rent is due on the first.", "Rent", "Code", "California", "", "2020-01-01", "2024-01-01"
    ),
    Passage("ca#2", "Rent is due on the third.", "Rent", "Code", "California", "", "2024-01-01"),
    Passage("ny#1", "Rent is due on the fifth.", "Rent", "Act", "New York", "", "2022-06"),
    Passage("any", "Rent is paid in money.", "Money"),
]


def found(store: PassageStore, query: str, where: Filter, k: int = 10) -> list[str]:
    return [one.passage.id for one in store.search(query, k, where=where)]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), {"ca#1", "ca#2", "ny#1", "any"}),
        (Filter(jurisdiction="California"), {"ca#1", "ca#2"}),
        (Filter(jurisdiction="Calif"), set()),
        (Filter(jurisdiction=""), {"any"}),
        (Filter(source="Act"), {"ny#1"}),
        (Filter(title="Money"), {"any"}),
        (Filter(document="ca"), {"ca#1", "ca#2"}),
        (Filter(document="any"), {"any"}),
        (Filter(as_of="2019-12-31"), {"any"}),
        (Filter(as_of="2020-01-01"), {"ca#1", "any"}),
        (Filter(as_of="2022-06-01"), {"ca#1", "ny#1", "any"}),
        (Filter(as_of="2023-12-31"), {"ca#1", "ny#1", "any"}),
        (Filter(as_of="2024-01-01"), {"ca#2", "ny#1", "any"}),
        (Filter(jurisdiction="California", as_of="2024-01-01"), {"ca#2"}),
        (Filter(jurisdiction="California", source="Act"), set()),
    ],
)
def test_what_a_filter_lets_through(tmp_path: Path, where: Filter, expected: set[str]) -> None:
    store = PassageStore.build(RENT, tmp_path / "store", HashingEmbeddings())
    assert set(found(store, "When is rent due?", where)) == expected


VALUES = st.sampled_from(["", "a", "b", "c"])
DATES = st.sampled_from(["", "2020-01", "2021-05-09", "2022-01-01"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Passage,
            id=st.text("ab#", min_size=1, max_size=4),
            text=st.text("xyz ", min_size=1, max_size=8),
            title=VALUES,
            source=VALUES,
            jurisdiction=VALUES,
            effective=DATES,
            expires=DATES,
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda passage: passage.id,
    ),
    st.builds(
        Filter,
        source=st.none() | VALUES,
        jurisdiction=st.none() | VALUES,
        title=st.none() | VALUES,
        document=st.none() | st.text("ab#", min_size=1, max_size=3),
        as_of=st.none() | st.sampled_from(["2020-01-01", "2021-05-08", "2021-05-09", "2022-06-01"]),
    ),
)
def test_a_search_gives_all_that_fits_and_nothing_else(
    tmp_path: Path, passages: list[Passage], where: Filter
) -> None:
    def fits(passage: Passage) -> bool:
        day = where.as_of
        return (
            where.source in (None, passage.source)
            and where.jurisdiction in (None, passage.jurisdiction)
            and where.title in (None, passage.title)
            and where.document in (None, document_of(passage.id))
            and (
                day is None or passage.effective <= day
            )  # ISO dates order as texts; "2020-01" before its days
            and (day is None or not passage.expires or day < passage.expires)
        )

    store = PassageStore.build(passages, tmp_path / "store", HashingEmbeddings())
    given = [one.passage for one in store.search("x y a", len(passages), where=where)]
    assert all(map(fits, given))
    wanted = {(passage.title, passage.text) for passage in passages if fits(passage)}
    assert {(passage.title, passage.text) for passage in given} == wanted
    assert len(given) == len(wanted)


def test_a_rare_match_is_found_behind_a_thousand_better_ones(tmp_path: Path) -> None:
    crowd = [
        Passage(f"p{number}", f"Rent is due, says clause {number}.", "Rent", jurisdiction="A")
        for number in range(1000)
    ]
    lone = Passage("lone", "Payment happens monthly.", "Other", jurisdiction="B")
    store = PassageStore.build([*crowd, lone], tmp_path / "store", HashingEmbeddings())
    assert found(store, "When is rent due?", Filter(jurisdiction="B"), 1) == ["lone"]


def test_a_duplicate_is_found_under_the_id_that_fits(tmp_path: Path) -> None:
    twins = [
        Passage("old", "Same text.", expires="2020-01"),
        Passage("new", "Same text.", effective="2020-01"),
    ]
    store = PassageStore.build(twins, tmp_path / "store", HashingEmbeddings())
    assert store.manifest.duplicates == 1
    assert found(store, "same text", Filter(as_of="2019-06-01")) == ["old"]
    assert found(store, "same text", Filter(as_of="2021-06-01")) == ["new"]


def test_options_become_a_filter() -> None:
    assert filter_of([]) is None
    assert filter_of(["title=a=b", "source="]) == Filter(title="a=b", source="")
    assert filter_of([], "2024-02-29") == Filter(as_of="2024-02-29")


@pytest.mark.parametrize(
    ("where", "as_of", "message"),
    [
        (["colour=red"], None, "--where 'colour=red': expected KEY=VALUE with one of the keys source, juris"),
        (["as_of=2024"], None, "--where 'as_of=2024': expected"),
        (["title"], None, "--where 'title': expected KEY=VALUE"),
        (["title=a", "title=b"], None, "'title' is given twice"),
        ([], "2023-02-29", "--as-of '2023-02-29' is not a date; expected YYYY-MM-DD"),
        ([], "today", "--as-of 'today' is not a date"),
    ],
)
def test_wrong_options_say_what_is_expected(where: list[str], as_of: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        filter_of(where, as_of)


def test_wrong_dates_are_named(tmp_path: Path) -> None:
    store = PassageStore.build(RENT, tmp_path / "store", HashingEmbeddings())
    with pytest.raises(UserError, match="'soon' is not a date"):
        store.search("rent", where=Filter(as_of="soon"))
    with pytest.raises(UserError, match="passage 'x': '2024-13' is not a date"):
        PassageStore.build([Passage("x", "t", effective="2024-13")], tmp_path / "bad", HashingEmbeddings())
    assert not (tmp_path / "bad").exists()
