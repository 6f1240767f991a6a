"""Room logs and their readers against a naive model, driven as the pump and the connections drive them."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import Struct

from gchat.model.audience import OwnLines
from gchat.roomlog.chunk import MAX_BATCH_BYTES, batches
from gchat.roomlog.cursor import MAX_DEAF, TRANSITIONS, Cursor, State
from gchat.roomlog.log import Repeated, RoomLog, Ticks
from gchat.roomlog.reader import LogReader

# --- The table of states: each step is held against it ---------------------------------------------------------------


def held_to_the_table(step: str, method: Callable[..., Any], cursors: Callable[[Any], list[Cursor]]) -> Any:
    """Return `method` of a reader, a cursor or a log, which fails if it makes a change that the table does not have."""

    def checked(self: Any, *args: Any, **named: Any) -> Any:
        before = {cursor: cursor.state for cursor in cursors(self)}
        result = method(self, *args, **named)
        for cursor in {**before, **dict.fromkeys(cursors(self))}:
            change = (before.get(cursor, State.GONE), cursor.state)
            assert change[0] is change[1] or change in TRANSITIONS.get(step, ()), f"{step} made {change}"
        return result

    return checked


@pytest.fixture(autouse=True, scope="module")
def _every_step_is_held_to_the_table() -> Iterator[None]:
    cursors: dict[Any, Callable[[Any], list[Any]]] = {
        LogReader: lambda reader: [*reader.cursors],
        Cursor: lambda cursor: [cursor],
        RoomLog: lambda log: [*log.live.values(), *log.aside, *log.behind],
    }
    with pytest.MonkeyPatch.context() as patched:
        for step in (*TRANSITIONS, "peek", "took", "typed", "read", "trim"):
            kind = next(kind for kind in cursors if hasattr(kind, step))
            patched.setattr(kind, step, held_to_the_table(step, getattr(kind, step), cursors[kind]))
        yield


# --- The shell, imitated: see server.fanout and server.writer ---------------------------------------------------------


class Wire:
    """A kernel buffer that takes only so many bytes until it is drained; None: everything."""

    def __init__(self) -> None:
        self.got = b""
        self.takes: int | None = None

    def send(self, data: bytes) -> int:
        size = len(data) if self.takes is None else min(self.takes, len(data))
        self.got += data[:size]
        if self.takes is not None:
            self.takes -= size
        return size


class Peer:
    """A connection: its reader, its wire, and what the model says that it must get."""

    def __init__(self, session: int, descriptor: int = 0) -> None:
        self.session = session
        self.wire = Wire()
        self.log_reader = LogReader(session, descriptor or session)
        self.behind = False  # whether a watcher waits for its wire
        self.rooms: dict[str, Room] = {}
        self.due: list[Due] = []
        self.got_at_the_end: bytes | None = None  # when its wire broke

    def cursor_in(self, room: Room) -> Cursor:
        cursor = self.log_reader.cursor_in(room.log)
        assert cursor is not None
        return cursor

    def leave(self, room: Room, limit: int) -> None:
        """Writer.leave."""
        self._send_what_lacks([self.cursor_in(room)])
        self.log_reader.leave(room.log, limit)

    def leave_all(self, limit: int) -> None:
        """Writer.leave_all."""
        self._send_what_lacks(self.log_reader.cursors)
        self.log_reader.leave_all(limit)

    def _send_what_lacks(self, cursors: Sequence[Cursor]) -> None:
        if not self.behind and (lacking := [cursor for cursor in cursors if cursor.lag]):
            for cursor in lacking:
                cursor.step_aside()
            self.flush()

    def tell(self, line: bytes, then: bytes = b"") -> None:
        self.log_reader.tell(OwnLines(line, then=then))

    def flush(self, slice_bytes: int = 1 << 16) -> None:
        """Writer.flush."""
        while data := self.log_reader.peek(slice_bytes):
            sent = self.wire.send(data)
            self.log_reader.took(sent)
            if sent < len(data):
                self.log_reader.stall()
                self.behind = True
                return
        self.log_reader.settle()
        self.behind = False


#: Of all logs.
TICKS = Ticks()


class Room:
    """A room log, by name."""

    def __init__(self, name: str, capacity: int = 1 << 20, *, tells_once: bool = False) -> None:
        self.name = name
        self.seq = 1
        self.log = RoomLog(name, 1, capacity, self.skip, TICKS, tells_once=tells_once)

    def skip(self, first: int, last: int) -> bytes:
        return f"SKIP {self.name} {first}-{last}\n".encode()

    def send(self, readers: dict[int, Peer], batch: int = 64) -> Generator[None, None, None]:
        """Send what was appended to this room."""
        return send([self], readers, batch)

    def flush_aside(self, readers: dict[int, Peer]) -> Generator[None, None, None]:
        for cursor in list(self.log.aside):
            if cursor in self.log.aside and not readers[cursor.descriptor].behind:
                readers[cursor.descriptor].flush()
            yield

    def fan_out(self, readers: dict[int, Peer]) -> None:
        """Send within the turn."""
        if self.log.dirty and self.log.offer is None:
            for _ in self.send(readers, batch=1):
                pass


class Crash(Exception):
    """An error of ours while a room is sent to."""


def finish(rooms: Iterable[Room]) -> None:
    """FanOut._finish, where nothing was said meanwhile."""
    for room in rooms:
        room.log.finish()


def send(
    rooms: Iterable[Room], readers: dict[int, Peer], batch: int, finish: Callable[[list[Room]], None] = finish
) -> Generator[None, None, None]:
    """FanOut._send of what was appended to these rooms; `readers` are those with a socket, by descriptor."""
    sealed = {room.log.seal(): room for room in rooms}

    def steps() -> Generator[None, None, None]:
        try:
            yield from sends()
        except Crash:
            for room in sealed.values():
                room.log.break_off()
                yield from room.flush_aside(readers)
        finally:
            finish([*sealed.values()])

    def sends() -> Generator[None, None, None]:
        for room in sealed.values():
            yield from room.flush_aside(readers)
        for (descriptors, pieces, size), shares in batches([*sealed], batch):
            assert all(pieces)
            assert size == sum(map(len, pieces))
            assert len(descriptors) <= batch
            for descriptor, data in zip(descriptors, pieces, strict=True):
                reader = readers[descriptor]
                together = [sealed[offer] for offer, (told, _, _) in shares if descriptor in told]
                if (sent := reader.wire.send(data)) != len(data):
                    for room in together:
                        cursor = room.log.live[descriptor]
                        assert cursor is reader.cursor_in(room), "what a descriptor is sent is its reader's"
                    reader.log_reader.fall_behind([room.log for room in together], sent)
                    reader.behind = True
            over = [offer for offer, _ in shares if not offer.owed]
            for offer in over:
                yield from sealed[offer].flush_aside(readers)
            finish([sealed.pop(offer) for offer in over])
            yield
        for room in sealed.values():
            yield from room.flush_aside(readers)

    return steps()


def offered(*rooms: Room) -> list[tuple[bytes, list[int]]]:
    """Seal what was appended to these rooms; return what is to be sent, and to which descriptors."""
    found: dict[bytes, list[int]] = {}
    for (descriptors, pieces, _), _ in batches([room.log.seal() for room in rooms], 10):
        for descriptor, data in zip(descriptors, pieces, strict=True):
            found.setdefault(data, []).append(descriptor)
    return [*found.items()]


def breathe(readers: dict[int, Peer], waking: Iterator[int]) -> None:
    """Let the next one of `waking`, if it is behind, find its wire drained."""
    reader = readers.get(next(waking, 0))
    if reader and reader.behind:
        reader.wire.takes = None
        reader.flush()


class Due(Struct, frozen=True):
    """Something that a reader is to get: a numbered message, presence without a number, or a line of its own."""

    line: bytes
    room: str = ""
    seq: int = 0
    own: bool = False
    mine: bool = False  # said by the reader, which does not hear it, or by one to whom it is deaf


def lines_of(got: bytes) -> list[bytes]:
    """Split at LF, if the message does not go on, and after a prompt, with the LF that goes before the next."""
    return [line for line in re.split(rb"(?<=\n)(?! )|(?<=>)\n?", got) if line]


def check(peer: Peer, *, lossy: bool) -> None:
    """Hold what a peer got, all of it, against what it was to get; where `lossy`, presence may be missing.

    1. What a room was told comes in its order, once; what is not, is in one skip of just those numbers. What several
       rooms were told comes once, in its place in the first of them, unless that is what the reader fell off.
    2. An own line comes after all that was told earlier in any room, or skipped, and before all that was told later.
    """
    if peer.got_at_the_end is not None:
        assert peer.wire.got == peer.got_at_the_end, "nothing is sent on a wire that broke"
        return
    assert lossy or b"SKIP" not in peer.wire.got
    due = [item for item in peer.due if not item.mine or item.seq]
    for line in lines_of(peer.wire.got):
        if found := re.fullmatch(rb"SKIP (\w+) (\d+)-(\d+)\n", line):
            due = _skipped(due, found[1].decode(), range(int(found[2]), int(found[3]) + 1))
            continue
        places = [at for at, item in enumerate(due) if item.line == line and not item.mine]
        assert places, f"{line!r} was not due, or came twice"
        for at in places if lossy else places[:1]:
            item = due[at]
            before = [other for other in due[:at] if item.own or other.own or other.room == item.room]
            if _may_be_missing(before, lossy=lossy):
                break
        else:
            pytest.fail(f"{line!r} comes before {before}")
        due = [other for other in due if other not in before and other.line != line]
    assert _may_be_missing(due, lossy=lossy), f"{due} are missing at the end"


def _may_be_missing(items: list[Due], *, lossy: bool) -> bool:
    return all(item.mine or (lossy and not item.seq and not item.own) for item in items)


def _skipped(due: list[Due], room: str, numbers: range) -> list[Due]:
    """Return what is due after a skip of `numbers`: these were due in that room, and nothing in it before them was."""
    assert numbers, "a skip of nothing"
    told = [item for item in due if item.room == room and item.seq and item.seq <= numbers[-1]]
    assert [item.seq for item in told if item.seq in numbers] == [*numbers], f"{room} {numbers} were not all due"
    assert all(item.mine for item in told if item.seq < numbers[0]), f"what is before {numbers} is missing"
    last = due.index(told[-1])
    return [item for at, item in enumerate(due) if item.room != room or at > last]


# --- Any interleaving ------------------------------------------------------------------------------------------------


class Sockets(dict[int, Peer]):
    """The readers by descriptor as of now, while a job is under way."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    def __getitem__(self, descriptor: int) -> Peer:
        return self.chat._sockets()[descriptor]


