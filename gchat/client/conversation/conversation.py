"""One user's conversation, over any number of connections of one lineage. Pure: events in, notices out.

The shell sends `hello()` on each new connection, gives every event to `hears`, sends what `outgoing` returns, and
calls `lost` when the connection is gone, and `remind` now and then. Rules, whatever is lost or repeated in between:
1. Every numbered event of a room is shown once, in rising seq; a repeated one is dropped: see SeenNumbers.
2. Numbers that are missing are one Gap, whether the server explains them or not. Never silence.
3. A request stays in `pending` until the server answers it, and is sent again, with its id, on the next connection.
   What other people say never ends a request: everybody sees our ids and may use them.
4. An own message is shown at its place: as Sent when its ack comes, or as Said when the ack was lost and the replay
   brings it; then the ack that follows shows nothing more.
5. What a Claim asks for is not in `pending`, and a refusal of it is not shown.
6. The user is in the same rooms on the next connection. One of them is the room that the user attends to: a hello names
   it first, so that it is the one that a welcome is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from msgspec import structs

from gchat.client.conversation.account_login import AccountLogin
from gchat.client.conversation.claim import Claim
from gchat.client.conversation.membership import MAX_MEMBERS, Memberships
from gchat.client.conversation.notices import Back, Delivered, NewLog, Notice, NumberedNotice, Sent
from gchat.dialects.rich_events import (
    AccountEvent,
    AckEvent,
    ActedEvent,
    AnyEvent,
    AwayEvent,
    DoneEvent,
    EndEvent,
    EnteredEvent,
    GapEvent,
    JoinedEvent,
    KickedEvent,
    LeftEvent,
    LiveEvent,
    NamedEvent,
    PartedEvent,
    RefusedEvent,
    RenamedEvent,
    RoomListEvent,
    SaidEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import (
    ActRequest,
    AnyRequest,
    JoinRequest,
    NickRequest,
    PingRequest,
    QuitRequest,
    SayRequest,
    TellRequest,
    TopicRequest,
)
from gchat.model.errors import LineTooLong
from gchat.model.hello import Hello, ResumePoint

#: The limit of a server that has not told its own yet.
USUAL_LINE_BYTES = 8192


class Conversation:
    """One user's side of the chat. `prefix` begins the ids of its requests, and must be random: see rule 3.

    It begins in `room`, and in `more_rooms`. `strict` and `suffix` are explained at Claim. `secret` is that of the
    account that has the nick, see AccountLogin; `password` is the server's.
    """

    def __init__(
        self,
        prefix: str,
        *,
        nick: str = "",
        room: str = "",
        more_rooms: Iterable[str] = (),
        token: str = "",
        secret: str = "",
        password: str = "",
        after: ResumePoint | None = None,
        replay: int | None = None,
        strict: bool = False,
        suffix: bool = False,
    ) -> None:
        self.nick = nick  # what the user is called: an address, if the server has not granted the nick
        self.token = token
        self.limits: dict[str, int | float] = {}
        self.pending: dict[str, AnyRequest] = {}  # by id, in order: what the server has not answered yet
        self.connected = False  # whether everything missed has been told, and requests go out
        self._prefix = prefix
        self._numbers = count(1)  # of requests; a signal handler may make one in the middle of another
        self.login = AccountLogin(nick, secret)
        self._password = password
        self._claim = Claim(nick, strict=strict, suffix=suffix)
        self._replay = replay
        self._rooms = Memberships(_room(room), map(_room, more_rooms), after)
        self._told: dict[str, list[int]] = {}  # numbers at which pending ids were Said: one is ours, if any
        self._unsent: list[AnyRequest] = []
        self._was_lost = False

    @property
    def rooms(self) -> list[str]:
        """The rooms that the user is in, or asks for, in the order of entering."""
        return self._rooms.names

    @property
    def room(self) -> str:
        """The one that the user attends to; "": none, or the one that the server will choose."""
        return self._rooms.current

    @property
    def online(self) -> int:
        """How many users are in the room; until anybody comes or goes, in the whole server."""
        return self._rooms.here.online

    @property
    def members(self) -> set[str]:
        """Names of users who are known to be in the room."""
        return self._rooms.here.members

    @property
    def seq(self) -> int:
        """The last number seen in the room."""
        return self._rooms.here.seen.seq

    @property
    def position(self) -> ResumePoint | None:
        """The place in the room up to which everything was seen; None before there is one."""
        return self._rooms.here.seen.place

    @property
    def max_text_bytes(self) -> int:
        """The bytes that a text may have."""
        return int(self.limits.get("max_line_bytes", USUAL_LINE_BYTES))

    @property
    def denied(self) -> str:
        """Why this connection is of no use: the server has not granted a nick or room that is required."""
        return self._claim.denied

    @property
    def was_granted(self) -> bool:
        """Whether nick and room were granted on any connection so far."""
        return self._claim.was_granted

    # --- Connections -----------------------------------------------------------------------------------------------

    def hello(self) -> Hello:
        """Return what a new connection begins with."""
        self._claim.opens(self.room)
        nick = self._claim.nick
        hello = Hello(nick=nick, token=self.token or None, replay=self._replay, secret=self.login.opens(nick))
        hello = structs.replace(hello, password=self._password)
        match self._rooms.wanted:
            case (only,):
                return structs.replace(hello, room=only.room, after=only.after, key=only.key)
            case wanted:
                return structs.replace(hello, rooms=wanted)

    def attend(self, room: str) -> None:
        """Have the user attend to another room, which the user is in."""
        if self._rooms.get(room):
            self._rooms.current = room

    def lost(self) -> None:
        """Note that the connection is gone. What is pending will be sent again on the next one, when it is live."""
        self.connected = False
        self._was_lost = True
        self._unsent = []
        self._rooms.forget_members()

    def outgoing(self) -> list[AnyRequest]:
        """Return what is to be sent now, in order; each request once on each connection, and none before it is live."""
        requests, self._unsent = self._unsent, []
        return requests

    def remind(self) -> None:
        """Ask again for the nick, if it was taken."""
        if self.connected and self._claim.is_owed and not self._claim.id:
            self._ask_for(NickRequest(nick=self._claim.nick))

    # --- Requests --------------------------------------------------------------------------------------------------

    def ask(self, request: AnyRequest) -> str:
        """Give `request` an id, and keep it until it is answered. Returns the id, as all of these do.

        Raises LineTooLong: a server does not even read what is much too long, and could not say which it has refused.
        """
        limit = self.max_text_bytes
        if len((getattr(request, "text", "") or "").encode("utf-8", "surrogatepass")) > limit:
            raise LineTooLong(limit)
        id_ = self._new_id()
        request = structs.replace(request, id=id_)
        if isinstance(request, JoinRequest):
            request = structs.replace(request, after=request.after or self._rooms.place_in(_room(request.room)))
        if not isinstance(request, PingRequest | QuitRequest):  # these mean this connection, and no other
            self.pending[id_] = request
        if self.connected:
            self._unsent.append(request)
        return id_

    def say(self, text: str) -> str:
        """Say something in the room."""
        return self.ask(SayRequest(text=text))

    # --- Events ----------------------------------------------------------------------------------------------------

    def hears(self, event: AnyEvent) -> list[Notice]:
        """Take in what the server tells, and return what the user is to be told, in order."""
        match event:
            case RefusedEvent():
                return self._refused(event)
            case SaidEvent() | ActedEvent():
                return self._numbered(event)
            case TopicSetEvent() if event.seq:
                return self._numbered(event)
            case AckEvent():
                return self._acked(event)
            case EnteredEvent() | LeftEvent() | KickedEvent() | RenamedEvent() | AwayEvent():
                return self._presence(event)
            case WelcomeEvent():
                return self._welcomed(event)
            case JoinedEvent():
                return self._joined(event)
            case LiveEvent():
                return self._goes_live(event)
            case GapEvent():
                there = self._rooms.get(event.room)
                return there.seen.skip(event.range_from, event.range_to) if there else []
            case NamedEvent():
                self._named(event)
            case AccountEvent():
                self.login.named(event.account)
            case _ if isinstance(event, EndEvent):
                self._answered(event)
        return [event]

    def _answered(self, event: EndEvent) -> None:
        request = self._end(event.id)
        if isinstance(event, DoneEvent):
            self.login.done(request)
        if isinstance(event, PartedEvent):
            self._rooms.leave(event.room)
        if isinstance(event, UsersEvent) and (there := self._rooms.get(event.room)):
            there.online = event.total
            there.members = set(event.users[:MAX_MEMBERS])
        if isinstance(event, RoomListEvent):  # a room of the hello may have been refused
            self._rooms.keep_only(room.name for room in event.rooms if room.here)

    def _welcomed(self, event: WelcomeEvent) -> list[Notice]:
        self.token, self.nick, self.limits = event.token, event.nick, event.limits
        self.login.named(event.account)
        self._claim.welcomed(event.nick)
        back: list[Notice] = [Back()] if self._was_lost else []
        self._was_lost = False
        if self.room and self.room != event.room:  # which was not granted, or is spelled otherwise
            self._rooms.leave(self.room)
        return [*back, event, *self._enter(event)]

    def _joined(self, event: JoinedEvent) -> list[Notice]:
        request = self._end(event.id)
        if event.id and event.id == self._claim.id:
            self._claim.id = ""
            self._rooms.leave(self.room)
        elif isinstance(request, JoinRequest) and request.leave:
            self._rooms.leave(self.room)
        key = request.key if isinstance(request, JoinRequest) else ""
        return [event, *self._enter(event, key)]

    def _enter(self, event: WelcomeEvent | JoinedEvent, key: str = "") -> list[Notice]:
        """Be in a room, and attend to it if the server does not only bring back a room among others."""
        there = self._rooms.enter(event.room, key)
        if isinstance(event, WelcomeEvent) or event.id or not self.room:
            self._rooms.current = event.room
        if not there:
            return []
        there.online = event.online
        return [NewLog(event.room)] if there.seen.enter(event.epoch, event.seq) else []

    def _goes_live(self, event: LiveEvent) -> list[Notice]:
        there = self._rooms.get(event.room)
        if event.room and not there:
            return []
        missing = there.seen.reach(event.seq) if there else []
        if event.room == self.room and not (self.connected or self.denied):
            self._begin()
        return [*missing, event]

    # --- Rule 5: the nick and the room -------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Send what is pending, when everything that has to be granted first is granted."""
        missing = self._claim.missing(self.nick, self.room)
        if missing and self._claim.is_first:
            self._ask_for(missing)
        else:
            self._go()

    def _go(self) -> None:
        self.connected = True
        self._unsent += self.pending.values()

    def _ask_for(self, request: NickRequest | JoinRequest) -> None:
        self._claim.id = self._new_id()
        self._unsent.append(structs.replace(request, id=self._claim.id))

    def _named(self, event: NamedEvent) -> None:
        self._claim.named(event.nick, event.id)
        self._end(event.id)
        self.nick = event.nick
        if event.id == self._claim.id:
            self._claim.id = ""
            if not self.connected:
                self._begin()

    def _refused(self, event: RefusedEvent) -> list[Notice]:
        if self.login.refuses(event, self.pending.get(event.id)):
            self._claim.not_proven(event.message)
        elif self._claim.is_first and not event.id:
            return []  # of the hello's nick or room, which is asked for again
        if not event.id or event.id != self._claim.id:
            self._end(event.id)
            return [event]
        self._claim.id = ""
        if instead := self._claim.refused(event):
            self._ask_for(instead)
        elif not self._claim.denied and not self.connected:
            self._go()
        return []

    # --- Own messages: rule 4 ----------------------------------------------------------------------------------------

    def _numbered(self, notice: NumberedNotice) -> list[Notice]:
        """Show what has a number, and remember the number of what may be an own message."""
        there = self._rooms.get(notice.room)
        shown = there.seen.take(notice) if there else []
        if shown and notice.id in self.pending:
            self._told.setdefault(notice.id, []).append(notice.seq)
        return shown

    def _acked(self, ack: AckEvent) -> list[Notice]:
        told = self._told.get(ack.id, [])
        request = self._end(ack.id)
        match request:
            case SayRequest() | ActRequest():
                own: NumberedNotice = Sent(ack.id, ack.room, ack.seq, request.text, isinstance(request, ActRequest))
            case TopicRequest():
                own = TopicSetEvent(room=ack.room, text=request.text or "", from_=self.nick, seq=ack.seq, id=ack.id)
            case TellRequest():
                return [Delivered(ack.id, request.to, request.text)]
            case _:  # nothing known here; if it had a number, that will be missing, and a Gap says so
                return []
        there = self._rooms.get(ack.room)
        if there and there.seen.is_ahead(ack.seq):
            return self._numbered(own)
        # Its place has passed: in a replay that showed it, or in a Gap or in a room that was left, where nothing did.
        return [] if ack.seq in told else [own]

    # --- The rest ----------------------------------------------------------------------------------------------------

    def _presence(self, event: EnteredEvent | LeftEvent | KickedEvent | RenamedEvent | AwayEvent) -> list[Notice]:
        there = self._rooms.get(event.room)
        if not there:
            return []
        if isinstance(event, AwayEvent):
            return [event]
        if not isinstance(event, EnteredEvent):
            there.members.discard(event.who)
            if event.who in ("", self._claim.nick):  # "": many at once, without their names
                self.remind()
        if not isinstance(event, LeftEvent | KickedEvent):
            there.comes(event.nick if isinstance(event, RenamedEvent) else event.who)
        if not isinstance(event, RenamedEvent):
            there.online = event.online
        if isinstance(event, KickedEvent) and event.who == self.nick:
            self._rooms.leave(event.room)
        return [event]

    def _new_id(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def _end(self, id_: str) -> AnyRequest | None:
        self._told.pop(id_, None)
        return self.pending.pop(id_, None)


def _room(name: str) -> str:
    """Return a room's name as the server has it, or nearly: the server tells what it is."""
    return name.removeprefix("#").lower()
