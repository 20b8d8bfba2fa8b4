"""Rankings as TREC run files, which trec_eval and its kin read: one for each set and configuration."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from agent.evaluation.export.names import file_name, free
from agent.evaluation.run_files import Ranked, Result, Run
from skills.errors import UserError
from skills.files import atomic_file


def write(run: Run, out: Path) -> list[Path]:
    """One file a set and configuration: "question Q0 passage rank score tag", ranks from 1, scores falling.

    Blanks in ids are written as "_", since blanks part the columns. A score that was not recorded, or that would
    not fall, is replaced for the whole question by the reciprocal rank: trec_eval sorts by score. Raises
    UserError when no answer has passages.
    """
    by_file: dict[tuple[str, str], list[Result]] = {}
    for result in run.results.values():
        if result.record is not None and result.record.passages:
            by_file.setdefault((result.set, result.config), []).append(result)
    if not by_file:
        raise UserError(
            f"no answer of {str(run.folder)!r} has ranked passages; nothing to export", subject=run
        )
    written: list[Path] = []
    for (name, config), results in by_file.items():
        path = free(out / file_name(name, config, "run"), written)
        with atomic_file(path) as partial, partial.open("w", encoding="utf-8") as stream:
            stream.writelines(line for result in results for line in _trec(result))
        written.append(path)
    return written


def _trec(result: Result) -> Iterator[str]:
    assert result.record is not None  # noqa: S101  (asked for by the caller)
    first: dict[str, Ranked] = {}
    for passage in result.record.passages:  # two domains may have found the same one
        first.setdefault(passage.id, passage)
    passages = list(first.values())
    scores = _falling(passages)
    for rank, (passage, score) in enumerate(zip(passages, scores, strict=True), start=1):
        yield f"{_word(result.id)} Q0 {_word(passage.id)} {rank} {score:.9g} {_word(result.config)}\n"


def _falling(passages: list[Ranked]) -> list[float]:
    known = [passage.score for passage in passages if passage.score is not None]
    if len(known) == len(passages) and all(a > b for a, b in pairwise(known)):
        return known
    return [1 / rank for rank in range(1, len(passages) + 1)]


def _word(text: str) -> str:
    return "_".join(text.split()) or "_"
