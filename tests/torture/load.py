"""The load: senders, readers, and readers in plain.

They come back however often they are thrown out: the rich ones with their token and the number that they had come to,
and a sender says again, with the same ids, what it has had no answer to. What they see goes to the oracle at once.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterator, Sequence
from math import inf

import gevent
import msgspec

from gchat.dialects import rich_json
from gchat.dialects.rich_events import (
    AckEvent,
    ActedEvent,
    AnnouncedEvent,
    AnyEvent,
    ClosingEvent,
    GapEvent,
    JoinedEvent,
    LiveEvent,
    RefusedEvent,
    SaidEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import ActRequest, JoinRequest, SayRequest
from gchat.model.hello import Hello, ResumePoint
from tests.torture.oracle import Kind, Said, View, text_of
from tests.torture.peer import Peer, World

#: Messages of one sender that are on their way at a time.
WINDOW = 64

#: One message in so many is what somebody does, not says.
ACT_EVERY = 50

#: A sender that was refused waits so long; one that has no answer for so long says it again, because of what a node had
#: put before it was given up nobody may ever know what became.
REFUSED_S, ANSWERED_S = 0.05, 15.0

#: A slow reader stops reading for so long, at most, about once in so many reads.
SLEEP_S, SLEEP_EVERY = 2.0, 100

#: What a slow reader lets the kernel have for it.
SLOW_BUFFER = 8192

#: A user who wanders goes to another room about once in so many reads.
WANDER_EVERY = 300

#: What is said of messages that an engine has lost: how many, and which.
LOSS = re.compile(r"([\d,]+) messages? that (?:was|were) shown (?:is|are) (?:gone|lost) \((\d+)(?:-(\d+))?\)")

#: What is said when nothing can be kept, and when it can be again.
TROUBLE, AGAIN = "cannot be kept now", "is kept again"

_MESSAGE = re.compile(rb" s(\d+)-(\d+)$", re.MULTILINE)

_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


class Rich(Peer):
    """A reader of the rich dialect, which a sender is too. Some wander from room to room."""

    def __init__(self, world: World, name: str, rooms: Sequence[str], *, slow: bool = False) -> None:
        super().__init__(world, name, rooms[0], receive_buffer=SLOW_BUFFER if slow else 0)
        self.slow = slow
        self.views: dict[str, View] = {}  # by room
        self._rooms = rooms
        self._asked: ResumePoint | None = None  # after what it has asked to be told, of the room that it goes to
        self._token: str | None = None
        self._live = False
        self._is_shown_old = False

    @property
    def view(self) -> View | None:
        """What it has been told of the room that it is in; None until it was welcomed."""
        return self.views.get(self.room)

    def opening(self) -> bytes:
        """Come back to where one was."""
        after = self._after(self.room)
        return rich_json.hello_line(Hello(nick=self.name, room=self.room, token=self._token, after=after, replay=0))

    def hears(self, data: bytes) -> None:
        """Have each event checked."""
        try:
            events = _decoder.decode_lines(data)
        except msgspec.DecodeError as error:
            self._unexpected(f"is told what is no event ({error}): {data[:300]!r}")
            raise ConnectionError from None
        view = self.view
        for event in events:
            if isinstance(event, SaidEvent | ActedEvent):
                if view is None or event.room != self.room:
                    self._unexpected(f"is told {event.text} of {event.room}")
                    continue
                self.world.told += 1
                # In a log that it did not ask for, a reader is shown the last messages before it is live.
                (view.acknowledged if self._is_shown_old else view.told)(event.seq, event.text)
            else:
                self._hears_of(event)
                view = self.view
        self._idles()

    def _idles(self) -> None:
        """Be slow, or go to another room, now and then; in the end neither, for everybody is waited for."""
        if self.world.enough:
            return
        if self.slow and self.world.random.random() < 1 / SLEEP_EVERY:
            gevent.sleep(self.world.random.random() * SLEEP_S)
        if self._live and len(self._rooms) > 1 and self.world.random.random() < 1 / WANDER_EVERY:
            room = self.world.random.choice([room for room in self._rooms if room != self.room])
            self._live = False
            self.sends(rich_json.lines([JoinRequest(room=room, after=self._after(room), leave="current")]))

    def _after(self, room: str) -> ResumePoint | None:
        """Return what it has been told of a room, which is nothing at first: then it wants all."""
        view = self.views.get(room)
        epoch = view.epoch if view is not None else self.world.epochs.last(room)
        self._asked = ResumePoint(epoch, view.last if view is not None else 0) if epoch else None
        return self._asked

    def _hears_of(self, event: AnyEvent) -> None:
        match event:
            case WelcomeEvent():
                self._token = event.token
                self._enters(event)
            case JoinedEvent():
                self._enters(event)
            case LiveEvent():
                self._live, self._is_shown_old = True, False
                self.goes_live()
            case GapEvent() if self.view is not None and event.room == self.room:
                self.view.skips(event.range_from, event.range_to)
                self.world.epochs.skip((self.room, self.view.epoch), event.range_from, event.range_to)
            case AckEvent():
                self.acknowledged(event)
            case RefusedEvent():
                self.world.refusals[event.code] += 1
                self.refused(event)
            case ClosingEvent():
                self.world.closings[event.code] += 1
            case AnnouncedEvent():
                self._hears_from_the_server(event)

    def _hears_from_the_server(self, announced: AnnouncedEvent) -> None:
        """Note what an engine has lost, and that nothing can be kept now."""
        if TROUBLE in announced.text:
            self.world.troubled.setdefault(self.node, time.monotonic())
        elif AGAIN in announced.text:
            self.world.troubled.pop(self.node, None)
        if (loss := LOSS.search(announced.text)) and announced.room in self.views:
            count, first = (int(number.replace(",", "")) for number in loss.groups()[:2])
            log = announced.room, self.views[announced.room].epoch
            self.world.epochs.tell(log, f"node {self.node}", (count, first, int(loss[3] or first)), self.world.findings)

    def _enters(self, entered: WelcomeEvent | JoinedEvent) -> None:
        """Be in a room, from the number on that one had come to there; of another epoch, from its last one on."""
        self.world.see_epoch(self.name, entered.room, entered.epoch)
        if entered.room not in self._rooms or (isinstance(entered, WelcomeEvent) and entered.room != self.room):
            self._unexpected(f"is taken to {entered.room}")
        self.room = entered.room
        view = self.view
        if view is None or view.epoch != entered.epoch:
            shown = self.world.shown.setdefault((self.room, entered.epoch), {})
            asked = self._asked
            is_as_asked = asked is not None and asked.epoch == entered.epoch
            last = asked.seq if asked is not None and is_as_asked else entered.seq
            self._is_shown_old = not is_as_asked
            self.views[self.room] = View(self.name, last, shown, self.world.findings, entered.epoch)
        elif entered.seq < view.last:
            self._unexpected(f"has {view.last}, and comes back to a room that has only {entered.seq}")

    def _unexpected(self, what: str) -> None:
        self.world.findings.add(Kind.UNEXPECTED, f"{self.name} {what}")

    def goes_live(self) -> None:
        """Take it that what was missed has been told."""

    def acknowledged(self, ack: AckEvent) -> None:
        """Take an acknowledgement: a reader says nothing."""
        self._unexpected(f"has said nothing, and gets {ack}")

    def refused(self, refused: RefusedEvent) -> None:
        """Take a refusal, of a nick: its ghost may still have it."""

    def breaks(self) -> None:
        """Be live no more."""
        self._live = False


class Sender(Rich):
    """A sender that says one message after the other, WINDOW of them at a time, until enough are acknowledged."""

    def __init__(self, world: World, number: int, room: str) -> None:
        super().__init__(world, f"s{number:02}", [room])
        self.said = Said(number, room)
        self._open: dict[int, float] = {}  # when messages without an answer were sent, in that order
        self._refused: list[int] = []  # to be said again
        self._was_refused = False

    @property
    def idle(self) -> bool:
        """Whether everything that was said has been answered."""
        return not self._open

    def go_on(self) -> None:
        """Say more, if there is not much on its way, and the readers are not far behind."""
        world = self.world
        if self._live and world.clock(self.node) - next(iter(self._open.values()), inf) > ANSWERED_S:
            self.goes_live()
        if not self._live or len(self._open) > WINDOW // 2 or world.enough or self.room in world.far_behind:
            return
        lines: list[bytes] = []
        while len(self._open) < WINDOW and world.sent + len(lines) < world.allowed:
            number = self._refused.pop(0) if self._refused else len(self.said.seqs)
            self.said.send(number)
            self._open[number] = world.clock(self.node)
            lines.append(self._line(number))
        world.sent += len(lines)
        self.sends(b"".join(lines))

    def goes_live(self) -> None:
        """Say again what was not answered, with the same ids; then go on."""
        for number in self._open:
            self._open[number] = self.world.clock(self.node)
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

    def acknowledged(self, ack: AckEvent) -> None:
        """Note where the message stands."""
        number = self._number(ack)
        if not number or self.view is None or ack.room != self.room:
            self._unexpected(f"gets {ack}")
            return
        if number in self._open:
            took_s = self.world.clock(self.node) - self._open.pop(number)
            self.world.slowest_ack_s = max(self.world.slowest_ack_s, took_s)
            self.world.acked += 1
            self.world.flowing[self.node] += 1
        self.said.acknowledge(number, ack.seq, self.world.findings, self.view.epoch)
        self.view.acknowledged(ack.seq, text_of(self.said.sender, number))

    def refused(self, refused: RefusedEvent) -> None:
        """Say it again later if its number is odd: the others must never be seen."""
        if not refused.id:
            return
        number = self._number(refused)
        if not number or refused.code != "not_kept":
            self._unexpected(f"gets {refused}")
            return
        if number in self._open:
            took_s = self.world.clock(self.node) - self._open.pop(number)
            if self.world.suffers:
                self.world.slowest_refusal_s = max(self.world.slowest_refusal_s, took_s)
            else:
                self.world.slowest_outcome_s = max(self.world.slowest_outcome_s, took_s)
        self.said.refuse(number)
        self.world.why_refused[refused.message] += 1
        self.world.refused += 1
        self._was_refused = True
        if number % 2:
            self._refused.append(number)

    def _number(self, answer: AckEvent | RefusedEvent) -> int:
        """Return the number of the message that was answered, 0 if it has not said such a one."""
        number = int(answer.id) if answer.id.isdecimal() else 0
        return number if number < len(self.said.seqs) else 0

    def breaks(self) -> None:
        """Count what nobody knows now."""
        if self._live:
            self.world.unknown += len(self._open)
        super().breaks()

    def _line(self, number: int) -> bytes:
        kind = SayRequest if number % ACT_EVERY else ActRequest
        return rich_json.lines([kind(id=str(number), text=text_of(self.said.sender, number))])


class Plain(Peer):
    """A user of the plain dialect: joins anew each time, and knows no numbers. What it sees is looked up in the end."""

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
        return len(self._seen) - self._seen.count(0)

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
