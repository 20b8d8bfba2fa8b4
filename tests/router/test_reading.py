"""What the context readers learn from: rows of text and context."""

from __future__ import annotations

import pytest

from agent.router_head.reading import follow_ups, in_place, made_sets, moved, pairs, parts, sets, several
from skills.learning.route import GENERAL

ALONE = [
    {"text": f"{topic} question {number}", "label": topic}
    for topic in ("finance", "legal", "medical", GENERAL)
    for number in range(5)
]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_written_rows_are_whole(language: str) -> None:
    labels = {"finance", "legal", "medical", GENERAL}
    chains, requests = follow_ups(language), several(language)
    assert len(chains) >= 400
    assert len(requests) >= 400
    for row in chains:
        assert row["history"]
        assert row["label"] in labels
        assert row["kind"] in ("stays", "moves", "leaves")
    for row in requests:
        assert {part["domain"] for part in row["parts"]} <= labels
        assert all(part["asks"] in row["text"] for part in row["parts"])


def test_a_follow_up_stands_before_the_last_two_messages() -> None:
    row = {"history": ["first", "second", "third"], "text": "and now?", "label": "legal", "kind": "stays"}
    assert list(in_place([row])) == [{"text": "and now? | third | second", "label": "legal"}]


def test_what_says_nothing_by_itself_belongs_to_whatever_it_follows() -> None:
    row = {"history": ["my rent"], "text": "since Monday", "label": "legal", "kind": "stays"}
    told = {"history": ["my rent"], "text": "my lease ends in May", "label": "legal", "kind": "stays"}
    more = [{**row, "history": [f"{name}?"], "text": "x", "label": name} for name in ("finance", "medical")]
    made = list(moved([row, told, *more], ALONE, "en", {"since Monday"}))
    after = [made_row["label"] for made_row in made if made_row["text"].startswith("since Monday | ")]
    assert sorted(after) == ["finance", "legal", "legal", "medical"]
    assert [row["label"] for row in made if row["text"].startswith("my lease")] == ["legal"]


def test_what_moves_on_keeps_its_owner_after_another_domain() -> None:
    stays = [
        {"history": [f"{name}?"], "text": "x", "label": name, "kind": "stays"}
        for name in ("finance", "legal", "medical")
    ]
    row = {"history": ["my rent"], "text": "is a lump on the neck bad?", "label": "medical", "kind": "moves"}
    made = [one for one in moved([row, *stays], ALONE, "en", ()) if one["text"].startswith(row["text"])]
    assert [one["label"] for one in made] == ["medical", "medical"]
    assert not any("| medical" in one["text"].split(" | ", 2)[1] for one in made)


def test_the_parts_of_a_request_are_read_within_it() -> None:
    text = "Is a shelf clerk owed sick pay? And how is a sprain treated?"
    asks = [("legal", "Is a shelf clerk owed sick pay?"), ("medical", "And how is a sprain treated?")]
    row = {"text": text, "parts": [{"domain": domain, "asks": part} for domain, part in asks]}
    made = list(parts([row]))
    assert {one["text"].split(" | ")[0]: one["label"] for one in made} == {part: name for name, part in asks}
    assert all(one["text"].endswith(f" | {text}") for one in made)


def test_pairs_keep_their_labels_and_repeat_themselves() -> None:
    made = list(pairs(ALONE, "en", 20))
    assert made == list(pairs(ALONE, "en", 20))
    assert len(made) >= 20
    assert all(one["text"].startswith(f"{one['label']} question") for one in made)


def test_a_request_is_labelled_with_all_that_it_asks() -> None:
    parts = [{"domain": name, "asks": name} for name in ("medical", GENERAL, "finance", "medical")]
    assert list(sets([{"text": "t", "parts": parts}, {"text": "u", "parts": parts[1:2]}])) == [
        {"text": "t", "label": "finance+medical"},
        {"text": "u", "label": GENERAL},
    ]


def test_single_rows_and_two_in_one_message_are_sets_too() -> None:
    made = list(made_sets(ALONE, "en", 15))
    assert made == list(made_sets(ALONE, "en", 15))
    assert len(made) == 30
    for row in made[15:]:
        named = {
            word for word in row["text"].replace("\n", " ").split() if word in ("finance", "legal", "medical")
        }
        assert set(row["label"].split("+")) == named or row["label"] == GENERAL
