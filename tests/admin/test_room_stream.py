"""A room's messages as they come: each once, from the place on that the reader has, and what is missing is told."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any, Self

import pytest

from gchat.admin import room_stream, sse
from tests.admin.endpoint import Connection, Endpoint, wait_until
from tests.admin.fake_backend import READ_TOKEN
from tests.garbage import kept


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


class RoomEvents:
    """One stream of the room dev, as a browser reads it, or line by line."""

    def __init__(self, endpoint: Endpoint, query: str = "", *, lines: bool = False, last: str = "") -> None:
        self.connection: Connection = endpoint.connect()
        self.lines = lines
        headers = {"Last-Event-ID": last} if last else {}
        accept = "application/x-ndjson" if lines else "text/event-stream"
        authorization = f"Bearer {READ_TOKEN}"
        self.connection.sends(
            endpoint.head("GET", f"/rooms/dev/events{query}", Accept=accept, Authorization=authorization, **headers)
        )
        self.head = self.connection.sees(b"\r\n\r\n").decode()
        self.id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.sock.close()

    def next(self) -> dict[str, Any]:
        """Return the next event; of a browser's, `id` is the last that it has seen."""
        block = self.connection.sees(b"}\n" if self.lines else b"\n\n").decode()
        if self.lines:
            return json.loads(block[block.index("{") :])  # type: ignore[no-any-return]
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        value: dict[str, Any] = json.loads(fields["data"])
        assert value["type"] == fields["event"]
        self.id = fields.get("id", self.id)
        return value

    def texts(self, count: int) -> list[str]:
        return [self.next().get("text", "-") for _ in range(count)]


def test_only_what_is_new_comes_without_a_place(endpoint: Endpoint) -> None:
    endpoint.backend.says("alice", "old", "dev")
    with RoomEvents(endpoint) as events:
        assert "content-type: text/event-stream" in events.head.lower()
        assert events.next() == {"type": "opened", "room": "dev", "epoch": "e1", "seq": 1}
        endpoint.backend.says("alice", "elsewhere")
        endpoint.backend.says("alice", "new", "dev")
        event = events.next()
        assert (event["type"], event["seq"], event["from"], event["text"]) == ("said", 2, "alice", "new")
        assert events.id == "e1:2"


def test_a_reader_resumes_by_the_id_of_the_last_event_with_nothing_lost_or_twice(endpoint: Endpoint) -> None:
    with RoomEvents(endpoint) as events:
        events.next()
        endpoint.backend.says("alice", "1", "dev")
        assert events.texts(1) == ["1"]
    for number in range(2, 300):
        endpoint.backend.says("alice", str(number), "dev")
    with RoomEvents(endpoint, last=events.id) as events:
        assert events.next()["type"] == "opened"
        endpoint.backend.says("alice", "300", "dev")
        assert events.texts(299) == [str(number) for number in range(2, 301)]


def test_a_reader_who_has_missed_much_gets_it_without_a_pause(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_stream, "HEARTBEAT_S", 1000.0)
    monkeypatch.setattr(room_stream, "MESSAGES_AT_ONCE", 100)
    for number in range(250):
        endpoint.backend.says("alice", str(number), "dev")
    with RoomEvents(endpoint, "?after=0") as events:
        events.next()
        assert events.texts(250) == [str(number) for number in range(250)]


@pytest.mark.parametrize("place", ["?after=1", "?after=e1:1", "?after=1&types=said,topic"])
def test_a_place_may_be_in_the_query(endpoint: Endpoint, place: str) -> None:
    for text in "abc":
        endpoint.backend.says("alice", text, "dev")
    with RoomEvents(endpoint, place, lines=True) as events:
        assert "content-type: application/x-ndjson" in events.head.lower()
        assert events.texts(3) == ["-", "b", "c"]


