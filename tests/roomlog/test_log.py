"""The room log and its cursors against a naive model, driven as the pump and the connections drive them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import Struct

from gchat.model.audience import OwnLines
from gchat.roomlog.chunk import Offer
from gchat.roomlog.cursor import TRANSITIONS, Cursor
from gchat.roomlog.log import RoomLog

# --- The table of states: each step of a cursor or a log is held against it ------------------------------------------


def held_to_the_table(step: str, method: Callable[..., Any], cursors: Callable[[Any], list[Cursor]]) -> Any:
    """Return `method` of a cursor or a log, which fails if it changes a state that the table does not let it change."""

    def checked(self: Any, *args: Any) -> Any:
        before = [(cursor, cursor.state) for cursor in cursors(self)]
        result = method(self, *args)
        for cursor, state in before:
            change = (state, cursor.state)
            assert change[0] is change[1] or change in TRANSITIONS.get(step, ()), f"{step} made {change}"
        return result

    return checked


@pytest.fixture(autouse=True, scope="module")
def _every_step_is_held_to_the_table() -> Iterator[None]:
    def itself(cursor: Cursor) -> list[Cursor]:
        return [cursor]

    def readers(log: RoomLog) -> list[Any]:
        return [*log.live.values(), *log.speaking.values(), *log.aside, *log.behind]

    with pytest.MonkeyPatch.context() as patched:
        for step in (*TRANSITIONS, "peek", "took", "typed", "read", "trim"):
            kind: Any = Cursor if hasattr(Cursor, step) else RoomLog
            cursors: Any = itself if kind is Cursor else readers
            patched.setattr(kind, step, held_to_the_table(step, getattr(kind, step), cursors))
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


class Reader:
    """A connection: its cursor, its wire, and what the model says that it must get."""

    def __init__(self, session: int, descriptor: int = 0) -> None:
        self.session = session
        self.wire = Wire()
        self.cursor = Cursor(session, descriptor or session)
        self.behind = False  # whether a watcher waits for its wire
        self.room: Room | None = None
        self.due: list[Due] = []
        self.got_at_the_end: bytes | None = None  # when its wire broke

    def tell(self, line: bytes, then: bytes = b"") -> None:
        self.cursor.tell(OwnLines(line, then=then))

    def flush(self, slice_bytes: int = 1 << 16) -> None:
        """Writer.flush."""
        while data := self.cursor.peek(slice_bytes):
            sent = self.wire.send(data)
            self.cursor.took(sent)
            if sent < len(data):
                self.cursor.stall()
                self.behind = True
                return
        self.cursor.settle()
        self.behind = False


class Room:
    """A room log, by name."""

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.seq = 1
        self.log = RoomLog(1, capacity, self.skip)

    def skip(self, first: int, last: int) -> bytes:
        return f"SKIP {self.name} {first}-{last}\n".encode()

    def send(self, readers: dict[int, Reader], batch: int = 64) -> Generator[None, None, None]:
        """FanOut._send; `readers` are those with a socket, by descriptor."""
        offer = self.log.seal()
        return self._send(offer, readers, batch)

    def _send(self, offer: Offer, readers: dict[int, Reader], batch: int) -> Generator[None, None, None]:
        try:
            yield from self._flush_aside(readers)
            for data, descriptors in offer.batches(batch):
                for descriptor in descriptors:
                    reader = readers[descriptor]
                    if (sent := reader.wire.send(data)) != len(data):
                        cursor = self.log.live[descriptor]
                        assert cursor is reader.cursor, "what a descriptor is sent is its reader's"
                        cursor.fall_behind(len(data), sent)
                        reader.behind = True
                yield
            yield from self._flush_aside(readers)
        finally:
            self.log.finish()

    def _flush_aside(self, readers: dict[int, Reader]) -> Generator[None, None, None]:
        for cursor in list(self.log.aside):
            if cursor in self.log.aside and not readers[cursor.descriptor].behind:
                readers[cursor.descriptor].flush()
            yield

    def fan_out(self, readers: dict[int, Reader], breaths: Iterable[int] = ()) -> None:
        """Send within the turn; before each step one of `breaths` that is behind finds its wire drained."""
        waking = iter(breaths)
        self._breathe(readers, waking)
        if self.log.dirty and self.log.offer is None:
            for _ in self.send(readers, batch=1):
                self._breathe(readers, waking)

    def _breathe(self, readers: dict[int, Reader], waking: Iterator[int]) -> None:
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
    mine: bool = False  # said by the reader, which does not hear it


def lines_of(got: bytes) -> list[bytes]:
    """Split at LF, if the message does not go on, and after a prompt, with the LF that goes before the next."""
    return [line for line in re.split(rb"(?<=\n)(?! )|(?<=>)\n?", got) if line]


def check(reader: Reader, *, lossy: bool) -> None:
    """Hold what a reader got, all of it, against what it was to get; where `lossy`, presence may be missing."""
    if reader.got_at_the_end is not None:
        assert reader.wire.got == reader.got_at_the_end, "nothing is sent on a wire that broke"
        return
    assert lossy or b"SKIP" not in reader.wire.got
    due, late = deque(reader.due), deque[bytes]()
    for line in lines_of(reader.wire.got):
        if found := re.fullmatch(rb"SKIP (\w+) (\d+)-(\d+)\n", line):
            _skip(due, late, found[1].decode(), range(int(found[2]), int(found[3]) + 1))
            continue
        if late:  # own lines come after the skip of what was before them
            assert line == late.popleft()
            continue
        while (item := due.popleft()).line != line or item.mine:
            assert item.mine or (lossy and not item.seq and not item.own), f"{item} is missing before {line!r}"
    assert not late
    for item in due:
        assert item.mine or (lossy and not item.seq and not item.own), f"{item} is missing at the end"


def _skip(due: deque[Due], late: deque[bytes], room: str, numbers: range) -> None:
    """Take out of `due` what a skip of `numbers` covers: exactly that, and own lines between are only late."""
    assert numbers, "a skip of nothing"
    seq = 0
    while seq != numbers[-1]:
        assert due, f"{room} {numbers} were skipped, which were not all due"
        item = due.popleft()
        if item.own:
            late.append(item.line)
        elif item.seq:
            seq = item.seq
            assert item.room == room
            assert seq in numbers or (item.mine and seq < numbers[0]), f"{item} is missing, and not in {numbers}"


# --- Any interleaving ------------------------------------------------------------------------------------------------


class Sockets(dict[int, Reader]):
    """The readers by descriptor as of now, while a job is under way."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    def __getitem__(self, descriptor: int) -> Reader:
        return self.chat._sockets()[descriptor]


