"""Files that are whole or absent: atomic writes, hashes and JSON Lines with positions in their errors."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from skills.errors import DataError, UserError


def sha256_file(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_text(*parts: str) -> str:
    """Hex digest of strings; their boundaries count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(target: Path) -> Generator[Path]:
    """Give a temporary path beside ``target``; rename it there when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        _sync(partial)
        partial.replace(target)
        _sync(target.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Generator[Path]:
    """Give a temporary folder beside ``target``; swap it in when the block ends without an error.

    A folder that is already there stays readable until the swap and is removed after it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        yield partial
        partial.chmod(0o755)
        for path in partial.rglob("*"):
            if path.is_file():
                _sync(path)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
            target.rename(old / target.name)
            partial.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            partial.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON document atomically, keys in the order given."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises DataError when it is missing or not one."""
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{str(path)!r} is missing", subject=path) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} is not valid JSON: {error}", subject=path) from error
    if not isinstance(value, dict):
        raise DataError(f"{str(path)!r} should hold a JSON object, not {type(value).__name__}", subject=path)
    return cast(dict[str, Any], value)


def numbered_jsonl(path: Path, required: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSON Lines file; blank lines are passed over.

    Raises UserError naming file and line where a row is not an object or lacks a required key.
    """
    required = tuple(required)
    if not path.is_file():
        raise UserError(
            f"no file {str(path)!r}: expected a JSON Lines file (one JSON object a line)", subject=path
        )
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row: object = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise UserError(
                    f"{where}: not valid JSON ({error}); expected one object a line", subject=line
                ) from error
            if not isinstance(row, dict):
                raise UserError(f"{where}: expected a JSON object, got {type(row).__name__}", subject=row)
            found = cast(dict[str, Any], row)
            missing = [key for key in required if key not in found]
            if missing:
                raise UserError(
                    f"{where}: no key {missing[0]!r}; expected {', '.join(map(repr, required))}", subject=row
                )
            yield number, found


def read_jsonl(path: Path, required: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file without their line numbers. Raises as numbered_jsonl does."""
    for _, row in numbered_jsonl(path, required):
        yield row


def write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows to a JSON Lines file atomically."""
    with atomic_file(path) as partial, partial.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
