"""Questions whose answer in a store is known: which passages answer each, or that none does.

A question that is put much like one of them is likely answered by the same passages, and one much like a question that
nothing answers by none (nearest neighbours, Cover & Hart 1967). They are the pack's `examples/evidence.jsonl`, or what
the users of a store asked and somebody judged; `collegium index judge` puts them into a store, where they hold at once.

    questions.safetensors    their vectors in 8 bits; the ids of the passages that answer each, and which of their
                             sentences do, where that was told

Knows vectors and rows; what nearness is worth is for ``fusion`` and the evidence model to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError, UserError
from skills.retrieval.embedder import Array, LocalEmbeddings
from skills.retrieval.tensors import load_tensors, save_tensors

QUESTIONS = "questions.safetensors"
FLOOR = 0.5
"""Cosine up to which two questions have nothing to do with each other; chosen on development questions."""
MOST_SENTENCES = 32_000
_SCALE = 127.0
"""A number of a unit vector as 8 bits: its cosines are right to .003."""
_TOLD_EVERY = 32

Row = Mapping[str, Any]
Progress = Callable[[int, int], None]


class JudgedQuestions:
    """The judged questions of a store. Threads may share it."""

    def __init__(
        self,
        vectors: Array,
        question: NDArray[np.int64],
        answers: NDArray[np.int64],
        sentences: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """``vectors``: (questions, dimension); ``question`` and ``answers``: which question a row of the store answers,
        (pairs,) each, -1 for a row that is not there. ``sentences``: of each pair, the numbers, from 1, of those of
        the row's sentences that answer."""
        self._vectors = vectors
        self._nothing = np.setdiff1d(np.arange(len(vectors)), question)
        there = answers >= 0
        self._question, self._answers = question[there], answers[there]
        told = sentences or [()] * len(answers)
        self._sentences = [tuple(one) for one, kept in zip(told, there.tolist(), strict=True) if kept]

    def __len__(self) -> int:
        return len(self._vectors)

    def near(self, vector: Array, rows: int) -> tuple[Array, float]:
        """How much nearer than FLOOR a question, given its vector, is to one that each row answers, (rows,), and to
        one that nothing answers; 0 where it is not.

        A question of which no answering passage is left in the store speaks neither for a row nor for nothing.
        """
        cosines = self._vectors @ vector - FLOOR  # (questions,)
        known = np.zeros(rows, dtype=np.float32)
        np.maximum.at(known, self._answers, cosines[self._question])
        return known, max(0.0, float(cosines[self._nothing].max(initial=0.0)))

    def told(self, vector: Array, row: int) -> tuple[tuple[int, float], ...]:
        """(sentence, how much nearer than FLOOR a question is to one that it answers) of a row, by number from 1."""
        nearest: dict[int, float] = {}
        for pair in np.flatnonzero(self._answers == row).tolist():
            near = float(self._vectors[self._question[pair]] @ vector) - FLOOR
            for number in self._sentences[pair] if near > 0 else ():
                nearest[number] = max(near, nearest.get(number, 0.0))
        return tuple(sorted(nearest.items()))

    @classmethod
    def load(cls, path: Path, dimension: int, row_of: Callable[[str], int | None]) -> Self:
        """``row_of``: the row of a passage id. Raises DataError when the file is not one of ``write``."""
        names = ("vectors", "ids", "first", "answers")
        tensors = load_tensors(path, names)
        vectors, first, answers = tensors["vectors"], tensors["first"], tensors["answers"]
        try:
            ids: list[str] = json.loads(tensors["ids"].tobytes())
            if vectors.shape != (len(first) - 1, dimension) or first[-1] != len(answers):
                raise ValueError(f"{vectors.shape} vectors, {len(first) - 1} questions")
            rows = np.array([-1 if (row := row_of(name)) is None else row for name in ids], dtype=np.int64)
            question = np.repeat(np.arange(len(first) - 1), np.diff(first))
            sentences: list[list[int]] | None = None
            if "sentences" in tensors:
                cuts = tensors["first_sentence"][1:-1].astype(np.int64)
                sentences = [part.tolist() for part in np.split(tensors["sentences"], cuts)]
                sentences = sentences[: len(answers)]  # no answers: one cut too few
            vectors = vectors.astype(np.float32) / _SCALE
            return cls(vectors, question, rows[answers.astype(np.int64)], sentences)
        except (ValueError, IndexError, TypeError) as error:
            raise DataError(f"{path.name!r} holds no judged questions: {error}", subject=path) from error


def checked(rows: Iterable[Row]) -> list[Row]:
    """Rows {question, gold: [passage id], sentences?: [[number] of each]}; an empty ``gold``: nothing answers it.

    Raises UserError naming the row.
    """
    found = list(rows)
    for number, row in enumerate(found, start=1):
        question: object = row.get("question")
        if not isinstance(question, str) or not question.strip():
            raise UserError(f"judged question {number}: 'question' should be a text that is not empty")
        gold: object = row.get("gold")
        if not isinstance(gold, list) or not all(isinstance(name, str) for name in gold):  # pyright: ignore[reportUnknownVariableType]
            raise UserError(
                f"judged question {number} ({question!r}): 'gold' should be a list of passage ids, empty where "
                "nothing answers it"
            )
        told: object = row.get("sentences", [[]] * len(gold))  # pyright: ignore[reportUnknownArgumentType]
        if not _are_sentences(told, len(gold)):  # pyright: ignore[reportUnknownArgumentType]
            raise UserError(
                f"judged question {number} ({question!r}): 'sentences' should have, for each passage of 'gold', the "
                "numbers of its sentences that answer, from 1"
            )
    if not found:
        raise UserError("there are no judged questions; expected at least one {question, gold}")
    return found


def _are_sentences(value: object, count: int) -> bool:
    """Whether a value is ``count`` lists of numbers of sentences."""
    if not isinstance(value, list) or len(cast(list[object], value)) != count:
        return False
    lists = cast(list[object], value)
    numbers = [number for one in lists if isinstance(one, list) for number in cast(list[object], one)]
    return all(isinstance(one, list) for one in lists) and all(
        isinstance(number, int) and 1 <= number <= MOST_SENTENCES for number in numbers
    )


def write_questions(
    path: Path, rows: Sequence[Row], embedder: LocalEmbeddings, progress: Progress | None = None
) -> None:
    """Embed ``checked`` rows and write the file."""
    ids: dict[str, int] = {}
    first, answers = [0], list[int]()
    first_sentence, sentences = [0], list[int]()
    vectors = np.empty((len(rows), embedder.dimension), dtype=np.int8)
    for number, row in enumerate(rows):
        # One by one, so that the bytes do not depend on what came with it.
        vectors[number] = np.rint(embedder.query_vector(row["question"].strip()) * _SCALE)
        answers += [ids.setdefault(name, len(ids)) for name in row["gold"]]
        first.append(len(answers))
        for numbers in row.get("sentences") or [()] * len(row["gold"]):
            sentences += numbers
            first_sentence.append(len(sentences))
        if progress is not None and (number % _TOLD_EVERY == 0 or number == len(rows) - 1):
            progress(number + 1, len(rows))
    save_tensors(
        path,
        {
            "vectors": vectors,
            "ids": np.frombuffer(json.dumps(list(ids)).encode(), dtype=np.uint8),
            "first": np.array(first, dtype=np.int64),
            "answers": np.array(answers, dtype=np.int32),
            "first_sentence": np.array(first_sentence, dtype=np.int32),
            "sentences": np.array(sentences, dtype=np.int32),
        },
    )
