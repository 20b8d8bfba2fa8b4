"""Conversations on disk: LangGraph's SQLite checkpointer, one thread per user and session.

A turn is saved whole when it is finished, or not at all. Knows messages and files; not how an answer is made.
"""

from __future__ import annotations

import hashlib
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from filelock import FileLock, Timeout
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver

from skills.errors import CollegiumError, DataError, UserError
from skills.records import Turn

MESSAGES = "messages"
"""State channel of the conversation."""
APPROVAL = "approval"
"""State channel of the tool call that waits for approval (see agent.approval)."""
BUSY_SECONDS = 30.0
"""How long one process waits for another's write."""
TURN_SECONDS = 120.0
"""How long a turn waits for another turn of the same session."""
_LOCKS = 64
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One stored conversation."""

    name: str
    turns: int
    """Questions answered so far."""
    first: str
    """The first question."""
    updated: str
    """ISO 8601 time of the last turn, UTC."""
    error: str = ""
    """Why it cannot be read; empty: it can."""


def thread_id(session: str, user: str | None) -> str:
    """The checkpointer's key of a session. Raises UserError for an empty or very long name."""
    return _prefix(user) + _checked("session", session)


def user_name(user: str | None) -> str:
    """The name under which a user's things are kept. Raises UserError for an empty or very long name."""
    return _checked("user", user if user is not None else "local")


def _checked(what: str, name: str) -> str:
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise UserError(f"{what} name {name[:50]!r}: expected 1 to {_LONGEST_NAME} characters", subject=name)
    return name


def _prefix(user: str | None) -> str:
    """``quote`` leaves no slash in a user's name, so no user's prefix is part of another's."""
    return quote(user_name(user), safe="") + "/"


def _damaged(path: Path, thread: str, error: Exception) -> str:
    """What to say of a session that cannot be read while others can."""
    user, _, session = thread.partition("/")
    whose = "" if user == "local" else f" --user {shlex.quote(unquote(user))}"
    return (
        f"session {session!r} in file {str(path)!r} is damaged ({error!r}); the others are not. "
        f"To give it up: collegium sessions delete {shlex.quote(session)}{whose}"
    )


def _slot(thread: str) -> int:
    """Which lock a session has: one of a few, or a lock's file would be left behind for each."""
    return hashlib.sha256(thread.encode()).digest()[0] % _LOCKS


def turns_of(messages: Sequence[AnyMessage]) -> tuple[Turn, ...]:
    """The conversation as plain values, in order. A question has the domain that answered it."""
    found: list[Turn] = []
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            found.append(Turn("user", str(message.text), found[-1].domain if found else ""))
        else:
            note: dict[str, Any] = message.additional_kwargs.get("collegium", {})
            domains: list[str] = note.get("domains", [])
            domain, topic = domains[0] if domains else "", str(note.get("topic", ""))
            found.append(Turn("assistant", str(message.text), domain, topic))
    return tuple(reversed(found))


class SessionSaver(SqliteSaver):
    """SQLite checkpointer that keeps only the last finished turn's state of a thread.

    A checkpoint without new messages belongs to a turn that is under way or failed: it is not written, so
    that cancelling, an error or ``kill -9`` leave the session as it was. That a tool call was begun is written.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection)
        self.path = path

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        with readable(self.path):
            try:
                return super().get_tuple(config)
            except (sqlite3.Error, OSError):
                raise
            except Exception as error:  # what the row holds cannot be decoded: a matter of this session alone
                raise DataError(
                    _damaged(self.path, str(config.get("configurable", {}).get("thread_id", "")), error),
                    subject=self.path,
                ) from error

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread: Any = config.get("configurable", {})
        if not new_versions.keys() & {MESSAGES, APPROVAL}:
            return {"configurable": {**thread, "checkpoint_id": checkpoint["id"]}}
        with readable(self.path):
            saved = super().put(config, checkpoint, metadata, new_versions)
            with self.cursor() as cursor:
                # Ids grow with time. The state holds the whole conversation: older ones only cost space.
                cursor.execute(
                    "DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id < ?",
                    (str(thread["thread_id"]), thread.get("checkpoint_ns", ""), checkpoint["id"]),
                )
        return saved

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Nothing: the writes of a turn under way are not kept."""


