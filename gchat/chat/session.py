"""A session: the state of one user, with a connection or briefly without."""

from __future__ import annotations

from sys import intern

from gchat.chat.absence import Absence
from gchat.chat.accounts import Account
from gchat.chat.limits import Allowance
from gchat.chat.networks import Network
from gchat.chat.room import Room
from gchat.chat.room_modes import united
from gchat.model.ignored_names import IgnoredNames

#: What two nodes hold for the time may be so far apart: then the connection is newer that is heard of later.
CLOCKS_APART_NS = 2_000_000_000


class Seat:
    """A reference to a user, which outlives the sessions that take each other over.

    When the user has left, `session` is None and `name` is their last name.
    """

    __slots__ = ("id", "name", "session")

    def __init__(self, id_: int, name: str, session: Session | None = None) -> None:
        self.id = id_  # of the first session that had it
        self.name = name
        self.session = session

    @property
    def known_as(self) -> str:
        """The user's name, or their last one."""
        return self.name if self.session is None else self.session.name

    def vacate(self) -> None:
        """Note that the user has left."""
        if self.session is not None:
            self.name, self.session = self.session.name, None


class Session:
    """One user: name, rooms, and what is known of the peer. The shell changes nothing but what says so below."""

    __slots__ = (
        "_keys",
        "absence",
        "account",
        "account_lineage",
        "address",
        "allowance",
        "attempt",
        "correspondent",
        "current",
        "has_arrived",
        "has_nick",
        "id",
        "ignored",
        "is_announced",
        "is_brief",
        "is_private",
        "lineage",
        "messages",
        "name",
        "network",
        "node",
        "rooms",
        "seat",
        "since",
        "token",
    )

    def __init__(
        self,
        id_: int,
        address: str,
        attempt: int = 0,
        *,
        network: Network = Network(),  # noqa: B008  # it is frozen
        since: float = 0.0,
        is_private: bool = False,
        node: str = "",
    ) -> None:
        self.id = id_
        self.attempt = attempt  # when its connection was made, in ns: in that order on each node, and about so on all
        self.address = address  # host:port, as text; the name of a user without a nick
        self.network = network
        self.node = intern(node)  # the process that has its connection: one text for all; "" if there is only one
        self.is_private = is_private  # whether nobody between the peer and us can read what is sent
        self.account = ""  # the account that the user is logged in to; "" if none
        self.since = since  # by the clock of Registry.due
        self.name = address
        self.has_nick = False
        self._keys: tuple[str, ...] = ()  # empty: the name is the only one; a set would take 150 bytes more
        self.rooms: dict[str, Room] = {}  # by name, in the order in which they were entered
        self.current: Room | None = None  # the one that was entered last
        self.token = ""  # takes this session over from another connection; "" if the peer has none
        self.account_lineage = ""  # that of the account
        self.lineage = ""  # names all sessions of one token (see lineages); "" for a user who cannot come back
        self.has_arrived = False  # whether the shell was told of this user (see effects.Arrive)
        self.is_announced = False  # whether the others know that this user is here
        self.is_brief = False  # whether the peer ended before it could read a token: the session cannot be taken over
        self.seat = Seat(id_, address, self)
        self.correspondent: Seat | None = None  # the sender of the last private message shown: /reply answers it
        self.allowance: Allowance | None = None  # what this user may send; the shell keeps it here
        self.absence: Absence | None = None
        self.ignored: IgnoredNames | None = None  # see ignorers.Ignorers
        self.messages = 0

    @property
    def identity(self) -> str:
        """The lineage by which it is known that it is the same user: of the account, or else of the token."""
        return self.account_lineage or self.lineage

    @property
    def keys(self) -> frozenset[str]:
        """Those of the name, see lookalikes.name_keys."""
        return frozenset(self._keys or (self.name,))

    @property
    def may_return(self) -> bool:
        """Whether the user can prove to be the same, on another connection."""
        return bool(self.identity) and not self.is_brief

    @property
    def away(self) -> str:
        """Why the user is away; "" if they are not."""
        return "" if self.absence is None else self.absence.reason

    def ignores(self, other: Session) -> bool:
        """Return whether this user is shown nothing of another one."""
        return self.ignored is not None and self.ignored.has(other.name)

    @property
    def current_name(self) -> str:
        """The name of the current room; "" in none."""
        return self.current.name if self.current else ""

    def call(self, name: str, keys: frozenset[str]) -> None:
        """Give the user this name, which has these keys."""
        self.name = name
        # One text for the name and for the key that is equal to it.
        self._keys = () if keys == {name} else tuple([name if key == name else key for key in sorted(keys)])

    def is_late_after(self, other: Session) -> bool:
        """Return whether its connection was made before another one's, by so much that the clocks cannot be wrong."""
        return other.attempt - self.attempt > (0 if other.node == self.node else CLOCKS_APART_NS)

    def enter(self, room: Room) -> None:
        """Be in a room, the current one from now on."""
        self.rooms.pop(room.name, None)
        self.rooms[room.name] = self.current = room
        room.members[self.id] = self

    def leave(self, room: Room) -> None:
        """Be in a room no more; the current one is the one that was entered before."""
        del self.rooms[room.name], room.members[self.id]
        if self.current is room:
            self.current = next(reversed(self.rooms.values()), None)

    def told_by(self, seat: Seat) -> None:
        """Note that a private message was shown to this user, whose /reply answers its sender. Called by the shell."""
        self.correspondent = seat

    def own(self, token: str, lineage: str = "") -> None:
        """Let this token take the session over; where it is not known, its `lineage` is given."""
        self.token, self.lineage = token, lineage or (lineage_of(token) if token else "")

    def log_in(self, account: Account) -> None:
        """Be the user of this account."""
        self.account, self.account_lineage = account.name, account.lineage

    def log_out(self) -> None:
        """Be a user without an account."""
        self.account = self.account_lineage = ""

    def sit_at(self, old: Session) -> None:
        """Be whom others mean by `old`, a session of the same user, with the ranks of both."""
        seat, self.seat = self.seat, old.seat
        seat.vacate()
        self.seat.session = self
        for room in self.rooms.values():
            if rank := united(room.ranks.pop(seat, ""), room.ranks.get(self.seat, "")):
                room.ranks[self.seat] = rank
        self.correspondent = self.correspondent or old.correspondent
        self.absence = self.absence or old.absence

    def inherit(self, old: Session) -> None:
        """Continue the session `old`, of the same user."""
        self.correspondent, self.allowance, self.messages = old.correspondent, old.allowance, old.messages
        self.since, self.absence = old.since, old.absence
        self.account, self.account_lineage = old.account, old.account_lineage
        self.seat.vacate()
        self.seat, self.is_announced = old.seat, old.is_announced
        self.seat.session = self


def lineage_of(token: str) -> str:
    """Return the name of all sessions of a token, which does not give it away."""
    from hashlib import sha256  # noqa: PLC0415  # it loads OpenSSL: 3 MiB that plain users do not need

    return sha256(token.encode()).hexdigest()[:32]
