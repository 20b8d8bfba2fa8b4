"""Whether a passage is of the document that a question names.

A clause of another contract is no answer about this one, however alike the words. A document is named by where to look:
a preposition, a noun for a document, and its title in quotation marks (In the contract "X", according to our handbook
"X"). A quoted word alone names none ("the terms "APR" and "APY""). Only passages with a title are judged. Knows words,
not what is in a store.
"""

from __future__ import annotations

import re

from skills.records import Passage

_NOUNS = (
    "agreement|annex|article|brochure|bylaws|charter|circular|contract|deed|document|exhibit|filing|guide|guideline"
    "|handbook|lease|leaflet|letter|licen[cs]e|manual|memo|memorandum|note|notice|paper|plan|policy|prospectus|protocol"
    "|report|schedule|statement|study|trial|will"
)
_NAMED = re.compile(
    rf"""\b(?:in|under|per|from|by|with|within|according\s+to|pursuant\s+to|on\s+the\s+basis\s+of)\s+
        (?:(?:the|this|that|my|our|your|their|his|her|its)\s+)?(?:[\w-]+\s+){{0,3}}?
        (?:{_NOUNS}),?\s+["“](?P<name>[^"“”]{{3,200}})["”]""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"\w+")


def named_document(question: str) -> str:
    """The title of the document that a question is about, as it writes it; empty: it names none."""
    found = _NAMED.search(question)
    return " ".join(found["name"].split()) if found else ""


def of_another_document(question: str, passage: Passage) -> bool:
    """Whether the question names a document and the passage's title, source or id lacks a word of its name."""
    name = named_document(question)
    if not name or not passage.title.strip():
        return False
    return not _words(name) <= _words(f"{passage.title} {passage.source} {passage.id}")


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in _WORD.findall(text.casefold().replace("_", " ")))