SESSIONS = st.integers(1, 3)
ROOMS = st.sampled_from("AB")
LIMITS = st.sampled_from((0, 20, 60, 1000))


class Chat(RuleBasedStateMachine):
    """Rules do what effects do; the turn that they make ends as the pump's does, or a job sends it in slices."""

    capacity = 1 << 20
    lossy = False

    @initialize(takes=st.tuples(*(st.sampled_from((0, 5, 40, None)) for _ in range(3))))
    def everybody_enters(self, takes: tuple[int | None, ...]) -> None:
        self.rooms = {name: Room(name, self.capacity) for name in "AB"}
        self.readers = {session: Reader(session) for session in range(1, 4)}
        self.gone: list[Reader] = []
        self.jobs: dict[str, Generator[None, None, None]] = {}
        self.descriptors = count(10)
        self.texts = count(1)
        self.touched: dict[int, None] = {}
        for reader, take in zip(self.readers.values(), takes, strict=True):
            reader.wire.takes = take
            self._follow(reader, self.rooms["A"])

    def _follow(self, reader: Reader, room: Room) -> None:
        reader.room = room
        reader.cursor.follow(room.log)
        self.touched[reader.session] = None

    def _append(self, room: Room, lines: list[bytes], speaker: Reader | None, *, numbered: bool) -> None:
        cursor = speaker.cursor if speaker else None
        room.log.append(b"".join(lines), len(lines) if numbered else 0, cursor)
        for line in lines:
            for reader in self.readers.values():
                if reader.room is room:
                    seq = room.seq if numbered else 0
                    reader.due.append(Due(line, room.name, seq, mine=reader is speaker))
            room.seq += numbered

    def _tell(self, reader: Reader, line: bytes) -> None:
        reader.tell(line, then=b"\n" if line.endswith(b">") else b"")
        reader.due.append(Due(line, own=True))
        self.touched[reader.session] = None

    # What effects do:

    @rule(session=SESSIONS, messages=st.integers(1, 3))
    def says(self, session: int, messages: int) -> None:
        reader = self.readers[session]
        assert reader.room
        self._append(
            reader.room,
            [b"m%d by %d\n" % (next(self.texts), session) for _ in range(messages)],
            reader,
            numbered=True,
        )

    @rule(session=SESSIONS, lines=st.integers(2, 3))
    def says_several_lines_in_one_message(self, session: int, lines: int) -> None:
        reader = self.readers[session]
        assert reader.room
        message = b"m%d by %d\n" % (next(self.texts), session) + b" and more\n" * (lines - 1)
        self._append(reader.room, [message], reader, numbered=True)

    @rule(room=ROOMS)
    def nothing_is_shown_of_a_message(self, room: str) -> None:
        log, before = self.rooms[room].log, self.rooms[room].log.open_end
        log.append(b"", 0, None)
        assert log.open_end == before

    @rule(room=ROOMS, session=st.none() | SESSIONS, numbered=st.booleans())
    def hears_of_presence_or_of_who_has_gone_already(self, room: str, session: int | None, *, numbered: bool) -> None:
        speaker = self.readers[session] if session and not numbered else None
        self._append(self.rooms[room], [b"line %d\n" % next(self.texts)], speaker, numbered=numbered)

    @rule(session=SESSIONS, line=st.sampled_from((b"own %d\n", b"own %d, which is longer\n", b"prompt %d>")))
    def is_told(self, session: int, line: bytes) -> None:
        self._tell(self.readers[session], line % next(self.texts))

    @rule(session=SESSIONS, room=st.none() | ROOMS, limit=LIMITS)
    def moves_or_leaves(self, session: int, room: str | None, limit: int) -> None:
        reader = self.readers[session]
        if reader.cursor.lag and reader.cursor.keeps_up and not reader.behind:  # FanOut.leave
            reader.cursor.step_aside()
            reader.flush()
        reader.cursor.leave(limit if self.lossy else self.capacity)
        self._tell(reader, b"goodbye %d\n" % next(self.texts))
        if not room:
            reader.room = None
            reader.flush()
            self.gone.append(reader)
            # And another comes: with the same descriptor, if all is sent and the socket closed.
            descriptor = next(self.descriptors) if reader.behind else reader.cursor.descriptor
            reader = self.readers[session] = Reader(session + 10 * len(self.gone), descriptor)
            reader.wire.takes = 0
        self._follow(reader, self.rooms[room or "A"])

    # What the shell does:

    @rule(breaths=st.lists(SESSIONS, min_size=1, max_size=6), slice_bytes=st.integers(1, 50))
    def ends_a_turn(self, breaths: list[int], slice_bytes: int) -> None:
        self._turn(breaths, slice_bytes)

    def _turn(self, breaths: list[int], slice_bytes: int) -> None:
        waking = [self.readers[session].cursor.descriptor for session in breaths]
        for room in self.rooms.values():
            room.fan_out(self._sockets(), waking)
        by_session = {reader.session: reader for reader in self.readers.values()}
        for session in self.touched:
            reader = by_session.get(session)
            if reader and not reader.behind and not reader.cursor.is_live:
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
        if not any(reader.behind and reader.room is room for reader in self.readers.values()) and not room.log.offer:
            assert not any(cursor.is_owed for cursor in room.log.aside)
            assert not room.log._chunks

    def _sockets(self) -> dict[int, Reader]:
        return {reader.cursor.descriptor: reader for reader in self.readers.values()}

    @rule(room=ROOMS, batch=st.integers(1, 3))
    def a_large_room_is_begun(self, room: str, batch: int) -> None:
        log = self.rooms[room].log
        if log.dirty and log.offer is None:
            self.jobs[room] = self._spread(self.rooms[room], batch)

    def _spread(self, room: Room, batch: int) -> Generator[None, None, None]:
        """FanOut._spread."""
        sending = room.send(Sockets(self), batch)

        def steps() -> Generator[None, None, None]:
            yield from sending
            while room.log.dirty:
                yield from room.send(Sockets(self), batch)
            self._clear_up(room)

        return steps()

    @rule(room=ROOMS, steps=st.integers(1, 4))
    def a_slice_is_sent(self, room: str, steps: int) -> None:
        for _ in range(steps):
            if room in self.jobs and next(self.jobs[room], "over") == "over":
                del self.jobs[room]

    @rule(room=ROOMS)
    def a_job_crashes(self, room: str) -> None:
        if room in self.jobs:
            next(self.jobs[room], None)  # one that has not begun ends nothing
            self.jobs.pop(room).close()
            for _ in self.rooms[room]._flush_aside(self._sockets()):
                pass

    @rule(session=SESSIONS)
    def types(self, session: int) -> None:
        self.readers[session].cursor.typed()

    @rule(session=SESSIONS, takes=st.sampled_from((0, 3, 30, None)))
    def kernel_takes(self, session: int, takes: int | None) -> None:
        self.readers[session].wire.takes = takes

    @rule(session=SESSIONS)
    def breaks(self, session: int) -> None:
        """Connection.end_writing: the reader goes on as a speaker, and is owed nothing."""
        reader = self.readers[session]
        reader.cursor.end()
        reader.behind = False
        reader.got_at_the_end = reader.wire.got
        assert not reader.cursor.owed
        assert not reader.cursor.lag

    @rule(session=SESSIONS, slice_bytes=st.integers(1, 50))
    def is_writable(self, session: int, slice_bytes: int) -> None:
        if self.readers[session].behind:
            self.readers[session].flush(slice_bytes)

    def _drain(self) -> None:
        for job in self.jobs.values():
            for _ in job:
                pass
        self._turn([], 1 << 16)
        for reader in (*self.readers.values(), *self.gone):
            reader.wire.takes = None
            if reader.behind:
                reader.flush()
            assert not reader.cursor.owed
            check(reader, lossy=self.lossy)
        self._turn([], 1 << 16)

    def teardown(self) -> None:
        if hasattr(self, "rooms"):
            self._drain()


