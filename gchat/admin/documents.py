"""The documents that are the answers of the endpoint: their JSON and their OpenAPI schemas are made from these structs.

A new field is a line here, with its value in `of`. A list may be an iterator: it is made while the answer is sent,
field by field (responses.streamed), so a field behind it can tell how it ended. A field with its default is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self, TypeVar, cast

from msgspec import Struct

from gchat.admin.access import Scope
from gchat.admin.backend import Backend, NotPossible
from gchat.admin.json_fields import BanInfo, Histogram, HistoryInfo, RoomSummary, ServerInfo, StoredMessage, UserInfo
from gchat.admin.visibility import GRANTED, Granted, visible

T = TypeVar("T")


class LongDocument(Struct):
    """A document with lists, which are cut when they get too long."""

    @classmethod
    def of(cls, backend: Backend, scope: Scope) -> Self:
        """Return the document as this scope may see it."""
        raise NotImplementedError


class StatusDocument(LongDocument):
    """The whole state of the server."""

    server: ServerInfo
    online: int
    access: Granted
    users: list[UserInfo]
    rooms: list[RoomSummary]
    limits: dict[str, float]
    history: HistoryInfo
    counters: dict[str, float | dict[str, float]]  # since the start
    truncated: bool = False

    @classmethod
    def of(cls, backend: Backend, scope: Scope) -> Self:
        """See LongDocument.of."""
        return cls(
            server=backend.server(),
            online=backend.online(),
            access=GRANTED[scope],
            users=_users(backend, scope),
            rooms=_rooms(backend, scope),
            limits=backend.limits(),
            history=backend.history(),
            counters={
                measure.name.removeprefix("gchat_"): measure.value
                for measure in backend.measures()
                if measure.kind == "counter" and not isinstance(measure.value, Histogram)
            },
        )


class UsersDocument(LongDocument):
    """The users online."""

    online: int
    access: Granted
    users: list[UserInfo]
    truncated: bool = False

    @classmethod
    def of(cls, backend: Backend, scope: Scope) -> Self:
        """See LongDocument.of."""
        return cls(backend.online(), GRANTED[scope], _users(backend, scope))


class RoomsDocument(LongDocument):
    """The rooms with members or a history, largest first."""

    online: int
    rooms: list[RoomSummary]
    truncated: bool = False

    @classmethod
    def of(cls, backend: Backend, scope: Scope) -> Self:
        """See LongDocument.of."""
        return cls(backend.online(), _rooms(backend, scope))


class BansDocument(LongDocument):
    """The bans in force."""

    bans: list[BanInfo]
    truncated: bool = False

    @classmethod
    def of(cls, backend: Backend, scope: Scope) -> Self:  # noqa: ARG003  # the route needs a token
        """See LongDocument.of."""
        return cls(_listed(backend.bans()))


class MessagesDocument(Struct):
    """Messages of a room, oldest first. `next` is there if there may be more: ask for those after it."""

    room: str
    messages: list[StoredMessage]
    next: int = 0
    truncated: bool = False

    @classmethod
    def of(cls, room: str, pages: Iterator[Sequence[StoredMessage]], limit: int) -> Self:
        """Return the document of these pages, which have at most `limit` messages in all."""
        document = cls(room, [])
        document.messages = _listed(document._read(pages, limit))
        return document

    def _read(self, pages: Iterator[Sequence[StoredMessage]], limit: int) -> Iterator[StoredMessage]:
        count = 0
        try:
            for page in pages:
                for message in page:
                    yield message
                    self.next = message.seq  # the message is in the answer
                    count += 1
        except NotPossible:  # what was read before is the answer, and the next request tells why there is no more
            self.truncated = True
        else:
            if count < limit:
                self.next = 0


class ToldDocument(Struct):
    """The number of users told."""

    told: int


class StoredDocument(Struct):
    """A stored message."""

    room: str
    seq: int


class HealthDocument(Struct):
    """The server's state in one word."""

    status: str


def _users(backend: Backend, scope: Scope) -> list[UserInfo]:
    is_secret = backend.is_secret
    return _listed(visible(user, scope, is_secret) for piece in backend.users() for user in piece)


def _rooms(backend: Backend, scope: Scope) -> list[RoomSummary]:
    seen = (visible(room, scope, backend.is_secret) for room in backend.rooms())
    return _listed(room for room in seen if room is not None)


def _listed(values: Iterable[T | None]) -> list[T]:
    """Return the values as the list that they are in the document; they are made while it is sent."""
    return cast("list[T]", values)
