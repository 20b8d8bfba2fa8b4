"""What is in a store, document by document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import takewhile

from skills.records import Passage
from skills.retrieval.columns import document_of


@dataclass(slots=True)
class Document:
    """A document of a store. Where its passages differ in a value, the values follow each other with "; "."""

    document: str
    passages: int = 0
    title: str = ""
    source: str = ""
    jurisdiction: str = ""
    as_of: str = ""
    effective: str = ""
    expires: str = ""


_FACTS = tuple(
    field.name for field in fields(Document) if field.name not in ("document", "passages", "title")
)


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
            known, value = getattr(document, fact), getattr(passage, fact)
            if value and value not in known.split("; "):
                setattr(document, fact, f"{known}; {value}" if known else value)
    return list(found.values())


def _shared(first: str, second: str) -> str:
    """What two titles of parts have in common: "Metformin" of "Metformin: Dose" and "Metformin: Dosing"."""
    pairs = zip(first.split(": "), second.split(": "), strict=False)
    return ": ".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) or first