SESSIONS = st.integers(1, 3)
ROOMS = st.sampled_from("ABC")
LIMITS = st.sampled_from((0, 20, 60, 1000))


class Chat(RuleBasedStateMachine):
    """Rules do what effects do; the turn that they make ends as the pump's does, or a job sends it in slices."""

    capacity = 1 << 20
    lossy = False
    tells_once = False

    @initialize(
        takes=st.tuples(*(st.sampled_from((0, 5, 40, None)) for _ in range(3))),
        rooms=st.tuples(*(st.sampled_from(("A", "AB", "ABC")) for _ in range(3))),
        ignored=st.dictionaries(SESSIONS, st.sets(st.sampled_from((1, 2, 3, 8)), max_size=2)),
    )
    def everybody_enters(
        self, takes: tuple[int | None, ...], rooms: tuple[str, ...], ignored: dict[int, set[int]]
    ) -> None:
        self.ignored = {session: others - {session} for session, others in ignored.items()}
        self.rooms = {name: Room(name, self.capacity, tells_once=self.tells_once) for name in "ABC"}
        self.readers = {session: Peer(session) for session in range(1, 4)}
        self.gone: list[Peer] = []
        self.jobs: list[Generator[None, None, None]] = []
        self.descriptors = count(10)
        self.texts = count(1)
        self.touched: dict[int, None] = {}
        for reader, take, names in zip(self.readers.values(), takes, rooms, strict=True):
            reader.wire.takes = take
            for name in names:
                self._follow(reader, self.rooms[name])

    def _follow(self, reader: Peer, room: Room) -> None:
        reader.rooms[room.name] = room
        reader.log_reader.follow(room.log)
        self.touched[reader.session] = None

    def _leave(self, reader: Peer, room: Room, limit: int) -> None:
        if reader.log_reader.cursor_in(room.log) is not None:  # its wire may be broken
            reader.leave(room, limit if self.lossy else self.capacity)
        del reader.rooms[room.name]
        self._tell(reader, b"goodbye %d\n" % next(self.texts))

    def _append(
        self,
        room: Room,
        lines: list[bytes],
        speaker: Peer | None,
        *,
        numbered: bool,
        by: int = 0,
        repeated: Repeated | None = None,
    ) -> None:
        deaf = [peer for peer in self.readers.values() if by in self.ignored.get(peer.session, ())]
        unheard = (by, [peer.log_reader for peer in deaf]) if deaf else None
        log_reader = speaker.log_reader if speaker else None
        room.log.append(b"".join(lines), len(lines) if numbered else 0, log_reader, deaf=unheard, repeated=repeated)
        for line in lines:
            for reader in self.readers.values():
                is_repeat = any(item.line == line for item in reader.due)  # it may be heard if the first one is missed
                if room.name in reader.rooms and (self.lossy or not is_repeat):
                    seq = room.seq if numbered else 0
                    reader.due.append(Due(line, room.name, seq, mine=reader is speaker or reader in deaf))
            room.seq += numbered

    def _tell(self, reader: Peer, line: bytes) -> None:
        reader.tell(line, then=b"\n" if line.endswith(b">") else b"")
        reader.due.append(Due(line, own=True))
        self.touched[reader.session] = None

    # What effects do:

    @rule(session=SESSIONS, room=ROOMS, messages=st.integers(1, 3))
    def says(self, session: int, room: str, messages: int) -> None:
        lines = [b"m%d by %d\n" % (next(self.texts), session) for _ in range(messages)]
        self._append(self.rooms[room], lines, self.readers[session], numbered=True, by=session)

    @rule(session=st.sampled_from((8, 9)), room=ROOMS)
    def a_user_of_another_dialect_says(self, session: int, room: str) -> None:
        self._append(self.rooms[room], [b"m%d by %d\n" % (next(self.texts), session)], None, numbered=True, by=session)

    @rule(session=SESSIONS, room=ROOMS, lines=st.integers(2, 3))
    def says_several_lines_in_one_message(self, session: int, room: str, lines: int) -> None:
        message = b"m%d by %d\n" % (next(self.texts), session) + b" and more\n" * (lines - 1)
        self._append(self.rooms[room], [message], self.readers[session], numbered=True, by=session)

    @rule(room=ROOMS)
    def nothing_is_shown_of_a_message(self, room: str) -> None:
        log, before = self.rooms[room].log, self.rooms[room].log.open_end
        log.append(b"", 0, None)
        assert log.open_end == before

    @rule(room=ROOMS, session=st.none() | SESSIONS, numbered=st.booleans())
    def hears_of_presence_or_of_who_has_gone_already(self, room: str, session: int | None, *, numbered: bool) -> None:
        speaker = self.readers[session] if session and not numbered else None
        by = speaker.session if speaker else 0
        self._append(self.rooms[room], [b"line %d\n" % next(self.texts)], speaker, numbered=numbered, by=by)

    @rule(rooms=st.permutations("ABC"), count=st.integers(2, 3), session=st.none() | SESSIONS)
    def several_rooms_hear_of_presence(self, rooms: list[str], count: int, session: int | None) -> None:
        repeated = Repeated() if self.tells_once else None
        speaker = self.readers[session] if session else None
        by, number = speaker.session if speaker else 0, next(self.texts)
        for room in rooms[:count]:
            line = b"line %d\n" % number if self.tells_once else b"line %d in %s\n" % (number, room.encode())
            self._append(self.rooms[room], [line], speaker, numbered=False, by=by, repeated=repeated)

    @rule(session=SESSIONS, line=st.sampled_from((b"own %d\n", b"own %d, which is longer\n", b"prompt %d>")))
    def is_told(self, session: int, line: bytes) -> None:
        self._tell(self.readers[session], line % next(self.texts))

    @rule(session=SESSIONS, room=ROOMS, limit=LIMITS)
    def joins_or_leaves_a_room(self, session: int, room: str, limit: int) -> None:
        reader = self.readers[session]
        if room in reader.rooms:
            self._leave(reader, self.rooms[room], limit)
        else:
            self._follow(reader, self.rooms[room])

    @rule(session=SESSIONS, rooms=st.sets(ROOMS, min_size=1), limit=LIMITS, one_by_one=st.booleans())
    def leaves_and_another_comes(self, session: int, rooms: set[str], limit: int, *, one_by_one: bool) -> None:
        reader = self.readers[session]
        if not one_by_one:
            reader.leave_all(limit if self.lossy else self.capacity)
            reader.rooms.clear()
            self._tell(reader, b"goodbye %d\n" % next(self.texts))
        for room in list(reader.rooms.values()):
            self._leave(reader, room, limit)
        reader.flush()
        self.gone.append(reader)
        # With the same descriptor, if all is sent and the socket closed.
        descriptor = next(self.descriptors) if reader.behind else reader.log_reader.descriptor
        reader = self.readers[session] = Peer(session + 10 * len(self.gone), descriptor)
        reader.wire.takes = 0
        for name in sorted(rooms):
            self._follow(reader, self.rooms[name])

    # What the shell does:

    @rule(breaths=st.lists(SESSIONS, min_size=1, max_size=6), slice_bytes=st.integers(1, 50))
    def ends_a_turn(self, breaths: list[int], slice_bytes: int) -> None:
        self._turn(breaths, slice_bytes)

    def _turn(self, breaths: list[int], slice_bytes: int) -> None:
        """FanOut.send."""
        sockets = self._sockets()
        waking = iter([self.readers[session].log_reader.descriptor for session in breaths])
        inline = [room for room in self.rooms.values() if room.log.dirty and room.log.offer is None]
        for _ in send(inline, sockets, batch=1):
            breathe(sockets, waking)
        by_session = {reader.session: reader for reader in self.readers.values()}
        for session in self.touched:
            reader = by_session.get(session)
            if reader and not reader.behind and not reader.log_reader.is_live:
                reader.flush(slice_bytes)
        self.touched.clear()
        for room in self.rooms.values():
            self._clear_up(room)

    def _clear_up(self, room: Room) -> None:
        chunks = room.log._chunks
        assert sum(len(chunk.data) for chunk in chunks) < self.capacity + max(
            (len(chunk.data) for chunk in chunks), default=0
        )
        room.log.trim()
        # An own line may wait for the open turn of another room, and what comes after it waits too.
        if not room.log.behind and not any(other.log.offer or other.log.dirty for other in self.rooms.values()):
            assert not any(cursor.is_owed for cursor in room.log.aside)
            assert not room.log._chunks

    def _sockets(self) -> dict[int, Peer]:
        return {reader.log_reader.descriptor: reader for reader in self.readers.values()}

    @rule(rooms=st.sets(ROOMS, min_size=1), batch=st.integers(1, 3))
    def large_rooms_are_begun(self, rooms: set[str], batch: int) -> None:
        found = [self.rooms[room] for room in sorted(rooms)]
        self._begin([room for room in found if room.log.dirty and room.log.offer is None], batch)

    def _begin(self, rooms: list[Room], batch: int) -> None:
        def finish(over: list[Room]) -> None:
            """FanOut._finish."""
            for room in over:
                room.log.finish()
            self._begin([room for room in over if room.log.dirty], batch)
            for room in over:
                self._clear_up(room)

        if rooms:
            self.jobs.append(send(rooms, Sockets(self), batch, finish))

    @rule(number=st.integers(0, 2), steps=st.integers(1, 4))
    def a_slice_is_sent(self, number: int, steps: int) -> None:
        for _ in range(steps):
            if number < len(self.jobs) and next(self.jobs[number], "over") == "over":
                del self.jobs[number]

    @rule(number=st.integers(0, 2))
    def a_job_crashes(self, number: int) -> None:
        if number < len(self.jobs):
            job = self.jobs.pop(number)
            if next(job, "over") != "over":  # one that has not begun ends nothing
                with suppress(StopIteration):
                    job.throw(Crash())
                for _ in job:
                    pass

    @rule(session=SESSIONS)
    def types(self, session: int) -> None:
        self.readers[session].log_reader.typed()

    @rule(session=SESSIONS, takes=st.sampled_from((0, 3, 30, None)))
    def kernel_takes(self, session: int, takes: int | None) -> None:
        self.readers[session].wire.takes = takes

    @rule()
    def breaks(self) -> None:
        """Writer.end: one of them goes on as a speaker, and is owed nothing."""
        reader = self.readers[3]
        reader.log_reader.end()
        reader.behind = False
        reader.got_at_the_end = reader.wire.got
        assert not reader.log_reader.owed
        assert not reader.log_reader.lag

    @rule(session=SESSIONS, slice_bytes=st.integers(1, 50))
    def is_writable(self, session: int, slice_bytes: int) -> None:
        if self.readers[session].behind:
            self.readers[session].flush(slice_bytes)

    def _drain(self) -> None:
        while self.jobs:
            for _ in self.jobs.pop():
                pass
        self._turn([], 1 << 16)
        for reader in (*self.readers.values(), *self.gone):
            reader.wire.takes = None
            if reader.behind:
                reader.flush()
            assert not reader.log_reader.owed
            check(reader, lossy=self.lossy)
        self._turn([], 1 << 16)

    def teardown(self) -> None:
        if hasattr(self, "rooms"):
            self._drain()


