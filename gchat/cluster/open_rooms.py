"""The rooms that a node has open: what it knows of them without waiting, and how it finds its place in them again.

What the link has heard of a room is ahead of what the pump has accepted, by what waits there. So both are noted: the
terms of what was heard, by which lost messages are found, and the log as it was shown. Where messages are lost, the log
that goes on without them is `next`, until the pump comes to the place where this happened and turns to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, field, structs

from gchat.cluster.room_streams import RoomStreams, Stored
from gchat.cluster.room_terms import RoomTerms
from gchat.journal.recent_messages import RecentMessages
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet

#: The messages of a room that are at hand when it is opened.
OPENED = 100

#: Records of one question while a node catches up.
CAUGHT_UP_AT_ONCE = 500


class Log(Struct):
    """A room as it was shown."""

    epoch: str
    recent: RecentMessages
    first_seq: int = 1
    topic: TopicIs | None = None
    next_seq: int = 1  # that of `recent`, at hand

    def __post_init__(self) -> None:
        self.next_seq = self.recent.next_seq

    def keep(self, record: Record, max_bytes: int) -> None:
        """Add a record that is shown."""
        if record.seq != self.next_seq:  # what is between was trimmed before this node had it
            self.recent = RecentMessages(record.seq)
        self.recent.keep(record, max_bytes)
        self.next_seq = record.seq + record.message.count
        if isinstance(record.message, TopicSet):
            self.topic = TopicIs(record.message.text, record.message.name)


class RoomAtHand(Struct):
    """A room at hand. While it is being opened there is no log: what is heard and accepted meanwhile is in `early`."""

    base: str = ""
    log: Log | None = None
    heard: RoomTerms = field(default_factory=lambda: RoomTerms(1))
    lost_in: int = 0  # see RoomStreams.lost_in
    early: list[Record] = []  # msgspec makes a new one for each
    early_terms: list[tuple[int, int]] = []  # number of the last message, term
    next: list[Log | str] = []  # text: the same log, under this epoch

    @property
    def newest_log(self) -> Log:
        """The log that the link hears of."""
        assert self.log is not None
        return next((log for log in reversed(self.next) if isinstance(log, Log)), self.log)


class Loss(Struct, frozen=True):
    """A room goes on as another log: of the old one, `count` messages that were shown are lost, `first` to `last`."""

    room: str
    count: int
    first: int
    last: int


class OpenRooms:
    """The rooms of a node.

    `rebase` has the engine note that a room has lost messages up to a term; it returns what its epoch is named after.
    """

    def __init__(self, streams: RoomStreams, room_bytes: int, rebase: Callable[[str, int], int]) -> None:
        self._streams = streams
        self._room_bytes = room_bytes
        self._rebase = rebase
        self._rooms: dict[str, RoomAtHand] = {}
        self._looks = 0  # how often a place was looked for

    def is_open(self, name: str) -> bool:
        """Return whether a room has its log at hand."""
        found = self._rooms.get(name)
        return found is not None and found.log is not None

    def log(self, name: str) -> Log:
        """Return the log of a room that is open."""
        log = self._rooms[name].log
        assert log is not None
        return log

    def open(self, name: str) -> None:
        """Have a room at hand; what is heard while the engine is asked is not lost. Waits. Raises JournalError."""
        if name in self._rooms:
            return
        room = self._rooms[name] = RoomAtHand()
        try:
            looks, base = -1, ""
            # What was read before a place in the feed was found may lack what is before that place.
            while (looks, base) != (self._looks, self._streams.base):
                looks, base = self._looks, self._streams.base
                room.early, room.early_terms = [], []
                newest, topic = self._streams.until(name, None, OPENED), self._streams.topic(name)
                first_seq, lost_in = self._streams.oldest(name), self._streams.lost_in(name)
        except BaseException:
            if self._rooms.get(name) is room:
                del self._rooms[name]
            raise
        end = newest[-1].last if newest else 0
        lost_in = max(lost_in, room.lost_in)
        room.base, room.lost_in, room.heard = base, lost_in, _terms(newest, end)
        room.log = log = Log(self._epoch(lost_in), _recent(newest, end), first_seq, topic)
        for last, term in room.early_terms:
            room.heard.note(last, term)
        for record in room.early:
            if record.seq >= log.next_seq:
                log.keep(record, self._room_bytes)
        room.early, room.early_terms = [], []

    def next_seq(self, name: str) -> int:
        """Return the number after the last message of a room that was shown; 1 if it is not open."""
        room = self._rooms.get(name)
        return 1 if room is None or room.log is None else room.log.next_seq

    def forget(self, name: str) -> None:
        """Close a room."""
        self._rooms.pop(name, None)

    def hear(self, name: str, last: int, term: int) -> bool:
        """Note that the link hears a room's messages up to `last`; return whether it is at hand, and they are new."""
        room = self._rooms.get(name)
        if room is None:
            return False
        if room.log is None:
            room.early_terms.append((last, term))
            return True
        return room.heard.note(last, term)

    def accept(self, name: str, record: Record) -> None:
        """Note that a record is about to be shown."""
        room = self._rooms.get(name)
        if room is None:
            return
        if room.log is None:
            room.early.append(record)
        else:
            room.log.keep(record, self._room_bytes)

    def newest_topic(self, name: str) -> TopicIs:
        """Return the topic of the log that the link hears of."""
        return self._rooms[name].newest_log.topic or TopicIs("", "")

    def renew(self, name: str) -> None:
        """Go on as the log that a Loss told of: the pump has come to it."""
        room = self._rooms.get(name)
        if room is not None and room.log is not None and room.next:
            log = room.next.pop(0)
            room.log = log if isinstance(log, Log) else structs.replace(room.log, epoch=log)

    def rebased(self, name: str, term: int, lost: Callable[[Loss], None]) -> None:
        """Take that a room's epoch is named after this term now, because another node has lost something in it."""
        room = self._rooms.get(name)
        if room is not None and room.lost_in < term:
            room.lost_in = term
            if room.log is not None:
                room.next.append(self._epoch(term))
                lost(Loss(name, 0, 1, 0))

    # --- The place of a node in them -------------------------------------------------------------------------------

    def find_place(self, deliver: Callable[[str, Sequence[Record]], None], lost: Callable[[Loss], None]) -> None:
        """Bring all rooms up to what the engine has. Waits. Raises JournalError.

        It may be called again after it was broken off.
        """
        self._looks += 1
        rooms = [(name, room) for name, room in self._rooms.items() if room.log is not None]  # the others are read anew
        stand = self._streams.stand([name for name, _ in rooms])
        for (name, room), (head, lost_in) in zip(rooms, stand, strict=True):
            if self._rooms.get(name) is room:
                if room.base == self._streams.base:
                    self._go_on(name, room, lost)
                    self.rebased(name, lost_in, lost)
                else:
                    self._begin_anew(name, room, lost)
                if head > room.heard.last:
                    self._catch_up(name, room, deliver)

    def _go_on(self, name: str, room: RoomAtHand, lost: Callable[[Loss], None]) -> None:
        """Go back to where the engine has lost what was heard, if it has."""
        heard, streams = room.heard, self._streams
        if streams.term_of(name, heard.last) == heard.term:
            return
        first_seq = streams.oldest(name)
        end = heard.common_end(lambda seq: streams.term_of(name, seq), first_seq)
        if end == heard.last:
            return
        same, topic = streams.until(name, end, OPENED), streams.topic(name)
        lost_in = self._rebase(name, max(heard.term, room.lost_in))
        room.heard, room.lost_in = _terms(same, end), lost_in
        room.next.append(Log(self._epoch(lost_in), _recent(same, end), first_seq, topic))
        lost(Loss(name, heard.last - end, end + 1, heard.last))

    def _begin_anew(self, name: str, room: RoomAtHand, lost: Callable[[Loss], None]) -> None:
        """Take the room as the engine has it, which knows nothing of what was heard."""
        newest, topic = self._streams.until(name, None, OPENED), self._streams.topic(name)
        first_seq, lost_in = self._streams.oldest(name), self._streams.lost_in(name)
        if newest and newest[0].record.seq == 1:
            newest = []  # others were faster: all that they have said since is caught up with
        end = newest[-1].last if newest else 0
        first, last = room.newest_log.first_seq, room.heard.last
        room.base, room.lost_in, room.heard = self._streams.base, lost_in, _terms(newest, end)
        room.next.append(Log(self._epoch(lost_in), _recent(newest, end), first_seq, topic))
        lost(Loss(name, max(0, last - first + 1), first, last))

    def _catch_up(self, name: str, room: RoomAtHand, deliver: Callable[[str, Sequence[Record]], None]) -> None:
        while missed := self._streams.behind(name, room.heard.last, CAUGHT_UP_AT_ONCE):
            for stored in missed:
                room.heard.note(stored.last, stored.term)
            deliver(name, [stored.record for stored in missed])

    def _epoch(self, lost_in: int) -> str:
        return f"{self._streams.base}.{lost_in}"


def _recent(stored: Sequence[Stored], end: int) -> RecentMessages:
    return RecentMessages(end + 1, [each.record for each in stored])


def _terms(stored: Sequence[Stored], end: int) -> RoomTerms:
    heard = RoomTerms(stored[0].record.seq if stored else end + 1)
    for each in stored:
        heard.note(each.last, each.term)
    return heard
