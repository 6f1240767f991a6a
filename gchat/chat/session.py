"""The state of one connected user."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gchat.chat.room import Room


#: The ids of private messages that are remembered of one user: the same one again is not said again.
MAX_TOLD_IDS = 1000


class Session:
    """One connected user: who they are, and where. Only the registry changes it."""

    __slots__ = (
        "address",
        "correspondent",
        "has_nick",
        "id",
        "keys",
        "lineage",
        "messages",
        "name",
        "room",
        "successor",
        "token",
        "told_ids",
    )

    def __init__(self, id_: int, address: str, room: Room, token: str = "") -> None:
        self.id = id_
        self.address = address  # host:port, as text; the name of who has no nick
        self.name = address
        self.has_nick = False
        self.keys: frozenset[str] = frozenset((address,))  # see text.name_keys
        self.room = room
        self.token = token  # with it the user takes this session over from another connection; "" for who cannot
        # Names all the sessions of one token, and gives it away to nobody.
        self.lineage = sha256(token.encode()).hexdigest()[:32] if token else ""
        self.correspondent: Session | None = None  # who told us something last: whom /reply answers
        self.successor: Session | None = None  # the session that has taken this one over
        self.told_ids: dict[str, None] = {}  # of the last private messages that it sent
        self.messages = 0

    def inherit(self, old: Session) -> None:
        """Go on where `old` was."""
        self.correspondent, self.told_ids, self.messages = old.correspondent, old.told_ids, old.messages
        old.successor = self

    def has_told(self, id_: str) -> bool:
        """Return whether a private message with this id was sent before, and note it."""
        if not id_:
            return False
        if id_ in self.told_ids:
            return True
        self.told_ids[id_] = None
        if len(self.told_ids) > MAX_TOLD_IDS:
            del self.told_ids[next(iter(self.told_ids))]
        return False
