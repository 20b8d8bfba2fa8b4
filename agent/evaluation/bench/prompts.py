"""Real prompts to measure with: questions of a pack's examples with the evidence that answers them."""

from __future__ import annotations

import random

import prompts
from skills.llm.engine import ChatTurn, GenerationRequest
from skills.pack import Pack
from skills.retrieval.store import PassageStore

LONG = 400
"""Characters of evidence at least: about 100 tokens."""
MAX_TOKENS = 160


def grounded_requests(pack: Pack, count: int, *, seed: int = 1) -> list[GenerationRequest]:
    """Requests as the skill makes them: its system prompt, evidence and question, its adapter."""
    from skills.learning.grounded import evidence_text

    examples = pack.examples("answer")
    random.Random(seed).shuffle(examples)
    store = PassageStore.load(pack.index)
    system = ChatTurn("system", pack.prompt("system").render())
    chosen: list[GenerationRequest] = []
    for row in examples:
        passage = store.get(row["gold"][0])
        evidence = evidence_text(passage, row["question"]) if passage else ""
        if len(evidence) >= LONG:
            user = prompts.load("evidence").render(evidence=evidence, question=row["question"])
            turns = (system, ChatTurn("user", user))
            chosen.append(GenerationRequest(turns, adapter=pack.name, max_tokens=MAX_TOKENS))
        if len(chosen) == count:
            break
    return chosen
