"""The load: senders, readers, and readers in plain, each a greenlet with one connection after the other.

They come back however often they are thrown out: the rich ones with their token and the number that they had come to,
and a sender says again, with the same ids, what it has had no answer to. What they see goes to the oracle at once.
"""

from __future__ import annotations

import re
import socket as native
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import gevent
import msgspec
from gevent import socket

from gchat.protocol import wire
from tests.torture.oracle import Findings, Kind, Said, Texts, View, text_of

#: Messages of one sender that are on their way at a time.
WINDOW = 64

#: One message in so many is what somebody does, not says.
ACT_EVERY = 50

#: A sender that was refused waits so long.
REFUSED_S = 0.05

#: Who finds nobody listening tries again within so long.
RETRY_S = 0.1

#: To connect, on this machine, takes no time; unless the server's queue is full.
CONNECT_S = 5.0

#: A slow reader stops reading for so long, at most, about once in so many reads.
SLEEP_S, SLEEP_EVERY = 3.0, 300

#: What a slow reader lets the kernel have for it.
SLOW_BUFFER = 8192

READ_BYTES = 65536

#: Nobody connects from the address that the server has: a port that is tried while nobody listens connects to itself.
SOURCE = "127.0.0.2"

_LINGER_NOT = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s

_MESSAGE = re.compile(rb" s(\d+)-(\d+)$", re.MULTILINE)

_decoder: msgspec.json.Decoder[wire.AnyEvent] = msgspec.json.Decoder(wire.AnyEvent)


@dataclass
class World:
    """What all share."""

    wanted: int  # acknowledged messages
    random: Random
    port: int = 0
    findings: Findings = field(default_factory=Findings)
    shown: dict[str, Texts] = field(default_factory=dict)  # by room
    epoch: str = ""
    sent: int = 0
    acked: int = 0
    refused: int = 0
    unknown: int = 0  # sent, and the connection broke before the answer; they were sent again
    told: int = 0  # messages that came to rich readers and senders
    cuts: int = 0
    connections: int = 0
    refusals: Counter[str] = field(default_factory=Counter)  # of anything, by code
    closings: Counter[str] = field(default_factory=Counter)  # by code

    far_behind: set[str] = field(default_factory=set)  # rooms whose readers need time

    tormented: bool = True  # whether the nemesis has more to do

    @property
    def enough(self) -> bool:
        """Whether all that was wanted is acknowledged, and nobody is needed to say more."""
        return self.acked >= self.wanted and not self.tormented

    def see_epoch(self, who: str, epoch: str) -> None:
        """Take the name of a room's log: it is the same file all the time, so it has one."""
        if self.epoch and epoch != self.epoch:
            self.findings.add(Kind.UNEXPECTED, f"{who} is welcomed to another log: {epoch}, not {self.epoch}")
        self.epoch = epoch


