"""Passages that say of another what a question asks about: the same words under another name, or of another year.

An encoder that has learned what a question of a kind ("Who is at risk for ...?") is answered by holds the answer about
a near disease for one about the disease asked for. Beside such a passage only the name tells it apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from skills.records import Passage
from skills.retrieval.text import STOP_WORDS, terms

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_WORD = re.compile(r"[\w'’-]+")
_SHORTEST = 3
"""Letters of a word that is a name's own."""
_EARLIER = 3
"""Years between what is asked for and what an altered passage states, at first."""


def name_of(title: str) -> str:
    """What a passage is about: its title before a colon."""
    return title.partition(":")[0].strip()


def renamed(question: str, passage: Passage, titles: Sequence[str]) -> Iterator[Passage]:
    """The passage about the subject of each of ``titles``, where the question has its own subject and that one lacks a
    word of it which the question has."""
    name = name_of(passage.title)
    asked = set(terms(question)) & set(terms(name))
    for other in dict.fromkeys(map(name_of, titles)):
        if not asked - set(terms(other)):
            continue
        old = [word for word in _words(name) if word.lower() not in other.lower()]
        new = [word for word in _words(other) if word.lower() not in name.lower()]
        if not old or not new:
            continue
        text = re.sub(re.escape(name), other, passage.text, flags=re.IGNORECASE)
        for number, word in enumerate(old):
            substitute = new[min(number, len(new) - 1)]
            text = re.sub(rf"\b{re.escape(word)}\b", substitute, text, flags=re.IGNORECASE)
        yield replace(passage, title=other + passage.title[len(name) :], text=text)


def of_another_year(question: str, passage: Passage) -> Iterator[Passage]:
    """The passage with each year that the question names replaced by an earlier one that stands in neither."""
    years = [year for year in dict.fromkeys(_YEAR.findall(question)) if year in passage.text]
    if not years:
        return
    text, title = passage.text, passage.title
    for year in years:
        substitute = int(year) - _EARLIER
        while str(substitute) in text or str(substitute) in question:
            substitute -= 1
        text, title = text.replace(year, str(substitute)), title.replace(year, str(substitute))
    yield replace(passage, title=title, text=text)


def _words(name: str) -> list[str]:
    """The words of a name that can tell it from another."""
    return [word for word in _WORD.findall(name) if len(word) >= _SHORTEST and word.lower() not in STOP_WORDS]
