"""A dialect that is a module and two lines (tests/dialects/postcard.py), in a server with the two that are there."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.harness import Server, User, wait_until
from tests.e2e.rich_user import RichUser, joins


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    script = Path(__file__).with_name("server_with_postcards.py")
    with Server(script=script, history_store="memory", server_greeting_delay_s=0.02) as server:
        yield server


def writes(server: Server, nick: str, *rooms: str) -> User:
    user = server.connect()
    user.sends(" ".join(("CARD/1", nick, *rooms)).encode() + b"\n")
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


#: A new name, an absence and its end, and a departure.
MOVES = [b"zoe is anna", b"anna is away", b"anna is back", b"anna moved"]


def moves(zoe: RichUser) -> None:
    """Have a user do all that is told in all of her rooms."""
    for request in ({"type": "nick", "nick": "anna"}, {"type": "away", "reason": "tea"}, {"type": "away"}):
        zoe.asks(request)
    zoe.asks({"type": "quit"})
    zoe.sees("closing")


def cards(user: User, sender: RichUser) -> list[bytes]:
    """Return the cards that came, up to one that is sent now."""
    sender.says("that is all")
    user.sees_bytes(b"that is all\n.\n")
    return re.findall(rb"The post\n((?:.*\n)*?)\.\n", user.received)


def test_what_several_rooms_are_told_of_a_user_is_shown_once(server: Server) -> None:
    """Also to readers of other rooms together, each once and in the order in which it happened."""
    with ExitStack() as opened:
        plain = opened.enter_context(server.connect())
        plain.says("/join dev")
        plain.sees("> You are now in dev")
        zoe = opened.enter_context(joins(server, "zoe", rooms=[{"room": room} for room in ("lobby", "dev", "ops")]))
        omar = opened.enter_context(joins(server, "omar"))
        readers = [
            opened.enter_context(writes(server, f"reader{number}", *rooms.split()))
            for number, rooms in enumerate(("lobby dev ops", "ops dev lobby", "dev lobby", "lobby", "lobby other"))
        ]
        elsewhere = opened.enter_context(writes(server, "elsewhere", "other", "lobby"))
        moves(zoe)
        for reader in (*readers, elsewhere):
            assert [card.replace(b"\n", b" ").strip() for card in cards(reader, omar)] == MOVES
        # Many moves at once are told kind by kind.
        wait_until(lambda: plain.has_received(b"> anna is back", b"< The user anna left"), "all is told")
        assert plain.received.count(b"> zoe is now anna\n") == plain.received.count(b"< The user anna left") == 1


def test_a_large_room_is_quiet_and_a_small_one_tells_those_who_read_both() -> None:
    script = Path(__file__).with_name("server_with_postcards.py")
    with ExitStack() as opened:
        server = opened.enter_context(Server(script=script, history_store="memory", limits_presence_quiet_above=4))
        omar = opened.enter_context(joins(server, "omar"))
        both = opened.enter_context(writes(server, "both", "lobby", "dev"))
        large = opened.enter_context(writes(server, "large", "lobby"))
        for number in range(3):
            opened.enter_context(writes(server, f"more{number}", "lobby"))
        zoe = opened.enter_context(joins(server, "zoe", rooms=[{"room": "lobby"}, {"room": "dev"}]))
        moves(zoe)
        both.sees_bytes(b"anna moved\n")
        assert [card.replace(b"\n", b" ").strip() for card in cards(both, omar)] == MOVES
        assert not cards(large, omar)


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
