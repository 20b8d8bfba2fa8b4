"""What of a prompt is kept: never another adapter's, and only whole steps of the computation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skills.llm.prefix import GRID, Prefixes

LONG = list(range(3 * GRID + 10))


def computed(prefixes: Prefixes, adapter: str | None, tokens: list[int]) -> tuple[int, bool]:
    place = prefixes.take(adapter, tokens)
    prefixes.give_back(place, tokens)
    return place.kept, place.cut


def test_a_repeated_prompt_is_kept_up_to_the_last_whole_step() -> None:
    prefixes = Prefixes(1)
    assert computed(prefixes, "a", LONG) == (0, False)
    assert computed(prefixes, "a", LONG) == (3 * GRID, True)
    assert computed(prefixes, "a", LONG[: 2 * GRID]) == (GRID, True)  # its last token is computed
    assert computed(prefixes, "a", LONG) == (2 * GRID, True)  # an answer may go on as the prompt does


def test_no_cut_where_the_prompt_parts_at_the_end_of_a_step() -> None:
    prefixes = Prefixes(1)
    computed(prefixes, "a", LONG)
    assert computed(prefixes, "a", [*LONG[:GRID], -1, *LONG]) == (GRID, False)


def test_nothing_is_kept_for_another_adapter_or_after_a_stop() -> None:
    prefixes = Prefixes(1)
    computed(prefixes, "a", LONG)
    assert computed(prefixes, "b", LONG) == (0, False)
    assert computed(prefixes, None, LONG) == (0, False)
    computed(prefixes, "a", LONG)
    prefixes.give_back(prefixes.take("a", LONG))
    assert computed(prefixes, "a", LONG) == (0, False)


def test_with_several_sequences_the_one_used_longest_ago_is_given_up() -> None:
    prefixes = Prefixes(2)
    for adapter in ("a", "b"):
        computed(prefixes, adapter, LONG)
    assert computed(prefixes, "a", LONG)[0] == 3 * GRID
    assert computed(prefixes, "c", LONG)[0] == 0  # in the place of b
    assert computed(prefixes, "a", LONG)[0] == 3 * GRID
    assert computed(prefixes, "b", LONG)[0] == 0


TOKENS = st.lists(st.integers(0, 1), max_size=4).map(
    lambda steps: [s for s in steps for _ in range(GRID // 2)]
)


@given(
    st.lists(st.tuples(st.sampled_from([None, "a", "b"]), TOKENS.filter(bool), st.booleans())),
    st.integers(1, 3),
)
def test_what_is_kept_was_computed_in_that_sequence_for_that_adapter(
    requests: list[tuple[str | None, list[int], bool]], sequences: int
) -> None:
    prefixes = Prefixes(sequences)
    held: dict[int, tuple[str | None, list[int]]] = {}
    for adapter, tokens, stopped in requests:
        place = prefixes.take(adapter, tokens)
        assert place.kept % GRID == 0
        assert place.kept < len(tokens)
        if place.kept:
            owner, known = held[place.sequence]
            assert owner == adapter
            assert known[: place.kept] == tokens[: place.kept]
            parts = known[place.kept : place.kept + 1] != tokens[place.kept : place.kept + 1]
            assert place.cut == (not parts or len(known) == place.kept)
        prefixes.give_back(place, () if stopped else tokens)
        held[place.sequence] = (None, []) if stopped else (adapter, tokens)


def test_places_taken_at_once_are_different() -> None:
    prefixes = Prefixes(3)
    places = [prefixes.take("a", LONG) for _ in range(3)]
    assert len({place.sequence for place in places}) == 3
