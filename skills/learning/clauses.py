"""Rows for `train evidence` from clauses of contracts that somebody labelled with what they are about.

A question about a contract is answered by one of its clauses, and its other clauses are what that must be told from;
clauses of other contracts never count (skills.grounding.documents). Sets of labelled clauses say which clause is of
which kind but hold no whole contracts. So a clause is set against clauses of other kinds as if all stood in one
contract: those that sound most like the question, and some at random.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

NEAREST = 5
"""Clauses of other kinds that a clause is set against, those that sound most like the question."""
AT_RANDOM = 3
"""Further ones."""
_AMONG = 80
"""Clauses that an imagined contract has: the nearest of all would often answer as well."""


def clause_rows(
    clauses: Mapping[str, Sequence[str]],
    questions: Mapping[str, Sequence[str]],
    titles: Sequence[str],
    embedder: Embeddings,
    *,
    complete: bool = False,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """One row for each clause of each kind that has questions: {question, positives, negatives}.

    ``clauses`` and ``questions`` by kind; ``{title}`` in a question stands for the contract's, one of ``titles``. Where
    every clause is under all its kinds (``complete``), whatever is not under a question's kind may stand against it;
    else kinds of which one clause is both never do. Clauses under a kind without questions only stand against others.
    """
    chance = random.Random(seed)
    kinds: dict[str, set[str]] = {}
    for kind, own in clauses.items():
        for text in own:
            kinds.setdefault(text, set()).add(kind)
    texts = sorted(kinds)
    vectors = np.asarray(embedder.embed_documents(texts), dtype=np.float32)  # (clauses, dimension)
    for kind, own in sorted(clauses.items()):
        asked = list(questions.get(kind, ()))
        akin = {kind} if complete else set[str]().union(*(kinds[text] for text in own))
        others = [number for number, text in enumerate(texts) if not kinds[text] & akin]
        if not asked or not others:
            continue
        known = np.asarray([embedder.embed_query(text) for text in asked], dtype=np.float32)
        for number, clause in enumerate(own):
            turn = (number + seed) % len(asked)
            contract = chance.sample(others, min(_AMONG, len(others)))
            order = [contract[place] for place in np.argsort(-(vectors[contract] @ known[turn]))]
            rest = order[NEAREST:]
            wrong = order[:NEAREST] + chance.sample(rest, min(AT_RANDOM, len(rest)))
            title = chance.choice(titles)
            yield {
                "question": asked[turn].replace("{title}", title),
                "positives": [f"{title}\n{clause}"],
                "negatives": [f"{title}\n{texts[place]}" for place in wrong],
            }
