"""The documents that the endpoint answers with, and the fields of what is in them: a user, a room, a message, a ban.

JSON and OpenAPI schemas are made from these structs: a new field is a line here, and one where it is made. Texts
are as users have written them: what shows them makes them printable. In a document with lists, a list may be an
iterator: it is made while the answer is sent (responses.streamed), and a field with its default is left out.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol, Self

from msgspec import Meta, Struct

from gchat.chat.session import Session
from gchat.model.secret import HasSecrets


class ServerInfo(Struct, frozen=True):
    """The server itself."""

    name: str
    version: str
    address: str  # where the chat listens
    started: str  # RFC 3339
    uptime_s: float
    messages: int  # since the start
    deliveries: int  # messages, counted once for each reader
    sent_bytes: int
    skipped: int  # messages that slow readers missed and were told about
    slow_readers: int  # users whose kernel buffer is full now
    hub_lag_ms: float  # the largest delay of the event loop in the last second
    connections: int
    max_connections: int
    node: str = ""  # of a cluster: this one, of which all of these numbers are


class NodeInfo(Struct, frozen=True):
    """One node of a cluster, as it told of itself within the last second or so. Another one may have its name."""

    id: str  # the name, and a number of the node's own
    name: str
    here: bool  # whether it is the one that answers
    online: int  # users whose connections it has
    connections: int
    deliveries: int  # since its start
    lag_s: float  # how far behind it is in hearing what other nodes do
    since: str  # RFC 3339; "": not known


class Totals(Struct, frozen=True):
    """Numbers of all nodes together, or of the one server that there is."""

    online: int
    connections: int
    deliveries: int


class UserConnection(Protocol):
    """A user's connection, as far as the endpoint shows it. Times are of a steady clock, in seconds."""

    @property
    def opened_at(self) -> float:
        """When it was opened."""

    @property
    def dialect_name(self) -> str:
        """What the user speaks."""

    @property
    def tls_version(self) -> str:
        """The version of TLS, as "TLSv1.3"; "" without."""

    @property
    def heard_at(self) -> float:
        """When the last byte came from the user."""

    @property
    def lag_bytes(self) -> int:
        """Bytes not yet sent to the user."""

    @property
    def skipped(self) -> int:
        """Messages that the user missed by reading too slowly."""


class UserInfo(Struct, frozen=True):
    """A user online. A new field is a line here, and its value one in `of`."""

    id: int
    nick: str  # the address, if the user has no nick
    address: str  # "" without a token, if the user has a nick
    room: str  # the current one, which was entered last; "" in none, and without a token if it is secret
    rooms: tuple[str, ...]  # all that the user is in, in the order in which they were entered; secret ones likewise
    # The next six only the node knows that has the connection.
    dialect: str | None  # "plain" or "rich"
    connected_s: float | None
    idle_s: float | None  # since the last byte from the user
    messages: int | None
    lag_bytes: int | None  # not yet sent to the user
    skipped: int | None  # messages that the user missed by reading too slowly
    disconnected: bool = False  # the connection is lost, but the user may come back
    away: str = ""  # why, if the user is away
    account: str = ""  # the one that the user is logged in to
    tls: str | None = ""  # the version that the connection is in, as "TLSv1.3"; "": plain text; null: see above
    node: str = ""  # of a cluster: the one that has the connection, or had it

    @classmethod
    def elsewhere(cls, session: Session, node: str, *, disconnected: bool) -> Self:
        """Return a user of another node."""
        return cls(
            *(session.id, session.name, session.address, session.current_name, tuple(session.rooms)),
            *(None, None, None, None, None, None),
            disconnected=disconnected,
            away=session.away,
            account=session.account,
            tls=None,
            node=node,
        )

    @classmethod
    def of(
        cls, session: Session, connection: UserConnection | None, now: float, *, disconnected: bool, node: str = ""
    ) -> Self:
        """Return a user as of `now`, which is of the connection's clock; without a connection it has just come."""
        return cls(
            id=session.id,
            nick=session.name,
            address=session.address,
            room=session.current_name,
            rooms=tuple(session.rooms),
            dialect=connection.dialect_name if connection else "rich",  # a plain user without one has left
            connected_s=round(now - connection.opened_at, 1) if connection else 0.0,
            idle_s=round(now - connection.heard_at, 1) if connection else 0.0,
            messages=session.messages,
            lag_bytes=connection.lag_bytes if connection else 0,
            skipped=connection.skipped if connection else 0,
            disconnected=disconnected,
            away=session.away,
            account=session.account,
            tls=connection.tls_version if connection else "",
            node=node,
        )


class RoomSummary(Struct, frozen=True):
    """One room."""

    name: str
    members: int
    seq: int  # the number of its last message
    topic: str
    modes: str = "+n"  # as /mode shows them, without the key


class DrainDocument(Struct, frozen=True):
    """A drain that is on."""

    left_s: float  # until the server stops
    online: int  # users online


class HistoryInfo(Struct, frozen=True):
    """The store of messages."""

    store: str  # "sqlite", "memory" or "valkey"
    state: str  # "ok", or what is wrong
    sync: str = ""  # "full": shown messages survive a power cut; "normal": they survive a crash; "": neither; of an
    # engine "second": a power cut costs a second, "none": it may cost all, "unknown"


