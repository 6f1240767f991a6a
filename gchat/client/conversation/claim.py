"""The nick and the room that a user asked for, and what is still to be asked until both are granted. Pure."""

from __future__ import annotations

from gchat.dialects.rich_events import RefusedEvent
from gchat.dialects.rich_requests import JoinRequest, NickRequest
from gchat.model.errors import Code

#: alice-2, alice-3 and so on are tried up to this number.
MAX_SUFFIX = 99


class Claim:
    """The nick and the room that a hello asks for. A server answers each with a welcome, even if the nick is taken.

    1. `strict`: no request goes out before nick and room are granted. If they are not, `denied` says why.
    2. `suffix`: if the nick is taken, nick-2, nick-3 and so on are asked for, before any other request goes out.
    3. Without either the conversation begins under the address, and the nick is asked for again when it may be free.
    """

    def __init__(self, nick: str, *, strict: bool, suffix: bool) -> None:
        self.nick = nick  # what the next hello asks for
        self.room = ""  # what the last hello asked for
        self.denied = ""
        self.was_granted = False
        self.is_owed = False  # whether the nick was taken, so that it is to be asked for again
        self.id = ""  # of the request that is under way
        self.is_first = strict or suffix  # whether other requests wait
        self._strict = strict
        self._suffix = suffix
        self._stem = nick
        self._number = 1

    def opens(self, room: str) -> None:
        """Begin on a new connection, whose hello asks for `room`."""
        self.room, self.id, self.denied, self._number = room, "", "", 1

    def welcomed(self, nick: str) -> None:
        """Note the nick that the server has given."""
        self.is_owed = not _is_same(self.nick, nick)

    def missing(self, nick: str, room: str) -> NickRequest | JoinRequest | None:
        """Return what to ask for now, being called `nick` in `room`; None if everything is granted."""
        if not _is_same(self.nick, nick):
            return NickRequest(nick=self.nick)
        if not _is_same(self.room, room):
            return JoinRequest(room=self.room, leave="current")
        self.was_granted = True
        return None

    def named(self, nick: str, id_: str) -> None:
        """Note that the server has renamed the user, on request `id_`: this is the nick to keep."""
        if id_ != self.id:  # the user asked for it, not the claim
            self._stem = nick
        self.nick, self.is_owed = nick, False

    def not_proven(self, message: str) -> None:
        """Take that the secret was not taken without which the nick is not to be had."""
        if self._strict:
            self.denied = message

    def refused(self, refusal: RefusedEvent) -> NickRequest | None:
        """Take the refusal of what was asked for; return what to ask for instead."""
        is_taken = refusal.code == Code.NAME_TAKEN
        if (is_taken or refusal.code == Code.REGISTERED) and self._suffix and self._number < MAX_SUFFIX:
            self._number += 1
            self.nick = f"{self._stem}-{self._number}"
            return NickRequest(nick=self.nick)
        self.is_owed = is_taken
        self.nick = self._stem
        if self._strict:
            self.denied = refusal.message
        return None


def _is_same(wanted: str, given: str) -> bool:
    if not wanted or wanted == given:
        return True
    from gchat.model.lookalikes import folded  # noqa: PLC0415  # Unicode's tables: most clients never need them

    return folded(wanted.removeprefix("#")) == folded(given)
