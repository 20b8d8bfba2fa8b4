"""What users want remembered: owners, domains, expiry, erasing, several processes, a damaged file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.facts import LONGEST_FACT, Facts
from agent.style import Style, changed
from skills.errors import DataError, UserError

ROOT = Path(__file__).parents[2]
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=40
).filter(str.strip)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts(tmp_path / "data" / "memory.sqlite")


def test_a_fact_keeps_who_told_it_where_and_with_which_consent(facts: Facts) -> None:
    kept = facts.add(
        "I  take\nmetformin", user="ann", domain="medical", consent="confirmed", session="s", turn=3
    )
    assert (kept.user, kept.text, kept.domain) == ("ann", "I take metformin", "medical")
    assert (kept.session, kept.turn, kept.consent) == ("s", 3, "confirmed")
    assert kept.consented == kept.created > "2020"
    assert Facts(facts.path).list("ann") == [kept]
    assert facts.add("I take metformin", user="ann", domain="medical") == kept


def test_looking_makes_no_file(facts: Facts) -> None:
    assert (facts.list(), facts.style(), facts.forget_all()) == ([], Style(), 0)
    assert not facts.path.parent.exists()


def test_a_domain_sees_its_own_what_is_for_all_and_what_is_shared(facts: Facts) -> None:
    facts.add("for all")
    facts.add("medical only", domain="medical")
    facts.add("shared", domain="medical", share=("legal",))
    assert [fact.text for fact in facts.list(domain="medical")] == ["for all", "medical only", "shared"]
    assert [fact.text for fact in facts.list(domain="legal")] == ["for all", "shared"]
    assert [fact.text for fact in facts.list(domain="finance")] == ["for all"]


def test_what_has_expired_is_not_there_and_is_erased(facts: Facts) -> None:
    facts.add("an old secret", expires="2020-01-01")
    facts.add("for long", expires="9999-12-31")
    assert [fact.text for fact in facts.list()] == ["for long"]
    assert b"an old secret" not in facts.path.read_bytes()


def test_erasing_erases(facts: Facts) -> None:
    one = facts.add("the first secret", user="ann")
    facts.add("the second secret", user="ann")
    facts.set_style(Style(currency="CHF"), "ann")
    assert b"the first secret" in facts.path.read_bytes()
    assert facts.forget(one.id, "ann") == one
    assert b"the first secret" not in facts.path.read_bytes()
    assert facts.forget_all("ann") == 1
    assert not {b"the second secret", b"CHF"} & {
        word for word in (b"the second secret", b"CHF") if word in facts.path.read_bytes()
    }
    assert [path.name for path in facts.path.parent.iterdir()] == ["memory.sqlite"]


def test_a_corrected_fact_is_the_same_with_another_text(facts: Facts) -> None:
    kept = facts.add("I weigh 80 kg", domain="medical", consent="confirmed")
    new = facts.correct(kept.id, "I weigh 78 kg")
    assert (new.id, new.domain, new.text, new.consent) == (kept.id, "medical", "I weigh 78 kg", "command")
    assert facts.list() == [new]


def test_another_users_facts_cannot_be_reached(facts: Facts) -> None:
    kept = facts.add("of ann", user="ann")
    for attempt in (lambda: facts.forget(kept.id, "bob"), lambda: facts.correct(kept.id, "mine", "bob")):
        with pytest.raises(
            UserError, match=rf"no fact '{kept.id}'; known: none \(see: collegium memory list\)"
        ):
            attempt()
    assert facts.list("ann") == [kept]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "  "}, "expected 1 to"),
        ({"text": "x" * (LONGEST_FACT + 1)}, "expected 1 to"),
        ({"text": "x", "expires": "soon"}, "'soon' is not a date; expected YYYY-MM-DD"),
        ({"text": "x", "user": " "}, "user name"),
    ],
)
def test_a_bad_fact_is_refused(facts: Facts, values: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        facts.add(**values)  # type: ignore[arg-type]
    assert not facts.path.exists()


@pytest.mark.parametrize(
    "content", [b"this is not a database, " * 200, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_file_is_kept_and_named(facts: Facts, content: bytes) -> None:
    facts.path.parent.mkdir()
    facts.path.write_bytes(content)
    for attempt in (facts.list, facts.style, lambda: facts.add("x")):
        with pytest.raises(DataError, match=r"memory file .*memory\.sqlite' is damaged .*mv "):
            attempt()
    assert facts.path.read_bytes() == content


def test_processes_wait_for_each_other(facts: Facts) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.facts import Facts\n"
        "for number in range(10): Facts(Path(sys.argv[1])).add(f'{sys.argv[2]} {number}')"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(facts.path), name], cwd=ROOT) for name in "abc"
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert {fact.text for fact in facts.list()} == {
        f"{name} {number}" for name in "abc" for number in range(10)
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries=st.lists(st.tuples(st.sampled_from(["ann", "an/n", "Ann", "an"]), WORDS), max_size=6))
def test_each_user_gets_what_that_user_told(facts: Facts, entries: list[tuple[str, str]]) -> None:
    users = ("ann", "an/n", "Ann", "an")
    for user in users:
        facts.forget_all(user)
    for user, text in entries:
        facts.add(text, user=user)
    for user in users:
        told = dict.fromkeys(" ".join(text.split()) for owner, text in entries if owner == user)
        assert [fact.text for fact in facts.list(user)] == list(told)


def test_a_style_belongs_to_its_user(facts: Facts) -> None:
    facts.set_style(Style(length="short"), "ann")
    facts.set_style(changed(facts.style("ann"), ["currency=EUR", "jurisdiction=China"]), "ann")
    assert facts.style("ann") == Style(length="short", currency="EUR", jurisdiction="China")
    assert facts.style("bob") == Style()
    assert changed(facts.style("ann"), ["length="]) == Style(currency="EUR", jurisdiction="China")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("length=huge", "style length='huge'"),
        ("colour=red", "style colour='red'"),
        ("jurisdiction=Atlantis", "expected a country or a state"),
        ("currency=euro", "style currency='euro'"),
        ("short", "expected name=value"),
    ],
)
def test_a_bad_setting_is_refused(assignment: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed(Style(), [assignment])