class ForgetfulChat(Chat):
    """The same in a ring so small that who does not read falls off it."""

    capacity = 40
    lossy = True


TestChat = Chat.TestCase
TestChat.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestForgetfulChat = ForgetfulChat.TestCase
TestForgetfulChat.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


# --- One thing at a time ---------------------------------------------------------------------------------------------


def room_of(*readers: Reader, capacity: int = 1 << 20) -> Room:
    """Return a room in which `readers` are, and have everything."""
    room = Room("A", capacity)
    for reader in readers:
        reader.cursor.follow(room.log)
        reader.flush()
    return room


def say(room: Room, line: bytes, speaker: Reader | None = None) -> None:
    room.log.append(line, line.count(b"\n"), speaker.cursor if speaker else None)


def turn(room: Room, *readers: Reader) -> None:
    room.fan_out({reader.session: reader for reader in readers})
    for reader in readers:
        if not reader.behind and not reader.cursor.is_live:
            reader.flush()
    room.log.trim()


def test_everybody_but_its_speaker_hears_a_message() -> None:
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice, bob)
    say(room, b"hello\n", alice)
    turn(room, alice, bob)

    assert (alice.wire.got, bob.wire.got) == (b"", b"hello\n")
    assert alice.cursor in room.log.live.values()


def test_readers_who_are_live_share_the_bytes_of_a_turn() -> None:
    room = room_of(Reader(1), Reader(2))
    line = b"one line, and a turn of it alone\n"
    say(room, line)

    assert [*room.log.seal().batches(10)] == [(line, [1, 2])]
    assert room.log._chunks[-1].data is line


