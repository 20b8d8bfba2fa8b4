"""Supported sentences with their sources, drawn from passages as an adapter writes them, and altered ones beside them.

    verbatim   a sentence as it stands
    shortened  its lead-in, a bracket or its last clause left out
    row        one value of a table in a sentence with its row and column
    short      the bare answer to a question
    statement  the answer with the words of the question
    written    a sentence of an author's answer, in the author's own words

Knows passages and rows; not where passages come from, nor what is done with the rows.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from skills.grounding import tables
from skills.grounding.select import LIMIT, Unit, select_spans, units
from skills.grounding.support import TURNING, check, without_marks
from skills.learning.alterations import ALTERATIONS, Claim, Strangers, altered, content_words, names
from skills.learning.grounded import CELL_QUESTIONS, cells
from skills.records import Passage
from skills.retrieval.text import is_chinese, sentences, terms

PER_PASSAGE = 3
"""Sentences, and as many table values, that are drawn from one passage at most."""
WORDS = (5, 45)
"""Shortest and longest sentence, in words."""

_LEAD_IN = re.compile(r"^(?:[A-Z][\w ]{2,40}?, )(?=[a-z])")
_BRACKET = re.compile(r" \([^()]{2,80}\)(?=[ ,.;])")
_CLAUSE = re.compile(
    r"(?:, (?:which|including|such as|and|where|so|although|because|as|with|who)\b|; | - ).{8,}$"
)
_ASKED = re.compile(
    r"^(?:What|Which|Who|Where)\s+(?P<verb>is|are|was|were)\s+(?P<what>(?:the|its|their|our)\s+[^?]{3,90}?)\s*\?*$",
    re.IGNORECASE,
)
_CATEGORY = re.compile(r", (?P<what>[A-Z][\w /-]{3,30}): ")
_ROW_FORMS = (
    "{row}: {column} = {value}",
    "{row} in {column} was {value}.",
    "{row} was {value} in {column}.",
    "The {row} for {column} was {value}.",
    "In {column}, {row} was {value}.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A passage, and what was asked about it if anything."""

    passage: Passage
    question: str = ""
    answer: str = ""
    """Words of the passage that answer the question; "" if there are none."""
    written: str = ""
    """An answer in an author's own words, with marks; "" if there is none."""


def claims(asked: Asked, choose: random.Random) -> Iterator[Claim]:
    """Supported claims of one passage: sentences, values of its tables, and the answer to its question."""
    passage = asked.passage
    if is_chinese(passage.text):
        return
    context = f"{passage.title}\n{tables.unit(passage.text)}".strip()
    read = _read(passage.text, asked.question, choose)
    parts = tuple(part.text for part in read)
    prose = [
        index for index, part in enumerate(read) if not tables.is_table_line(passage.text[slice(*part.span)])
    ]
    fitting = [index for index in prose if WORDS[0] <= len(parts[index].split()) <= WORDS[1]]
    for index in sorted(choose.sample(fitting, 0 if asked.written else min(PER_PASSAGE, len(fitting)))):
        sentence = parts[index]
        if choose.random() < 0.65 and (short := shortened(sentence, choose)):
            yield Claim(short, parts, index, "shortened", context)
        else:
            yield Claim(sentence, parts, index, "verbatim", context)
    if asked.answer:
        yield from _answered(asked, parts, context)
    if asked.written:
        yield from _written(asked, parts, context)
    found = cells(passage.text)
    for label, header, value in choose.sample(found, min(PER_PASSAGE, len(found))):
        yield from _of_cell(passage, context, label, header, value, choose)


def shortened(sentence: str, choose: random.Random) -> str | None:
    """A sentence with something left out that does not turn its sense; None if there is nothing of the kind."""
    ways = [_LEAD_IN, _BRACKET, _CLAUSE]
    choose.shuffle(ways)
    for way in ways:
        found = way.search(sentence)
        if found is None or set(re.findall(r"[a-z]+", found[0].lower())) & (TURNING | _CONDITIONS):
            continue
        rest = sentence[: found.start()] + sentence[found.end() :]
        rest = rest[0].upper() + rest[1:] if rest else rest
        if len(rest.split()) >= WORDS[0]:
            return rest if rest[-1] in ".!?" else f"{rest}."
    return None


_CONDITIONS = frozenset("if when until provided in during after before".split())


