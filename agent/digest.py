"""A long conversation within a budget: the last messages whole, and of the older ones what later ones may lean on.

Kept word for word, nothing is rewritten: of each domain the last question that stands on its own (its topic), and
what the user told in figures. Knows messages; no model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.courtesy import courtesy_of
from agent.planner import is_follow_up
from skills.records import Turn

BUDGET = 1500
"""Characters of older messages, at most."""
_FIGURES = re.compile(
    r"[$€£¥]\s*\d|\d[\d.,]*\s*(?:%|percent|kgs?\b|kilos?\b|lbs?\b|pounds?\b|stone\b|cm\b|m\b|ft\b|feet\b|foot\b|mg\b"
    r"|years?\b|months?\b|weeks?\b|days?\b|hours?\b|dollars?\b|euros?\b|岁|公斤|千克|斤|厘米|米|万|元|块|年|个月|天|小时)",
    re.IGNORECASE,
)


def condensed(turns: Sequence[Turn], recent: int, budget: int = BUDGET) -> tuple[Turn, ...]:
    """The last ``recent`` messages, and before them those older ones of the user that are kept.

    Figures come first and topics last, so that the last question before the messages is the one that they are about.
    """
    if recent <= 0:
        return ()
    older, window = tuple(turns[:-recent]), tuple(turns[-recent:])
    known = {turn.domain for turn in window if _is_topic(turn)}
    topics: list[Turn] = []
    figures: list[Turn] = []
    for turn in reversed(older):
        if _is_topic(turn) and turn.domain not in known and len(turn.text) <= budget:
            known.add(turn.domain)
            topics.append(turn)
            budget -= len(turn.text)
    for turn in reversed(older):
        told = turn.role == "user" and turn not in topics and _FIGURES.search(turn.text)
        if told and len(turn.text) <= budget:
            figures.append(turn)
            budget -= len(turn.text)
    return (*reversed(figures), *reversed(topics), *window)


def _is_topic(turn: Turn) -> bool:
    """A question that stands on its own."""
    return turn.role == "user" and not is_follow_up(turn.text) and courtesy_of(turn.text) is None
