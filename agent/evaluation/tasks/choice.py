"""Multiple choice by log-likelihood: the letter that the model finds likeliest, not the one it would write about.

Rows: {question, choices: [text] or {letter: text}, answer: letter or text}. The model is asked directly, since an agent
that answers from sources alone would rightly decline most exam questions. With a store (rag, lora+rag), the evidence
that the agent finds stands in the prompt. Where no letter is among the likeliest tokens, the model writes, and the
first letter of that counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import prompts
from agent.evaluation.figures import Figure, ResultRow, calibration_error, label_figures, mean
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Row, Task, text_of
from skills.errors import UserError
from skills.llm.engine import ChatTurn, GenerationRequest

_LIKELIEST = 50
"""First tokens whose probability is asked for."""


class Choice(Task):
    name = "choice"
    primary = ("accuracy",)

    def check(self, row: Row) -> None:
        text_of(row, "question")
        found = options(row)
        if not 2 <= len(found) <= len(ascii_uppercase):
            raise UserError(f"'choices' should be 2 to 26 texts, got {len(found)}", subject=row)
        if letter_of(row, found) not in found:
            raise UserError(
                f"'answer' {row.get('answer')!r} is none of the choices {sorted(found)}", subject=row
            )

    def question(self, row: Row) -> str:
        return str(row["question"])

    def expected(self, row: Row) -> Any:
        return letter_of(row, options(row))

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        found = options(item.row)
        domain, evidence, record = system.evidence(self.question(item.row), item, configuration)
        listed = "\n".join(f"{letter}. {text}" for letter, text in found.items())
        asked = prompts.load("choice").render(
            evidence=f"{evidence}\n\n" if evidence else "", question=self.question(item.row), choices=listed
        )
        request = GenerationRequest(
            (ChatTurn("user", asked),), adapter=system.adapter(domain, configuration), max_tokens=8
        )
        likely = system.engine.next_token_logprobs(request, _LIKELIEST)
        shares: dict[str, float] = {}
        for token, logarithm in likely.items():
            letter = token.strip().strip("().:").upper()
            if letter in found:
                shares[letter] = shares.get(letter, 0.0) + math.exp(logarithm)
        if shares:
            best = max(sorted(shares), key=lambda letter: shares[letter])
            return Outcome(
                "answered",
                best,
                domains=(domain,),
                confidence=shares[best] / sum(shares.values()),
                record=record,
            )
        written = "".join(piece.text for piece in system.engine.stream(request))
        mark = re.search(rf"\b([{''.join(found)}])\b", written.upper())
        if mark is None:
            return Outcome("declined", written.strip(), domains=(domain,), record=record)
        return Outcome("answered", mark[1], domains=(domain,), confidence=1 / len(found), record=record)

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        return {"correct": float(outcome.status == "answered" and outcome.answer == self.expected(item.row))}

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        accuracy = mean("correct", "accuracy")
        return [accuracy, *label_figures(rows)[:1], calibration_error()]

    def labels(self) -> bool:
        return True


def options(row: Row) -> dict[str, str]:
    """The choices by letter."""
    given = row.get("choices")
    if isinstance(given, Mapping):
        return {str(letter).upper(): str(text) for letter, text in given.items()}
    texts: Sequence[Any] = given if isinstance(given, list | tuple) else ()
    return dict(zip(ascii_uppercase, map(str, texts), strict=False))


def letter_of(row: Row, found: Mapping[str, str]) -> str:
    """The right letter, whether a row names it by letter, by text, or by position."""
    answer = row.get("answer")
    if isinstance(answer, int) and not isinstance(answer, bool):
        return ascii_uppercase[answer] if 0 <= answer < len(found) else ""
    text = str(answer).strip()
    by_text = {value.strip().lower(): letter for letter, value in found.items()}
    return text.upper() if text.upper() in found else by_text.get(text.lower(), text)
