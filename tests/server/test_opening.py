"""The opening of a stream: what is heard before there is a connection, and what is said last."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import pytest

from gchat.dialects import plain, rich
from gchat.model.errors import Code
from gchat.model.events import Closing, Refused
from gchat.server import opening as the_opening
from gchat.server.opening import Opening, part, said
from gchat.server.transport import SocketTransport
from tests.server.stage import pair

Ends = tuple[SocketTransport, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = pair()
    yield SocketTransport(ours), theirs
    ours.close()
    theirs.close()


def has_line(opening: Opening) -> bool:
    return b"\n" in opening.heard or opening.has_ended


def test_a_peer_is_heard_until_it_has_said_enough(ends: Ends) -> None:
    opening = Opening(b"he")
    hearing = gevent.spawn(opening.hear, ends[0], has_line, 20)
    for piece in (b"l", b"lo\n", b"more"):
        gevent.sleep(0.001)
        ends[1].send(piece)
    hearing.get()
    assert opening.heard.startswith(b"hello\n")
    assert not opening.has_ended


def test_a_peer_that_says_too_little_is_not_waited_for(ends: Ends) -> None:
    ends[1].send(b"hel")
    opening = Opening()
    opening.hear(ends[0], has_line, 0.01)
    assert opening == Opening(b"hel")


def test_the_end_of_a_stream_is_heard(ends: Ends) -> None:
    ends[1].send(b"hel")
    ends[1].shutdown(socket.SHUT_WR)
    opening = Opening()
    opening.hear(ends[0], has_line, 20)
    assert opening == Opening(b"hel", has_ended=True)


def test_last_words_arrive_and_are_waited_for_as_long_as_it_takes_to_read_them(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_opening, "LINGER_S", 0.01)
    ends[1].send(b"unread")
    part(ends[0], b"> Goodbye\n")
    assert ends[1].recv(100) == b"> Goodbye\n"
    assert ends[1].recv(100) == b""


def test_a_peer_that_is_gone_costs_nothing(ends: Ends) -> None:
    ends[1].close()
    part(ends[0], b"> Goodbye\n")


def test_what_is_said_is_in_the_peers_dialect() -> None:
    assert said(plain, Closing("Goodbye")) == b"> Goodbye\n"
    refused = Refused(Code.TOO_MANY_TRIES, "Wait", retry_after_s=2.0)
    assert said(rich, refused) == b'{"type":"refused","code":"too_many_tries","message":"Wait","retry_after_s":2.0}\n'
