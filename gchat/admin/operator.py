"""What the operator can see and do, as values and one interface; the server implements it, HTTP only shows it.

Everything here is called in the server's own loop, and returns at once unless it says that it waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from gchat.protocol.errors import GchatError


class NotPossible(GchatError):
    """What the operator asked for cannot be done; the text says why."""


# --- What is seen ----------------------------------------------------------------------------------------------------


class ServerInfo(Struct, frozen=True):
    """The server itself."""

    name: str
    version: str
    address: str  # where the chat listens
    started: str  # RFC 3339
    uptime_s: float
    messages: int  # said since the start
    deliveries: int  # of messages to readers
    sent_bytes: int
    skipped: int  # messages that slow readers missed, and were told about
    slow_readers: int  # whose kernel buffer is full now
    hub_lag_ms: float  # how late the loop was, at most, in the last second
    connections: int
    max_connections: int


class UserInfo(Struct, frozen=True):
    """One user who is online."""

    id: int
    nick: str  # the address, for who has none
    address: str
    room: str
    dialect: str  # "plain" or "rich"
    connected_s: float
    idle_s: float  # since anything was received
    messages: int
    lag_bytes: int  # of what the user is still owed
    skipped: int  # messages missed for reading too slowly
    away: bool = False  # the connection is lost, and may come back


class RoomInfo(Struct, frozen=True):
    """One room."""

    name: str
    members: int
    seq: int  # its last number
    topic: str


class HistoryInfo(Struct, frozen=True):
    """Where messages rest."""

    store: str  # "sqlite" or "memory"
    state: str  # "ok", or what is wrong
    sync: str = ""  # "full": what anybody has seen survives a power cut; "normal": a crash; "": neither


class Ban(Struct, frozen=True):
    """Who may not come in: a nick (and what looks like it), an address, or a network."""

    id: int
    kind: Literal["nick", "address", "network"]
    value: str
    reason: str
    created: str  # RFC 3339
    until: str = ""  # RFC 3339; "" for ever


class StoredMessage(Struct, frozen=True, rename={"from_": "from"}):
    """One message of a room's history."""

    seq: int
    time: str
    kind: Literal["said", "acted", "topic"]
    from_: str
    text: str


# --- What happens ----------------------------------------------------------------------------------------------------


class Happened(Struct, frozen=True, tag_field="type", tag=str.lower):
    """Something that is told to the event streams as it happens."""


class Joined(Happened, frozen=True):
    """A user came to the server."""

    user: int
    nick: str
    address: str
    room: str


class Left(Happened, frozen=True):
    """A user is gone from the server."""

    user: int
    nick: str
    reason: str


class Message(Happened, frozen=True, rename={"from_": "from"}):
    """Something was said: told only to who may read it."""

    room: str
    seq: int
    from_: str
    text: str


# --- Measures --------------------------------------------------------------------------------------------------------


class Histogram(Struct, frozen=True):
    """A distribution: `counts[i]` observations were at most `bounds[i]`, and not at most the bound before.

    There is one count more than bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Measures(Struct, frozen=True):
    """What is counted since the start, and what is now."""

    connections_opened: int
    connections_closed: dict[str, int]  # by reason
    users_online: int
    rooms: int
    messages: int
    deliveries: int
    sent_bytes: int
    received_bytes: int
    skipped_messages: int
    slow_readers: int
    commit_failures: int
    crashes: int
    commit_s: Histogram  # of one turn's messages to the journal
    fan_out_s: Histogram  # of one turn's messages to all readers
    hub_lag_s: float
    descriptors_open: int
    descriptors_max: int
    room_log_bytes: int  # held for slow readers, in all rooms
    waiting_effects: int  # the pump's queue


class Operator(Protocol):
    """The server, as its operator sees it."""

    def server(self) -> ServerInfo:
        """Return how the server is."""

    def online(self) -> int:
        """Return how many users are online."""

    def users(self) -> Iterator[list[UserInfo]]:
        """Return who is online, in pieces of some hundred, each made when it is asked for: the hub is not held."""

    def rooms(self) -> list[RoomInfo]:
        """Return the rooms with somebody in them, the largest first."""

    def messages(self, room: str, after: int, limit: int) -> Sequence[StoredMessage]:
        """Return at most `limit` messages of the room after number `after`. Raises NotPossible: no such room."""

    def limits(self) -> dict[str, float]:
        """Return the limits in force."""

    def history(self) -> HistoryInfo:
        """Return where messages rest, and how that is."""

    def not_ready(self) -> str:
        """Return why the server cannot do its work now; "" if it can."""

    def measures(self) -> Measures:
        """Return what is counted."""

    def subscribe(self, tell: Tell) -> Unsubscribe:
        """Have everything that happens told to `tell`, which must return at once, until the returned is called."""

    def announce(self, text: str, room: str) -> int:
        """Tell everybody in the room, or with "" in all rooms; return how many that is. Raises NotPossible."""

    def kick(self, user: int, reason: str) -> None:
        """Close the user's connection. Raises NotPossible: there is no such user."""

    def say(self, room: str, name: str, text: str) -> int:
        """Say something in a room, under a name that no user can have; return its number, when it is kept. Waits.

        Raises NotPossible.
        """

    def bans(self) -> Sequence[Ban]:
        """Return the bans that have not ended."""

    def ban(self, kind: str, value: str, reason: str, for_s: float) -> Ban:
        """Ban for `for_s` seconds, 0 for ever, and close whom it concerns. Raises NotPossible: no such value."""

    def unban(self, ban: int) -> None:
        """End a ban. Raises NotPossible: there is none with this id."""


class Tell(Protocol):
    """Takes what happens."""

    def __call__(self, happened: Happened, /) -> None:
        """Take it; never wait, never raise."""


class Unsubscribe(Protocol):
    """Ends a subscription."""

    def __call__(self) -> None:
        """Tell no more."""
