"""Scores of routing, planning and tool calls on the sets written for this project (``sets/``); no language model, but
that of a planner that goes over the rules' plans.

several_domains  {text, parts: [{domain, text}]}: which domains are asked, and whether each is asked its own part
follow_ups       {history: [text], text, label}: whom the last of several turns goes to
tools.<domain>   {text, tool, arguments, missing?}: which calculator is called, with what

``dev`` is for choosing, ``test`` for reporting. Each figure is a share with its 95 % Wilson interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from agent.composition import Router
from agent.model_planner import Planner, by_rules
from agent.plan import Plan, Step
from agent.planner import make_plan
from agent.router import GENERAL
from skills.errors import CollegiumError
from skills.files import read_jsonl
from skills.records import Turn
from skills.tool_calls import ToolCaller, ToolMatch

SETS = Path(__file__).with_name("sets")
SPLITS = ("dev", "test")
_CLOSE = 1e-3
"""Relative difference up to which two numbers are one."""

Row = Mapping[str, Any]
Planned = Callable[..., Plan]
"""(text, history, the domain asked last) -> the plan of the turn; history and domain may be left out."""
Outcome = tuple[str, bool]
"""(what is measured, whether it was right)"""


def scores(
    split: str, router: Router, callers: Mapping[str, ToolCaller], planner: Planner = by_rules
) -> dict[str, dict[str, float]]:
    """{figure: {share, low, high, n}} of all sets; tools of the domains in ``callers``."""

    def planned(text: str, history: Sequence[Turn] = (), last: str = "") -> Plan:
        rules = make_plan(text, router.route(text, history, last), history=history, last_domain=last)
        return planner(text, rules, history)

    found: dict[str, list[bool]] = {}
    outcomes = [
        *_several_domains(rows_of(f"several_domains.{split}"), planned),
        *_follow_ups(rows_of(f"follow_ups.{split}"), planned),
    ]
    for domain, caller in callers.items():
        outcomes += _tools(rows_of(f"tools.{domain}.{split}"), domain, caller)
    for name, right in outcomes:
        found.setdefault(name, []).append(right)
    return {name: share(values) for name, values in found.items()}


def rows_of(name: str) -> list[Row]:
    """The rows of a set that ships with the project; none if there is no such set."""
    path = SETS / f"{name}.jsonl"
    return list(read_jsonl(path, required=("text",))) if path.is_file() else []


def _several_domains(rows: Iterable[Row], planned: Planned) -> Iterator[Outcome]:
    for row in rows:
        parts: list[Row] = row["parts"]
        wanted = {part["domain"] for part in parts}
        steps = planned(row["text"]).steps
        right = {step.domain for step in steps} == wanted
        yield "several domains: the right ones", right
        yield f"several domains: the right ones, {row['lang']}", right
        yield f"several domains: the right ones, of {len(wanted)}", right
        if right and any(step.question for step in steps):
            for part in parts:
                yield (
                    "several domains: each asked its own",
                    _nearest(part["text"], steps) == part["domain"],
                )


def _nearest(text: str, steps: Iterable[Step]) -> str:
    """The domain that is asked what is most like a text."""
    return max(steps, key=lambda step: SequenceMatcher(None, step.question, text).ratio()).domain


def _follow_ups(rows: Iterable[Row], planned: Planned) -> Iterator[Outcome]:
    for row in rows:
        history: tuple[Turn, ...] = ()
        last, asked = "", ()
        for text in [*row["history"], row["text"]]:
            asked = tuple(step.domain for step in planned(text, history, last).steps)
            last = asked[0] if asked else last
            history += (Turn("user", text), Turn("assistant", "..."))
        right = (asked or (GENERAL,)) == (row["label"],)
        yield "follow-ups: the right domain", right
        yield f"follow-ups: the right domain, {row['lang']}", right
        yield f"follow-ups: the right domain, {row['kind']}", right


def _tools(rows: Iterable[Row], domain: str, caller: ToolCaller) -> Iterator[Outcome]:
    for row in rows:
        match = caller.match(row["text"])
        if row["tool"] is None:
            outcomes = [("tools: no call", match is None)]
        else:
            outcomes = [
                ("tools: the right one", match is not None and match.tool == row["tool"]),
                ("tools: all arguments", match is not None and _same_call(row, match, caller)),
            ]
        for name, right in outcomes:
            yield name, right
            yield f"{name}, {domain}", right


def _same_call(row: Row, match: ToolMatch, caller: ToolCaller) -> bool:
    """Whether a match is the row's call: the same arguments, or others that give the same result."""
    if match.tool != row["tool"] or bool(match.missing) != bool(row.get("missing")):
        return False
    wanted: Mapping[str, Any] = row["arguments"]
    if wanted.keys() == match.arguments.keys() and all(
        same_value(value, match.arguments[name]) for name, value in wanted.items()
    ):
        return True
    if match.missing:
        return False
    try:
        return caller.call(match).text == caller.call(ToolMatch(match.tool, wanted)).text
    except CollegiumError:
        return False


def same_value(one: Any, other: Any) -> bool:
    """Whether two arguments of a tool are the same: numbers up to rounding, lists one by one."""
    match one, other:
        case (list(), list()):
            ones, others = list[Any](one), list[Any](other)
            return len(ones) == len(others) and all(map(same_value, ones, others))
        case (bool(), _) | (_, bool()):
            return str(one).lower() == str(other).lower()
        case (int() | float(), int() | float()):
            return abs(one - other) <= _CLOSE * max(1.0, abs(one))
        case _:
            return str(one) == str(other)


def share(values: list[bool]) -> dict[str, float]:
    """{share, low, high, n} with the 95 % Wilson interval."""
    from scipy.stats import binomtest

    interval = binomtest(sum(values), len(values)).proportion_ci(method="wilson")
    return {
        "share": round(sum(values) / len(values), 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
        "n": len(values),
    }
