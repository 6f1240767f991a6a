"""Ignorers: which users are not shown what a user says, because they ignore that name.

It costs nothing where nobody ignores anybody, and otherwise a look-up for each message.
"""

from __future__ import annotations

from collections.abc import Iterable

from gchat.chat.effects import Unheard
from gchat.chat.nicks import Names
from gchat.chat.session import Session
from gchat.model.ignored_names import IgnoredNames
from gchat.model.lookalikes import name_keys


class Ignorers:
    """The sessions that ignore somebody, by the keys of the names that they ignore."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.by_key: dict[str, dict[Session, None]] = {}  # mostly empty, and that is asked before each message

    def of(self, session: Session) -> Unheard | None:
        """Return who ignores this one, None if nobody does."""
        found = self._of(session.keys) if self.by_key else ()
        return Unheard(session.id, tuple(other.id for other in found)) if found else None

    def of_named(self, name: str) -> Unheard | None:
        """Return who ignores the user of this name; None if nobody does, or no user has it."""
        if not self.by_key:
            return None
        session = next(filter(None, map(self._names.holder, name_keys(name))), None)
        return None if session is None or session.name != name else self.of(session)

    def ignore(self, session: Session, name: str) -> None:
        """Have a session ignore this name. Raises Refusal if it ignores too many."""
        session.ignored = session.ignored or IgnoredNames()
        before = session.ignored.keys
        session.ignored.add(name)
        self._note(session, before, session.ignored.keys)

    def unignore(self, session: Session, name: str) -> tuple[int, ...]:
        """Have a session ignore this name no more; return the sessions that it hears again."""
        if session.ignored is None:
            return ()
        before = session.ignored.keys
        session.ignored.discard(name)
        after = session.ignored.keys
        self._note(session, before, after)
        holders = dict.fromkeys(filter(None, map(self._names.holder, before - after)))
        return tuple(sorted(holder.id for holder in holders if after.isdisjoint(holder.keys)))

    def follow(self, old: str, new: str) -> None:
        """Note that a user has a new name: those who ignore the user by the old one go on."""
        for session in self._of(name_keys(old)) if self.by_key else ():
            assert session.ignored is not None
            before = session.ignored.keys
            session.ignored.follow(old, new)
            self._note(session, before, session.ignored.keys)

    def discard(self, session: Session) -> None:
        """Forget a session, which has left."""
        if session.ignored is not None:
            self._note(session, session.ignored.keys, frozenset())

    def clear(self) -> None:
        """Forget all sessions."""
        self.by_key.clear()

    def restore(self, sessions: Iterable[Session]) -> None:
        """Note what these sessions, and no others, ignore."""
        self.clear()
        for session in sessions:
            if session.ignored is not None:
                self._note(session, frozenset(), session.ignored.keys)

    def _of(self, keys: Iterable[str]) -> list[Session]:
        """Return the sessions that ignore one of these keys, the oldest first."""
        found = {session.id: session for key in keys for session in self.by_key.get(key, ())}
        return [found[id_] for id_ in sorted(found)]

    def _note(self, session: Session, before: frozenset[str], after: frozenset[str]) -> None:
        for key in before - after:
            del self.by_key[key][session]
            if not self.by_key[key]:
                del self.by_key[key]
        for key in after - before:
            self.by_key.setdefault(key, {})[session] = None
