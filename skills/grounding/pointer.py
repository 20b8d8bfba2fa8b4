"""Which sentences or table rows of a passage answer a question: those that are quoted, or that writing is held to.

A cross-encoder of its own reads question and sentence together (`train evidence` on rows of `data negatives --method
sentences`): whether a passage bears on a question is another matter than which of its sentences says what was asked.
Chinese, which it does not read, is compared by the multilingual sentence encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from skills.grounding.cross_encoder import CrossEncoder, load_cross_encoder
from skills.retrieval.embedder import ENGLISH, TUNED, load_embedder
from skills.retrieval.text import is_chinese

LIKE = 3.0
"""Weight of a sentence's cosine with the question beside its score."""
SPREAD = 25.0
"""What turns cosines of Chinese sentences into the scale of the cross-encoder's scores."""


class Pointer:
    """Scores sentences. Threads may share it."""

    def __init__(self, encoder: CrossEncoder) -> None:
        self._encoder = encoder

    def weigh(self, question: str, sentences: Sequence[str]) -> list[float]:
        """How well each sentence or row answers the question: its score, and its cosine with the question.

        Differences of 2 and more are clear.
        """
        if is_chinese(question) or any(map(is_chinese, sentences)):
            return (SPREAD * _cosines(TUNED, question, sentences)).tolist()
        scores = np.array(self._encoder.scores(question, sentences))
        return (scores + LIKE * _cosines(ENGLISH, question, sentences)).tolist()


def _cosines(embedder: str, question: str, sentences: Sequence[str]) -> np.ndarray:
    """(sentences,)"""
    encoder = load_embedder(embedder)
    return encoder.vectors(sentences, "passage") @ encoder.query_vector(question)


def load_pointer(folder: Path | None = None, *, threads: int = 2) -> Pointer:
    """Load the shipped one, or what a `train evidence` run left in ``folder``.

    Raises ModelError when a file is missing or it was trained from another encoder than the cached one.
    """
    folder = folder or Path(str(resources.files("skills.grounding").joinpath("sentence_encoder")))
    return Pointer(load_cross_encoder(folder, threads=threads))
