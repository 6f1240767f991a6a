"""Events of the rich dialect: what the server tells a client, one JSON object each. One definition for both sides."""

from __future__ import annotations

from msgspec import Struct

from gchat.model.hello import Seq
from gchat.model.secret import HasSecrets


def _event_type(name: str) -> str:
    return name.removesuffix("Event").lower()


class RichEvent(
    Struct,
    frozen=True,
    omit_defaults=True,
    kw_only=True,
    tag_field="type",
    tag=_event_type,
    rename={"from_": "from", "range_from": "from", "range_to": "to"},
):
    """Something that the server tells a client."""


class WelcomeEvent(HasSecrets, RichEvent, frozen=True):
    """The answer to the hello."""

    server: str
    session: str
    token: str
    nick: str  # or the address, of a user without a nick
    room: str  # "" in none
    epoch: str
    seq: Seq  # the last number in the room
    online: int  # on the whole server
    limits: dict[str, int | float]
    motd: str = ""
    account: str = ""  # the one that you are logged in to


class JoinedEvent(RichEvent, frozen=True):
    """The answer to join; and after a welcome to several rooms, one for each but the first."""

    room: str
    epoch: str
    seq: Seq
    online: int
    id: str = ""


class PartedEvent(RichEvent, frozen=True):
    """The answer to part."""

    room: str
    id: str = ""


class LiveEvent(RichEvent, frozen=True):
    """Everything missed has been sent: what follows is new."""

    room: str
    seq: Seq


class _Message(RichEvent, frozen=True):
    room: str
    seq: Seq
    time: str
    from_: str
    text: str
    id: str = ""


class SaidEvent(_Message, frozen=True):
    """A message to the room."""


class ActedEvent(_Message, frozen=True):
    """An action: /me."""


class TopicSetEvent(RichEvent, frozen=True, tag="topic"):
    """With a seq: the topic was set, or cleared if the text is empty. Without one: what the topic is."""

    room: str
    text: str
    from_: str = ""
    seq: Seq = 0
    time: str = ""
    id: str = ""


class ToldEvent(RichEvent, frozen=True):
    """A private message."""

    from_: str
    time: str
    text: str


class _Passage(RichEvent, frozen=True):
    room: str
    online: int
    who: str = ""
    count: int = 1


class EnteredEvent(_Passage, frozen=True):
    """A user entered the room; of many at once there is only the count."""


class LeftEvent(_Passage, frozen=True):
    """A user left the room; of many at once there is only the count."""

    reason: str = ""


class RenamedEvent(RichEvent, frozen=True):
    """A user in the room has the new name `nick`."""

    room: str
    who: str = ""
    nick: str = ""
    count: int = 1


class AwayEvent(RichEvent, frozen=True):
    """A user in the room is away for a reason, or without one is back; of many at once there is only the count."""

    room: str
    who: str = ""
    reason: str = ""
    count: int = 1


class AnnouncedEvent(RichEvent, frozen=True):
    """An announcement of the operator to the whole room."""

    room: str
    text: str


class ModeEvent(RichEvent, frozen=True):
    """A user has changed the room's modes or ranks, as `+k KEY` or `+o NAME`; without `by`, it is as it was before."""

    room: str
    change: str
    by: str = ""


class KickedEvent(RichEvent, frozen=True):
    """A user was put out of the room, perhaps you."""

    room: str
    who: str
    by: str
    reason: str = ""
    online: int = 0


class InvitedEvent(RichEvent, frozen=True):
    """You may enter a room, because another user wishes it."""

    room: str
    by: str


class ModesEvent(RichEvent, frozen=True):
    """The modes of the room, as `+lnt 20`, and the members with a rank; the key is only for operators."""

    room: str
    modes: str
    key: str = ""
    operators: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    id: str = ""


class ListEvent(RichEvent, frozen=True):
    """The masks in a list of the room: of bans (b), exceptions (e) or invitations (I)."""

    room: str
    list: str
    masks: tuple[str, ...]
    id: str = ""


class PenaltyInfo(Struct, frozen=True, omit_defaults=True):
    """A ban from the server or a mute, with all nicks, accounts, addresses and networks that it is of."""

    id: int
    whom: tuple[str, ...]
    reason: str = ""
    until: str = ""  # without one, for ever
    by: str = ""


