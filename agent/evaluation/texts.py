"""How alike two texts are: n-grams, subsequences, characters, meaning. Libraries of the extra ``eval``, loaded late.

rouge      ROUGE-1, -2 and -L, F-measure (Lin 2004), over words; a Chinese character is a word
chrf       character n-gram F-score (Popović 2015), 0..1
similarity cosine of the two texts under the shipped encoder of their language, -1..1
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from agent.evaluation.answers import words
from skills.errors import UserError
from skills.retrieval.text import is_chinese

_ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}


def library(name: str) -> Any:
    """A library of the extra ``eval``. Raises UserError when it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"scoring needs the library {name!r}; install it with: pip install 'collegium[eval]'",
            subject=name,
        ) from error


class _Words:
    """The tokenizer that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _scorer() -> Any:
    return library("rouge_score.rouge_scorer").RougeScorer(list(_ROUGE), tokenizer=_Words())


@cache
def _chrf() -> Any:
    return library("sacrebleu.metrics").CHRF()


def rouge(predicted: str, gold: str) -> dict[str, float]:
    """{rouge_1, rouge_2, rouge_l}"""
    found = _scorer().score(gold, predicted)
    return {ours: float(found[theirs].fmeasure) for theirs, ours in _ROUGE.items()}


def chrf(predicted: str, gold: str) -> float:
    return float(_chrf().sentence_score(predicted, [gold]).score) / 100


def similarity(predicted: str, gold: str) -> float:
    from skills.retrieval.embedder import ENGLISH, TUNED, load_embedder

    encoder = load_embedder(TUNED if is_chinese(gold) else ENGLISH)
    one, two = encoder.vectors([predicted or " ", gold], "passage")
    return float(one @ two)