@pytest.mark.parametrize("sent", range(1, 12))
def test_a_line_that_was_cut_is_finished_before_its_reader_is_told_what_it_missed(sent: int) -> None:
    reader = Reader(1)
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
    reader = Reader(1)
    room = room_of(reader, capacity=20)
    say(room, b"one\n")
    turn(room, reader)
    assert (reader.cursor.missed, reader.cursor.lag) == (0, 0)
    reader.wire.takes = 0
    for number in range(9):
        say(room, b"line %d\n" % number)
        turn(room, reader)

    assert reader.cursor.missed == room.log.seq_at(room.log.start) - 2 > 0
    assert reader.cursor.lag > 20
    reader.wire.takes = None
    reader.flush()
    assert (reader.cursor.missed, reader.cursor.skipped, reader.cursor.lag) == (9, 9, 0)


@pytest.mark.parametrize("message", [b"one,\n in three\n lines\n", b"a frame without a newline"])
@pytest.mark.parametrize("sent", range(1, 25))
def test_a_message_of_any_number_of_lines_has_one_number_and_is_finished(message: bytes, sent: int) -> None:
    reader = Reader(1)
    room = room_of(reader, capacity=10)
    reader.wire.takes = sent
    for _ in range(9):
        room.log.append(message, 1, None)
        turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    whole = 1 + (sent - 1) // len(message)
    assert reader.wire.got == message * whole + b"SKIP A %d-9\n" % (whole + 1)
    assert reader.cursor.skipped == 9 - whole


