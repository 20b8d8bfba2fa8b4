"""What memory is worth: questions of users who told something about themselves, with recall and without.

memory  {lang, kind, facts: [{text, domain?}], history: [text], text, want}, and what is wanted is
        {status, domain?, tool?, arguments?, cites?: the beginning of a cited passage's id}

kind says what has to come of it: ``argument`` of a calculator, ``place``, ``question`` (what "my plan" is), or
``silent``: the facts are about something else and must not be used. Every row is asked twice, by the user who told it
and by one who told nothing; ``history`` are earlier questions of the same session. ``dev`` is for choosing, ``test``
for reporting. Each figure is a share with its 95 % Wilson interval; the gain is a mean of row-wise differences with its
95 % bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.app import Agent
from agent.evaluation.answers import estimate
from agent.evaluation.planning import Outcome, Row, rows_of, same_value, share
from agent.events import Answer
from agent.facts import ANY


def scores(split: str, agent: Agent) -> dict[str, dict[str, float]]:
    """{figure: {share, low, high, n}}. ``agent``: one whose memory may be filled with the rows' users."""
    found: dict[str, list[bool]] = {}
    gains: list[float] = []
    for row in rows_of(f"memory.{split}"):
        told, silent = _asked(agent, row, f"{row['id']}-told"), _asked(agent, row, f"{row['id']}-silent")
        for name, right in _outcomes(row, told, silent):
            found.setdefault(name, []).append(right)
        gains.append(float(_right(row, told)) - float(_right(row, silent)))
    gain = estimate(gains)
    return {
        **{name: share(values) for name, values in sorted(found.items())},
        "gain": {
            "share": round(gain.mean, 4),
            "low": round(gain.low, 4),
            "high": round(gain.high, 4),
            "n": len(gains),
        },
    }


def _asked(agent: Agent, row: Row, user: str) -> Answer:
    """The row's last answer. A user whose name ends in "silent" told nothing, and each question stands alone."""
    silent = user.endswith("silent")
    for fact in () if silent else row["facts"]:
        agent.remember(fact["text"], user=user, domain=fact.get("domain", ANY))
    for text in () if silent else row["history"]:
        agent.ask(text, user=user, session="s")
    return agent.ask(row["text"], user=user, session="s")


def _outcomes(row: Row, told: Answer, silent: Answer) -> Iterator[Outcome]:
    yield "with recall", _right(row, told)
    yield f"with recall, {row['kind']}", _right(row, told)
    yield f"with recall, {row['lang']}", _right(row, told)
    yield "without recall", _right(row, silent)
    yield f"without recall, {row['kind']}", _right(row, silent)
    yield "says what it used", bool(told.remembered) == (row["kind"] != "silent")


def _right(row: Row, answer: Answer) -> bool:
    want: Mapping[str, Any] = row["want"]
    if answer.status != want["status"] or ("domain" in want and answer.domains != (want["domain"],)):
        return False
    if "cites" in want and not any(one.passage_id.startswith(want["cites"]) for one in answer.citations):
        return False
    if "tool" not in want:
        return True
    given = answer.tools[0].arguments if answer.tools and answer.tools[0].name == want["tool"] else {}
    return all(name in given and same_value(value, given[name]) for name, value in want["arguments"].items())