@contextmanager
def readable(path: Path, what: str = "session") -> Generator[None]:
    """Turn SQLite's and decoding errors into a DataError that names the file and the way out. ``what`` it holds."""
    try:
        yield
    except CollegiumError:
        raise
    except (sqlite3.OperationalError, OSError) as error:
        if "locked" in str(error) or "busy" in str(error) or isinstance(error, Timeout):
            message = f"{what} file {str(path)!r} is in use by another process; try again"
        else:
            message = f"{what} file {str(path)!r} cannot be used ({error}); check its folder's permissions"
        raise DataError(message, subject=path) from error
    except Exception as error:
        raise DataError(
            f"{what} file {str(path)!r} is damaged ({error}). It was left as it is; "
            f"to go on with an empty one move it away: mv {path} {path}.damaged",
            subject=path,
        ) from error


class Sessions:
    """The conversations of one SQLite file, opened on first use and created if it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._saver: SessionSaver | None = None
        self._opening = threading.Lock()

    @property
    def saver(self) -> SessionSaver:
        """The checkpointer. Raises DataError when the file is damaged or cannot be made."""
        with self._opening:
            if self._saver is None:
                # SQLite does not wait for a process that is making the same file: one at a time.
                with readable(self.path), FileLock(self._lock_file("open"), timeout=BUSY_SECONDS):
                    connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
                    try:
                        connection.execute("PRAGMA secure_delete = ON")  # zeros over what is deleted
                        saver = SessionSaver(connection, self.path)
                        with saver.cursor() as cursor:
                            cursor.execute("SELECT count(*) FROM checkpoints")
                    except BaseException:
                        connection.close()
                        raise
                self._saver = saver
            return self._saver

    @contextmanager
    def turn(self, thread: str, cancelled: Callable[[], bool]) -> Generator[None]:
        """Hold a session for one turn, against other threads and processes, so that no turn is lost.

        Raises DataError if another turn of the session does not end within TURN_SECONDS. Returns at once,
        not holding it, when ``cancelled``.
        """
        with readable(self.path):
            lock = FileLock(self._lock_file(f"{_slot(thread):02}"))
        deadline = time.monotonic() + TURN_SECONDS
        while not cancelled():
            try:
                lock.acquire(timeout=0.2, poll_interval=0.02)
                break
            except Timeout as error:
                if time.monotonic() > deadline:
                    raise DataError(f"session {thread!r} is busy with another turn; try again") from error
        try:
            yield
        finally:
            lock.release()

    def list(self, user: str | None = None) -> list[SessionInfo]:
        """The user's sessions, the one used last first."""
        prefix = _prefix(user)
        if self._saver is None and not self.path.exists():
            return []
        with readable(self.path), self.saver.cursor(transaction=False) as cursor:
            cursor.execute("SELECT DISTINCT thread_id FROM checkpoints")
            threads = [str(row[0]) for row in cursor.fetchall() if str(row[0]).startswith(prefix)]
        found: list[SessionInfo] = []
        for thread in threads:
            try:
                saved = self._load(thread)
            except DataError as error:
                found.append(SessionInfo(thread.removeprefix(prefix), 0, "", "", str(error)))
                continue
            if saved is not None:
                turns = turns_of(saved.checkpoint["channel_values"].get(MESSAGES, []))
                questions = [turn.text for turn in turns if turn.role == "user"]
                first = questions[0] if questions else ""
                name = thread.removeprefix(prefix)
                found.append(SessionInfo(name, len(questions), first, saved.checkpoint["ts"]))
        return sorted(found, key=lambda info: info.updated, reverse=True)

    def turns(self, session: str, user: str | None = None) -> tuple[Turn, ...]:
        """The messages of a session, in order. Raises UserError when there is no such session."""
        thread = thread_id(session, user)
        saved = self._load(thread) if self._saver is not None or self.path.exists() else None
        if saved is None:
            known = ", ".join(repr(info.name) for info in self.list(user)[:10]) or "none"
            raise UserError(f"no session {session!r}; known: {known}", subject=session)
        return turns_of(saved.checkpoint["channel_values"].get(MESSAGES, []))

    def values(self, thread: str) -> Mapping[str, Any]:
        """The saved state of a thread by channel; empty if there is none."""
        saved = self._load(thread) if self._saver is not None or self.path.exists() else None
        return {} if saved is None else saved.checkpoint["channel_values"]

    def delete(self, session: str, user: str | None = None) -> None:
        """Erase a session. Raises UserError when there is no such session."""
        thread = thread_id(session, user)
        if session not in {info.name for info in self.list(user)}:  # also one that is damaged
            self.turns(session, user)
        with self.turn(thread, lambda: False), readable(self.path):
            self.saver.delete_thread(thread)
            with self.saver.cursor(transaction=False) as cursor:
                # What the write-ahead log still holds goes too, unless another process is reading it.
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rename(self, session: str, new: str, user: str | None = None) -> None:
        """Give a session another name. Raises UserError when there is none, or the new name is taken."""
        with self._moving(session, new, user) as (source, target), self.saver.cursor() as cursor:
            for table in ("checkpoints", "writes"):
                cursor.execute(f"UPDATE {table} SET thread_id = ? WHERE thread_id = ?", (target, source))  # noqa: S608

    def fork(self, session: str, new: str, user: str | None = None) -> None:
        """Copy a session under another name, to go on from here in two ways. Raises UserError as ``rename``."""
        with self._moving(session, new, user) as (source, target):
            content = self._without_approval(source)
            with self.saver.cursor() as cursor:
                cursor.execute("PRAGMA table_info(checkpoints)")
                columns = [str(row[1]) for row in cursor.fetchall() if row[1] != "thread_id"]
                kept = ", ".join(columns)
                copied = f"SELECT ?, {kept} FROM checkpoints WHERE thread_id = ?"  # noqa: S608
                cursor.execute(f"INSERT INTO checkpoints (thread_id, {kept}) {copied}", (target, source))
                cursor.execute(
                    "UPDATE checkpoints SET type = ?, checkpoint = ? WHERE thread_id = ?", (*content, target)
                )

    def _without_approval(self, thread: str) -> tuple[str, bytes]:
        """The state for a copy, encoded: were it to wait for approval as well, the call would be made twice."""
        saved = self._load(thread)
        assert saved is not None  # noqa: S101  the caller holds it
        values = {**saved.checkpoint["channel_values"], APPROVAL: None}
        return self.saver.serde.dumps_typed({**saved.checkpoint, "channel_values": values})

    @contextmanager
    def _moving(self, session: str, new: str, user: str | None) -> Generator[tuple[str, str]]:
        """(thread of the session, thread of the free new name), both held against other turns."""
        self.turns(session, user)
        source, target = thread_id(session, user), thread_id(new, user)
        if source == target:
            raise UserError(f"session {new!r} has that name already", subject=new)
        with ExitStack() as held:
            # Both in the same order everywhere, and a slot that they share once.
            for thread in sorted({_slot(thread): thread for thread in (source, target)}.values(), key=_slot):
                held.enter_context(self.turn(thread, lambda: False))
            if self._load(target) is not None:
                raise UserError(f"there is a session {new!r} already; choose another name", subject=new)
            with readable(self.path):
                yield source, target

    def close(self) -> None:
        """Close the file. The object can be used again and opens it anew."""
        with self._opening:
            if self._saver is not None:
                self._saver.conn.close()
                self._saver = None

    def _lock_file(self, name: str) -> Path:
        folder = self.path.with_name(f"{self.path.name}.locks")
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    def _load(self, thread: str) -> CheckpointTuple | None:
        return self.saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