class ForgetfulChat(Chat):
    """The same in a ring so small that who does not read falls off it."""

    capacity = 40
    lossy = True


class OnceChat(Chat):
    """Here what several rooms are told is heard once."""

    tells_once = True


class ForgetfulOnceChat(ForgetfulChat):
    """Here too."""

    tells_once = True


TestChat = Chat.TestCase
TestChat.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestForgetfulChat = ForgetfulChat.TestCase
TestForgetfulChat.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestOnceChat = OnceChat.TestCase
TestOnceChat.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestForgetfulOnceChat = ForgetfulOnceChat.TestCase
TestForgetfulOnceChat.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


# --- One thing at a time ---------------------------------------------------------------------------------------------


def room_of(*readers: Peer, capacity: int = 1 << 20) -> Room:
    """Return a room in which `readers` are, and have everything."""
    room = Room("A", capacity)
    for reader in readers:
        reader.log_reader.follow(room.log)
        reader.flush()
    return room


def say(room: Room, line: bytes, speaker: Peer | None = None) -> None:
    room.log.append(line, line.count(b"\n"), speaker.log_reader if speaker else None)


def turn(room: Room, *readers: Peer) -> None:
    room.fan_out({reader.session: reader for reader in readers})
    for reader in readers:
        if not reader.behind and not reader.log_reader.is_live:
            reader.flush()
    room.log.trim()


