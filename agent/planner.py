"""The plan of a turn: which skills are asked, and what.

Rules, no model. Knows the router's probabilities and the conversation; not skills, stores or events.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.arithmetic import calculate
from agent.case import BACK, with_case
from agent.clauses import clauses
from agent.courtesy import courtesy_of
from agent.dependence import needs_of
from agent.events import Routed
from agent.plan import MOST_STEPS, Plan, Step
from skills.records import Turn

ELSEWHERE = 0.85
"""A question in a session that belongs to no domain with this probability is not about what was said before."""
_NAMES = re.compile(r"(?<=[^\s.?!] )[A-Z][a-z]|\d{3}")
"""Names and numbers: who uses them asks something that stands by itself."""
_ALONE = 4
"""Words up to which a message cannot be about something else."""
MOST_SAID = 600
"""Characters of earlier messages that a question is read with, if they are several."""
CONFIDENT = 0.8
"""A follow-up leaves the session's domain when the router is this sure of another one."""

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_CUE = re.compile(
    r"^\s*(?:and|but|so|then|also|or|plus|ok(?:ay)?,?\s+(?:and|but|so|what)|what about|how about|how so"
    r"|in that case|for how long|since when)\b|^\s*(?:那|那么|还有|另外|而且|但是|所以)|呢[?？]?\s*$",
    re.IGNORECASE,
)
_BARE_CUE = re.compile(
    r"^\s*(?:why|how|when|where|what if|which)\b|^\s*(?:为什么|怎么|多久|如果)", re.IGNORECASE
)
_BARE = 3
"""Words up to which a question of _BARE_CUE cannot stand alone: "how often?", "why is that?"."""
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|these|those|he|him|his|she|her|hers|the (?:same|latter|former))\b"
    r"|\b(?:is|was|does|do|did|can|could|would|will|about|of|for|to|with|by|like|after|before|without)"
    r"\s+(?:this|that)\b"
    r"|\b(?:this|that)\s*[?.!]*\s*$|它|这个|那个|这种|那种|这样|上述|前者|后者|该(?:药|病|法|公司|合同)",
    re.IGNORECASE,
)
_TELLS = re.compile(
    r"^\W*(?:(?:still|also|actually|well|sorry|no|yes|but|and|oh)\W+)*"
    r"(?:i|he|she|they|we|it|you|my|our|his|her|their|this|that|there|mine)\b|^\W*still\b"
    r"|^\W*(?:其实|但|不过|对|是的)?(?:我|他|她|它|这|那|已经|没有|没|还没|目前|现在|对方)",
    re.IGNORECASE,
)
"""Begins like a sentence about a case, not like keywords."""
_VALUE = re.compile(
    r"^\W*[\d.,]+\s*(?:%|[a-z]{1,6}|[\u3400-\u9fff]{1,2})?\W*$|^\W*(?:是|对|不是|不对)的?\W*$", re.IGNORECASE
)
"""Replies with a value, or in Chinese with yes or no: "80 kg"."""
_EXPLETIVE = re.compile(
    r"\bit(?:'s|\s+is|\s+was)?\s+(?:\w+\s+){1,2}(?:to|that|if|when)\b|\bit\s+takes?\b", re.IGNORECASE
)


def length(question: str) -> int:
    """Size of a question in words; two Chinese characters count as one."""
    characters = len(_CHINESE.findall(question))
    return len(re.findall(r"[A-Za-z0-9][\w'.-]*", question)) + (characters + 1) // 2


def is_follow_up(question: str) -> bool:
    """Whether the question leans on what was said before: short, with a pronoun or a linking word."""
    size = length(question)
    if size > 12 or courtesy_of(question):
        return False
    if _CUE.search(question) or (size <= _BARE and _BARE_CUE.search(question)):
        return True
    return _PRONOUN.search(question) is not None and not (size > 7 and _EXPLETIVE.search(question))


def search_query(question: str, history: Sequence[Turn], domain: str = "") -> str:
    """The question behind the last one that stands on its own, the domain's own if there is one; empty if none."""
    earlier = [turn for turn in reversed(history) if turn.role == "user" and _has_a_topic(turn.text)]
    own = [turn for turn in earlier if domain and turn.domain == domain]
    return f"{(own or earlier)[0].text} {question}" if earlier else ""