def test_a_message_without_bytes_has_a_number() -> None:
    live, slow = Reader(1), Reader(2)
    room = room_of(live, slow, capacity=5)
    slow.wire.takes = 0
    for number in range(5):
        say(room, b"number %d\n" % number)
        room.log.append(b"", 1, live.cursor)
        turn(room, live, slow)
    slow.wire.takes = None
    slow.flush()

    assert (room.log.seq, room.log.open_seq) == (11, 11)
    assert not room.log.dirty
    assert slow.wire.got == b"SKIP A 1-10\n"


def test_who_missed_presence_alone_is_told_of_no_skip() -> None:
    reader = Reader(1)
    room = room_of(reader, capacity=5)
    reader.wire.takes = 0
    for _ in range(5):
        room.log.append(b"> somebody came\n", 0, None)
        turn(room, reader)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b""


def test_an_own_line_stands_where_it_was_told_among_the_messages() -> None:
    reader = Reader(1)
    room = room_of(reader)
    say(room, b"before\n")
    reader.tell(b"own\n")
    say(room, b"after\n")
    turn(room, reader)

    assert reader.wire.got == b"before\nown\nafter\n"


def test_a_newcomer_hears_nothing_of_what_the_turn_said_before_it_came() -> None:
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice)
    say(room, b"before\n")
    bob.cursor.follow(room.log)
    bob.tell(b"welcome\n")
    say(room, b"after\n")
    turn(room, alice, bob)

    assert alice.wire.got == b"before\nafter\n"
    assert bob.wire.got == b"welcome\nafter\n"


def test_who_catches_up_in_the_middle_of_a_turn_does_not_hear_itself() -> None:
    # While another room is fanned out, a watcher finds a reader's kernel buffer drained.
    alice, bob = Reader(1), Reader(2)
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


