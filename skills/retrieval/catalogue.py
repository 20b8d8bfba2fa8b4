"""What is in a store, document by document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from skills.records import Passage
from skills.retrieval.columns import document_of


@dataclass(slots=True)
class Document:
    """A document of a store, with the different values that its passages have, in their order."""

    document: str
    passages: int = 0
    title: str = ""
    """What the titles of its passages have in common."""
    source: list[str] = field(default_factory=list[str])
    jurisdiction: list[str] = field(default_factory=list[str])
    as_of: list[str] = field(default_factory=list[str])
    effective: list[str] = field(default_factory=list[str])
    expires: list[str] = field(default_factory=list[str])


_FACTS = ("source", "jurisdiction", "as_of", "effective", "expires")


def documents(passages: Iterable[Passage]) -> list[Document]:
    """The documents of passages, in the order of their first ones."""
    found: dict[str, Document] = {}
    for passage in passages:
        name = document_of(passage.id)
        if (document := found.get(name)) is None:
            document = found[name] = Document(name, title=passage.title)
        document.passages += 1
        document.title = _shared(document.title, passage.title)
        for fact in _FACTS:
            values, value = getattr(document, fact), getattr(passage, fact)
            if value and value not in values:
                values.append(value)
    return list(found.values())


def _shared(first: str, second: str) -> str:
    """What two titles of parts have in common: "Metformin" of "Metformin: Dose" and "Metformin: Dosing"."""
    pairs = zip(first.split(": "), second.split(": "), strict=False)
    return ": ".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) or first
