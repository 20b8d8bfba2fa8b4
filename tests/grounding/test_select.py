"""What of a passage is read: short ones whole, long ones by their sentences, tables by their rows."""

from hypothesis import example, given
from hypothesis import strategies as st

from skills.grounding.select import prompt_text, select_spans, units
from skills.records import Evidence, Passage

LONG = " ".join(f"Sentence number {index} is about item {index} and nothing else." for index in range(40))


def test_short_passage_is_read_whole() -> None:
    text = "  One thing. Another thing.  "
    assert [text[slice(*span)] for span in select_spans(text, "thing")] == ["One thing. Another thing."]


def test_long_passage_is_cut_to_what_bears_on_the_question() -> None:
    spans = select_spans(LONG, "what about item 31?", limit=200)
    read = " ".join(LONG[slice(*span)] for span in spans)
    assert "item 31" in read
    assert len(read) <= 260


def test_a_judged_sentence_is_read_though_it_shares_no_word() -> None:
    last = len(units(LONG))
    spans = select_spans(LONG, "what about item 31?", limit=200, told=((last, 0.5),))
    text = "".join(LONG[slice(*span)] for span in spans)
    assert units(LONG)[-1].text in text
    assert "31" in text


def test_table_rows_are_chosen_and_written_with_headers() -> None:
    text = "(In thousands) | 2019 | 2018\nRevenue | 4,013 | 3,249\nCosts | (822) | (17)\nTax | 3 | 2"
    spans = select_spans(text, "What was the revenue in 2019?")
    assert [text[slice(*span)].partition(" |")[0] for span in spans] == ["Revenue"]
    assert (
        prompt_text(Evidence(Passage("p", text), spans, 1.0))
        == "(In thousands)\nRevenue: 2019 = 4,013; 2018 = 3,249"
    )


def test_nothing_to_read_in_an_empty_passage() -> None:
    assert select_spans(" \n ", "question") == ()


@example(text="1\n1|1 |", question="", limit=20)
@given(
    st.text(alphabet="ab .|\n19", max_size=400), st.text(alphabet="ab 19?", max_size=30), st.integers(20, 300)
)
def test_spans_are_inside_ordered_and_disjoint(text: str, question: str, limit: int) -> None:
    spans = select_spans(text, question, limit)
    assert bool(spans) == bool(text.strip())
    previous = 0
    for start, end in spans:
        assert previous <= start < end <= len(text)
        previous = end


def test_units_are_sentences_and_rows_with_their_headers() -> None:
    text = "The table shows the year.\n(In thousands) | 2019 | 2018\nRevenue | 4,013 | 3,249"
    found = units(text)
    assert [unit.text for unit in found] == [
        "The table shows the year.",
        "Revenue: 2019 = 4,013; 2018 = 3,249",
    ]
    assert text[slice(*found[1].span)] == "Revenue | 4,013 | 3,249"
