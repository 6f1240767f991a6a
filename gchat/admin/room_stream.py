"""A room's messages as they are stored, as server-sent events or as lines of JSON; a reader that lost them resumes.

A stream is a place in the room's history, and each time something is said there it reads on from that place. So nothing
waits in memory for a reader, however slow it is, and what was missed needs no other way than what is new. Messages look
as in the rich dialect. The id of one is EPOCH:SEQ, because numbers begin anew in another log; nothing else has an id,
or a reader would resume at a place that is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from falcon import Request, Response
from gevent import spawn
from gevent.event import Event
from gevent.socket import wait_read
from msgspec import Meta, Struct

from gchat.admin.backend import Backend, NotPossible
from gchat.admin.documents import StoredMessage
from gchat.admin.happenings import Happened, RoomMessage
from gchat.admin.read_resources import ReadResource, query_of
from gchat.admin.responses import Problem, json
from gchat.admin.sse import HEARTBEAT_S, check_place
from gchat.dialects.rich_events import ActedEvent, GapEvent, RichEvent, SaidEvent, TopicSetEvent

EVENT_STREAM, LINES = "text/event-stream", "application/x-ndjson"

#: Messages that are asked for at a time; the backend reads them in smaller pieces.
MESSAGES_AT_ONCE = 1000

_EVENTS = {"said": SaidEvent, "acted": ActedEvent, "topic": TopicSetEvent}

_Closed = Callable[["RoomStream"], None]


class OpenedEvent(RichEvent, frozen=True):
    """The first event: the log that the numbers are of, and the last number in it."""

    room: str
    epoch: str
    seq: int


class ResetEvent(RichEvent, frozen=True):
    """The place to resume at is none in this log, which is another one: all that there is follows."""

    room: str
    epoch: str


class RoomEventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a room's messages that a stream has."""

    after: Annotated[
        str, Meta(description="the number of the last message known, or the id of its event; empty: only new ones")
    ] = ""
    types: Annotated[str, Meta(description="of said, acted and topic, those to send, with commas; empty: all")] = ""


class _Format(Struct, frozen=True):
    """The form of a stream: an event with its id, "" if it has none, and a sign of life."""

    encode: Callable[[RichEvent, str], bytes]
    heartbeat: bytes


class RoomEventsResource(ReadResource):
    """Messages of a room as they come."""

    media_types = (EVENT_STREAM, LINES)
    private = "Reading messages"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._open: set[RoomStream] = set()

    def on_get(self, req: Request, resp: Response, /, **params: Any) -> None:
        """Answer until either side ends it."""
        query = query_of(req.params, RoomEventsQuery)
        types = frozenset(query.types.split(",")) if query.types else frozenset(_EVENTS)
        if not types <= _EVENTS.keys():
            raise Problem(400, f"Invalid query; types: expected some of {', '.join(_EVENTS)}, separated by commas")
        after = _place(req.env.get("HTTP_LAST_EVENT_ID", "") or query.after)
        self.on_head(req, resp, **params)
        stream = RoomStream(self._backend, params["room"], after, types, _FORMATS[resp.content_type or EVENT_STREAM])
        stream.follow(req.env["gchat.socket"], check_place(self._open, req.env["REMOTE_ADDR"]), self._open.discard)
        self._open.add(stream)
        resp.stream = stream

    def on_head(self, req: Request, resp: Response, /, **_params: Any) -> None:
        """Answer without a stream."""
        resp.content_type = req.client_prefers(self.media_types) or EVENT_STREAM
        resp.set_header("Connection", "close")
        resp.set_header("X-Accel-Buffering", "no")  # or nginx buffers it


class RoomStream:
    """One reader's place in a room, as an iterator of bytes. Raises Missing, Unavailable at the start."""

    def __init__(
        self,
        backend: Backend,
        room: str,
        after: tuple[str, int] | None,
        types: frozenset[str],
        format_: _Format,
    ) -> None:
        self._backend, self._room, self._types = backend, room, types
        self._encode, self._heartbeat = format_.encode, format_.heartbeat
        self.network = ""
        self._news = Event()
        self._over = False
        self._epoch, last = backend.place(room)
        self._after = last if after is None else after[1]
        opened: list[RichEvent] = [OpenedEvent(room=room, epoch=self._epoch, seq=last)]
        if after is not None and (after[0] not in ("", self._epoch) or after[1] > last):
            opened.append(ResetEvent(room=room, epoch=self._epoch))
            self._after = 0
        self._pieces = self._made(opened)

    def follow(self, sock: Any, network: str, closed: _Closed) -> None:
        """Begin to listen: for news, and for the end of the reader's socket."""
        self.network = network
        self._closed = closed
        self._unsubscribe = self._backend.subscribe(self._tell)
        self._watcher = spawn(self._watch, sock.fileno())

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Wait for the next piece."""
        return next(self._pieces)

    def close(self) -> None:
        """End the stream; WSGI calls it, whatever happened."""
        self._closed(self)
        self._unsubscribe()
        self._watcher.kill()  # before the socket is closed: the loop must not watch a descriptor that is gone
        # Both know this stream: it would not be freed before garbage is looked for.
        del self._pieces, self._unsubscribe

    def _made(self, opened: list[RichEvent]) -> Iterator[bytes]:
        yield b"".join(self._encode(event, "") for event in opened)
        while not self._over:
            self._news.clear()
            before = self._after
            try:
                for page in self._backend.messages(self._room, self._after, MESSAGES_AT_ONCE):
                    if piece := b"".join(map(self._encoded, page)):
                        yield piece
            except NotPossible:  # the history cannot be read now: the reader comes back, and is told why
                return
            if self._after - before >= MESSAGES_AT_ONCE:
                continue  # there may be more
            if not self._news.wait(HEARTBEAT_S):
                yield self._heartbeat

    def _encoded(self, message: StoredMessage) -> bytes:
        """Return a message, after the gap before it if there is one, and go on behind it."""
        missed = range(self._after + 1, message.seq)
        self._after = message.seq
        found = b""
        if missed:
            gap = GapEvent(room=self._room, range_from=missed[0], range_to=missed[-1])
            found = self._encode(gap, "")
        if message.kind in self._types:
            event = _EVENTS[message.kind](
                room=self._room, seq=message.seq, time=message.time, from_=message.from_, text=message.text
            )
            found += self._encode(event, f"{self._epoch}:{message.seq}")
        return found

    def _tell(self, happened: Happened) -> None:
        if isinstance(happened, RoomMessage) and happened.room == self._room:
            self._news.set()

    def _watch(self, descriptor: int) -> None:
        wait_read(descriptor)
        self._over = True
        self._news.set()


def _place(text: str) -> tuple[str, int] | None:
    """Return the epoch, "" if it is not known, and the number that a reader has; None if it has none."""
    epoch, _, seq = text.strip().rpartition(":")
    if not seq:
        return None
    if not (seq.isascii() and seq.isdigit() and len(seq) < 17):
        raise Problem(400, "The place to resume at is none: expected the number of a message, or the id of an event")
    return epoch, int(seq)


def _line(event: RichEvent, _id: str) -> bytes:
    return json(event) + b"\n"


def _sent_event(event: RichEvent, id_: str) -> bytes:
    kind = str(event.__struct_config__.tag)
    return (f"id: {id_}\n" if id_ else "").encode() + f"event: {kind}\n".encode() + b"data: " + json(event) + b"\n\n"


_FORMATS = {EVENT_STREAM: _Format(_sent_event, b": still here\n\n"), LINES: _Format(_line, b"\n")}
