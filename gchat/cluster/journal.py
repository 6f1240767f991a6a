"""The journal that nodes share: the engine numbers what one of them appends, and its feed brings it to all of them.

Here is what this node knows without waiting: the numbers, topics and last messages of the rooms that it has opened, as
far as they have been accepted. The rest is read from the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from gchat.cluster.engine_connection import Word
from gchat.cluster.engine_notes import EngineNotes
from gchat.cluster.entries import Fed, packed, topic, unpacked
from gchat.cluster.link import EngineLink
from gchat.cluster.members import Members, MessagesOnly
from gchat.cluster.open_rooms import Loss, OpenRooms
from gchat.cluster.room_streams import RoomStreams
from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, Outcome, Posting, Whisper
from gchat.journal.native_thread import NativeThread
from gchat.journal.paging import page
from gchat.journal.parts import FOUND_SIZE, SEARCH_S, KeptRoom
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet

#: Records of one question of a search.
RECORDS_AT_ONCE = 500

#: Messages of a room that are kept where the settings do not limit them: the engine has them in memory.
KEPT = 100_000


class SharedJournal:
    """A node's view of what all nodes have said. Implements Journal and its parts, and LinkOwner for its link.

    `run` is for what takes a while. `link` is given behind, because it tells this what it hears.
    """

    link: EngineLink

    def __init__(self, room_bytes: int, run: NativeThread) -> None:
        self.members: Members = MessagesOnly(self)
        self._rooms = OpenRooms(RoomStreams(self), room_bytes, self._rebase)
        self._streams = RoomStreams(self)
        self._notes = EngineNotes(self.ask, self._do, self.key)
        self._deliver: Callable[[Sequence[Arrival]], None] = lambda _arrivals: None
        self._run = run
        self._trouble = ""
        self._caution = ""

    # --- Journal ---------------------------------------------------------------------------------------------------

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""
        for name in rooms:
            self._rooms.open(name)

    def is_open(self, room: str) -> bool:
        """See Journal.is_open."""
        return self._rooms.is_open(room)

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:  # noqa: ARG002  # the engine's clock holds
        """See Journal.append. It never waits."""
        self.link.put([(packed(posting), posting) for posting in batch])
        return [None] * len(batch)

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        for key in (f"ids:{lineage}", f"ids:{lineage}:old"):
            self.link.tell("HDEL", self.key(key), id_)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow."""
        self._deliver = deliver

    def accept(self, arrival: Arrival) -> None:
        """See Journal.accept."""
        assert arrival.room is not None
        assert arrival.outcome.record is not None
        self._rooms.accept(arrival.room, arrival.outcome.record)

    def renew(self, room: str) -> None:
        """See Journal.renew."""
        self._rooms.renew(room)

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """See Journal.read."""
        log = self._rooms.log(room)
        if start >= log.recent.first_seq or limit <= 0:
            return log.recent.read(start, limit, PAGE_SIZE, last=last)
        first = max(start, log.first_seq)
        records = self._streams.messages(room, first, min(limit, log.recent.next_seq - first))
        found, _ = page(reversed(records) if last else records, PAGE_SIZE)
        return found[::-1] if last else found

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._rooms.log(room).epoch

    def at_hand(self, room: str) -> int:
        """See Journal.at_hand."""
        return self._rooms.log(room).recent.first_seq

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._rooms.log(room).first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        return self._rooms.next_seq(room)

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._rooms.log(room).topic

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._rooms.forget(room)

    def close(self) -> None:
        """See Journal.close."""
        self._notes.store()
        self.link.close()

    # --- The other parts -------------------------------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """See Condition.trouble."""
        return self._trouble

    @property
    def damage(self) -> Sequence[str]:
        """See Condition.damage: what the engine has, it vouches for."""
        return ()

    @property
    def caution(self) -> str:
        """See Retention.caution."""
        return self._caution

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Retention.limit: a room is cut with each message that is said in it."""
        self.link.batches.keep_messages = keep_messages or KEPT
        self._caution = "keep_days is not observed where the history is in an engine; set keep_messages" * (keep_s > 0)

    def tidy(self, now: float, steady: float) -> bool:  # noqa: ARG002
        """See Maintenance.tidy: what could not be noted is noted now; all else the link does by itself."""
        self._notes.store()
        return False

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Notes.note."""
        self._notes.note(kind, key, value)

    def keep(self) -> None:
        """See Notes.keep."""
        self._notes.keep()

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Notes.notes."""
        return self._notes.notes(kind)

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Catalogue.rooms."""
        ask, key = self.ask, self.key
        names = ask("ZREVRANGE", key("rooms"), 0, limit - 1) if limit > 0 else ()
        if not names:
            return []
        heads, topics = ask("HMGET", key("heads"), *names), ask("HMGET", key("topics"), *names)
        found = zip(names, heads, topics, strict=True)
        return [KeptRoom(name.decode(), int(head), _text(topic(data))) for name, head, data in found if head]

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Catalogue.find."""
        if self.ask("HGET", self.key("heads"), room) is None:
            return None
        return page(self._streams.messages(room, max(start, 1), max(limit, 0)), FOUND_SIZE)[0]

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """See MessageSearch.search. Each page is looked through on a native thread."""
        from gchat.journal.search_tokens import matching  # noqa: PLC0415  # an idle server does not need it

        until = steady() + SEARCH_S
        found: list[Record] = []
        end: int | None = None
        is_whole = False
        while len(found) < limit and not is_whole and steady() <= until:
            stored = self._streams.until(room, end, RECORDS_AT_ONCE)
            records = [each.record for each in stored]
            found += self._run(partial(list, matching(records, text, lambda: steady() > until)))
            is_whole = len(stored) < RECORDS_AT_ONCE
            end = records[0].seq - 1 if records else 0
        shown, is_cut = page(found[:limit], PAGE_SIZE)
        return shown[::-1], is_cut or not is_whole or len(found) >= limit

    # --- LinkOwner -------------------------------------------------------------------------------------------------

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """See LinkOwner.arrived. What another node said in a room that is not open here is not even decoded."""
        arrivals: list[Arrival] = []
        taken = 0
        try:
            for item, cause in told:
                if not item.record and (item.step or item.gone or item.rebased):
                    self._tell(arrivals)
                    self._happened(item, cause)
                elif (arrival := self._taken(item, cause)) is not None:
                    arrivals.append(arrival)
                taken += 1
        except BaseException:
            self._tell(arrivals)
            for _, cause in told[taken:]:
                if cause is not None:
                    self.not_known(cause)
            raise
        self._tell(arrivals)

    def _taken(self, item: Fed, cause: Any) -> Arrival | None:
        """Take what was said; return what is to be delivered of it, if it is news."""
        is_new = item.record and self._rooms.hear(item.room, item.last, item.term)
        if cause is not None:
            outcome = item.outcome()
        elif is_new or item.sets_topic:
            outcome = Outcome(unpacked(item.record))
        else:
            return None
        if outcome.record is not None and type(message := outcome.record.message) is TopicSet:
            self.members.topic_set(item.room, TopicIs(message.text, message.name))
        if cause is not None:
            return Arrival(item.room or None, outcome, cause.cause)
        return Arrival(item.room, outcome) if is_new else None

    def _happened(self, item: Fed, cause: object | None) -> None:
        if item.step:
            self.members.happened(item.step, cause)
        elif item.gone:
            self.members.gone(item.gone)
        else:
            self._rooms.rebased(item.rebased, item.term, self._lost)

    def find_place(self, base: str, ask: Callable[..., Any]) -> int:  # noqa: ARG002  # it is the link's own
        """See LinkOwner.find_place."""
        self._rooms.find_place(self._missed, self._lost)
        n = self.members.find_place(base)
        self._rooms.find_place(self._missed, self._lost)  # what is before that entry, and was said meanwhile
        return n

    def refused(self, cause: object, why: str) -> None:
        """See LinkOwner.refused."""
        if isinstance(cause, Posting | Whisper):
            room = cause.room if isinstance(cause, Posting) else None
            self._deliver([Arrival(room, Outcome(None, why_not=why), cause.cause)])
        else:
            self.members.refused(cause, why)

    def not_known(self, cause: object) -> None:
        """See LinkOwner.not_known."""
        if isinstance(cause, Posting | Whisper):
            room = cause.room if isinstance(cause, Posting) else None
            self._deliver([Arrival(room, Outcome(None), cause.cause, is_known=False)])
        else:
            self.members.not_known(cause)

    def unable(self, why: str) -> None:
        """See LinkOwner.unable."""
        self._trouble = why
        self.members.unable(why)

    def letter(self, data: bytes) -> None:
        """See LinkOwner.letter."""
        self.members.letter(data)

    def _tell(self, arrivals: list[Arrival]) -> None:
        if arrivals:
            self._deliver(arrivals.copy())
            arrivals.clear()

    def _missed(self, room: str, records: Sequence[Record]) -> None:
        self._deliver([Arrival(room, Outcome(record)) for record in records])

    def _lost(self, loss: Loss) -> None:
        self.members.lost(loss.room, loss.count, loss.first, loss.last)
        self.members.topic_set(loss.room, self._rooms.newest_topic(loss.room))

    # --- The link, for what asks it --------------------------------------------------------------------------------

    def ask(self, *command: Word) -> Any:
        """See EngineLink.ask."""
        return self.link.ask(*command)

    @property
    def base(self) -> str:
        """See EngineLink.base."""
        return self.link.base

    def key(self, name: str) -> str:
        """See EngineLink.key."""
        return self.link.key(name)

    def _do(self, *command: Word) -> Any:
        return self.link.do(*command)

    def _rebase(self, room: str, term: int) -> int:
        return self.link.rebase(room, term)


def _text(found: TopicIs | None) -> str:
    return "" if found is None else found.text
