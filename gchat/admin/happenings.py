"""What happens on the server, for the event streams: users who come and go, and what is said."""

from __future__ import annotations

from msgspec import Struct

from gchat.admin.documents import Kind


class Happened(Struct, frozen=True, tag_field="type"):
    """An event for the event streams."""


class UserJoined(Happened, frozen=True, tag="joined"):
    """A user came to the server."""

    user: int
    nick: str
    address: str  # as in UserInfo
    room: str
    node: str = ""  # likewise


class UserLeft(Happened, frozen=True, tag="left"):
    """A user left the server."""

    user: int
    nick: str
    reason: str


class RoomMessage(Happened, frozen=True, tag="message", rename={"from_": "from"}):
    """Something was said; only streams with a token get it."""

    room: str
    seq: int
    kind: Kind
    from_: str
    text: str