def _read(text: str, question: str, choose: random.Random) -> list[Unit]:
    """The units that a writer would be given: those selected for the question, or some that follow each other."""
    found = units(text)
    if question:
        spans = select_spans(text, question)
        return [unit for unit in found if any(a <= unit.start and unit.end <= b for a, b in spans)]
    start = choose.randrange(len(found)) if sum(len(unit.text) for unit in found) > LIMIT else 0
    read: list[Unit] = []
    for unit in found[start:]:
        if read and sum(len(one.text) for one in read) + len(unit.text) > LIMIT:
            break
        read.append(unit)
    return read


def _answered(asked: Asked, parts: tuple[str, ...], context: str) -> Iterator[Claim]:
    whole = re.compile(rf"(?<![\w.,]){re.escape(asked.answer)}(?!\w|[.,]\d)", re.IGNORECASE)
    holding = [index for index, part in enumerate(parts) if whole.search(part)]
    if not holding:
        return
    wanted = set(terms(asked.question))
    origin = max(holding, key=lambda index: len(wanted & set(terms(parts[index]))))
    answer = asked.answer
    yield Claim(f"{answer}.", parts, origin, "short", context, asked.question, answer)
    stem = _ASKED.match(asked.question)
    if stem is not None:
        what = stem["what"][0].upper() + stem["what"][1:]
        sentence = f"{what} {stem['verb'].lower()} {answer}."
    elif (category := _CATEGORY.search(asked.question)) is not None:
        sentence = f"The {category['what'].lower()} is {answer}."
    else:
        return
    yield Claim(sentence, parts, origin, "statement", context, asked.question, answer)


def _written(asked: Asked, parts: tuple[str, ...], context: str) -> Iterator[Claim]:
    for start, end in sentences(asked.written):
        sentence = without_marks(asked.written[start:end])
        wanted = set(terms(sentence))
        if len(sentence.split()) >= WORDS[0]:
            origin = max(range(len(parts)), key=lambda index: len(wanted & set(terms(parts[index]))))
            yield Claim(sentence, parts, origin, "written", context, asked.question)


def _of_cell(
    passage: Passage, context: str, label: str, header: str, value: str, choose: random.Random
) -> Iterator[Claim]:
    row = label.lower() if choose.random() < 0.6 else label
    question = choose.choice(CELL_QUESTIONS).format(row=row, column=header)
    parts = tuple(unit.text for unit in _read(passage.text, question, choose))
    holding = [index for index, part in enumerate(parts) if label in part and value in part]
    if not holding:
        return
    if choose.random() < 0.6:
        yield Claim(f"{value}.", parts, holding[0], "short", context, question, value)
    else:
        sentence = choose.choice(_ROW_FORMS).format(row=row, column=header, value=value)
        yield Claim(sentence[0].upper() + sentence[1:], parts, holding[0], "row", context, question, value)


def rows(
    collection: Iterable[Asked], *, altered_each: int, seed: int, hard: bool = False
) -> Iterator[dict[str, Any]]:
    """Rows for `train support`: every claim, and up to ``altered_each`` altered ones beside it.

    Of the kinds that apply to a claim those come first that have been made least; with ``hard``, those that the rules
    let pass, to learn from. The rows of one collection borrow from each other, so a collection is one kind of document.
    """
    choose = random.Random(seed)
    drawn = [claim for asked in collection for claim in claims(asked, choose)]
    strangers = _strangers(drawn)
    made: Counter[str] = Counter()
    for claim in drawn:
        yield _row(claim, claim.sentence, claim.form, True)
        kinds = sorted(ALTERATIONS, key=lambda kind: (made[kind], choose.random()))
        found = ((kind, altered(claim, kind, strangers, choose)) for kind in kinds)
        usable = ((kind, sentence) for kind, sentence in found if sentence is not None)
        if hard:
            usable = sorted(usable, key=lambda pair: not _passes(claim, pair[1]))
        for kind, sentence in islice(usable, altered_each):
            yield _row(claim, sentence, kind, False)
            made[kind] += 1


def _passes(claim: Claim, sentence: str) -> bool:
    return check(sentence, claim.parts, claim.question, context=claim.context).supported


def _strangers(drawn: Sequence[Claim]) -> Strangers:
    texts = list(dict.fromkeys(claim.sentence for claim in drawn if not claim.answer))
    return Strangers(
        texts,
        list(dict.fromkeys(name for text in texts for name in names(text))),
        list(dict.fromkeys(word for text in texts for word in content_words(text))),
    )


def _row(claim: Claim, sentence: str, kind: str, supported: bool) -> dict[str, Any]:
    return {
        "sentence": sentence,
        "parts": list(claim.parts),
        "context": claim.context,
        "question": claim.question,
        "kind": kind,
        "supported": supported,
    }
