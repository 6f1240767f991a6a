"""The backend: what the operator can see and do, as one interface. The server implements it, HTTP only shows it.

`by` is the name of the token with which something is done, for the log and the audit.
What changes something may also raise NotPossible and Unavailable, because a store or other nodes have a say in it.
Every method is called in the server's own loop, and returns at once unless it says that it waits. Texts are as users
have written them: what shows them makes them printable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from gchat.admin.documents import (
    AccountInfo,
    AuditRow,
    DrainDocument,
    HistoryInfo,
    HookInfo,
    MadeHookDocument,
    Measure,
    NewHook,
    NodeInfo,
    OperatorRow,
    PenaltyRow,
    RoomSummary,
    ServerInfo,
    StoredMessage,
    UserInfo,
)
from gchat.admin.happenings import Happened
from gchat.chat.order_actions import Wish
from gchat.hooks.book import Hook
from gchat.hooks.message import HookMessage
from gchat.model.errors import GchatError

#: Rooms without members in one answer, the newest first.
MAX_STORED_ROOMS = 500


class NotPossible(GchatError):
    """The request cannot be carried out as things are; the text says why."""


class Missing(NotPossible):
    """There is nothing by the name or number in the request."""


class BadText(NotPossible):
    """The text in the request cannot be said."""


class TooOften(NotPossible):
    """The request came too soon after others; it is possible in `wait_s` seconds."""

    def __init__(self, text: str, wait_s: int) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Unavailable(NotPossible):
    """The request may be possible later."""


# --- What is seen ----------------------------------------------------------------------------------------------------


class Backend(Protocol):
    """The server, as its operator sees it."""

    def server(self) -> ServerInfo:
        """Return how the server is."""

    def online(self) -> int:
        """Return how many users are online, on all nodes."""

    def nodes(self) -> Sequence[NodeInfo]:
        """Return the nodes of the cluster; none if there is no cluster."""

    def users(self) -> Iterator[list[UserInfo]]:
        """Return the users online, some hundred at a time, each piece made on demand: the hub is not held."""

    def rooms(self) -> Iterable[RoomSummary]:
        """Return the rooms with members, largest first, then at most MAX_STORED_ROOMS others with a history.

        Waits, but not for long: while the disk is stuck, the others are those of the last answer.
        """

    def is_secret(self, room: str) -> bool:
        """Return whether only its members know that this room exists."""

    def messages(self, room: str, after: int, limit: int) -> Iterator[Sequence[StoredMessage]]:
        """Return at most `limit` messages of the room after number `after`, some at a time, read on demand.

        Waits, now and for each page. Raises Missing: no such room, and Unavailable: it cannot be read (any more).
        """

    def place(self, room: str) -> tuple[str, int]:
        """Return the epoch of a room's log, and the number of the last message in it.

        Waits. Raises Missing: no such room, NotPossible, and Unavailable: it cannot be read.
        """

    def limits(self) -> dict[str, float]:
        """Return the limits in force."""

    def history(self) -> HistoryInfo:
        """Return the state of the store."""

    def not_ready(self) -> str:
        """Return why the server cannot store and deliver messages now; "" if it can."""

    def measures(self) -> Iterable[Measure]:
        """Return all numbers for Prometheus: counts since the start, and the present state."""

    def subscribe(self, subscriber: Subscriber) -> Unsubscribe:
        """Call `subscriber` with every event until the returned function is called; it must return at once."""

    def announce(self, text: str, room: str, by: str) -> int:
        """Announce to the room, or with "" to all rooms; return the number of their members.

        Waits. Raises BadText, Missing, NotPossible or Unavailable.
        """

    def drain(self, over_s: float | None, by: str) -> DrainDocument:
        """Send all users elsewhere over so many seconds, then stop; None: as it is configured."""

    def kick(self, user: int, reason: str, by: str) -> None:
        """Close the user's connection. Raises Missing: no such user."""

    def reset_modes(self, room: str, by: str) -> None:
        """Give a room the modes of a new one, in which nobody has a rank. Raises Missing: no such room."""

    def say(self, room: str, name: str, text: str) -> int:
        """Say something in a room, under a name that no user can have; return its number once it is stored. Waits.

        Raises BadText, Missing, NotPossible or Unavailable.
        """

    # --- Order -----------------------------------------------------------------------------------------------------

    def bans(self) -> Sequence[PenaltyRow]:
        """Return the bans in force."""

    def mutes(self) -> Sequence[PenaltyRow]:
        """Return the mutes in force."""

    def ban(self, kind: str, value: str, wish: Wish, by: str) -> PenaltyRow:
        """Ban what is named so, and close matching connections. Raises NotPossible: bad value, or it needs force."""

    def ban_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """Ban a user by all that is known of them. Raises Missing: no such user, and NotPossible."""

    def mute_user(self, user: int, wish: Wish, by: str) -> PenaltyRow:
        """Let a user read, and say nothing. Raises Missing: no such user, and NotPossible."""

    def unmute_user(self, user: int, by: str) -> None:
        """Let a user speak again. Raises Missing: no such user, or not muted."""

    def unban(self, ban: int, by: str) -> None:
        """End a ban. Raises Missing: no ban has this id."""

    def unmute(self, mute: int, by: str) -> None:
        """End a mute. Raises Missing: no mute has this id."""

    def operators(self) -> Sequence[OperatorRow]:
        """Return the operators of the server."""

    def make_operator(self, account: str, by: str) -> OperatorRow:
        """Make an account an operator. Raises NotPossible: no name, or too many."""

    def remove_operator(self, account: str, by: str) -> None:
        """Have an account be no operator. Raises Missing: it is none, and NotPossible: the configuration says so."""

    def audit(self, before: int, limit: int) -> Sequence[AuditRow]:
        """Return at most `limit` of what operators did, newest first: what has a lower id than `before`; 0: all."""

    def note_action(self, action: str, target: str, by: str) -> None:
        """Note in the audit what was done here without the server, as making a token."""

    def hooks(self) -> Sequence[HookInfo]:
        """Return the hooks."""

    def make_hook(self, asked: NewHook) -> MadeHookDocument:
        """Make a hook. Raises NotPossible: a bad name, one that there is, or too many."""

    def revoke_hook(self, hook: int) -> None:
        """Revoke a hook. Raises Missing: no hook has this id."""

    def hook(self, secret: str) -> Hook | None:
        """Return the hook with this secret."""

    def say_by_hook(self, hook: Hook, message: HookMessage) -> int:
        """Say something in the room of a hook, which is made if need be; return its number once it is stored. Waits.

        A text that is too long is cut. Raises BadText, NotPossible, TooOften or Unavailable.
        """

    def accounts(self) -> Iterable[AccountInfo]:
        """Return the accounts."""

    def add_account(self, name: str, secret: str, by: str) -> AccountInfo:
        """Make an account. Waits. Raises NotPossible: such a nick or secret, or one more, cannot be."""

    def remove_account(self, name: str, by: str) -> None:
        """Remove an account, and log its user out. Raises Missing: there is none of this name."""


class Subscriber(Protocol):
    """Takes events."""

    def __call__(self, happened: Happened, /) -> None:
        """Take an event; never wait, never raise."""


class Unsubscribe(Protocol):
    """Ends a subscription."""

    def __call__(self) -> None:
        """End it."""
