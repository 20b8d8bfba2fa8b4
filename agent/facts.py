"""What users told about themselves and want remembered: facts and style, in one SQLite file, by user.

Nothing gets in without consent: who adds a fact says how it was given. Each call opens the file, does its work in one
transaction and closes it, so that processes wait for each other. Knows files and owners; not what a fact is good for.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from agent.memory import readable, user_name
from agent.style import Style, read_style
from skills.errors import DataError, UserError

ANY = "any"
"""Domain of a fact that every domain may see."""
BUSY_SECONDS = 30.0
"""How long one process waits for another's work."""
LONGEST_FACT = 500
"""Characters."""
MOST_FACTS = 1000
"""Facts of one user: a turn reads them all."""
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (
    owner TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, domain TEXT NOT NULL, shared TEXT NOT NULL,
    session TEXT NOT NULL, turn INTEGER NOT NULL, consent TEXT NOT NULL, consented TEXT NOT NULL,
    created TEXT NOT NULL, expires TEXT NOT NULL, PRIMARY KEY (owner, id)
);
CREATE TABLE IF NOT EXISTS styles (owner TEXT PRIMARY KEY, style TEXT NOT NULL);
"""
_COLUMNS = "id, owner, text, domain, shared, session, turn, consent, consented, created, expires"

Consent = Literal["command", "confirmed"]
"""How consent was given. command: the user asked for it; confirmed: the user said yes to an offer."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a user told. It is the user's word, never a source."""

    id: str
    user: str
    text: str
    domain: str = ANY
    """Whose it is; ANY: every domain sees it."""
    shared: tuple[str, ...] = ()
    """Further domains that may see it."""
    session: str = ""
    """Where it was told; empty: not in a conversation."""
    turn: int = 0
    """Which question of the session it was, from 1; 0: not in a conversation."""
    consent: Consent = "command"
    consented: str = ""
    """ISO 8601 time at which consent was given, UTC."""
    created: str = ""
    """ISO 8601 time, UTC."""
    expires: str = ""
    """ISO date (YYYY-MM-DD) from which it no longer holds; empty: it stays."""

    def visible_to(self, domain: str) -> bool:
        """Whether a domain may see it."""
        return self.domain in (ANY, domain) or domain in self.shared


@dataclass(frozen=True, slots=True)
class UserMemory:
    """One user's memory as one turn has it."""

    facts: tuple[Fact, ...] = ()
    style: Style = field(default_factory=Style)
    add: Callable[[str, str, Consent, int], Fact] | None = None
    """Keep (text, domain, how consent was given, turn); None: the turn belongs to no user."""
    offers: bool = False
    """Whether the user may be asked for consent: only in a session does the answer come back."""


