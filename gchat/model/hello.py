"""The hello: what a client of the rich dialect asks for first, and the place in a room's log to resume from."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gchat.model.secret import HasToken

Seq = Annotated[int, Meta(ge=0)]
#: A short token could be guessed, and with it a nick be taken.
Token = Annotated[str, Meta(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+\Z", title="a welcome's token")]


class ResumePoint(Struct, frozen=True):
    """A place in a room's log, to be sent everything after it. Another epoch is another log."""

    epoch: str
    seq: Seq


class Hello(HasToken, Struct, frozen=True, omit_defaults=True):
    """The first line of a client, which says what it asks for."""

    nick: str = ""
    room: str = ""
    key: str = ""  # of the room, if it needs one
    token: Token | None = None  # from an earlier welcome: its session is taken over
    after: ResumePoint | None = None
    replay: Annotated[int, Meta(ge=0, le=1000)] | None = None  # old messages to send first, without `after`
