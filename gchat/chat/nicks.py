"""Nicks: which session is called what. No two share a key (name_keys), and nobody has a reserved name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from gchat.chat.accounts import Accounts
from gchat.chat.order import Order
from gchat.chat.session import Session
from gchat.model import names, text
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import folded, name_keys, owned_keys

#: Names that nobody may take: the server's own, the one by which a private message calls its reader, and those to which
#: users of IRC send their secrets by habit.
RESERVED = ("server", "admin", "you", "nickserv", "chanserv")


@cache
def _reserved_keys() -> frozenset[str]:
    return frozenset[str]().union(*map(owned_keys, RESERVED))


class Names:
    """The names in use; a session without a nick is called by its address."""

    def __init__(self, order: Order, accounts: Accounts) -> None:
        self._order = order
        self._accounts = accounts
        self._holders: dict[str, Session] = {}  # by key

    def claim(self, session: Session, nick: str, max_length: int) -> None:
        """Give the session this nick. Raises Refusal if it is no nick, or is or looks like somebody else's."""
        nick, keys = self.check(session, nick, max_length)
        self.give(session, nick, keys)
        session.has_nick = True

    def check(self, session: Session, nick: str, max_length: int) -> tuple[str, frozenset[str]]:
        """Return a nick that a session may take, as it is shown, and its keys. Raises Refusal."""
        nick, keys = self.check_allowed(nick, max_length, session.account)
        for key in (folded(nick), *sorted(keys)):  # a set has another order in another process
            holder = self._holders.get(key, session)
            if holder is not session:
                what = "is taken" if folded(nick) == folded(holder.name) else f"looks like {holder.name}'s"
                raise Refusal(Code.NAME_TAKEN, f"The nick {nick} {what}; choose another")
        self._order.check_renaming(session, keys)
        return nick, keys

    def check_allowed(self, nick: str, max_length: int, account: str = "") -> tuple[str, frozenset[str]]:
        """Return the same for the user of an account, whoever has the nick now. Raises Refusal."""
        nick = names.nick(nick, max_length)
        keys = name_keys(nick)
        if not owned_keys(nick).isdisjoint(_reserved_keys()):
            raise Refusal(Code.NAME_TAKEN, f"The nick {nick} is reserved, or looks like one that is; choose another")
        self._order.check_nick(nick, keys)
        self._accounts.check_free(nick, account)
        return nick, keys

    def give(self, session: Session, name: str, keys: frozenset[str]) -> None:
        """Name the session `name`, whose keys must be free, and free its old name."""
        self.release(session)
        session.call(name, keys)
        self._holders.update(dict.fromkeys(session.keys, session))

    def release(self, session: Session) -> None:
        """Free the session's name; the session keeps it as text, for what is still to be said of it."""
        for key in session.keys:
            if self._holders.get(key) is session:
                del self._holders[key]

    def holder(self, key: str) -> Session | None:
        """Return the session that has this key."""
        return self._holders.get(key)

    def are_free(self, keys: frozenset[str]) -> bool:
        """Return whether nobody has any of these keys."""
        return keys.isdisjoint(self._holders)

    def find(self, name: str) -> Session:
        """Return the session that is called `name`, in any case and width. Raises Refusal."""
        key = folded(name)
        session = self._holders.get(key)
        if session is None or folded(session.name) != key:
            raise Refusal(Code.NO_SUCH_USER, f"No user named {text.printable(name[:64])}; /who lists the users")
        return session

    def clear(self) -> None:
        """Free all names."""
        self._holders.clear()

    def restore(self, sessions: Iterable[Session]) -> None:
        """Let these sessions, and no others, have the names that they have."""
        self.clear()
        for session in sessions:
            self._holders.update(dict.fromkeys(session.keys, session))
