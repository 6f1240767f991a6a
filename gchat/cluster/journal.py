"""The journal that nodes share: the engine numbers what one of them appends, and its feed brings it to all of them.

Here is what this node knows without waiting: the numbers, topics and last messages of the rooms that it has opened, as
far as they have been accepted. The rest is read from the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from gchat.cluster.entries import Fed, packed, topic, unpacked
from gchat.cluster.link import EngineLink
from gchat.journal.journal import PAGE_SIZE, Arrival, Batch, Outcome, Posting, Whisper
from gchat.journal.native_thread import NativeThread
from gchat.journal.paging import page
from gchat.journal.parts import FOUND_SIZE, SEARCH_S, KeptRoom
from gchat.journal.recent_messages import RecentMessages
from gchat.model.events import TopicIs
from gchat.model.messages import Record, TopicSet

#: The messages of a room that are at hand when it is opened.
OPENED = 100

#: Records of one question of a search.
RECORDS_AT_ONCE = 500


class _OpenRoom(Struct):
    """A room at hand. While it is being opened, `recent` is empty, and what arrives meanwhile is in `early`."""

    epoch: str
    recent: RecentMessages
    first_seq: int = 1
    topic: TopicIs | None = None
    is_opening: bool = False
    early: list[Record] = []  # msgspec makes a new one for each


class Members(Protocol):
    """What a shared journal tells of what is no message: the core of a node, which all nodes have alike."""

    def happened(self, step: bytes, cause: object | None) -> None:
        """Take a step, in its order; `cause` is what its put was given, None if another node put it."""

    def gone(self, node: str) -> None:
        """Take that a node is gone."""

    def find_place(self, base: str) -> int:
        """Load the newest checkpoint; return its number. May wait. Raises JournalError."""

    def refused(self, cause: object, why: str) -> None:
        """Take that a step will never happen."""

    def not_known(self, cause: object) -> None:
        """Take that it is not known whether a step happened."""

    def unable(self, why: str) -> None:
        """Take why nothing can be stored; "": it can again."""

    def letter(self, data: bytes) -> None:
        """Take a letter from another node."""


class SharedJournal:
    """A node's view of what all nodes have said. Implements Journal and its parts, and LinkOwner for its link.

    `run` is for what takes a while. `link` is given behind, because it tells this what it hears.
    """

    link: EngineLink
    members: Members | None = None

    def __init__(self, room_bytes: int, run: NativeThread) -> None:
        self._room_bytes = room_bytes
        self._rooms: dict[str, _OpenRoom] = {}
        self._deliver: Callable[[Sequence[Arrival]], None] = lambda _arrivals: None
        self._run = run
        self._trouble = ""

    # --- Journal ---------------------------------------------------------------------------------------------------

    def open(self, rooms: Iterable[str]) -> None:
        """See Journal.open."""
        for name in rooms:
            if name not in self._rooms:
                self._open(name)

    def is_open(self, room: str) -> bool:
        """See Journal.is_open."""
        found = self._rooms.get(room)
        return found is not None and not found.is_opening

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:  # noqa: ARG002  # the engine's clock holds
        """See Journal.append."""
        self.open(posting.room for posting in batch if isinstance(posting, Posting))
        self.link.put([(packed(posting), posting) for posting in batch])
        return [None] * len(batch)

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        for key in (f"ids:{lineage}", f"ids:{lineage}:old"):
            self.link.tell("HDEL", self.link.key(key), id_)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow."""
        self._deliver = deliver

    def accept(self, arrival: Arrival) -> None:
        """See Journal.accept."""
        assert arrival.room is not None
        assert arrival.outcome.record is not None
        room = self._rooms.get(arrival.room)
        if room is None:
            return
        if room.is_opening:
            room.early.append(arrival.outcome.record)
        else:
            self._keep(room, arrival.outcome.record)

    def read(self, room: str, start: int, limit: int, *, last: bool = False) -> list[Record]:
        """See Journal.read."""
        recent = self._rooms[room].recent
        if start >= recent.first_seq or limit <= 0:
            return recent.read(start, limit, PAGE_SIZE, last=last)
        first = max(start, self._rooms[room].first_seq)
        records = self._range(room, first, min(limit, recent.next_seq - first))
        found, _ = page(reversed(records) if last else records, PAGE_SIZE)
        return found[::-1] if last else found

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return self._rooms[room].epoch

    def at_hand(self, room: str) -> int:
        """See Journal.at_hand."""
        return self._rooms[room].recent.first_seq

    def first_seq(self, room: str) -> int:
        """See Journal.first_seq."""
        return self._rooms[room].first_seq

    def next_seq(self, room: str) -> int:
        """See Journal.next_seq."""
        found = self._rooms.get(room)
        return 1 if found is None else found.recent.next_seq

    def topic(self, room: str) -> TopicIs | None:
        """See Journal.topic."""
        return self._rooms[room].topic

    def forget(self, room: str) -> None:
        """See Journal.forget."""
        self._rooms.pop(room, None)

    def close(self) -> None:
        """See Journal.close."""
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

    def note(self, kind: str, key: str, value: bytes) -> None:
        """See Notes.note."""
        notes = self.link.key(f"notes:{kind}")
        self.link.tell(*(("HSET", notes, key, value) if value else ("HDEL", notes, key)))

    def notes(self, kind: str) -> dict[str, bytes]:
        """See Notes.notes."""
        found = self.link.ask("HGETALL", self.link.key(f"notes:{kind}"))
        return {key.decode(): value for key, value in zip(found[::2], found[1::2], strict=True)}

    def rooms(self, limit: int) -> list[KeptRoom]:
        """See Catalogue.rooms."""
        ask, key = self.link.ask, self.link.key
        names = ask("ZREVRANGE", key("rooms"), 0, limit - 1) if limit > 0 else ()
        if not names:
            return []
        heads, topics = ask("HMGET", key("heads"), *names), ask("HMGET", key("topics"), *names)
        found = zip(names, heads, topics, strict=True)
        return [KeptRoom(name.decode(), int(head), _text(topic(data))) for name, head, data in found]

    def find(self, room: str, start: int, limit: int) -> list[Record] | None:
        """See Catalogue.find."""
        if self.link.ask("HGET", self.link.key("heads"), room) is None:
            return None
        return page(self._range(room, max(start, 1), max(limit, 0)), FOUND_SIZE)[0]

    def search(self, room: str, text: str, limit: int, steady: Callable[[], float]) -> tuple[list[Record], bool]:
        """See MessageSearch.search. Each page is looked through on a native thread."""
        from gchat.journal.search_tokens import matching  # noqa: PLC0415  # an idle server does not need it

        until = steady() + SEARCH_S
        found: list[Record] = []
        end = "+"
        while len(found) < limit:
            answer = self.link.ask("XREVRANGE", self._stream(room), end, "-", "COUNT", RECORDS_AT_ONCE)
            records = [unpacked(data) for _, (_, data) in reversed(answer)]
            found += self._run(partial(list, matching(records, text, lambda: steady() > until)))
            if len(answer) < RECORDS_AT_ONCE:
                break
            end = f"({answer[-1][0].decode()}"
        shown, is_cut = page(found[:limit], PAGE_SIZE)
        return shown[::-1], is_cut or len(found) >= limit

    # --- LinkOwner -------------------------------------------------------------------------------------------------

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """See LinkOwner.arrived. What another node said in a room that is not open here is not even decoded."""
        arrivals: list[Arrival] = []
        for item, cause in told:
            if item.step or item.gone:
                self._deliver_all(arrivals)
                self._happened(item, cause)
            elif cause is not None:
                arrivals.append(Arrival(item.room or None, item.outcome(), cause.cause))
            elif item.record and item.room in self._rooms:
                arrivals.append(Arrival(item.room, Outcome(unpacked(item.record))))
        self._deliver_all(arrivals)

    def _deliver_all(self, arrivals: list[Arrival]) -> None:
        if arrivals:
            self._deliver(arrivals.copy())
            arrivals.clear()

    def _happened(self, item: Fed, cause: object | None) -> None:
        if self.members is None:
            return
        if item.step:
            self.members.happened(item.step, cause)
        else:
            self.members.gone(item.gone)

    def refused(self, cause: object, why: str) -> None:
        """See LinkOwner.refused."""
        if isinstance(cause, Posting | Whisper):
            room = cause.room if isinstance(cause, Posting) else None
            self._deliver([Arrival(room, Outcome(None, why_not=why), cause.cause)])
        elif self.members is not None:
            self.members.refused(cause, why)

    def not_known(self, cause: object) -> None:
        """See LinkOwner.not_known."""
        if isinstance(cause, Posting | Whisper):
            room = cause.room if isinstance(cause, Posting) else None
            self._deliver([Arrival(room, Outcome(None), cause.cause, is_known=False)])
        elif self.members is not None:
            self.members.not_known(cause)

    def find_place(self, base: str, ask: Callable[..., Any]) -> int:
        """See LinkOwner.find_place. To come: until then open rooms stay as they were."""
        if self.members is not None:
            return self.members.find_place(base)
        newest = ask("XREVRANGE", self.link.key("feed"), "+", "-", "COUNT", 1)
        return int(newest[0][0].partition(b"-")[0]) if newest else 0

    def unable(self, why: str) -> None:
        """See LinkOwner.unable."""
        self._trouble = why
        if self.members is not None:
            self.members.unable(why)

    def letter(self, data: bytes) -> None:
        """See LinkOwner.letter."""
        if self.members is not None:
            self.members.letter(data)

    # --- Rooms -----------------------------------------------------------------------------------------------------

    def _stream(self, room: str) -> str:
        return self.link.key(f"room:{room}")

    def _range(self, room: str, first: int, limit: int) -> list[Record]:
        """Return at most `limit` messages from a number on, each as a record of its own. Waits. Raises JournalError."""
        answer = self.link.ask("XRANGE", self._stream(room), first, "+", "COUNT", limit) if limit > 0 else ()
        each = (single for _, (_, data) in answer for single in unpacked(data).each())
        return [single for single in each if first <= single.seq < first + limit]

    def _open(self, name: str) -> None:
        """Have a room at hand; what arrives while the engine is asked is not lost."""
        room = self._rooms[name] = _OpenRoom("", RecentMessages(1), is_opening=True)
        try:
            ask, key = self.link.ask, self.link.key
            newest = ask("XREVRANGE", self._stream(name), "+", "-", "COUNT", OPENED)
            oldest = ask("XRANGE", self._stream(name), "-", "+", "COUNT", 1)
            room.topic = topic(ask("HGET", key("topics"), name))
            lost_in = ask("HGET", key("epochs"), name) or b"0"
        except BaseException:
            self._rooms.pop(name, None)
            raise
        records = [unpacked(data) for _, (_, data) in reversed(newest)]
        room.epoch = f"{self.link.base}.{lost_in.decode()}"
        room.first_seq = unpacked(oldest[0][1][1]).seq if oldest else 1
        room.recent = RecentMessages(records[-1].seq + records[-1].message.count if records else 1, records)
        room.is_opening = False
        early, room.early = room.early, []
        for record in early:
            if record.seq >= room.recent.next_seq:
                self._keep(room, record)

    def _keep(self, room: _OpenRoom, record: Record) -> None:
        room.recent.keep(record, self._room_bytes)
        if isinstance(record.message, TopicSet):
            room.topic = TopicIs(record.message.text, record.message.name)


def _text(found: TopicIs | None) -> str:
    return "" if found is None else found.text