def test_everybody_but_its_speaker_hears_a_message() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"hello\n", alice)
    turn(room, alice, bob)

    assert (alice.wire.got, bob.wire.got) == (b"", b"hello\n")
    assert alice.cursor_in(room) in room.log.live.values()


def test_readers_who_are_live_share_the_bytes_of_a_turn() -> None:
    room = room_of(Peer(1), Peer(2))
    line = b"one line, and a turn of it alone\n"
    say(room, line)

    assert offered(room) == [(line, [1, 2])]
    assert room.log._chunks[-1].data is line


@pytest.mark.parametrize("sent", range(1, 12))
def test_a_line_that_was_cut_is_finished_before_its_reader_is_told_what_it_missed(sent: int) -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=10)
    reader.wire.takes = sent
    for number in range(10):
        say(room, b"number %d\n" % number)
        turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    lines = reader.wire.got.splitlines(keepends=True)
    finished = 1 + (sent - 1) // len(b"number 0\n")
    skip = b"SKIP A %d-10\n" % (finished + 1)
    assert lines == [b"number %d\n" % number for number in range(finished)] + [skip]
    say(room, b"after\n")
    turn(room, reader)
    assert reader.wire.got.endswith(skip + b"after\n")


def test_what_is_missed_is_counted_before_it_is_told_and_what_is_owed_is_known() -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=20)
    say(room, b"one\n")
    turn(room, reader)
    assert (reader.log_reader.missed, reader.log_reader.lag) == (0, 0)
    reader.wire.takes = 0
    for number in range(9):
        say(room, b"line %d\n" % number)
        turn(room, reader)

    assert reader.log_reader.missed == room.log.seq_at(room.log.start) - 2 > 0
    assert reader.log_reader.lag > 20
    reader.wire.takes = None
    reader.flush()
    assert (reader.log_reader.missed, reader.log_reader.skipped, reader.log_reader.lag) == (9, 9, 0)


@pytest.mark.parametrize("message", [b"one,\n in three\n lines\n", b"a frame without a newline"])
@pytest.mark.parametrize("sent", range(1, 25))
def test_a_message_of_any_number_of_lines_has_one_number_and_is_finished(message: bytes, sent: int) -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=10)
    reader.wire.takes = sent
    for _ in range(9):
        room.log.append(message, 1, None)
        turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    whole = 1 + (sent - 1) // len(message)
    assert reader.wire.got == message * whole + b"SKIP A %d-9\n" % (whole + 1)
    assert reader.log_reader.skipped == 9 - whole


def test_a_message_without_bytes_has_a_number() -> None:
    live, slow = Peer(1), Peer(2)
    room = room_of(live, slow, capacity=5)
    slow.wire.takes = 0
    for number in range(5):
        say(room, b"number %d\n" % number)
        room.log.append(b"", 1, live.log_reader)
        turn(room, live, slow)
    slow.wire.takes = None
    slow.flush()

    assert (room.log.seq, room.log.open_seq) == (11, 11)
    assert not room.log.dirty
    assert slow.wire.got == b"SKIP A 1-10\n"


def test_who_missed_presence_alone_is_told_of_no_skip() -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=5)
    reader.wire.takes = 0
    for _ in range(5):
        room.log.append(b"> somebody came\n", 0, None)
        turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b""


def test_an_own_line_stands_where_it_was_told_among_the_messages() -> None:
    reader = Peer(1)
    room = room_of(reader)
    say(room, b"before\n")
    reader.tell(b"own\n")
    say(room, b"after\n")
    turn(room, reader)

    assert reader.wire.got == b"before\nown\nafter\n"


def test_a_newcomer_hears_nothing_of_what_the_turn_said_before_it_came() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice)
    say(room, b"before\n")
    bob.log_reader.follow(room.log)
    bob.tell(b"welcome\n")
    say(room, b"after\n")
    turn(room, alice, bob)

    assert alice.wire.got == b"before\nafter\n"
    assert bob.wire.got == b"welcome\nafter\n"


def test_who_catches_up_in_the_middle_of_a_turn_does_not_hear_itself() -> None:
    # While another room is fanned out, a watcher finds a reader's kernel buffer drained.
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    alice.wire.takes = 0
    say(room, b"by bob\n", bob)
    turn(room, alice, bob)
    say(room, b"by alice\n", alice)
    alice.tell(b"own\n")
    alice.wire.takes = None
    alice.flush()
    turn(room, alice, bob)

    assert alice.wire.got == b"by bob\nown\n"
    assert bob.wire.got == b"by alice\n"


