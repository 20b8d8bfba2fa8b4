"""What an agent keeps for its users, and what a program may do with it: sessions, facts and styles.

The part of ``Agent`` that answers nothing. Knows the files' owners, memory.py and facts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.composition import College
from agent.facts import ANY, Consent, Fact, Facts, UserMemory, memory_file
from agent.memory import SessionInfo, Sessions
from agent.style import Style, read_style
from skills.records import Turn


class Keeping:
    """Sessions, facts and styles. Without a ``user`` they are the local user's."""

    def __init__(self, college: College, sessions: Path) -> None:
        """``sessions``: SQLite file; facts and styles are beside it."""
        self._college = college
        self._sessions = Sessions(sessions)
        self._facts = Facts(memory_file(sessions))

    # ------------------------------------------------------------------ sessions

    def sessions(self, user: str | None = None) -> list[SessionInfo]:
        """The user's conversations, the one used last first."""
        return self._sessions.list(user)

    def turns(self, session: str, user: str | None = None) -> tuple[Turn, ...]:
        """The messages of a session, in order. Raises UserError when there is no such session."""
        return self._sessions.turns(session, user)

    def delete_session(self, session: str, user: str | None = None) -> None:
        """Forget a session. Raises UserError when there is no such session."""
        self._sessions.delete(session, user)

    def rename_session(self, session: str, new: str, user: str | None = None) -> None:
        """Give a session another name. Raises UserError when there is none, or the new name is taken."""
        self._sessions.rename(session, new, user)

    def fork_session(self, session: str, new: str, user: str | None = None) -> None:
        """Copy a session under another name. Raises UserError as ``rename_session``."""
        self._sessions.fork(session, new, user)

    # ------------------------------------------------------------------ memory

    def facts(self, user: str | None = None, domain: str | None = None) -> list[Fact]:
        """What the user wants remembered, oldest first; with ``domain`` only what that domain may see."""
        return self._facts.list(user, domain)

    def remember(
        self,
        text: str,
        *,
        user: str | None = None,
        domain: str = ANY,
        share: Sequence[str] = (),
        expires: str = "",
    ) -> Fact:
        """Keep a fact about a user, who has to have asked for it.

        domain: which one sees it; every one by default. share: further ones that do.
        expires: ISO date from which it no longer holds.
        Raises UserError for an unknown domain, a bad date, and a text that is empty or too long.
        """
        for name in (domain, *share):
            if name != ANY:
                self._college.member(name)
        return self._facts.add(text, user=user, domain=domain, share=share, expires=expires)

    def correct(self, id: str, text: str, user: str | None = None) -> Fact:
        """Put another text in a fact's place. Raises UserError when the user has no such fact."""
        return self._facts.correct(id, text, user)

    def forget(self, id: str, user: str | None = None) -> Fact:
        """Erase a fact. Raises UserError when the user has no such fact."""
        return self._facts.forget(id, user)

    def forget_all(self, user: str | None = None) -> int:
        """Erase all facts and the style of a user; how many facts there were."""
        return self._facts.forget_all(user)

    def style(self, user: str | None = None) -> Style:
        """How the user wants to be answered."""
        return self._facts.style(user)

    def set_style(self, user: str | None = None, **settings: str) -> Style:
        """Change settings of ``Style``, like ``length="short"``; the others stay. Raises UserError for a bad one."""
        style = read_style({**self._facts.style(user).model_dump(), **settings})
        self._facts.set_style(style, user)
        return style

    def _user_memory(self, session: str | None, user: str | None) -> UserMemory:
        """What is remembered about the turn's user. A question without session and user is nobody's."""
        if session is None and user is None:
            return UserMemory()

        def add(text: str, domain: str, consent: Consent, turn: int) -> Fact:
            return self._facts.add(
                text,
                user=user,
                domain=domain,
                consent=consent,
                session=session or "",
                turn=turn if session else 0,
            )

        return UserMemory(
            tuple(self._facts.list(user)), self._facts.style(user), add, offers=session is not None
        )
