"""The answer of a turn from the answers of its skills.

Knows layout and citation numbers; not how an answer came about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.conflict import conflict
from agent.events import Answer, Segment
from agent.facts import Fact
from agent.plan import Plan
from prompts import load
from skills.records import Citation, Language, SkillAnswer
from skills.retrieval.text import says_chinese

SURE = 0.6
"""Share of the surest answer's confidence from which another domain's answer to that question is shown beside it."""
_MARK = re.compile(r"\[(\d+)\]")


def compose(
    given: Sequence[SkillAnswer],
    titles: Mapping[str, str],
    *,
    apart: bool = False,
    question: str = "",
    language: Language = "auto",
) -> Answer:
    """One answer from one or more, in their order. A single one is left as it is.

    Of several, those worth showing (see below) each get their domain's title as a heading, and the citation
    marks are numbered through. ``timings`` are summed by stage. ``titles``: by domain name. ``apart``: each was
    asked something of its own, so that each is worth showing. ``question``: what all were asked otherwise; where two
    answers to it differ, that is said, in ``language`` (auto: the question's).
    """
    shown = _worth_showing(given, apart)
    answer = _single(shown[0]) if len(shown) == 1 else _joined(shown, titles)
    if not apart and (differing := conflict(question, shown)):
        names = [titles.get(one.domain, one.domain) for one in differing]
        name = "conflict_zh" if says_chinese(language, question) else "conflict"
        notice = load(name).render(first=names[0], second=names[1])
        answer = replace(answer, text=f"{answer.text}\n\n{notice}")
    timings: dict[str, float] = {}
    for one in given:
        for stage, milliseconds in one.timings.items():
            timings[stage] = timings.get(stage, 0.0) + milliseconds
    return replace(answer, timings=timings)


def without_skills(
    question: str, plan: Plan, titles: Sequence[str], *, language: Language = "auto", kept: Fact | None = None
) -> Answer:
    """The answer to what no skill was asked: a sum, a courtesy, a question back, a refusal, or that something is
    ``kept``.

    ``language``: auto: the question's. ``titles``: of all domains, or of those that may see what is kept.
    """
    if plan.call is not None:
        return Answer("answered", plan.call.text, tools=(plan.call,), confidence=1.0, reason=plan.reason)
    chinese = says_chinese(language, question)
    name = {"out_of_scope": "decline_out_of_scope", "unclear": "clarify_domain"}.get(
        plan.reason, f"reply_{plan.reason}"
    )
    prompt, domains = load(f"{name}_zh" if chinese else name), ("、" if chinese else ", ").join(titles)
    if kept is not None:
        text = prompt.render(text=kept.text, domains=domains, id=kept.id)
        return Answer("answered", text, confidence=1.0, reason=plan.reason)
    status = "declined" if plan.reason == "out_of_scope" else "clarify"
    return Answer(status, prompt.render(domains=domains), reason=plan.reason)


def _worth_showing(given: Sequence[SkillAnswer], apart: bool) -> Sequence[SkillAnswer]:
    """A red flag stands alone; else answers, without them questions back, without those one refusal. Of skills that
    were asked different things: all, answers first; of answers to one question: those about as sure as the surest."""
    flags = [one for one in given if one.reason == "red_flag"]
    answers = [one for one in given if one.status == "answered"]
    back = [one for one in given if one.status == "clarify"]
    if flags:
        return flags
    if apart:
        return [*answers, *back, *(one for one in given if one.status == "declined")]
    surest = max((one.confidence for one in answers), default=0.0)
    return [one for one in answers if one.confidence >= SURE * surest] or back or given[:1]


def _single(given: SkillAnswer) -> Answer:
    return Answer(
        given.status,
        given.text,
        given.citations,
        (given.domain,),
        given.tools,
        given.confidence,
        (Segment(given.domain, given.status, given.text),),
        given.reason,
    )


def _joined(given: Sequence[SkillAnswer], titles: Mapping[str, str]) -> Answer:
    parts: list[str] = []
    citations: list[Citation] = []
    segments: list[Segment] = []
    offset = 0
    for one in given:
        text = _MARK.sub(lambda mark, shift=offset: f"[{int(mark.group(1)) + shift}]", one.text)
        moved = [replace(citation, number=citation.number + offset) for citation in one.citations]
        offset = max((citation.number for citation in moved), default=offset)
        citations += moved
        segments.append(Segment(one.domain, one.status, text))
        parts.append(load("segment").render(title=titles.get(one.domain, one.domain), text=text))
    return Answer(
        given[0].status,
        "\n\n".join(parts),
        tuple(citations),
        tuple(one.domain for one in given),
        tuple(call for one in given for call in one.tools),
        min(one.confidence for one in given if one.status == given[0].status),
        tuple(segments),
        given[0].reason,
    )
