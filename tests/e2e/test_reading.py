"""What the server reads: whole lines of clean ASCII take a short way, and nobody can tell."""

from __future__ import annotations

import re

from gchat.model import sentences
from tests.e2e.harness import Server, wait_until

#: Reads one after the other, and what is said of each. Most are clean, and each is next to one that is not.
READS: list[tuple[bytes, list[str]]] = [
    (b"clean\n", ["clean"]),
    (b"be", []),
    (b"gun\n", ["begun"]),
    (b"two\nlines\n", ["two", "lines"]),
    (b"with CR\r\n", ["with CR"]),
    (b"clean\n", ["clean"]),
    ("h\u00e9\n".encode(), ["h\u00e9"]),
    (b"\n", []),
    (b"   \n", []),
    (b" /me waves\n", []),
    (b"//slash\n", ["/slash"]),
    (b"-1\n", ["-1"]),
    (b"a\0\n", ["a\u2400"]),
    (b"x" * 8192 + b"\n", ["x" * 8192]),
    (b"x" * 8193 + b"\n", []),
    (b"clean\n", ["clean"]),
    (b"\xff\xfd\x01tel\xff\xf1net\n", ["telnet"]),
    (b"clean after telnet\n", ["clean after telnet"]),
    (b"\xff\xfaends in a subnegotiation\n", []),
    (b"as this does\n", []),
    (b"\xff\xf0behind it\n", ["behind it"]),
    (b"open \xff", []),
    (b"\xf1ended\n", ["open ended"]),
]


def test_what_is_said_does_not_depend_on_what_was_read_before() -> None:
    with Server(limits_messages_per_s=0) as server, server.join("alice") as alice, server.join("bob") as bob:
        for number, (data, _) in enumerate(READS):
            alice.sends(data)
            # An answer that is asked for after it: so that what comes next is a read of its own.
            bob.says(f"/ping {number}")
            bob.sees(f"> pong {number}")
        wait_until(lambda: bob.has_received(b"[alice] open ended\n"), "bob sees the last line")
        bob.says("/ping end")
        bob.sees("> pong end")
        heard = re.findall(r"^(?:\[You\] )?\[alice\] (.*)$", bob.received.decode(), re.MULTILINE)

    assert heard == [text for _, said in READS for text in said]


def test_clean_lines_above_the_limit_are_read_more_slowly_and_none_is_lost() -> None:
    with (
        Server(limits_messages_per_s=20, limits_burst=5) as server,
        server.join() as alice,
        server.join() as bob,
    ):
        for number in range(30):
            alice.says(f"number {number}")
            bob.sees(f"[{alice.name}] number {number}")  # so that each is a read of its own
        alice.sees(sentences.SAYS + sentences.slowed(20))

    heard = re.findall(rb"number (\d+)", bob.received)
    assert heard == [b"%d" % number for number in range(30)]
