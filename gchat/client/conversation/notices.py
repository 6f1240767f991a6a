"""Notices: what a user is told, which is the server's events and what a conversation makes of them. Pure."""

from __future__ import annotations

from msgspec import Struct

from gchat.dialects.rich_events import ActedEvent, SaidEvent, TopicSetEvent, UserEvent


class Sent(Struct, frozen=True):
    """Your message has this number in the room, and the server has stored it."""

    id: str
    room: str
    seq: int
    text: str
    action: bool


class Delivered(Struct, frozen=True):
    """Your private message has reached its reader."""

    id: str
    to: str
    text: str


class Lost(Struct, frozen=True):
    """The connection is lost; the next attempt is made in `retry_in_s` seconds.

    It is 0 if the server wants it so, because it is about to stop: nothing to tell of, unless another one follows.
    """

    reason: str
    retry_in_s: float


class Back(Struct, frozen=True):
    """There is a connection again; what was missed follows."""


class NewLog(Struct, frozen=True):
    """The room has another log than before: numbers start again, and messages said meanwhile may be missing."""

    room: str


#: What has a number in the room.
NumberedNotice = SaidEvent | ActedEvent | TopicSetEvent | Sent

#: Everything that a user is told: the server's events but Ack, which becomes Sent or Delivered, and these.
Notice = UserEvent | Sent | Delivered | Lost | Back | NewLog