# --- A chunk on its way ----------------------------------------------------------------------------------------------


def begin(room: Room, *readers: Peer) -> Generator[None, None, None]:
    """Begin to send what was said, one reader in each step, in the order of their numbers."""
    return room.send({reader.log_reader.descriptor: reader for reader in readers}, batch=1)


def end(job: Iterable[None]) -> None:
    for _ in job:
        pass


def test_a_speaker_stays_live_and_gets_a_chunk_without_its_own_lines() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n", bob)
    say(room, b"two\n", alice)
    say(room, b"three\n", bob)

    assert not room.log.aside
    assert offered(room) == [(b"one\nthree\n", [1]), (b"two\n", [2])]
    room.log.finish()
    assert room.log.live == {1: alice.cursor_in(room), 2: bob.cursor_in(room)}


def test_few_copies_of_what_is_long_are_made_for_speakers_at_once() -> None:
    """Each of hundreds of speakers hears another part of it: all at once, these were hundreds of megabytes."""
    peers = [Peer(number) for number in range(1, 21)]
    room = room_of(*peers)
    for peer in peers:
        say(room, b"x" * 9_999 + b"\n", peer)
    sizes = [size for (_, _, size), _ in batches([room.log.seal()], 10)]
    assert max(sizes) <= MAX_BATCH_BYTES
    assert sum(sizes) == 20 * 19 * 10_000


def test_a_speaker_that_takes_only_a_part_gets_the_rest_without_its_own_lines() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    alice.wire.takes = 6
    for number in range(4):
        say(room, b"by bob %d\n" % number, bob)
        say(room, b"by alice %d\n" % number, alice)
    turn(room, alice, bob)
    alice.wire.takes = None
    alice.flush()

    assert alice.wire.got == b"".join(b"by bob %d\n" % number for number in range(4))


# --- Deaf readers ----------------------------------------------------------------------------------------------------


def say_unheard(room: Room, line: bytes, by: int, *deaf: Peer) -> None:
    """Have a session say something that is of another dialect, so that it follows no log here."""
    room.log.append(line, 1, None, deaf=(by, [peer.log_reader for peer in deaf]))


def test_a_deaf_reader_stays_live_and_gets_a_chunk_without_what_it_does_not_hear() -> None:
    alice, bob, carol = Peer(1), Peer(2), Peer(3)
    room = room_of(alice, bob, carol)
    say(room, b"one\n", bob)
    room.log.append(b"two\n", 1, bob.log_reader, deaf=(2, [alice.log_reader]))
    say_unheard(room, b"three\n", 9, alice, carol)
    say(room, b"four\n", carol)

    assert not room.log.aside
    assert offered(room) == [
        (b"four\n", [1]),  # also what bob said before, in the same turn
        (b"three\nfour\n", [2]),
        (b"one\ntwo\n", [3]),
    ]
    room.log.finish()


@pytest.mark.parametrize("takes", range(10))
def test_a_deaf_reader_that_takes_only_a_part_gets_the_rest_without_what_it_does_not_hear(takes: int) -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    alice.wire.takes = takes
    for number in range(4):
        say_unheard(room, b"bad %d\n" % number, 9, alice)
        say(room, b"good %d\n" % number, bob)
        if number == 2:
            turn(room, alice, bob)
    alice.wire.takes = None
    alice.flush()
    turn(room, alice, bob)

    assert alice.wire.got == b"".join(b"good %d\n" % number for number in range(4))


def test_a_reader_that_hears_somebody_again_gets_what_is_said_from_then_on() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say_unheard(room, b"one\n", 9, alice)
    turn(room, alice, bob)
    alice.log_reader.hear_again((9,))
    say(room, b"two\n")
    say(room, b"three\n", alice)
    turn(room, alice, bob)

    assert alice.wire.got == b"two\n"


def test_a_reader_that_is_behind_and_hears_one_again_does_not_get_what_another_said() -> None:
    alice = Peer(1)
    room = room_of(alice)
    alice.wire.takes = 0
    say(room, b"before\n")
    turn(room, alice)
    for line, by in ((b"by bob\n", 8), (b"by eve\n", 9)):
        say_unheard(room, line, by, alice)
    say(room, b"by fil\n")
    turn(room, alice)
    alice.log_reader.hear_again((8,))
    alice.wire.takes = None
    alice.flush()

    assert alice.wire.got == b"before\nby bob\nby fil\n"


def test_however_many_are_deaf_to_a_message_it_is_noted_once() -> None:
    readers = [Peer(number) for number in range(1, 100)]
    room = room_of(*readers)
    say_unheard(room, b"one\n", 200, *readers)
    say_unheard(room, b"two\n", 200, *readers)
    chunk = room.log.seal().chunk

    assert chunk.spans == {200: [(chunk.start, chunk.end)]}


def test_cursors_of_a_reader_that_is_deaf_to_nobody_share_what_they_do_not_hear() -> None:
    reader = Peer(1)
    two_rooms(reader)
    reader.log_reader.hear_again((9,))
    first, second = reader.log_reader.cursors

    assert first.deaf_to is second.deaf_to, "a user may be in fifty rooms"


def test_what_a_reader_is_deaf_to_is_bounded() -> None:
    alice = Peer(1)
    room = room_of(alice)
    for session in range(2, 3 * MAX_DEAF):
        say_unheard(room, b"x\n", session, alice)

    assert len(alice.cursor_in(room).deaf_to) == MAX_DEAF


# --- While a chunk is sent -------------------------------------------------------------------------------------------


def test_what_is_said_while_a_chunk_is_sent_is_the_next_chunk() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    say(room, b"two\n")
    assert (alice.wire.got, bob.wire.got) == (b"one\n", b"")
    end(job)
    end(begin(room, alice, bob))

    assert alice.wire.got == bob.wire.got == b"one\ntwo\n"


def test_a_reader_that_speaks_or_is_told_something_before_a_chunk_comes_to_it_gets_the_chunk_first() -> None:
    alice, bob, carol = Peer(1), Peer(2), Peer(3)
    room = room_of(alice, bob, carol)
    say(room, b"one\n")
    job = begin(room, alice, bob, carol)
    next(job)
    say(room, b"by bob\n", bob)
    carol.tell(b"own\n")
    carol.flush()
    assert carol.wire.got == b"one\n", "its own line comes after what bob said"
    end(job)
    assert bob.wire.got == b"one\n"
    end(begin(room, alice, bob, carol))

    assert alice.wire.got == b"one\nby bob\n"
    assert bob.wire.got == b"one\n"
    assert carol.wire.got == b"one\nby bob\nown\n"