class Peer:
    """Somebody who connects, again and again."""

    def __init__(self, world: World, name: str, room: str, *, receive_buffer: int = 0) -> None:
        self.world = world
        self.name = name
        self.room = room
        self._receive_buffer = receive_buffer
        self._sock: socket.socket | None = None

    def run(self) -> None:
        """Connect and read until the end, for ever."""
        while True:
            try:
                self._sock = self._connected()
                self.world.connections += 1
                for data in self._received():
                    self.hears(data)
            except OSError:  # refused, broken, or cut by the nemesis
                pass
            finally:
                self._close()
            self.breaks()
            gevent.sleep(self.world.random.random() * RETRY_S)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to be cut."""
        return self._sock is not None

    def cut(self) -> None:
        """Break the connection: the server gets a reset, and this peer loses what it has not read."""
        if self._sock is not None:
            self._sock.setsockopt(native.SOL_SOCKET, native.SO_LINGER, _LINGER_NOT)
            self._close()
            self.world.cuts += 1

    def sends(self, data: bytes) -> None:
        """Send bytes, if there is a connection."""
        if self._sock is not None:
            with suppress(OSError):  # who reads notices it too
                self._sock.sendall(data)

    def opening(self) -> bytes:
        """Return what is said first."""
        return b""

    def hears(self, data: bytes) -> None:
        """Take whole lines."""

    def breaks(self) -> None:
        """Take it that the connection is over."""

    def _connected(self) -> socket.socket:
        """Return a connection on which the first words are said: at once, also if this process is busy."""
        with native.socket() as sock:
            sock.settimeout(CONNECT_S)
            if self._receive_buffer:
                sock.setsockopt(native.SOL_SOCKET, native.SO_RCVBUF, self._receive_buffer)
            sock.setsockopt(native.IPPROTO_TCP, native.TCP_NODELAY, 1)
            sock.bind((SOURCE, 0))
            sock.connect(("127.0.0.1", self.world.port))
            sock.sendall(self.opening())
            return socket.socket(fileno=sock.detach())

    def _received(self) -> Iterator[bytes]:
        """Return whole lines as they come. What is cut off at the end was never said."""
        rest = b""
        while self._sock is not None and (data := self._sock.recv(READ_BYTES)):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                yield whole

    def _close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()


class Rich(Peer):
    """Who speaks the rich dialect, and reads: all that a sender does too."""

    def __init__(self, world: World, name: str, room: str, *, slow: bool = False) -> None:
        super().__init__(world, name, room, receive_buffer=SLOW_BUFFER if slow else 0)
        self.view: View | None = None  # when it has been welcomed
        self.slow = slow
        self._token: str | None = None
        self._live = False

    def opening(self) -> bytes:
        """Come back to where one was."""
        after = wire.After(self.world.epoch, self.view.last) if self.view else None
        opening = wire.Opening(nick=self.name, room=self.room, token=self._token, after=after, replay=0)
        return wire.opening_line(opening)

    def hears(self, data: bytes) -> None:
        """Have each event checked."""
        try:
            events = _decoder.decode_lines(data)
        except msgspec.DecodeError as error:
            self._unexpected(f"is told what is no event ({error}): {data[:300]!r}")
            raise ConnectionError from None
        for event in events:
            if isinstance(event, wire.Said | wire.Acted):
                if self.view is None or event.room != self.room:
                    self._unexpected(f"is told {event.text} of {event.room}")
                    continue
                self.world.told += 1
                self.view.told(event.seq, event.text)
            else:
                self._hears_of(event)
        if self.slow and not self.world.enough and self.world.random.random() < 1 / SLEEP_EVERY:
            gevent.sleep(self.world.random.random() * SLEEP_S)

    def _hears_of(self, event: wire.AnyEvent) -> None:
        match event:
            case wire.Welcome():
                self._welcomed(event)
            case wire.Live():
                self._live = True
                self.goes_live()
            case wire.Gap() if self.view is not None:
                self.view.skips(event.range_from, event.range_to)
            case wire.Ack():
                self.acknowledged(event)
            case wire.Refused():
                self.world.refusals[event.code] += 1
                self.refused(event)
            case wire.Closing():
                self.world.closings[event.code] += 1

    def _welcomed(self, welcome: wire.Welcome) -> None:
        self._token = welcome.token
        self.world.see_epoch(self.name, welcome.epoch)
        if welcome.room != self.room:
            self._unexpected(f"is welcomed to {welcome.room}, not {self.room}")
        if self.view is None:
            shown = self.world.shown.setdefault(self.room, {})
            self.view = View(self.name, welcome.seq, shown, self.world.findings)
        elif welcome.seq < self.view.last:
            self._unexpected(f"has {self.view.last}, and comes back to a room that has only {welcome.seq}")

    def _unexpected(self, what: str) -> None:
        self.world.findings.add(Kind.UNEXPECTED, f"{self.name} {what}")

    def goes_live(self) -> None:
        """Take it that what was missed has been told."""

    def acknowledged(self, ack: wire.Ack) -> None:
        """Take an acknowledgement: a reader says nothing."""
        self._unexpected(f"has said nothing, and gets {ack}")

    def refused(self, refused: wire.Refused) -> None:
        """Take a refusal, of a nick: its ghost may still have it."""

    def breaks(self) -> None:
        """Be live no more."""
        self._live = False


class Sender(Rich):
    """Who says one message after the other, WINDOW of them at a time, until enough are acknowledged."""

    def __init__(self, world: World, number: int, room: str) -> None:
        super().__init__(world, f"s{number:02}", room)
        self.said = Said(number, room)
        self._open: dict[int, None] = {}  # messages without an answer, in the order in which they were sent
        self._refused: list[int] = []  # to be said again
        self._was_refused = False

    @property
    def idle(self) -> bool:
        """Whether everything that was said has been answered."""
        return not self._open

    def go_on(self) -> None:
        """Say more, if there is not much on its way, and the readers are not far behind."""
        world = self.world
        if not self._live or len(self._open) > WINDOW // 2 or world.enough or self.room in world.far_behind:
            return
        lines = []
        while len(self._open) < WINDOW:
            number = self._refused.pop(0) if self._refused else len(self.said.seqs)
            self.said.send(number)
            self._open[number] = None
            lines.append(self._line(number))
        world.sent += len(lines)
        self.sends(b"".join(lines))

    def goes_live(self) -> None:
        """Say again what was not answered, with the same ids; then go on."""
        for number in self._open:
            self.said.send_again(number, may_be_refused=self.world.refused > 0)
        self.sends(b"".join(map(self._line, self._open)))
        self.go_on()

    def hears(self, data: bytes) -> None:
        """Go on when answers have come; after a refusal, not at once."""
        super().hears(data)
        if self._was_refused:
            self._was_refused = False
            gevent.sleep(REFUSED_S)
        self.go_on()

    def acknowledged(self, ack: wire.Ack) -> None:
        """Note where the message stands."""
        number, text = int(ack.id), text_of(self.said.sender, int(ack.id))
        if number in self._open:
            del self._open[number]
            self.world.acked += 1
        self.said.acknowledge(number, ack.seq, self.world.findings)
        if self.view is not None and ack.room == self.room:
            self.view.acknowledged(ack.seq, text)
        else:
            self._unexpected(f"gets {ack}")

    def refused(self, refused: wire.Refused) -> None:
        """Say it again later if its number is odd: the others must never be seen."""
        if not refused.id:
            return
        if refused.code != "not_kept":
            self._unexpected(f"gets {refused}")
        number = int(refused.id)
        self._open.pop(number, None)
        self.said.refuse(number)
        self.world.refused += 1
        self._was_refused = True
        if number % 2:
            self._refused.append(number)

    def breaks(self) -> None:
        """Count what nobody knows now."""
        if self._live:
            self.world.unknown += len(self._open)
        super().breaks()

    def _line(self, number: int) -> bytes:
        kind = wire.Say if number % ACT_EVERY else wire.Act
        return wire.lines([kind(id=str(number), text=text_of(self.said.sender, number))])


class Plain(Peer):
    """Who speaks no dialect: joins anew each time, and knows no numbers. What it sees is looked up in the end."""

    def __init__(self, world: World, name: str, room: str) -> None:
        super().__init__(world, name, room)
        self._seen = array("Q")  # sender << 32 | message; 0: a new connection

    def opening(self) -> bytes:
        """Go to one's room: everybody begins in the lobby."""
        self._seen.append(0)
        return f"/join {self.room}\n".encode()

    def hears(self, data: bytes) -> None:
        """Note which messages these are."""
        self._seen.extend([int(sender) << 32 | int(number) for sender, number in _MESSAGE.findall(data)])

    @property
    def seen(self) -> int:
        """How many messages that were."""
        return len(self._seen)

    def sights(self) -> Iterator[list[str]]:
        """Return the texts that each connection saw."""
        texts: list[str] = []
        for code in self._seen:
            if code:
                texts.append(text_of(code >> 32, code & 0xFFFFFFFF))
            else:
                yield texts
                texts = []
        yield texts