def begin(room: Room, *readers: Reader) -> Generator[None, None, None]:
    """Begin to send what was said, one reader in each step, in the order of their numbers."""
    return room.send({reader.cursor.descriptor: reader for reader in readers}, batch=1)


def end(job: Iterable[None]) -> None:
    for _ in job:
        pass


def test_a_speaker_stays_live_and_gets_a_chunk_without_its_own_lines() -> None:
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice, bob)
    say(room, b"one\n", bob)
    say(room, b"two\n", alice)
    say(room, b"three\n", bob)

    assert not room.log.aside
    assert [*room.log.seal().batches(10)] == [(b"two\n", [2]), (b"one\nthree\n", [1])]
    room.log.finish()
    assert room.log.live == {1: alice.cursor, 2: bob.cursor}


def test_a_speaker_that_takes_only_a_part_gets_the_rest_without_its_own_lines() -> None:
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice, bob)
    alice.wire.takes = 6
    for number in range(4):
        say(room, b"by bob %d\n" % number, bob)
        say(room, b"by alice %d\n" % number, alice)
    turn(room, alice, bob)
    alice.wire.takes = None
    alice.flush()

    assert alice.wire.got == b"".join(b"by bob %d\n" % number for number in range(4))


def test_what_is_said_while_a_chunk_is_sent_is_the_next_chunk() -> None:
    alice, bob = Reader(1), Reader(2)
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
    alice, bob, carol = Reader(1), Reader(2), Reader(3)
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
    alice, bob = Reader(1), Reader(2)
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
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    bob.cursor.leave(1000)
    bob.flush()
    end(job)

    assert bob.wire.got == b"one\n"


@pytest.mark.parametrize("breaks", [False, True])
def test_a_newcomer_with_the_descriptor_of_a_reader_that_left_is_not_sent_its_chunk(*, breaks: bool) -> None:
    alice, bob, carol = Reader(1), Reader(2), Reader(3, descriptor=2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    if breaks:
        bob.cursor.end()
    else:
        bob.cursor.leave(1000)
        bob.flush()
    carol.cursor.follow(room.log)
    carol.flush()
    for _ in job:
        assert not carol.wire.got
    say(room, b"two\n")
    end(begin(room, alice, carol))

    assert carol.wire.got == b"two\n"


def test_a_newcomer_is_not_sent_a_chunk_that_was_sealed_before_it_came() -> None:
    alice, bob, carol = Reader(1), Reader(2), Reader(3)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob, carol)
    next(job)
    carol.cursor.follow(room.log)
    carol.flush()
    carol.tell(b"own\n")
    carol.flush()
    end(job)

    assert carol.wire.got == b"own\n"


def test_when_sending_breaks_off_the_others_go_on_by_themselves() -> None:
    alice, bob = Reader(1), Reader(2)
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
    alice, bob = Reader(1), Reader(2)
    first, second = room_of(bob), room_of(alice)
    bob.wire.takes = 0
    say(first, b"first\n")
    turn(first, bob)
    bob.cursor.leave(1000)
    bob.cursor.follow(second.log)
    say(second, b"second\n")
    turn(second, alice, bob)
    bob.wire.takes = None
    bob.flush()

    assert bob.wire.got == b"first\nsecond\n"


def test_what_has_not_come_to_a_live_reader_yet_is_its_lag() -> None:
    alice, bob = Reader(1), Reader(2)
    room = room_of(alice, bob)
    say(room, b"one\n")
    job = begin(room, alice, bob)
    next(job)
    assert (alice.cursor.lag, bob.cursor.lag) == (0, 4)
    end(job)

    assert (alice.cursor.lag, bob.cursor.lag) == (0, 0)


# --- Leaving ---------------------------------------------------------------------------------------------------------


