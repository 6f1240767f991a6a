"""Lineages: which session a token or an account takes over, and what is stored of it for the next run of the server.

All sessions of one token are a lineage. Its name identifies the user without giving the token away. All sessions of an
account are one too, whatever their tokens: so there is one of each account, and the newest takes the others over.
"""

from __future__ import annotations

from collections.abc import Iterable

from gchat.chat.effects import Effect, SavedSession, SaveSession
from gchat.chat.session import Session


class Lineages:
    """The newest session of each lineage. A session without a token and an account is never here."""

    def __init__(self) -> None:
        self._newest: dict[str, Session] = {}

    def __contains__(self, session: Session) -> bool:
        return self._newest.get(_key(session)) is session

    def newest(self, lineage: str) -> Session | None:
        """Return the session that a new one of this lineage takes over, None if there is none."""
        return self._newest.get(lineage)

    def add(self, session: Session) -> None:
        """Let the next session of the same lineage take this one over."""
        for lineage in filter(None, (session.lineage, session.account_lineage)):
            self._newest[lineage] = session

    def discard(self, session: Session) -> None:
        """Let no session take this one over."""
        for lineage in (session.lineage, session.account_lineage):
            if self._newest.get(lineage) is session:
                del self._newest[lineage]

    def clear(self) -> None:
        """Discard all sessions, of which the next run knows what it was told last."""
        self._newest.clear()

    def leads(self, session: Session) -> tuple[bool, bool]:
        """Return whether a session is the newest of its token, and of its account."""
        newest = self._newest.get
        return newest(session.lineage) is session, newest(session.account_lineage) is session

    def restore(self, leading: Iterable[tuple[Session, bool, bool]]) -> None:
        """Have these sessions and no others be the newest, of their tokens and of their accounts."""
        self._newest.clear()
        for session, of_token, of_account in leading:
            if of_token:
                self._newest[session.lineage] = session
            if of_account:
                self._newest[session.account_lineage] = session

    def saved(self, session: Session) -> list[Effect]:
        """Return the effects by which the next run knows where this user is now."""
        if session not in self:
            return []
        rooms, account = tuple(session.rooms), session.account
        saved = SavedSession(session.name, session.has_nick, rooms=rooms, away=session.away, account=account)
        return [SaveSession(_key(session), saved)]

    def dropped(self, session: Session) -> list[Effect]:
        """Discard the session of a user who has left; return the effects by which the next run knows that too."""
        was_stored = session in self
        self.discard(session)
        return [SaveSession(_key(session), None)] if was_stored else []


def _key(session: Session) -> str:
    """Return the lineage under which a session is stored: a client comes back with its token, and others log in."""
    return session.lineage or session.account_lineage
