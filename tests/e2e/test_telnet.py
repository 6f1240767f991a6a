"""People who come with the telnet of their machine, and with clients that send key by key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, wait_until
from tests.e2e.test_bytes import send_piece
from tests.e2e.tools import Screen, need

pytestmark = pytest.mark.usefixtures("all_speak_plain")

#: Longer than the server waits for what follows the two bytes of a goodbye.
A_PAUSE_S = 0.4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def unix_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # On a Unix socket the kernel can say when the server has read what was sent.
    with Server(str(tmp_path_factory.mktemp("telnet") / "sock")) as server:
        yield server


def telnet(server: Server, directory: Path) -> Screen:
    return Screen(directory, need("telnet"), "127.0.0.1", str(server.port))


def test_letters_typed_into_telnet_arrive_as_they_were_typed(server: Server, tmp_path: Path) -> None:
    with server.join() as reader, telnet(server, tmp_path) as screen:
        screen.shows("[You]")
        for text in ("утро", "本", "情報", "яњ", "Привет, как дела"):
            screen.says(text)
            assert reader.sees("[").endswith(f"] {text}")


def test_what_others_say_begins_at_the_margin_of_telnets_screen(server: Server, tmp_path: Path) -> None:
    """Also when telnet was asked for BINARY: it must not take that for a reason to stop returning to the margin."""
    with server.join("rita") as reader, telnet(server, tmp_path) as screen:
        screen.shows("[You]")
        screen.says("утро")
        assert reader.sees("[").endswith("] утро")
        reader.says("one", "two")
        screen.shows("[rita] two")
        assert {"[rita] one", "[rita] two"} <= set(screen.lines)


def test_ctrl_c_in_telnet_leaves_also_after_such_letters(server: Server, tmp_path: Path) -> None:
    with server.join() as reader, telnet(server, tmp_path) as screen:
        screen.shows("[You]")
        screen.says("у")
        name = reader.sees("[").partition("]")[0].removeprefix("[")
        screen.presses("C-c")
        reader.sees(f"< The user {name} left")


def test_a_terminal_that_sends_key_by_key_edits_its_line(server: Server, tmp_path: Path) -> None:
    nc = f"stty -icanon -icrnl; exec {need('nc')} 127.0.0.1 {server.port}"
    with server.join() as reader, Screen(tmp_path, "sh", "-c", nc) as screen:
        screen.shows("[You]")
        screen.types("my secret")
        screen.presses("C-u")
        screen.types("helo")
        screen.presses("BSpace", "l", "o", "C-h", "o")
        screen.presses("Enter")
        assert reader.sees("[").endswith("] hello")
        screen.types("本当")
        screen.presses("BSpace", "Enter")
        assert reader.sees("[").endswith("] 本")
        assert b"secret" not in reader.received


@pytest.mark.parametrize("end", ["\r", "\r\0", "\n\r", "\r\n"])
def test_any_enter_key_sends_a_line(unix_server: Server, end: str) -> None:
    with unix_server.join() as reader, unix_server.join() as talker:
        for text in ("hello", "again"):
            for key in text + end:
                send_piece(talker, key.encode())
            assert reader.sees("[").endswith(f"] {text}")


def test_what_was_deleted_before_enter_is_never_seen(unix_server: Server) -> None:
    with unix_server.join() as reader, unix_server.join() as talker:
        for key in "my password\x15helo\x08lo wörld\x7f\x7f\x7f\x7forld\r":
            send_piece(talker, key.encode())
        assert reader.sees("[").endswith("] hello world")
        assert b"password" not in reader.received


def test_minus_one_typed_key_by_key_is_text(unix_server: Server) -> None:
    with unix_server.join() as reader, unix_server.join() as talker:
        for key in ("-", "1", " ", "5 degrees\r\n"):
            send_piece(talker, key.encode())
            paused_at = time.monotonic()
            wait_until(lambda at=paused_at: time.monotonic() > at + A_PAUSE_S, "the pause is over")  # type: ignore[misc]
        assert reader.sees("[").endswith("] -1 5 degrees")


@pytest.mark.parametrize("before", [b"", b"hello\n"])
def test_minus_one_that_arrives_at_once_is_a_goodbye(unix_server: Server, before: bytes) -> None:
    with unix_server.join() as user:
        user.sends(before + b"-1")
        user.sees_end()


def test_minus_one_before_the_end_of_the_stream_is_a_goodbye_however_it_came(unix_server: Server) -> None:
    with unix_server.join() as reader, unix_server.join() as talker:
        reader.sees("> New user")
        before = len(reader.received)
        send_piece(talker, b"-")
        send_piece(talker, b"1")
        talker.closes()
        talker.sees_end()
        reader.sees("< The user")
        assert b"-1" not in reader.received[before:]


@pytest.mark.parametrize("bom", [[b"\xef\xbb\xbf"], [b"\xef", b"\xbb", b"\xbf"]])
def test_a_byte_order_mark_before_a_command_is_not_said(unix_server: Server, bom: list[bytes]) -> None:
    with unix_server.join() as reader, unix_server.connect() as user:
        for piece in [*bom, b"/nick powershell\r\n"]:
            send_piece(user, piece)
        user.sees_bytes(b"> You are now powershell")
        assert b"/nick" not in reader.received
        user.says("/quit")
        user.sees_end()


def test_an_empty_line_and_the_end_of_the_stream_are_no_protocol_and_no_message(server: Server) -> None:
    """echo | nc -N"""
    with server.join() as reader, server.connect() as user:
        user.sends(b"\n")
        user.closes()
        user.sees_end()
        reader.does_not_see(b"] ")
