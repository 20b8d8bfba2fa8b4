"""Real prompts to measure with: questions of a pack's examples, with or without the evidence that answers them."""

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


def short_requests(pack: Pack, count: int, max_tokens: int, *, seed: int = 1) -> list[GenerationRequest]:
    """Requests without evidence, of a few words each: the skill's system prompt and a question, its adapter."""
    questions = sorted(
        (row["question"] for row in pack.examples("answer")), key=lambda text: (len(text), text)
    )
    chosen = random.Random(seed).sample(questions[: len(questions) // 2], count)
    system = ChatTurn("system", pack.prompt("system").render())
    return [
        GenerationRequest((system, ChatTurn("user", text)), adapter=pack.name, max_tokens=max_tokens)
        for text in chosen
    ]
