"""Files that are whole or absent: atomic writes, hashes and JSON Lines with positions in their errors."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from skills.errors import DataError, UserError

_HERE, _RENAME_EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2."""


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
def temporary_folder(target: Path) -> Generator[Path]:
    """Give an empty folder beside ``target``, removed when the block ends.

    What killed processes left there of the same kind is removed first: a folder in use is locked by its
    process, and the lock goes with the process.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*.part"):
        with suppress(OSError), locked_folder(left, wait=False):
            shutil.rmtree(left, ignore_errors=True)
    partial, handle = _locked_temporary(target)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(handle)


def _locked_temporary(target: Path) -> tuple[Path, int]:
    """A new folder and the handle that keeps it locked."""
    while True:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        handle = -1
        try:
            handle = os.open(partial, os.O_RDONLY)
            _lock(handle, wait=True)
            if partial.stat().st_ino == os.fstat(handle).st_ino:
                return partial, handle
        except FileNotFoundError:  # swept by another process before it was locked
            pass
        if handle >= 0:
            os.close(handle)


@contextmanager
def locked_folder(folder: Path, *, wait: bool = True) -> Generator[None]:
    """Hold a folder for this process alone, as far as others ask too; nothing is left behind.

    A folder that was swapped for another while we waited is waited for again. Raises FileNotFoundError when
    there is none, and BlockingIOError when it is held and ``wait`` is false.
    """
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(handle, wait=wait)
            if folder.stat().st_ino == os.fstat(handle).st_ino:
                yield
                return
        finally:
            os.close(handle)


def _lock(handle: int, *, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (
        OSError
    ):  # without waiting: it is held; else: a file system without locks, where nobody can hold one
        if not wait:
            raise


@contextmanager
def atomic_folder(target: Path) -> Generator[Path]:
    """Give a temporary folder beside ``target``; swap it in when the block ends without an error.

    A folder that is already there stays readable until the swap and is removed after it. Whoever has files
    of it open goes on reading them.
    """
    with temporary_folder(target) as partial:
        yield partial
        partial.chmod(0o755)
        for path in partial.rglob("*"):
            if path.is_file():
                _sync(path)
        _sync(partial)
        if target.exists():
            _exchange(partial, target)
        else:
            partial.rename(target)
        _sync(target.parent)


def _exchange(partial: Path, target: Path) -> None:
    """Swap two folders in one step, so that a kill never finds ``target`` missing.

    Where kernel or file system cannot, in two: the old one is then at ``<partial>.old`` for an instant.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    swap = getattr(libc, "renameat2", None)
    if swap is None or swap(_HERE, os.fsencode(partial), _HERE, os.fsencode(target), _RENAME_EXCHANGE):
        old = partial.with_name(partial.name + ".old")
        target.rename(old)
        partial.rename(target)
        old.rename(partial)


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
