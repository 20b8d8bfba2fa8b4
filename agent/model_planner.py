"""A plan by a language model, held to a JSON schema, for bases that plan better than the rules of planner.py.

The router's calibrated probabilities still decide whether anybody is asked; who, what and in which order is the
model's. A plan that names nobody, or asks what neither the request nor the conversation says, is not taken: the rules'
stands. Knows a chat model, domains' descriptions and texts; no skill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, ValidationError

import prompts
from agent.plan import MOST_STEPS, Plan, Step
from skills.errors import ModelError
from skills.records import Turn
from skills.retrieval.text import terms

if TYPE_CHECKING:
    from skills.llm.chat_model import CollegiumChatModel

MOST_TOKENS = 256
"""Of a plan: three questions of 60 words with what is around them."""
MOST_CHARACTERS = 400
"""Of a question."""
EARLIER = 4
"""Messages of the conversation that are shown."""


class Planner(Protocol):
    """Goes over the plan that the rules made."""

    def __call__(self, question: str, rules: Plan, history: Sequence[Turn] = ()) -> Plan:
        """The plan to follow; ``rules`` itself where there is no better one."""
        ...


def by_rules(question: str, rules: Plan, history: Sequence[Turn] = ()) -> Plan:  # noqa: ARG001 (Planner's signature)
    """The rules' plan as it is."""
    return rules


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid")
    domain: str
    question: str
    needs: str


class _Steps(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: list[_Step]


class ModelPlanner:
    """Plans by one generation at temperature 0."""

    def __init__(self, model: CollegiumChatModel, domains: Mapping[str, str]) -> None:
        """``domains``: what each one answers, by name."""
        self._domains = dict(domains)
        self._model = model.bind(json_schema=plan_schema(sorted(domains)), max_tokens=MOST_TOKENS)
        listed = "\n".join(f"- {name}: {answers}" for name, answers in sorted(self._domains.items()))
        self._task = prompts.load("plan").render(domains=listed, most=str(MOST_STEPS))

    def __call__(self, question: str, rules: Plan, history: Sequence[Turn] = ()) -> Plan:
        if not rules.steps or any(step.tool for step in rules.steps) or not self._domains:
            return rules
        said = "\n".join(f"{turn.role}: {turn.text}" for turn in history[-EARLIER:])
        asked = f"Conversation so far:\n{said}\n\nRequest: {question}" if said else f"Request: {question}"
        try:
            text = str(self._model.invoke([SystemMessage(self._task), HumanMessage(asked)]).text)
            made = _Steps.model_validate_json(text)
        except (ModelError, ValidationError):  # cut off at the last token, or too long for the context
            return rules
        steps = self._steps(made, question, rules, history)
        return Plan(steps) if steps else rules

    def _steps(self, made: _Steps, question: str, rules: Plan, history: Sequence[Turn]) -> tuple[Step, ...]:
        """One step a domain, in the model's order; none where it made something up."""
        said = set(terms(" ".join([question, *(turn.text for turn in history)])))
        texts: dict[str, list[str]] = {}
        needs: dict[str, str] = {}
        for step in made.steps[:MOST_STEPS]:
            asked = step.question.strip()
            if step.domain not in self._domains or not asked or not said.issuperset(terms(asked)):
                return ()
            if step.needs in texts and step.needs != step.domain:  # an earlier one: no step waits for itself
                needs.setdefault(step.domain, step.needs)
            texts.setdefault(step.domain, []).append(asked)
        searched = {step.domain: step.search_query for step in rules.steps}
        several = len(texts) > 1
        return tuple(
            Step(
                domain,
                "" if several else searched.get(domain) or (" ".join(asked) if history else ""),
                " ".join(asked) if several else "",
                needs=needs.get(domain, ""),
            )
            for domain, asked in texts.items()
        )


def plan_schema(domains: Sequence[str]) -> dict[str, Any]:
    """JSON schema of a plan for these domains."""
    step = {
        "type": "object",
        "properties": {
            "domain": {"enum": list(domains)},
            "question": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
            "needs": {"enum": ["", *domains]},
        },
        "required": ["domain", "question", "needs"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": step, "minItems": 1, "maxItems": MOST_STEPS}},
        "required": ["steps"],
        "additionalProperties": False,
    }