def test_a_speaker_that_is_told_something_after_its_chunk_came_to_it_does_not_get_it_twice() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    say(room, b"by bob\n", bob)
    job = begin(room, alice, bob)
    next(job)
    bob.tell(b"own\n")
    bob.flush()
    end(job)

    assert bob.wire.got == b"one\nown\n"
    assert alice.wire.got == b"one\nby bob\n"


def test_a_reader_that_leaves_before_a_chunk_comes_to_it_takes_the_chunk_along() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    bob.log_reader.leave(room.log, 1000)
    bob.flush()
    end(job)

    assert bob.wire.got == b"one\n"


@pytest.mark.parametrize("breaks", [False, True])
def test_a_newcomer_with_the_descriptor_of_a_reader_that_left_is_not_sent_its_chunk(*, breaks: bool) -> None:
    alice, bob, carol = Peer(1), Peer(2), Peer(3, descriptor=2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    if breaks:
        bob.log_reader.end()
    else:
        bob.log_reader.leave(room.log, 1000)
        bob.flush()
    carol.log_reader.follow(room.log)
    carol.flush()
    for _ in job:
        assert not carol.wire.got
    say(room, b"two\n")
    end(begin(room, alice, carol))

    assert carol.wire.got == b"two\n"


def test_a_newcomer_is_not_sent_a_chunk_that_was_sealed_before_it_came() -> None:
    alice, bob, carol = Peer(1), Peer(2), Peer(3)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob, carol)
    next(job)
    carol.log_reader.follow(room.log)
    carol.flush()
    carol.tell(b"own\n")
    carol.flush()
    end(job)

    assert carol.wire.got == b"own\n"


def test_when_sending_breaks_off_the_others_go_on_by_themselves() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    job.close()
    room.log.trim()
    say(room, b"two\n")
    turn(room, alice, bob)

    assert alice.wire.got == bob.wire.got == b"one\ntwo\n"


def test_a_reader_that_is_behind_when_it_enters_a_room_misses_nothing_there() -> None:
    # It takes no more, for what it was owed of the room before: nobody flushes it until it does.
    alice, bob = Peer(1), Peer(2)
    first, second = room_of(bob), room_of(alice)
    bob.wire.takes = 0
    say(first, b"first\n")
    turn(first, bob)
    bob.log_reader.leave(first.log, 1000)
    bob.log_reader.follow(second.log)
    say(second, b"second\n")
    turn(second, alice, bob)
    bob.wire.takes = None
    bob.flush()

    assert bob.wire.got == b"first\nsecond\n"


def test_what_has_not_come_to_a_live_reader_yet_is_its_lag() -> None:
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    assert (alice.log_reader.lag, bob.log_reader.lag) == (0, 4)
    end(job)

    assert (alice.log_reader.lag, bob.log_reader.lag) == (0, 0)


# --- Several rooms ---------------------------------------------------------------------------------------------------


def two_rooms(*readers: Peer, capacity: int = 1 << 20) -> tuple[Room, Room]:
    """Return two rooms in which `readers` are, and have everything."""
    rooms = Room("A", capacity), Room("B", capacity)
    for reader in readers:
        for room in rooms:
            reader.log_reader.follow(room.log)
        reader.flush()
    return rooms


def catch_up(reader: Peer) -> bytes:
    """Let the reader read all that is sealed; return all that it got."""
    reader.wire.takes = None
    reader.flush()
    return reader.wire.got


def test_who_is_live_in_two_rooms_is_offered_the_chunk_of_each() -> None:
    reader = Peer(1)
    first, second = two_rooms(reader)
    say(first, b"one\n")
    say(second, b"two\n")

    assert offered(first) == [(b"one\n", [1])]
    assert offered(second) == [(b"two\n", [1])]
    assert reader.log_reader.is_live


def test_who_is_live_in_two_rooms_is_offered_the_chunks_of_one_turn_at_once() -> None:
    both, other, speaker = Peer(1), Peer(2), Peer(3)
    first, second = two_rooms(both, speaker)
    other.log_reader.follow(second.log)
    other.flush()
    say(first, b"one\n")
    say(second, b"two\n", speaker)

    assert offered(first, second) == [(b"two\n", [2]), (b"one\ntwo\n", [1]), (b"one\n", [3])]


def test_who_speaks_in_one_of_two_rooms_while_they_are_sent_gets_the_other_chunk_once() -> None:
    reader, first_in_line = Peer(2), Peer(1)
    first, second = two_rooms(reader, first_in_line)
    say(first, b"one\n")
    say(second, b"two\n")
    sending = send([first, second], {1: first_in_line, 2: reader}, 1)
    next(sending)
    say(first, b"mine\n", reader)
    for _ in sending:
        pass

    assert sorted(reader.wire.got.splitlines()) == [b"one", b"two"]
    assert first_in_line.wire.got == b"one\ntwo\n"


@pytest.mark.parametrize("takes", range(9))
def test_who_takes_a_part_of_two_chunks_at_once_gets_the_rest_of_both(takes: int) -> None:
    reader = Peer(1)
    rooms = two_rooms(reader)
    for room, line in zip(rooms, (b"one\n", b"two\n"), strict=True):
        say(room, line)
    reader.wire.takes = takes
    for _ in send([*rooms], {1: reader}, 1):
        pass

    assert reader.behind == (takes < 8)
    assert catch_up(reader) == b"one\ntwo\n"


@pytest.mark.parametrize("takes", range(13))
def test_who_has_spoken_in_one_of_two_rooms_gets_the_rest_of_both_at_once_whatever_part_is_taken(takes: int) -> None:
    reader, other = Peer(1), Peer(2)
    first, second = two_rooms(reader, other)
    for line, speaker in ((b"one\n", None), (b"mine\n", reader), (b"two\n", None)):
        say(first, line, speaker)
    say(second, b"more\n")
    reader.wire.takes = takes
    for _ in send([first, second], {1: reader, 2: other}, 1):
        pass

    assert other.wire.got == b"one\nmine\ntwo\nmore\n"
    assert len(reader.wire.got) == takes
    assert catch_up(reader) == b"one\ntwo\nmore\n"


def test_who_alone_has_spoken_in_a_turn_is_sent_nothing() -> None:
    """A write of nothing is a system call all the same, and TLS takes none."""
    alice, bob = Peer(1), Peer(2)
    room = room_of(alice, bob)
    say(room, b"one\n", alice)

    assert offered(room) == [(b"one\n", [2])]


@pytest.mark.parametrize("slice_bytes", [1, 10, 1000])
@pytest.mark.parametrize("sent", range(0, 22, 3))
def test_who_is_behind_gets_what_its_rooms_were_told_in_the_order_of_all(sent: int, slice_bytes: int) -> None:
    reader = Peer(1)
    first, second = two_rooms(reader)
    reader.wire.takes = 0
    reader.tell(b"own 1\n")
    reader.flush()
    for number in range(6):
        for room in (first, second) if number % 2 else (first,):
            say(room, b"%s %d\n" % (room.name.encode(), number))
            if number % 3 == 2:
                turn(room, reader)
        if number == 3:
            reader.tell(b"own 2\n")
    for room in (first, second):
        turn(room, reader)
    reader.wire.takes = sent
    reader.flush(slice_bytes)

    assert catch_up(reader) == b"own 1\nA 0\nA 1\nB 1\nA 2\nA 3\nB 3\nown 2\nA 4\nA 5\nB 5\n"
    assert reader.log_reader.is_live


