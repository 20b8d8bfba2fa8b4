"""Questions whose answer in a store is known: which passages answer each, or that none does.

A question that is put much like one of them is likely answered by the same passages, and one much like a question that
nothing answers by none (nearest neighbours, Cover & Hart 1967). They are the pack's `examples/evidence.jsonl`, or what
the users of a store asked and somebody judged; `collegium index judge` puts them into a store, where they hold at once.

    questions.safetensors    their vectors in 8 bits; the ids of the passages that answer each

Knows vectors and rows; what nearness is worth is for ``fusion`` and the evidence model to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skills.errors import DataError, UserError
from skills.retrieval.embedder import Array, LocalEmbeddings
from skills.retrieval.tensors import load_tensors, save_tensors

QUESTIONS = "questions.safetensors"
FLOOR = 0.5
"""Cosine up to which two questions have nothing to do with each other; chosen on development questions."""
_SCALE = 127.0
"""A number of a unit vector as 8 bits: its cosines are right to .003."""
_TOLD_EVERY = 32

Row = Mapping[str, Any]
Progress = Callable[[int, int], None]


class JudgedQuestions:
    """The judged questions of a store. Threads may share it."""

    def __init__(self, vectors: Array, question: NDArray[np.int64], answers: NDArray[np.int64]) -> None:
        """``vectors``: (questions, dimension); ``question`` and ``answers``: which question a row of the store answers,
        (pairs,) each, -1 for a row that is not there."""
        self._vectors = vectors
        self._nothing = np.setdiff1d(np.arange(len(vectors)), question)
        there = answers >= 0
        self._question, self._answers = question[there], answers[there]

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
            return cls(vectors.astype(np.float32) / _SCALE, question, rows[answers.astype(np.int64)])
        except (ValueError, IndexError, TypeError) as error:
            raise DataError(f"{path.name!r} holds no judged questions: {error}", subject=path) from error


def checked(rows: Iterable[Row]) -> list[Row]:
    """Rows {question, gold: [passage id]}; an empty ``gold``: nothing answers it. Raises UserError naming the row."""
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
    if not found:
        raise UserError("there are no judged questions; expected at least one {question, gold}")
    return found


def write_questions(
    path: Path, rows: Sequence[Row], embedder: LocalEmbeddings, progress: Progress | None = None
) -> None:
    """Embed ``checked`` rows and write the file."""
    ids: dict[str, int] = {}
    first, answers = [0], list[int]()
    vectors = np.empty((len(rows), embedder.dimension), dtype=np.int8)
    for number, row in enumerate(rows):
        # One by one, so that the bytes do not depend on what came with it.
        vectors[number] = np.rint(embedder.query_vector(row["question"].strip()) * _SCALE)
        answers += [ids.setdefault(name, len(ids)) for name in row["gold"]]
        first.append(len(answers))
        if progress is not None and (number % _TOLD_EVERY == 0 or number == len(rows) - 1):
            progress(number + 1, len(rows))
    save_tensors(
        path,
        {
            "vectors": vectors,
            "ids": np.frombuffer(json.dumps(list(ids)).encode(), dtype=np.uint8),
            "first": np.array(first, dtype=np.int64),
            "answers": np.array(answers, dtype=np.int32),
        },
    )
