"""JSON Lines in, JSON Lines out: the loop behind every ``--in F --out F`` command.

    1. read the whole input once: a row that cannot be used stops the run before any work is done
    2. with --resume, keep the finished rows of the output (a torn last line is dropped)
    3. answer row by row, in input order; each output row is the input row with the answer's keys on top
    4. a row is written in one piece and handed to the system before the next one starts

A kill, a full disk or a failing model therefore loses at most the row it struck. Knows nothing of what a
row means: ``check`` and ``answer`` do.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

from agent.cli.progress import row_bars
from skills.errors import CollegiumError, DataError, UserError
from skills.files import numbered_jsonl

Row = dict[str, Any]


def run_batch(
    source: Path,
    target: Path,
    *,
    resume: bool,
    required: tuple[str, ...],
    answer: Callable[[Row], Mapping[str, Any]],
    label: str,
    check: Callable[[Row], object] | None = None,
) -> None:
    """Answer every row of ``source`` into ``target``.

    ``required`` names the keys every row must have, ``check`` may raise UserError for a row it cannot take;
    both are applied to all rows before the first is answered. ``label`` stands beside the progress bar.
    Raises UserError naming file and line for such a row, DataError when the output cannot be written, and
    lets errors of ``answer`` through with file and line in front; finished rows are kept in all cases.
    """
    total = _checked(source, required, check)
    if target.exists() and target.samefile(source):
        raise UserError(f"--in and --out are the same file {str(target)!r}; choose another --out")
    if not target.parent.is_dir():
        raise UserError(f"no folder {str(target.parent)!r} for --out; make it first", subject=target)
    done, keep = _finished(source, target) if resume else (0, 0)
    with row_bars() as bar:
        advance, results = bar(label, total, done), _results(source, done, answer)
        # What is at --out stays there until the first row is answered: a wrong option costs nothing.
        first = next(results, None)
        try:
            stream = target.open("r+b" if keep else "wb", buffering=0)
        except OSError as error:
            message = f"--out {str(target)!r} cannot be written: {error.strerror}"
            raise UserError(message, subject=target) from error
        with stream:
            if keep:
                stream.truncate(keep)
                stream.seek(keep)
            for position, row in chain([first] if first else [], results):
                _append(stream, target, row, position)
                advance()


def _checked(source: Path, required: tuple[str, ...], check: Callable[[Row], object] | None) -> int:
    """Number of rows, every one of them usable."""
    total = 0
    for line, row in numbered_jsonl(source, required):
        if check is not None:
            try:
                check(row)
            except UserError as error:
                raise UserError(f"{source}:{line}: {error}", subject=row) from error
        total += 1
    return total


def _results(
    source: Path, done: int, answer: Callable[[Row], Mapping[str, Any]]
) -> Iterator[tuple[int, Row]]:
    """(position, output row) of every row after the first ``done``."""
    for position, (line, row) in enumerate(numbered_jsonl(source)):
        if position < done:
            continue
        try:
            yield position, {**row, **answer(row)}
        except CollegiumError as error:
            raise type(error)(f"{source}:{line}: {error}", subject=error.subject) from error


def _finished(source: Path, target: Path) -> tuple[int, int]:
    """(rows, bytes) of ``target`` that are whole and belong to ``source``."""
    if not target.exists():
        return 0, 0
    rows = size = 0
    inputs = (row for _, row in numbered_jsonl(source))
    with target.open("rb") as stream:
        for line in stream:
            try:
                finished: object = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError):
                finished = None
            if not line.endswith(b"\n") or not isinstance(finished, dict):
                break
            row = next(inputs, None)
            # The answer may replace values of the input, never its keys; the id is never replaced.
            if row is None or row.get("id") != finished.get("id") or not row.keys() <= finished.keys():
                raise UserError(
                    f"{target}:{rows + 1}: not a result of {str(source)!r}; "
                    "--resume needs the --out of the same --in, or choose another --out",
                    subject=finished,
                )
            rows, size = rows + 1, size + len(line)
    return rows, size


def _append(stream: FileIO, target: Path, row: Row, position: int) -> None:
    """Write one line whole; where that fails, the file ends after the row before it."""
    try:
        line = json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate of the input: only its escape can be written
        line = json.dumps(row).encode()
    start = stream.tell()
    rest = memoryview(line + b"\n")
    try:
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        with suppress(OSError):  # a device cannot be cut
            stream.truncate(start)
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror)
        raise DataError(
            f"{str(target)!r}: {why}; {position} finished rows are kept, continue with --resume",
            subject=target,
        ) from error
