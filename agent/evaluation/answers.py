"""Scores of answer files against gold answers, with intervals; no model is asked.

Rows are joined by ``id``. Gold: {id, answer?, gold?: [passage id], answerable?}. Predicted: the output of
``collegium ask --in``. Token F1 follows SQuAD (Rajpurkar et al. 2016): bags of words without case, punctuation
and articles; a Chinese character is a word. An answer that was declined scores 0.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skills.errors import UserError
from skills.grounding.support import numbers, without_marks

RESAMPLES = 2000
"""Bootstrap resamples of an interval."""

_WORD = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")
_KEPT = frozenset(".%$")
_FOLD = str.maketrans({mark: " " for mark in string.punctuation if mark not in _KEPT})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % percentile-bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int

    def to_json(self) -> dict[str, float]:
        return {
            "mean": round(self.mean, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "n": self.count,
        }


def words(text: str) -> list[str]:
    """Normalised words of an answer."""
    found = (word.strip(".") for word in _WORD.findall(text.lower().translate(_FOLD)))
    return [word for word in found if word and word not in ("a", "an", "the")]


def token_f1(predicted: str, gold: str) -> float:
    """Harmonic mean of precision and recall of the words, 0..1."""
    have, want = words(predicted), words(gold)
    same = sum((Counter(have) & Counter(want)).values())
    return 2 * same / (len(have) + len(want)) if same else 0.0


def estimate(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Mean and interval of per-question values. Raises UserError for none."""
    if not values:
        raise UserError("no row to score; expected gold rows with an answer")
    data = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, len(data), (RESAMPLES, len(data)))
    low, high = np.quantile(data[draws].mean(axis=1), (0.025, 0.975))
    return Estimate(float(data.mean()), float(low), float(high), len(data))


def pair(
    gold: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Gold rows with the answers of the same id. Raises UserError naming the first gold id without one."""
    by_id = {row.get("id"): row for row in predicted}
    missing = [row.get("id") for row in gold if row.get("id") not in by_id]
    if missing:
        raise UserError(
            f"{len(missing)} gold rows have no answer, the first is {missing[0]!r}; answer all of them first"
        )
    return [(row, by_id[row.get("id")]) for row in gold]


def score(
    gold: Sequence[Mapping[str, Any]], predicted: Sequence[Mapping[str, Any]]
) -> dict[str, list[float]]:
    """Per-question values by measure.

    f1: token F1. coverage: answered, of the answerable. unsupported: answered, of those with answerable = false.
    cited_gold: of the answered, a citation names a gold passage. number_support: of the numbers of answers, those
    that a cited quote or the question has.
    """
    found: dict[str, list[float]] = {
        "f1": [],
        "coverage": [],
        "unsupported": [],
        "cited_gold": [],
        "number_support": [],
    }
    for want, have in pair(gold, predicted):
        answered = have.get("status") == "answered"
        if want.get("answerable") is False:
            found["unsupported"].append(float(answered))
            continue
        found["coverage"].append(float(answered))
        body = without_marks(str(have.get("answer") or "")) if answered else ""
        if want.get("answer"):
            found["f1"].append(token_f1(body, str(want["answer"])))
        if not answered:
            continue
        citations = have.get("citations") or []
        if want.get("gold"):
            found["cited_gold"].append(float(any(item["passage_id"] in want["gold"] for item in citations)))
        known = numbers(" ".join(item["quote"] for item in citations)) | numbers(
            str(want.get("question", ""))
        )
        found["number_support"] += [float(number in known) for number in sorted(numbers(body))]
    return {name: values for name, values in found.items() if values}


def difference(
    gold: Sequence[Mapping[str, Any]], first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]
) -> Estimate:
    """Token F1 of ``first`` minus ``second``, paired by question."""
    one, two = score(gold, first)["f1"], score(gold, second)["f1"]
    return estimate([a - b for a, b in zip(one, two, strict=True)])