def test_what_is_no_longer_stored_is_one_gap(endpoint: Endpoint) -> None:
    for number in range(9):
        endpoint.backend.says("alice", str(number), "dev")
    del endpoint.backend.log["dev"][:4]
    with RoomEvents(endpoint, last="e1:2") as events:
        events.next()
        assert events.next() == {"type": "gap", "room": "dev", "from": 3, "to": 4}
        # https://github.com/NVIDIA-AI-Blueprints/aiq/issues/272: an id on an event that is no place made readers miss
        # what came between.
        assert events.id == ""
        assert events.next()["seq"] == 5


# https://github.com/whatwg/html/issues/8297: nothing in the standard tells a reader that its place is gone.
@pytest.mark.parametrize("last", ["e0:1", "e1:9", "9"])
def test_a_place_in_another_log_is_told_and_all_comes(endpoint: Endpoint, last: str) -> None:
    endpoint.backend.says("alice", "a", "dev")
    endpoint.backend.says("alice", "b", "dev")
    with RoomEvents(endpoint, last=last) as events:
        events.next()
        assert events.next() == {"type": "reset", "room": "dev", "epoch": "e1"}
        assert events.texts(2) == ["a", "b"]


def test_only_the_types_that_are_asked_for_come(endpoint: Endpoint) -> None:
    with RoomEvents(endpoint, "?types=topic,acted") as events:
        events.next()
        endpoint.backend.says("alice", "said", "dev")
        endpoint.backend.says("alice", "a topic", "dev", kind="topic")
        endpoint.backend.says("alice", "waves", "dev", kind="acted")
        assert [events.next()["type"] for _ in range(2)] == ["topic", "acted"]


def test_what_cannot_be_is_told(endpoint: Endpoint) -> None:
    for path, status in (
        ("/rooms/dev/events?types=entered", 400),
        ("/rooms/dev/events?after=x", 400),
        ("/rooms/dev/events?after=-1", 400),
        ("/rooms/dev/events?since=1", 400),
        ("/rooms/nowhere/events", 404),
    ):
        assert endpoint.ask("GET", path, token=READ_TOKEN).status == status
    assert endpoint.ask("GET", "/rooms/dev/events").status == 401
    assert endpoint.ask("GET", "/rooms/dev/events", token=READ_TOKEN, Accept="text/html").status == 406
    assert endpoint.ask("HEAD", "/rooms/dev/events", token=READ_TOKEN).status == 200


def test_a_silent_room_is_a_sign_of_life_now_and_then(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_stream, "HEARTBEAT_S", 0.01)
    with RoomEvents(endpoint) as events:
        events.next()
        events.connection.sees(b": still here\n\n")
    with RoomEvents(endpoint, lines=True) as events:
        events.next()
        events.connection.sees(b"\n\r\n")
        endpoint.backend.says("alice", "x", "dev")
        assert events.next()["text"] == "x"


def test_streams_are_bounded_and_leave_nothing_behind(endpoint: Endpoint) -> None:
    opened = [RoomEvents(endpoint) for _ in range(sse.MAX_STREAMS)]
    for events in opened:
        events.next()
    assert endpoint.ask("GET", "/rooms/dev/events", token=READ_TOKEN).status == 503
    for events in opened:
        events.connection.sock.close()
    wait_until(lambda: not endpoint.backend.tells, "all have unsubscribed")
    with RoomEvents(endpoint) as events:
        events.next()


def test_a_stream_that_has_ended_leaves_no_garbage(endpoint: Endpoint) -> None:
    with RoomEvents(endpoint) as events:
        events.next()
    wait_until(lambda: not endpoint.backend.tells, "it has unsubscribed")
    gc.collect()
    gc.disable()
    before = kept(room_stream.RoomStream)  # of other tests
    try:
        for _ in range(5):
            with RoomEvents(endpoint) as events:
                events.next()
        wait_until(lambda: not endpoint.server.open, "all are gone")
        assert kept(room_stream.RoomStream) <= before
    finally:
        gc.enable()