@pytest.mark.parametrize("sent", range(5))
def test_who_takes_a_part_of_one_chunk_is_behind_in_all_rooms(sent: int) -> None:
    reader = Peer(1)
    first, second = two_rooms(reader)
    reader.wire.takes = sent
    say(first, b"one..\n")
    say(second, b"two\n")
    jobs = begin(first, reader), begin(second, reader)
    for job in jobs:
        end(job)

    assert reader.wire.got == b"one..\n"[:sent]
    assert {reader.cursor_in(room).state for room in (first, second)} == {State.BEHIND}
    assert catch_up(reader) == b"one..\ntwo\n"


def test_an_own_line_comes_after_what_another_room_was_told_before_although_that_is_still_to_be_sealed() -> None:
    reader, other = Peer(1), Peer(2)
    first, second = two_rooms(reader)
    other.log_reader.follow(first.log)
    say(first, b"one\n")
    job = begin(first, other, reader)
    say(first, b"two\n")
    reader.tell(b"own\n")
    say(second, b"three\n")
    turn(second, reader)
    assert reader.wire.got == b"one\n"
    end(job)
    end(begin(first, other, reader))

    assert reader.wire.got == b"one\ntwo\nown\nthree\n"


def test_who_is_owed_chunks_of_two_offers_gets_each_once() -> None:
    reader, other = Peer(2), Peer(1)
    first, second = two_rooms(reader)
    for room in (first, second):
        other.log_reader.follow(room.log)
    other.flush()
    say(first, b"one\n")
    say(second, b"two\n")
    jobs = begin(first, other, reader), begin(second, other, reader)
    for job in jobs:
        next(job)
    say(second, b"by the reader\n", reader)
    assert (reader.wire.got, reader.log_reader.lag) == (b"", 8)
    reader.tell(b"own\n")
    for job in jobs:
        end(job)
    end(begin(second, other, reader))

    assert reader.wire.got == b"one\ntwo\nown\n"


def test_who_falls_off_two_rings_is_told_of_each_once() -> None:
    reader = Peer(1)
    rooms = two_rooms(reader, capacity=10)
    reader.wire.takes = 0
    for number in range(9):
        for room in rooms:
            say(room, b"number %d\n" % number)
            turn(room, reader)

    assert reader.log_reader.missed > reader.log_reader.skipped == 0
    assert catch_up(reader) == b"SKIP A 1-9\nSKIP B 1-9\n"
    assert reader.log_reader.skipped == 18


def test_who_falls_off_a_ring_again_is_told_of_what_it_missed_since() -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=10)
    for takes in (0, 5):
        reader.wire.takes = takes
        reader.flush()  # the second time it takes a part of the notice
        for number in range(9):
            say(room, b"number %d\n" % number)
            turn(room, reader)

    assert catch_up(reader) == b"SKIP A 1-9\nSKIP A 10-18\n"


def test_who_leaves_one_of_its_rooms_gets_what_it_was_owed_of_that_in_its_place() -> None:
    reader = Peer(1)
    first, second = two_rooms(reader)
    reader.wire.takes = 0
    say(first, b"one\n")
    say(second, b"two\n")
    reader.tell(b"own\n")
    say(first, b"three\n")
    reader.log_reader.leave(first.log, 1000)
    reader.tell(b"left\n")
    say(second, b"four\n")
    turn(second, reader)

    assert catch_up(reader) in (b"one\ntwo\nown\nthree\nleft\nfour\n", b"two\none\nown\nthree\nleft\nfour\n")
    assert not first.log.readers


def test_what_is_owed_of_a_room_that_was_left_comes_before_what_the_others_are_told_later() -> None:
    reader = Peer(1)
    first, second = two_rooms(reader)
    say(first, b"one\n")
    reader.log_reader.leave(first.log, 1000)
    say(second, b"two\n")
    turn(second, reader)

    assert reader.wire.got == b"one\ntwo\n"


def test_what_is_owed_of_a_room_comes_before_what_is_missed_of_it_after_coming_back() -> None:
    reader = Peer(1)
    first, _ = two_rooms(reader, capacity=10)
    reader.wire.takes = 0
    say(first, b"one\n")
    turn(first, reader)
    reader.log_reader.leave(first.log, 1000)
    reader.log_reader.follow(first.log)
    for number in range(9):
        say(first, b"number %d\n" % number)
        turn(first, reader)

    assert catch_up(reader) == b"one\nSKIP A 2-10\n"


# --- Leaving ---------------------------------------------------------------------------------------------------------


def test_who_leaves_gets_what_it_was_owed() -> None:
    reader = Peer(1)
    room = room_of(reader)
    reader.wire.takes = 3
    say(room, b"one\ntwo\n")
    turn(room, reader)
    say(room, b"three\n")
    reader.log_reader.leave(room.log, 1000)
    reader.tell(b"goodbye\n")
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"one\ntwo\nthree\ngoodbye\n"
    assert not room.log.behind


def test_who_leaves_and_is_owed_too_much_is_told_how_much_it_misses() -> None:
    reader = Peer(1)
    room = room_of(reader)
    reader.wire.takes = 1
    say(room, b"one\ntwo\n")
    turn(room, reader)
    say(room, b"three\n")
    reader.log_reader.leave(room.log, 5)
    reader.tell(b"goodbye\n")
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"one\nSKIP A 2-3\ngoodbye\n"


def test_who_said_much_and_leaves_is_not_told_that_it_missed_its_own_messages() -> None:
    reader = Peer(1)
    room = room_of(reader)
    say(room, b"m" * 99 + b"\n", reader)
    reader.log_reader.leave(room.log, 50)
    reader.tell(b"goodbye\n")
    reader.flush()

    assert reader.wire.got == b"goodbye\n"


def test_what_who_leaves_was_told_stays_in_its_place_among_the_messages() -> None:
    reader = Peer(1)
    room = room_of(reader)
    say(room, b"one\n")
    reader.tell(b"own\n")
    say(room, b"two\n")
    reader.log_reader.leave(room.log, 1000)
    reader.flush()

    assert reader.wire.got == b"one\nown\ntwo\n"


def test_what_is_owed_of_the_room_before_comes_before_what_is_owed_of_the_next() -> None:
    reader = Peer(1)
    first, second = room_of(reader), room_of()
    reader.wire.takes = 0
    say(first, b"first\n")
    reader.log_reader.leave(first.log, 1000)
    reader.log_reader.follow(second.log)
    reader.tell(b"moved\n")
    say(second, b"second\n")
    reader.log_reader.leave(second.log, 1000)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"first\nmoved\nsecond\n"


