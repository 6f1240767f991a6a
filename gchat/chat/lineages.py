"""Lineages: which session a token takes over, and what is stored of it for the next run of the server.

All sessions of one token are a lineage. Its name identifies the user without giving the token away.
"""

from __future__ import annotations

from gchat.chat.effects import Effect, SavedSession, SaveSession
from gchat.chat.session import Session


class Lineages:
    """The newest session of each lineage. A session without a token has no lineage and is never here."""

    def __init__(self) -> None:
        self._newest: dict[str, Session] = {}

    def __contains__(self, session: Session) -> bool:
        return self._newest.get(session.lineage) is session

    def newest(self, lineage: str) -> Session | None:
        """Return the session that a new one of this lineage takes over, None if there is none."""
        return self._newest.get(lineage)

    def add(self, session: Session) -> None:
        """Let the next session of the same lineage take this one over."""
        self._newest[session.lineage] = session

    def discard(self, session: Session) -> None:
        """Let no session take this one over."""
        if session in self:
            del self._newest[session.lineage]

    def clear(self) -> None:
        """Discard all sessions, of which the next run knows what it was told last."""
        self._newest.clear()

    def saved(self, session: Session) -> list[Effect]:
        """Return the effects by which the next run knows where this user is now."""
        if session not in self:
            return []
        saved = SavedSession(session.name, session.has_nick, rooms=tuple(session.rooms), away=session.away)
        return [SaveSession(session.lineage, saved)]

    def dropped(self, session: Session) -> list[Effect]:
        """Discard the session of a user who has left; return the effects by which the next run knows that too."""
        if session not in self:
            return []
        self.discard(session)
        return [SaveSession(session.lineage, None)]
