"""What the readers learn from: texts alone, and texts that stand in a context (agent.router.in_context).

    alone        the head's rows
    follow-ups   ``follow_ups.jsonl``: the last message after the ones before it. What says nothing by itself ("since
                 Monday") belongs to whatever it follows, so it is put after questions of every domain as well; what
                 moves on or takes leave does so after any
    parts        ``several.jsonl``: each part of a request that asks several things, within that request
    pairs        two of the head's rows, one after the other or in one message
    sets         requests of ``several.jsonl``, by themselves and after a conversation, follow-ups, the head's rows and
                 two of those in one message, each labelled with all the domains that it asks

All are written for this project but the head's rows. Knows no encoder.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.clauses import clauses
from agent.router import READ_BACK, SETS, in_context
from skills.files import read_jsonl
from skills.learning.route import GENERAL, language_of

Row = dict[str, Any]

FOLDER = Path(__file__).parent
SHORT: Mapping[str, int] = {"en": 140, "zh": 60}
"""Characters of a row that stands for a message in a conversation."""
JOINTS: Mapping[str, Sequence[str]] = {
    "en": (" ", " ", " and ", ", also ", " btw ", "\n"),
    "zh": ("", "，", "，", "。另外", "；还有", "，顺便问下"),
}
"""What stands between two questions of one message."""
_OVERLAP = 0.4
"""Share of a part that a written one has to cover to lend it its label."""


def follow_ups(language: str) -> list[Row]:
    """{history: [text], text, label, kind: stays | moves | leaves}"""
    rows = read_jsonl(FOLDER / "follow_ups.jsonl", required=("text",))
    return [row for row in rows if language_of(row["text"] + row["history"][-1]) == language]


def several(language: str) -> list[Row]:
    """{text, parts: [{domain, asks}]}; ``asks`` is a stretch of the text."""
    rows = read_jsonl(FOLDER / "several.jsonl", required=("text",))
    return [row for row in rows if language_of(row["text"]) == language]


def in_place(rows: Iterable[Row]) -> Iterator[Row]:
    """Follow-ups as they were written."""
    for row in rows:
        context = list(reversed(row["history"]))[:READ_BACK]
        yield {"text": in_context(row["text"], context), "label": row["label"]}


def moved(
    rows: Sequence[Row], alone: Sequence[Row], language: str, neutral: Collection[str]
) -> Iterator[Row]:
    """Follow-ups after other messages. ``neutral``: texts that say nothing by themselves."""
    chance = random.Random(f"moved {language}")
    domains = sorted({row["label"] for row in alone} - {GENERAL})
    asked = _by_label(alone, language)
    leaned_on = {
        name: [row["history"][-1] for row in rows if (row["kind"], row["label"]) == ("stays", name)]
        for name in domains
    }

    def after(text: str, label: str, before: str) -> Row:
        written = leaned_on[before] if chance.random() < 0.4 else []
        context = [chance.choice(written or asked[before])]
        if chance.random() < 0.4:
            context.append(chance.choice(asked[chance.choice([*domains, GENERAL])]))
        return {"text": in_context(text, context), "label": label}

    for row in rows:
        text, label = row["text"], row["label"]
        if row["kind"] != "stays":
            others = [name for name in domains if name != label]
            yield from (after(text, label, chance.choice(others)) for _ in range(2))
        elif label != GENERAL:
            owners = [*domains, label] if text in neutral else [label]
            yield from (after(text, owner, owner) for owner in owners)


def parts(rows: Iterable[Row]) -> Iterator[Row]:
    """The parts of requests as written, and as agent.clauses cuts them."""
    for row in rows:
        text = row["text"]
        spans = [(text.index(part["asks"]), len(part["asks"]), part["domain"]) for part in row["parts"]]
        for part in row["parts"]:
            if part["asks"] != text:
                yield {"text": in_context(part["asks"], [text]), "label": part["domain"]}
        end = 0
        for clause in clauses(text):
            start = text.find(clause.text, end)
            if start < 0:
                continue
            end = start + len(clause.text)
            overlap, label = max(
                (min(end, begin + size) - max(start, begin), name) for begin, size, name in spans
            )
            if (
                clause.asks
                and clause.text != text
                and (len(spans) == 1 or overlap >= _OVERLAP * len(clause.text))
            ):
                yield {"text": in_context(clause.text, [text]), "label": label}


def pairs(alone: Sequence[Row], language: str, count: int) -> Iterator[Row]:
    """Rows of different labels beside each other, ``count`` times."""
    chance = random.Random(f"pairs {language}")
    asked = _by_label(alone, language)
    for _ in range(count):
        first, second = chance.sample(sorted(asked), 2)
        one, other = chance.choice(asked[first]), chance.choice(asked[second])
        if chance.random() < 0.5:
            further = [] if chance.random() < 0.6 else [chance.choice(asked[chance.choice(sorted(asked))])]
            yield {"text": in_context(other, [one, *further]), "label": second}
        else:
            whole = one + chance.choice(JOINTS[language]) + other
            yield {"text": in_context(one, [whole]), "label": first}
            yield {"text": in_context(other, [whole]), "label": second}


def sets(rows: Iterable[Row]) -> Iterator[Row]:
    """Requests as written, with the domains that they ask."""
    for row in rows:
        yield {"text": row["text"], "label": _set_of(part["domain"] for part in row["parts"])}


def sets_in_place(rows: Iterable[Row], follow_ups: Sequence[Row]) -> Iterator[Row]:
    """Requests after conversations that they do not lean on, and follow-ups, each of which asks one domain."""
    chance = random.Random("sets in place")
    for row in sets(rows):
        context = list(reversed(chance.choice(follow_ups)["history"]))[:READ_BACK]
        yield {"text": in_context(row["text"], context), "label": row["label"]}
    yield from in_place(follow_ups)


def made_sets(alone: Sequence[Row], language: str, count: int) -> Iterator[Row]:
    """``count`` of the shorter rows, and as many times two of different labels in one message."""
    chance = random.Random(f"sets {language}")
    asked = _by_label(alone, language)
    short = [(text, label) for label, texts in asked.items() for text in texts]
    yield from (
        {"text": text, "label": label} for text, label in chance.sample(short, min(count, len(short)))
    )
    for _ in range(count):
        first, second = chance.sample(sorted(asked), 2)
        text = chance.choice(asked[first]) + chance.choice(JOINTS[language]) + chance.choice(asked[second])
        yield {"text": text, "label": _set_of((first, second))}


def _set_of(domains: Iterable[str]) -> str:
    """The name of a set of domains; what is nobody's is not in it."""
    return SETS.join(sorted({*domains} - {GENERAL})) or GENERAL


def _by_label(rows: Iterable[Row], language: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if len(row["text"]) < SHORT[language]:
            found.setdefault(row["label"], []).append(row["text"])
    return found