def test_a_skip_on_leaving_comes_after_what_was_owed_of_the_room_before() -> None:
    reader = Peer(1)
    first, second = room_of(reader), Room("B", 1 << 20)
    reader.wire.takes = 0
    say(first, b"first\n")
    reader.log_reader.leave(first.log, 1000)
    reader.log_reader.follow(second.log)
    reader.tell(b"moved\n")
    say(second, b"second\n")
    reader.log_reader.leave(second.log, 0)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"first\nmoved\nSKIP B 1-1\n"


def behind_in(rooms: list[Room], lines: int, line: bytes) -> Peer:
    """Return a reader that takes nothing while each of the rooms is told so many lines."""
    reader = Peer(1)
    for room in rooms:
        reader.log_reader.follow(room.log)
    reader.flush()
    reader.log_reader.stall()
    reader.behind = True
    for number in range(lines):
        for room in rooms:
            say(room, b"%s %d %s\n" % (room.name.encode(), number, line))
    for room in rooms:
        turn(room, reader)
    return reader


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_owed_of_many_rooms_that_are_left_is_bounded_as_of_one(*, at_once: bool) -> None:
    rooms, limit = [Room(name, 1 << 20) for name in "ABCDEFGHIJ"], 5000
    reader = behind_in(rooms, 40, b"x" * 90)
    if at_once:
        reader.log_reader.leave_all(limit)
    else:
        for room in rooms:
            reader.log_reader.leave(room.log, limit)
    skips = [b"SKIP %s 1-40\n" % room.name.encode() for room in rooms[1:]]
    assert reader.log_reader.owed <= limit + len(b"".join(skips))
    reader.tell(b"goodbye\n")

    lines = catch_up(reader).splitlines(keepends=True)
    assert [line for line in lines if line.startswith(b"A")] == [b"A %d %s\n" % (n, b"x" * 90) for n in range(40)]
    assert sorted(line for line in lines if line.startswith(b"SKIP")) == skips
    assert lines[-1] == b"goodbye\n"
    assert not reader.log_reader.owed


def test_of_many_rooms_that_are_left_a_busy_one_is_skipped_and_the_quiet_ones_are_not() -> None:
    busy, quiet = Room("A", 1 << 20), Room("B", 1 << 20)
    reader = behind_in([busy, quiet], 1, b"first")
    for number in range(2, 101):
        say(busy, b"%d %s\n" % (number, b"y" * 90))
    reader.tell(b"own\n")
    say(quiet, b"last\n")
    turn(busy, reader)
    reader.log_reader.leave_all(100)

    assert catch_up(reader) == b"SKIP A 1-100\nB 0 first\nown\nlast\n"


@pytest.mark.parametrize("at_once", [True, False])
def test_all_rooms_are_left_in_the_order_of_what_they_were_told(*, at_once: bool) -> None:
    rooms = [Room(name, 1 << 20) for name in "ABC"]
    reader = behind_in(rooms, 0, b"")
    expected = b""
    for number in range(30):
        room = rooms[number % 3]
        for line, by in ((b"%d\n" % number, None), (b"own words\n", reader)):
            say(room, line, by)
        if number % 4 == 0:
            reader.tell(b"own %d\n" % number)
        if number % 7 == 0:
            turn(room, reader)
        expected += b"%d\n" % number + (b"own %d\n" % number if number % 4 == 0 else b"")
    if at_once:
        reader.log_reader.leave_all(10_000)
        assert catch_up(reader) == expected
    else:
        for room in rooms:
            reader.log_reader.leave(room.log, 10_000)
        assert sorted(catch_up(reader).splitlines()) == sorted(expected.splitlines())


# --- The prompt ------------------------------------------------------------------------------------------------------


def prompted() -> tuple[Room, Peer]:
    reader = Peer(1)
    room = room_of(reader)
    reader.tell(b"[You] ", then=b"\n")
    reader.flush()
    assert reader.wire.got == b"[You] "
    return room, reader


def test_what_is_shown_after_a_prompt_begins_a_line() -> None:
    room, reader = prompted()
    for line in (b"one\n", b"two\n"):
        say(room, line)
        turn(room, reader)

    assert reader.wire.got == b"[You] \none\ntwo\n"


def test_an_answer_after_a_prompt_begins_a_line() -> None:
    _, reader = prompted()
    reader.tell(b"answer\n")
    reader.flush()

    assert reader.wire.got == b"[You] \nanswer\n"


def test_who_pressed_enter_has_finished_the_line_of_the_prompt() -> None:
    room, reader = prompted()
    reader.log_reader.typed()
    say(room, b"one\n")
    turn(room, reader)

    assert reader.wire.got == b"[You] one\n"


def test_two_prompts_stand_on_two_lines() -> None:
    _, reader = prompted()
    reader.tell(b"[You] ", then=b"\n")
    reader.flush()

    assert reader.wire.got == b"[You] \n[You] "


@pytest.mark.parametrize("sent", range(7))
def test_a_prompt_that_was_cut_is_finished_and_then_its_line(sent: int) -> None:
    reader = Peer(1)
    room = room_of(reader)
    reader.wire.takes = sent
    reader.tell(b"[You] ", then=b"\n")
    say(room, b"one\n")
    turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"[You] \none\n"


def test_the_new_line_after_a_prompt_is_not_lost_when_nothing_is_taken() -> None:
    room, reader = prompted()
    reader.wire.takes = 0
    say(room, b"one\n")
    turn(room, reader)
    say(room, b"two\n")
    turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"[You] \none\ntwo\n"


@pytest.mark.parametrize("sent", range(4))
def test_a_telnet_refusal_behind_a_prompt_begins_no_line_wherever_it_is_cut(sent: int) -> None:
    room, reader = prompted()
    reader.wire.takes = sent
    reader.log_reader.tell(OwnLines(b"\xff\xfc\x06", is_seen=False))
    reader.flush()
    reader.wire.takes = None
    reader.flush()
    assert reader.wire.got == b"[You] \xff\xfc\x06"

    say(room, b"one\n")
    turn(room, reader)
    assert reader.wire.got == b"[You] \xff\xfc\x06\none\n"


# --- Memory ----------------------------------------------------------------------------------------------------------


def test_the_ring_holds_its_capacity_and_a_chunk_whoever_does_not_read() -> None:
    reader = Peer(1)
    room = room_of(reader, capacity=100)
    reader.wire.takes = 0
    for number in range(200):
        say(room, b"x" * (number % 40) + b"\n")
        turn(room, reader)

        assert sum(len(chunk.data) for chunk in room.log._chunks) < 100 + 41
    assert reader.log_reader.owed == 0


def test_nothing_is_kept_when_nobody_is_behind() -> None:
    reader = Peer(1)
    room = room_of(reader)
    say(room, b"hello\n")
    turn(room, reader)

    assert not room.log._chunks
    assert reader.wire.got == b"hello\n"
