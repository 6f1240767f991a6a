"""A dialect that is a module and two lines (tests/dialects/postcard.py), in a server with the two that are there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.harness import Server, User


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    script = Path(__file__).with_name("server_with_postcards.py")
    with Server(script=script, history_store="memory", server_greeting_delay_s=0.02) as server:
        yield server


def writes(server: Server, nick: str) -> User:
    user = server.connect()
    user.sends(b"CARD/1 %s\n" % nick.encode())
    user.sees_bytes(b"Dear %s,\n" % nick.encode())
    return user


def test_cards_and_lines_meet_in_one_room(server: Server) -> None:
    with ExitStack() as opened:
        alice = opened.enter_context(server.connect())
        alice.sees("> Connected to the chat server")
        bob = opened.enter_context(writes(server, "bob"))
        alice.sees("> New user bob entered")
        bob.sends(b"wish you\nwere here\n.\n")
        alice.sees("[bob] wish you were here")
        alice.sends(b"so do I, and so does everybody else\nsecond\n")
        card = f"{alice.name} in lobby:\n".encode()
        bob.sees_bytes(card + b"so do I, and\nso does\neverybody\nelse\n.\n" + card + b"second\n.\n")
        assert b"wish" not in bob.received, "who speaks does not hear itself"
        assert b"entered" not in bob.received
        bob.sends(b".\n")
        bob.sees_bytes(b"Dear bob,\nGoodbye\n.\n")
        bob.sees_end()
        alice.sees("< The user bob left")


def test_a_newcomer_is_shown_old_cards(server: Server) -> None:
    with server.connect() as alice:
        alice.says("an old card")
        with writes(server, "carol") as carol:
            carol.sees_bytes(b"in lobby:\nan old card\n.\n")


def test_a_hello_that_comes_late_is_taken_and_one_that_is_wrong_is_answered_in_its_dialect(server: Server) -> None:
    with server.connect() as late:
        late.sees("> Connected to the chat server")
        time.sleep(0.1)
        late.sends(b"CARD/1 late\nhello\n.\n")
        late.sees_bytes(b"Dear late,\n")
    with server.connect() as stranger:
        stranger.sends(b"CARD/7\n")
        stranger.sees_bytes(b"Dear ,\nWho are you?\n.\n")
        stranger.sees_end()
