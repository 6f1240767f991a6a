"""The life of a connection: its two halves end apart from each other, and it ends when both have."""

from __future__ import annotations

import re

import pytest

from gchat.chat.effects import CloseReason
from gchat.server import connection as module
from gchat.server.connection import NEXT_LIVES, Life
from tests.server.stage import Stage, wait_until


def test_what_is_owed_goes_out_before_the_end() -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        alice.transcript()
        bob.says("bye", "/quit")
        alice.sees("[bob] bye")
        alice.sees("< The user bob left (1 user online)")
        bob.sees_end()
        connection = bob.connection

        wait_until(lambda: connection.life is Life.PARTING, "everything is sent")
        bob.leaves()
        wait_until(lambda: connection.life is Life.CLOSED, "it is closed when the peer closes too")
        assert stage.closed == {CloseReason.QUIT: 1}
        assert stage.released == [connection.peer]


def test_a_peer_that_has_ended_is_closed_as_soon_as_everything_is_sent() -> None:
    with Stage() as stage:
        bob = stage.join("bob")
        bob.says("/who")
        bob.closes()
        bob.sees_end()

        assert b"bob" in bob.received
        assert bob.connection.life is Life.CLOSED
        assert stage.closed == {CloseReason.ENDED: 1}


def test_what_was_said_before_a_reset_is_heard_although_nothing_can_be_sent() -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        alice.transcript()
        bob.says("one", "two")
        bob.leaves()
        bob.connection.writer.end()
        alice.sees("[bob] one")
        alice.sees("[bob] two")
        alice.sees("< The user bob left (1 user online)")

        assert bob.connection.life is Life.CLOSED
        assert stage.closed == {CloseReason.RESET: 1}


def test_a_peer_that_does_not_read_its_end_is_closed_by_the_watch() -> None:
    with Stage() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        for _ in range(40):
            alice.says("x" * 5000)
            alice.transcript()
        connection = bob.connection
        assert connection.writer.is_behind
        connection.disconnect(CloseReason.KICKED, "You were kicked")
        wait_until(lambda: connection.life is Life.CLOSING, "the session is over")

        assert list(stage.roster.ending) == [connection]
        connection.shut()
        assert connection.life is Life.CLOSED
        assert not stage.roster.ending


def test_a_stalled_peer_is_sent_nothing_more() -> None:
    with Stage() as stage:
        bob = stage.join("bob")
        bob.connection.abort(CloseReason.STALLED)
        bob.sees_end()

        assert bob.connection.life is Life.CLOSED
        assert bob.received == b""


def test_a_connection_is_closed_once() -> None:
    with Stage() as stage:
        bob = stage.join("bob")
        for _ in range(2):
            bob.connection.disconnect(CloseReason.RESET)
        bob.sees_end()
        bob.connection.shut()
        bob.connection.close(CloseReason.KICKED)

        assert stage.closed == {CloseReason.RESET: 1}


@pytest.mark.parametrize("life", Life)
def test_the_table_at_the_head_is_the_one_that_holds(life: Life) -> None:
    found = re.search(rf"^    {life.name} .*\s\s((?:[A-Z]+, )*[A-Z]+|none)$", module.__doc__ or "", re.MULTILINE)

    assert found
    assert set(found[1].split(", ")) - {"none"} == {following.name for following in NEXT_LIVES[life]}
