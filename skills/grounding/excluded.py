"""What a question rules out: "lower my LDL without statins" is not answered by a note on statins. English.

Only a document that is named after just that is ruled out: what is done "without a lawyer" may well stand in a note
on lawyers' work, and the title says more than one word then.
"""

from __future__ import annotations

import re

from skills.records import Passage
from skills.retrieval.text import terms

_WITHOUT = re.compile(
    r"\b(?:without|instead of|other than|rather than|alternatives? (?:to|for)|besides)\s+"
    r"(?:(?:taking|using|having|being on|a|an|any|the|my)\s+){0,2}(?P<what>[\w-]+)",
    re.IGNORECASE,
)


def of_what_is_excluded(question: str, passage: Passage) -> bool:
    """Whether the passage's document is about that alone which the question wants to do without."""
    document = set(terms(passage.title.partition(": ")[0]))
    return bool(document) and any(
        document == set(terms(match["what"])) for match in _WITHOUT.finditer(question)
    )