class PenaltyRow(Struct, frozen=True):
    """A ban or a mute of a nick (and of nicks that look like it), an account, an address, or a network."""

    id: int
    kind: Literal["nick", "account", "address", "network"]  # of the value
    value: str
    reason: str
    created: str  # RFC 3339
    until: str = ""  # RFC 3339; "": permanent
    by: str = ""  # the account of an operator, or the name of a token
    also: tuple[str, ...] = ()  # of the same user: an account, an address, a network


class OperatorRow(Struct, frozen=True):
    """An account that keeps order on the server."""

    account: str
    configured: bool  # whether the configuration says so, which only it can change


class AuditRow(Struct, frozen=True):
    """What an operator did."""

    id: int  # the newest has the highest
    time: str  # RFC 3339
    actor: str  # the account of an operator, or the name of a token
    via: Literal["chat", "http"]
    action: str
    target: str
    reason: str = ""
    until: str = ""  # RFC 3339; "": it does not end, or does not last


class HookInfo(Struct, frozen=True):
    """A hook: a program that may say something in a room. Its secret is shown once, when it is made."""

    id: int
    room: str
    name: str  # as it is shown, "Grafana (http)"
    created: str  # RFC 3339
    signed: bool  # whether bodies must be signed
    messages: int = 0  # since the start
    last: str = ""  # RFC 3339; "": none since the start


class AccountInfo(Struct, frozen=True):
    """A nick that belongs to a user who knows its secret."""

    name: str
    created: str  # RFC 3339
    online: bool = False  # whether its user is here, or may be about to come back
    closed: bool = False  # whether what is stored cannot be read, so that nobody can log in


#: What a message is: said, an action (/me), or a new topic, which is empty if it was cleared.
Kind = Literal["said", "acted", "topic"]


class StoredMessage(Struct, frozen=True, rename={"from_": "from"}):
    """One message of a room's history."""

    seq: int
    time: str
    kind: Kind
    from_: str
    text: str


# --- Documents -------------------------------------------------------------------------------------------------------


class Granted(Struct, frozen=True):
    """The scope of a request: "none" of the private parts, or all of them ("read"); "moderate" and "all" do more."""

    scope: Literal["none", "read", "moderate", "all"]
    note: str


class StatusDocument(Struct):
    """The whole state of the server. In a cluster all is of all nodes, but for `server`, `counters` and `history`."""

    server: ServerInfo
    online: int
    all: Totals
    access: Granted
    nodes: list[NodeInfo]  # of a cluster
    users: list[UserInfo]
    rooms: list[RoomSummary]
    limits: dict[str, float]
    history: HistoryInfo
    counters: dict[str, float | dict[str, float]]  # since the start
    truncated: bool = False


class UsersDocument(Struct):
    """The users online."""

    online: int
    access: Granted
    users: list[UserInfo]
    truncated: bool = False


class RoomsDocument(Struct):
    """The rooms with members or a history, largest first."""

    online: int
    rooms: list[RoomSummary]
    truncated: bool = False


class BansDocument(Struct):
    """The bans in force."""

    bans: list[PenaltyRow]
    truncated: bool = False


class NewAccount(HasSecrets, Struct, frozen=True, forbid_unknown_fields=True):
    """The nick of a new account, and its secret."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    secret: Annotated[str, Meta(min_length=1, max_length=1000, description="8 characters or more; it is not stored")]


class MutesDocument(Struct):
    """The mutes in force."""

    mutes: list[PenaltyRow]
    truncated: bool = False


class OperatorsDocument(Struct):
    """The operators of the server."""

    operators: list[OperatorRow]
    truncated: bool = False


class AuditDocument(Struct):
    """What operators did, newest first. `next` is there if there may be more: ask for those before it."""

    audit: list[AuditRow]
    next: int = 0


class NewHook(HasSecrets, Struct, frozen=True, forbid_unknown_fields=True):
    """A hook to make: its room, which need not exist, and the name that it speaks under."""

    room: Annotated[str, Meta(min_length=1, max_length=100)]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    signing_secret: Annotated[
        str,
        Meta(max_length=256, description="bodies must be signed with it (X-Hub-Signature-256); empty: need not be"),
    ] = ""


class MadeHookDocument(HasSecrets, Struct):
    """A hook that was made, and its secret: programs post to /hooks/SECRET."""

    id: int
    room: str
    name: str
    secret: str


class HooksDocument(Struct):
    """The hooks."""

    hooks: list[HookInfo]
    truncated: bool = False


class AccountsDocument(Struct):
    """The accounts."""

    accounts: list[AccountInfo]
    truncated: bool = False


class MessagesDocument(Struct):
    """Messages of a room, oldest first. `next` is there if there may be more: ask for those after it."""

    room: str
    messages: list[StoredMessage]
    next: int = 0
    truncated: bool = False


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


# --- Measures --------------------------------------------------------------------------------------------------------


class Histogram(Struct, frozen=True):
    """A distribution: `counts[i]` observations were at most `bounds[i]`, and not at most the bound before.

    There is one count more than bounds.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Measure(Struct, frozen=True):
    """A number as Prometheus has it. The value of one with a label is a number for each value of the label."""

    name: str  # without the _total of a counter
    help: str
    kind: Literal["counter", "gauge", "histogram"]
    value: float | dict[str, float] | Histogram
    label: str = ""
