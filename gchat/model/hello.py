"""The hello: what a client of the rich dialect asks for first, and the place in a room's log to resume from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gchat.model.secret import HasSecrets

Seq = Annotated[int, Meta(ge=0)]
#: A short token could be guessed, and with it a nick be taken.
Token = Annotated[str, Meta(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z", title="a welcome's token")]


class ResumePoint(Struct, frozen=True):
    """A place in a room's log, to be sent everything after it. Another epoch is another log."""

    epoch: str
    seq: Seq


class WantedRoom(Struct, frozen=True, omit_defaults=True):
    """A room that a client wants to be in, and up to where its user has read it before."""

    room: str
    after: ResumePoint | None = None
    key: str = ""  # if the room needs one


class Hello(HasSecrets, Struct, frozen=True, omit_defaults=True):
    """The first line of a client, which says what it asks for.

    If it names rooms, the user is in these and in no others; the last of them is the current one. If it names none, the
    user is where the session of the token is, or in the lobby.
    """

    nick: str = ""
    rooms: tuple[WantedRoom, ...] | None = None
    room: str = ""  # one more, with its `after` and `key`: enough for a client that is in one
    key: str = ""
    secret: str = ""  # of the account that has the nick: the user is logged in to it
    token: Token | None = None  # from an earlier welcome: its session is taken over
    after: ResumePoint | None = None
    replay: Annotated[int, Meta(ge=0, le=1000)] | None = None  # old messages to send first, without `after`
    password: str = ""  # the server's, if it has one

    @property
    def wanted(self) -> tuple[WantedRoom, ...] | None:
        """The rooms that it names, None if it names none."""
        if not self.room:
            return self.rooms
        others = (wanted for wanted in self.rooms or () if wanted.room != self.room)
        return *others, WantedRoom(self.room, self.after, self.key)