def test_who_leaves_gets_what_it_was_owed() -> None:
    reader = Reader(1)
    room = room_of(reader)
    reader.wire.takes = 3
    say(room, b"one\ntwo\n")
    turn(room, reader)
    say(room, b"three\n")
    reader.cursor.leave(1000)
    reader.tell(b"goodbye\n")
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"one\ntwo\nthree\ngoodbye\n"
    assert not room.log.behind


def test_who_leaves_and_is_owed_too_much_is_told_how_much_it_misses() -> None:
    reader = Reader(1)
    room = room_of(reader)
    reader.wire.takes = 1
    say(room, b"one\ntwo\n")
    turn(room, reader)
    say(room, b"three\n")
    reader.cursor.leave(5)
    reader.tell(b"goodbye\n")
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"one\nSKIP A 2-3\ngoodbye\n"


def test_who_said_much_and_leaves_is_not_told_that_it_missed_its_own_messages() -> None:
    reader = Reader(1)
    room = room_of(reader)
    say(room, b"m" * 99 + b"\n", reader)
    reader.cursor.leave(50)
    reader.tell(b"goodbye\n")
    reader.flush()

    assert reader.wire.got == b"goodbye\n"


def test_what_who_leaves_was_told_stays_in_its_place_among_the_messages() -> None:
    reader = Reader(1)
    room = room_of(reader)
    say(room, b"one\n")
    reader.tell(b"own\n")
    say(room, b"two\n")
    reader.cursor.leave(1000)
    reader.flush()

    assert reader.wire.got == b"one\nown\ntwo\n"


def test_what_is_owed_of_the_room_before_comes_before_what_is_owed_of_the_next() -> None:
    reader = Reader(1)
    first, second = room_of(reader), room_of()
    reader.wire.takes = 0
    say(first, b"first\n")
    reader.cursor.leave(1000)
    reader.cursor.follow(second.log)
    reader.tell(b"moved\n")
    say(second, b"second\n")
    reader.cursor.leave(1000)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"first\nmoved\nsecond\n"


def test_a_skip_on_leaving_comes_after_what_was_owed_of_the_room_before() -> None:
    reader = Reader(1)
    first, second = room_of(reader), Room("B", 1 << 20)
    reader.wire.takes = 0
    say(first, b"first\n")
    reader.cursor.leave(1000)
    reader.cursor.follow(second.log)
    reader.tell(b"moved\n")
    say(second, b"second\n")
    reader.cursor.leave(0)
    reader.wire.takes = None
    reader.flush()

    assert reader.wire.got == b"first\nmoved\nSKIP B 1-1\n"


# --- The prompt ------------------------------------------------------------------------------------------------------


def prompted() -> tuple[Room, Reader]:
    reader = Reader(1)
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
    reader.cursor.typed()
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
    reader = Reader(1)
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
    reader.cursor.tell(OwnLines(b"\xff\xfc\x06", is_seen=False))
    reader.flush()
    reader.wire.takes = None
    reader.flush()
    assert reader.wire.got == b"[You] \xff\xfc\x06"

    say(room, b"one\n")
    turn(room, reader)
    assert reader.wire.got == b"[You] \xff\xfc\x06\none\n"


# --- Memory ----------------------------------------------------------------------------------------------------------


def test_the_ring_holds_its_capacity_and_a_chunk_whoever_does_not_read() -> None:
    reader = Reader(1)
    room = room_of(reader, capacity=100)
    reader.wire.takes = 0
    for number in range(200):
        say(room, b"x" * (number % 40) + b"\n")
        turn(room, reader)

        assert sum(len(chunk.data) for chunk in room.log._chunks) < 100 + 41
    assert reader.cursor.owed == 0


def test_nothing_is_kept_when_nobody_is_behind() -> None:
    reader = Reader(1)
    room = room_of(reader)
    say(room, b"hello\n")
    turn(room, reader)

    assert not room.log._chunks
    assert reader.wire.got == b"hello\n"
