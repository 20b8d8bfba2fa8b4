"""What a question asks about, by its form: a thing that is to be said what it is, or two that are to be set apart.

"What is a REIT?" is answered by the sentence that begins with REITs, before one that has an example of them; "the
difference between copyright and trademark" by what is said of each. Knows texts only; English only.
"""

from __future__ import annotations

import re

from skills.retrieval.text import terms

MOST = 4
"""Words up to which what is asked about is one thing."""
HEAD = 6
"""Words that a sentence about something may have around its name at the beginning."""

_ABOUT = re.compile(
    r"^\W*(?:(?:so|hi|hello|please|pls|ok|and)\W+)*"
    r"(?:(?:can you |could you |please )?(?:explain|define|tell me about)"
    r"|what(?:'s|s| is \(are\)| is| are| was| were| does| do)?|how (?:is|are|does|do))\s+"
    r"(?:(?:an?|the|my|your)\s+)?(?P<what>[^?.]{2,80}?)(?:\s+(?:mean|stand for|work|exactly|like))*"
    r"(?:\s+in (?:[\w-]+ ){0,2}[\w-]+)?\s*[?.]*\s*$",
    re.IGNORECASE,
)
_SIDES = re.compile(
    r"\bdifferen(?:ce|t)\w*\s+(?:is there )?(?:between|of)\s+(?:an?\s|the\s)?(?P<first>[^?,]{2,60}?)"
    r"\s+(?:and|vs\.?|versus|or|from)\s+(?:an?\s|the\s)?(?P<second>[^?,.]{2,60}?)\s*[?.]*$"
    r"|^\W*(?P<one>[\w '/-]{2,40}?)\s+(?:vs\.?|versus)\s+(?P<other>[\w '/-]{2,40}?)\s*[?.]*$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\w'-]+")


def subject(question: str) -> frozenset[str]:
    """Terms of the one thing that a question asks about; empty where its form is another."""
    found = _ABOUT.search(question)
    about = frozenset(terms(found["what"])) if found else frozenset[str]()
    return about if len(about) <= MOST else frozenset()


def begins_with(sentence: str, about: frozenset[str]) -> bool:
    """Whether a sentence has all of what is asked about at its beginning; False for nothing."""
    head = _WORD.findall(sentence)[: len(about) + HEAD]
    return bool(about) and about <= set(terms(" ".join(head)))


def sides(question: str) -> tuple[frozenset[str], ...]:
    """Terms of the two things that are to be set apart, each without what both have; empty where there are none."""
    found = _SIDES.search(question)
    if found is None:
        return ()
    one, other = (set(terms(found[a] or found[b] or "")) for a, b in (("first", "one"), ("second", "other")))
    apart = frozenset(one - other or one), frozenset(other - one or other)
    return apart if all(apart) else ()