def in_conversation(question: str, history: Sequence[Turn], domain: str) -> str:
    """The question behind what the user said before, to a domain if anything was said to it, oldest first: the last
    messages, and the one that says what they are about where none of them does; empty if there is none."""
    turns = [turn for turn in history if turn.role == "user" and not courtesy_of(turn.text)]
    own = any(turn.domain == domain for turn in turns)
    said = [turn.text for turn in turns if turn.domain in ("", domain) or not own]
    last = said[-BACK:]
    if not any(map(_has_a_topic, last)):
        last = [*next(([text] for text in reversed(said) if _has_a_topic(text)), []), *last]
    while len(last) > 1 and sum(map(len, last)) > MOST_SAID:
        last = last[1:]
    return " ".join(dict.fromkeys([*last, question])) if last else ""


def _has_a_topic(said: str) -> bool:
    """Whether a message by itself says what it is about: no follow-up, thanks, yes, or bare value."""
    return not (is_follow_up(said) or courtesy_of(said) or _VALUE.match(said))


def make_plan(
    question: str,
    routed: Routed,
    *,
    history: Sequence[Turn] = (),
    last_domain: str = "",
    must_answer: bool = False,
) -> Plan:
    """Decide who answers.

    0. A sum is worked out, a courtesy is returned: no skill is asked.
    1. Domains over the router's threshold answer, at most MOST_STEPS.
    2. A follow-up stays with the session's last domain unless the router is confident of another one.
    3. A message that only tells something is a follow-up, whatever it is about; so is one that no domain owns and
       that is not clearly out of scope.
    4. Out of scope: declined, or asked back where that is unclear; if the caller brought the evidence
       (``must_answer``), the likeliest domain answers.
    """
    if not must_answer and (call := calculate(question)):
        return Plan((), "arithmetic", call)
    domains = routed.domains[:MOST_STEPS]
    # What only tells something ("he's 79") says more about the case that was asked about; keywords ask.
    tells = _TELLS.match(question) is not None and not any(clause.asks for clause in clauses(question))
    strange = length(question) > _ALONE and (
        routed.probabilities.get("general", 0.0) >= ELSEWHERE or _NAMES.search(question) is not None
    )
    follows = (
        bool(last_domain and history)
        and not courtesy_of(question)
        and (is_follow_up(question) or tells or (not domains and not strange))
    )
    if routed.leans is not None:
        # The router has read it with what was said before, and learned what goes on and what does not; only where
        # it is not sure of that, a message that has the form of a follow-up is one.
        if courtesy_of(question):
            domains = ()
        elif follows and routed.unclear:
            domains = (last_domain,)
        follows = last_domain in domains and (routed.leans or is_follow_up(question) or tells)
    elif follows:
        best = max((routed.probabilities.get(domain, 0.0) for domain in domains), default=0.0)
        if not domains or last_domain in domains or best < CONFIDENT or tells:
            domains = (last_domain,)
    if not domains and must_answer:
        scores = {name: share for name, share in routed.probabilities.items() if name != "general"}
        domains = (max(scores, key=lambda name: scores[name]),) if scores else ()
    if not domains and (kind := courtesy_of(question)):
        return Plan((), kind)
    asked = {part.domain: part.text for part in routed.parts} if len(domains) > 1 and not follows else {}
    needs = needs_of(question, routed.parts) if asked else {}

    def searched(domain: str) -> str:
        if domain not in asked:
            return in_conversation(question, history, domain)
        told = with_case(asked[domain], history, same=domain == last_domain)
        return told if told != asked[domain] else ""

    steps = tuple(
        Step(
            domain,
            searched(domain),
            asked.get(domain, ""),
            needs=needs.get(domain, "") if needs.get(domain) in domains else "",
        )
        for domain in domains
    )
    nobody = "unclear" if routed.unclear else "out_of_scope"
    return Plan(steps, "" if domains else nobody)