class BansEvent(RichEvent, frozen=True):
    """The bans and mutes in force, the newest of them; `more` is how many others there are."""

    bans: tuple[PenaltyInfo, ...]
    mutes: tuple[PenaltyInfo, ...]
    more: int = 0
    id: str = ""


class NamedEvent(RichEvent, frozen=True):
    """You have the new name `nick`."""

    nick: str
    id: str = ""


class AccountEvent(RichEvent, frozen=True):
    """You are logged in to this account from now on, or with "" to none."""

    account: str


class AckEvent(RichEvent, frozen=True):
    """The request with this id is done: a message is stored, and has this number in the room.

    A private message has been sent to its reader; if that connection breaks now, it may be lost.
    """

    id: str
    room: str = ""
    seq: Seq = 0


class DoneEvent(RichEvent, frozen=True):
    """The answer to a request that has no answer of its own: what was done, as a sentence for people."""

    message: str
    id: str = ""


class RefusedEvent(RichEvent, frozen=True):
    """A request was refused. `code` is for programs, `message` for people."""

    code: str
    message: str
    id: str = ""
    retry_after_s: float | None = None  # after so many seconds it may be possible


class SlowedEvent(RichEvent, frozen=True):
    """You send faster than a limit, so your lines are delayed; none is lost.

    The limit is the one of bytes if `bytes_per_s` is there, else the one of messages; with `together` it is that of all
    users from your address.
    """

    messages_per_s: float
    bytes_per_s: float | None = None
    together: bool = False


class GapEvent(RichEvent, frozen=True):
    """The messages with these numbers, both included, were skipped because you read too slowly, or are not stored."""

    room: str
    range_from: Seq
    range_to: Seq


class UsersEvent(RichEvent, frozen=True):
    """The members of the room: the first of `total`; and why some of these are away."""

    room: str
    users: tuple[str, ...]
    total: int
    you: str
    id: str = ""
    away: dict[str, str] = {}


class RoomInfo(Struct, frozen=True, omit_defaults=True):
    """One room in the list."""

    name: str
    members: int
    topic: str = ""
    seq: Seq = 0  # the number of its last message
    here: bool = False  # whether you are in it


class RoomListEvent(RichEvent, frozen=True, tag="rooms"):
    """The rooms that you are in, and the largest of all `total`."""

    rooms: tuple[RoomInfo, ...]
    total: int
    id: str = ""


class PageEvent(RichEvent, frozen=True):
    """Old messages, oldest first. `end`: there are no more in the requested direction."""

    room: str
    events: tuple[SaidEvent | ActedEvent | TopicSetEvent, ...]
    end: bool
    id: str = ""


class FoundEvent(PageEvent, frozen=True):
    """The last messages that match a search."""


class PongEvent(RichEvent, frozen=True):
    """The answer to ping."""

    id: str = ""


class ClosingEvent(RichEvent, frozen=True):
    """The connection is about to be closed. `code` is for programs, as "quit", "shutdown", "replaced"."""

    reason: str
    code: str = ""


#: Answers that end a request, and change little else.
EndEvent = (
    UsersEvent
    | RoomListEvent
    | PageEvent
    | TopicSetEvent
    | DoneEvent
    | ModesEvent
    | ListEvent
    | BansEvent
    | PartedEvent
)

#: What a user is told as it comes. Of an Ack a client makes what it knows of the request.
UserEvent = (
    WelcomeEvent
    | JoinedEvent
    | PartedEvent
    | LiveEvent
    | SaidEvent
    | ActedEvent
    | TopicSetEvent
    | ToldEvent
    | EnteredEvent
    | LeftEvent
    | RenamedEvent
    | AwayEvent
    | AnnouncedEvent
    | ModeEvent
    | KickedEvent
    | InvitedEvent
    | ModesEvent
    | ListEvent
    | BansEvent
    | NamedEvent
    | AccountEvent
    | DoneEvent
    | RefusedEvent
    | SlowedEvent
    | GapEvent
    | UsersEvent
    | RoomListEvent
    | PageEvent
    | FoundEvent
    | PongEvent
    | ClosingEvent
)

AnyEvent = UserEvent | AckEvent