class Facts:
    """The facts and styles of one SQLite file. It is made when something is kept, not before."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def list(self, user: str | None = None, domain: str | None = None) -> list[Fact]:
        """The user's facts that hold today, oldest first; those that ``domain`` may see, if it is given."""
        owner = user_name(user)
        if not self.path.exists():
            return []
        with self._open() as connection:
            facts = _facts(connection, owner)
        return facts if domain is None else [fact for fact in facts if fact.visible_to(domain)]

    def add(
        self,
        text: str,
        *,
        user: str | None = None,
        domain: str = ANY,
        share: Sequence[str] = (),
        consent: Consent = "command",
        expires: str = "",
        session: str = "",
        turn: int = 0,
    ) -> Fact:
        """Keep a fact for which the user gave consent; the same text of the same domain is kept once.

        Raises UserError for an empty or overlong text, a bad date, and for more than MOST_FACTS.
        """
        owner, now = user_name(user), _now()
        fact = Fact(
            secrets.token_hex(4),
            owner,
            _checked(text),
            domain,
            tuple(share),
            session,
            turn,
            consent,
            now,
            now,
            _date(expires),
        )
        with self._open() as connection:
            known = _facts(connection, owner)
            for old in known:
                if (old.text, old.domain) == (fact.text, domain):
                    return old
            if len(known) >= MOST_FACTS:
                raise UserError(
                    f"{owner!r} has {len(known)} facts, which is the most; see: collegium memory forget"
                )
            marks = ", ".join("?" * len(_COLUMNS.split(",")))
            connection.execute(f"INSERT INTO facts ({_COLUMNS}) VALUES ({marks})", _row(fact))  # noqa: S608
        return fact

    def correct(self, id: str, text: str, user: str | None = None) -> Fact:
        """Put another text in a fact's place. Raises UserError when the user has no such fact."""
        with self._open() as connection:
            fact = replace(
                _known(connection, id, user_name(user)),
                text=_checked(text),
                consent="command",
                consented=_now(),
            )
            connection.execute(
                "UPDATE facts SET text = ?, consent = ?, consented = ? WHERE owner = ? AND id = ?",
                (fact.text, fact.consent, fact.consented, fact.user, id),
            )
        return fact

    def forget(self, id: str, user: str | None = None) -> Fact:
        """Erase a fact and give it back. Raises UserError when the user has no such fact."""
        with self._open() as connection:
            fact = _known(connection, id, user_name(user))
            connection.execute("DELETE FROM facts WHERE owner = ? AND id = ?", (fact.user, id))
        return fact

    def forget_all(self, user: str | None = None) -> int:
        """Erase all that is kept about a user, the style too; how many facts there were."""
        owner = user_name(user)
        if not self.path.exists():
            return 0
        with self._open() as connection:
            gone = connection.execute("DELETE FROM facts WHERE owner = ?", (owner,)).rowcount
            connection.execute("DELETE FROM styles WHERE owner = ?", (owner,))
        return gone

    def style(self, user: str | None = None) -> Style:
        """How the user wants to be answered; the defaults where nothing was set."""
        owner = user_name(user)
        if not self.path.exists():
            return Style()
        with self._open() as connection:
            row = connection.execute("SELECT style FROM styles WHERE owner = ?", (owner,)).fetchone()
            return Style() if row is None else read_style(json.loads(row[0]))

    def set_style(self, style: Style, user: str | None = None) -> None:
        """Keep how the user wants to be answered."""
        with self._open() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO styles VALUES (?, ?)", (user_name(user), style.model_dump_json())
            )

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """The file, in one transaction. What has expired is erased on the way.

        Every transaction begins as a writer, so that one process waits for another instead of failing half-way;
        ``secure_delete`` writes zeros over what is deleted.
        """
        with readable(self.path, "memory"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    self._prepare(connection)
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise DataError(
                f"memory file {str(self.path)!r} was written by a newer version ({version}, this one knows "
                f"{_VERSION}); update Collegium",
                subject=self.path,
            )
        if version == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("DELETE FROM facts WHERE expires != '' AND expires <= ?", (_today(),))


def memory_file(sessions: Path) -> Path:
    """The file of facts and styles: beside the sessions."""
    return sessions.with_name("memory.sqlite")


def _facts(connection: sqlite3.Connection, owner: str) -> list[Fact]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM facts WHERE owner = ? ORDER BY rowid", (owner,))  # noqa: S608
    return [_fact(row) for row in rows]


def _known(connection: sqlite3.Connection, id: str, owner: str) -> Fact:
    facts = _facts(connection, owner)
    for fact in facts:
        if fact.id == id:
            return fact
    known = ", ".join(fact.id for fact in facts[:10]) or "none"
    raise UserError(f"no fact {id!r}; known: {known} (see: collegium memory list)", subject=id)


def _row(fact: Fact) -> tuple[str | int, ...]:
    return (
        fact.id,
        fact.user,
        fact.text,
        fact.domain,
        json.dumps(fact.shared),
        fact.session,
        fact.turn,
        fact.consent,
        fact.consented,
        fact.created,
        fact.expires,
    )


def _fact(row: Sequence[str]) -> Fact:
    id, user, text, domain, shared, session, turn, consent, consented, created, expires = row
    how: Consent = "confirmed" if consent == "confirmed" else "command"
    domains = tuple(str(name) for name in json.loads(shared))
    return Fact(id, user, text, domain, domains, session, int(turn), how, consented, created, expires)


def _checked(text: str) -> str:
    plain = " ".join(text.split())
    if not plain or len(plain) > LONGEST_FACT:
        raise UserError(f"a fact of {len(plain)} characters; expected 1 to {LONGEST_FACT}", subject=text)
    return plain


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise UserError(f"{text!r} is not a date; expected YYYY-MM-DD", subject=text) from error


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
