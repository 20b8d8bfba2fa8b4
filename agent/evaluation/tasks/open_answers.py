"""Questions that are answered in words: qa by the text alone, grounded by its sources too, summary of a given text.

Rows: {question, answer?, answers?: [text], gold?: [passage id], answerable?, passages?: [{id, text}], history?:
[{role, text}]}; a summary has {document, summary}. Token F1, exact match, citation precision, quote exactness and
number support are defined as in SQuAD (Rajpurkar et al. 2016) and ALCE (Gao et al. 2023), on the words of
``agent.evaluation.answers``. What was declined scores 0; a question without an answer is right when none is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import prompts
from agent.evaluation.answers import token_f1, words
from agent.evaluation.figures import Figure, ResultRow, calibration_error, mean, pooled
from agent.evaluation.system import System
from agent.evaluation.tasks.task import Item, Outcome, Row, Task, outcome_of, text_of
from agent.evaluation.texts import chrf, rouge, similarity
from skills.errors import UserError
from skills.records import Turn
from skills.retrieval.text import is_chinese

ENOUGH = 0.5
"""Token F1 from which an answer counts as right where no passage is named as the right one."""
_MARK = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")
"""A citation mark. The blank before it stays: "contains" asks for the right words as they were written."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class _Asked(Task):
    """A question put to the agent."""

    def check(self, row: Row) -> None:
        text_of(row, "question")
        if row.get("answerable") is not False and not golds(row) and not row.get("gold"):
            raise UserError("expected 'answer', 'gold', or 'answerable': false", subject=row)

    def question(self, row: Row) -> str:
        return str(row["question"])

    def expected(self, row: Row) -> Any:
        return (golds(row) or [None])[0] if row.get("answerable") is not False else None

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        history = tuple(Turn(turn["role"], turn["text"]) for turn in item.row.get("history") or ())
        return outcome_of(
            system.ask(
                self.question(item.row),
                item,
                configuration,
                history=history,
                passages=item.row.get("passages"),
            )
        )

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        row, answered = item.row, outcome.status == "answered"
        if row.get("answerable") is False:
            return {
                "unsupported_rate": float(answered),
                "right": float(not answered and outcome.status != "failed"),
            }
        body = _MARK.sub("", str(outcome.answer)) if answered else ""
        scores = {"coverage": float(answered), **likeness(body, golds(row))}
        if answered:
            scores |= sources(item, outcome, body, system)
        if row.get("gold"):
            scores["right"] = float(scores.get("citation_recall", 0.0) > 0)
        else:
            scores["right"] = float(scores.get("f1", 0.0) >= ENOUGH)
        return scores


class QuestionAnswering(_Asked):
    name = "qa"
    primary = ("f1", "right")

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return [*_TEXT, mean("coverage"), mean("right")]


class Grounded(_Asked):
    name = "grounded"
    primary = ("f1", "right", "citation_precision", "coverage", "unsupported_rate")

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return [
            *_TEXT,
            mean("coverage"),
            mean("unsupported_rate"),
            mean("right"),
            pooled("citation_precision", "citations_gold", "citations"),
            mean("citation_recall"),
            mean("citation_any_gold"),
            mean("answers_with_citation"),
            pooled("quote_exact", "quotes_exact", "citations"),
            pooled("number_support", "numbers_supported", "numbers"),
            calibration_error("ece", "right"),
        ]


class Summary(_Asked):
    name = "summary"
    primary = ("rouge_l",)

    def check(self, row: Row) -> None:
        text_of(row, "document")
        text_of(row, "summary")

    def question(self, row: Row) -> str:
        given = row.get("question")
        name = "summarise_zh" if is_chinese(str(row["document"])) else "summarise"
        return str(given) if given else prompts.load(name).text.strip()

    def expected(self, row: Row) -> Any:
        return row["summary"]

    def run(self, item: Item, system: System, configuration: str) -> Outcome:
        passages = [{"id": "document", "text": str(item.row["document"])}]
        return outcome_of(system.ask(self.question(item.row), item, configuration, passages=passages))

    def scores(self, item: Item, outcome: Outcome, system: System) -> dict[str, float]:
        answered = outcome.status == "answered"
        body = _MARK.sub("", str(outcome.answer)) if answered else ""
        return {"coverage": float(answered), **likeness(body, [str(item.row["summary"])])}

    def figures(self, rows: Sequence[ResultRow]) -> list[Figure]:
        return [mean("rouge_1"), mean("rouge_2"), *_TEXT, mean("coverage")]


_TEXT = [mean("f1"), mean("em"), mean("contains"), mean("rouge_l"), mean("chrf"), mean("similarity")]


def golds(row: Row) -> list[str]:
    """The answers that count as right."""
    given = [row.get("answer"), *(row.get("answers") or ())]
    return [str(one) for one in given if one not in (None, "")]


def likeness(body: str, right: Sequence[str]) -> dict[str, float]:
    """How like the best of the right answers a text is; none where there is no right one to compare with."""
    if not right:
        return {}
    best = max(right, key=lambda gold: token_f1(body, gold))
    found = {
        "f1": token_f1(body, best),
        "em": float(any(words(body) == words(gold) for gold in right)),
        "contains": float(bool(body) and any(_folded(gold) in _folded(body) for gold in right)),
        **rouge(body, best),
        "similarity": similarity(body, best) if body else 0.0,
    }
    return found | ({"chrf": chrf(body, best)} if is_chinese(best) else {})


def sources(item: Item, outcome: Outcome, body: str, system: System) -> dict[str, float]:
    """What an answer's citations are worth; counts are pooled over all answers of a set."""
    row = item.row
    gold: set[str] = set(item.row.get("gold") or ())
    cited = [one["passage_id"] for one in outcome.citations]
    texts = {one: system.passage_text(item, outcome.domains, one) for one in cited}
    exact = [
        bool(one["quote"]) and _folded(one["quote"]) in _folded(texts[one["passage_id"]])
        for one in outcome.citations
    ]
    seen = " ".join([*texts.values(), str(row.get("question", ""))])
    known = {number.replace(",", "") for number in _NUMBER.findall(seen)}
    stated = [number.replace(",", "") in known for number in _NUMBER.findall(body)]
    found = {
        "answers_with_citation": float(bool(cited)),
        "citations": float(len(cited)),
        "quotes_exact": float(sum(exact)),
        "numbers": float(len(stated)),
        "numbers_supported": float(sum(stated)),
    }
    if gold:
        found["citations_gold"] = float(sum(one in gold for one in cited))
        found["citation_any_gold"] = float(any(one in gold for one in cited))
        found["citation_recall"] = len(gold & set(cited)) / len(gold)
    return found


def _folded(text: str) -> str:
    return " ".join(text.split()).lower()
