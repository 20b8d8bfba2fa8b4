"""A citation quotes its passage exactly or does not exist."""

import pytest

from skills.errors import DataError
from skills.grounding.citations import cite, mark_numbers
from skills.records import Passage

PASSAGE = Passage("p1", "First sentence. Second sentence. Third.", "Title", "Source", as_of="2026-10")


def test_quote_reaches_from_first_to_last_span() -> None:
    citation = cite(1, PASSAGE, [(16, 32), (0, 15)])
    assert citation.quote == "First sentence. Second sentence."
    assert PASSAGE.text[citation.start : citation.end] == citation.quote
    assert (citation.passage_id, citation.title, citation.as_of) == ("p1", "Title", "2026-10")


@pytest.mark.parametrize("span", [(5, 5), (30, 400), (15, 16)])
def test_spans_that_quote_nothing_are_refused(span: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="p1"):
        cite(1, PASSAGE, [span])


def test_marks_in_order_once() -> None:
    assert mark_numbers("a [2] b [1, 3] c [2]") == [2, 1, 3]
