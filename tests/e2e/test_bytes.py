"""Bytes that hostile, old or mistaken programs send: threats T1 to T11, T15, T16 and T26, against a real server."""

from __future__ import annotations

import fcntl
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from confusable_homoglyphs import confusables

from tests.e2e.crowd import descriptors, processor_s
from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.rich_user import RichUser
from tests.e2e.tools import need

WIRE = Path(__file__).parent.parent / "wire"
SAMPLES = sorted(path.stem for path in WIRE.glob("*.in"))

#: Longer samples are not sent one byte at a time from end to end, only around their first and last bytes.
MAX_SINGLE_BYTES = 1000

# C0 but LF, DEL, C1, bidi controls, line separators, zero width space, BOM, tags: nothing of it may reach a terminal.
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)

pytestmark = pytest.mark.usefixtures("all_speak_plain")


def assert_harmless(data: bytes, where: str) -> None:
    """Fail if `data` could do something to a terminal: it must be UTF-8, and printable but for LF."""
    found = FORBIDDEN.search(data.decode())
    if found:
        around = found.string[max(0, found.start() - 60) : found.end() + 60]
        raise AssertionError(f"{found[0]!r} reached {where}: {around!r}")


def rss_kib(server: Server, key: str = "VmRSS") -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert found
    return int(found[1])


def messages(user: User) -> list[str]:
    """Return the messages that `user` received: presence and answers come and go as they like."""
    return [line for line in user.received.decode().split("\n") if re.match(r"(\[You\] )?\[(?!You\])", line)]


# --- Samples: T1 to T8, T11 ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unix_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # On a Unix socket the kernel can say when the server has read what was sent: only so is a split sure to be one.
    path = tmp_path_factory.mktemp("wire") / "sock"
    with Server(str(path), limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def send_piece(user: User, piece: bytes) -> None:
    """Send `piece`, and wait until the server has read it."""
    user.sends(piece)
    ends_at = time.monotonic() + DEADLINE_S
    while struct.unpack("i", fcntl.ioctl(user.sock, termios.TIOCOUTQ, b"\0" * 4))[0]:
        assert time.monotonic() < ends_at, "the server does not read"
        os.sched_yield()


def pieces(data: bytes, split: str) -> list[bytes]:
    if split == "whole":
        return [data]
    if split == "bytes":
        if len(data) <= MAX_SINGLE_BYTES:
            return [data[i : i + 1] for i in range(len(data))]
        ends = MAX_SINGLE_BYTES // 4
        middle = data[ends:-ends]
        return (
            [data[i : i + 1] for i in range(ends)]
            + [middle]
            + [data[i : i + 1] for i in range(-ends, -1)]
            + [data[-1:]]
        )
    randomly = random.Random(split)
    cuts = [0, *sorted(randomly.sample(range(1, len(data)), min(4, len(data) - 1))), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_is_seen_the_same_however_it_is_split(unix_server: Server, sample: str) -> None:
    data, expected = (WIRE / f"{sample}.in").read_bytes(), (WIRE / f"{sample}.out").read_bytes()
    assert_harmless(expected, f"{sample}.out")
    assert expected.count(b"\n") <= data.count(b"\n") + data.count(b"\r")

    with unix_server.join("reader") as reader:
        for split in ("whole", "bytes", "cut 1", "cut 2", "cut 3"):
            with unix_server.join("sender") as sender:
                reader.sees_bytes(b" is now sender\n")
                before = len(reader.received) - len(reader.unread)
                for piece in pieces(data, split):
                    send_piece(sender, piece)
                sender.says("the end of the sample")
                reader.sees_bytes(b"[sender] the end of the sample\n")
                seen = reader.received[before:]
            assert expected + b"[sender] the end of the sample\n" == seen, f"sent {split}"
            reader.sees("< The user sender left")


def test_there_are_samples_for_each_threat() -> None:
    assert len(SAMPLES) >= 40
    assert {sample[:3] for sample in SAMPLES} >= {"t01", "t02", "t03", "t04", "t05", "t06", "t07", "t08", "t11"}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_split_in_time_arrives_whole(unix_server: Server, cut: int) -> None:
    """T2: whatever is said by others, and by oneself, between its bytes."""
    emoji = "😀".encode()
    with unix_server.join("reader") as reader, unix_server.join("sender") as sender, unix_server.join("other") as other:
        send_piece(sender, b"a" + emoji[:cut])
        other.says("meanwhile")
        sender.sees("[other] meanwhile")
        reader.sees("[other] meanwhile")
        send_piece(sender, emoji[cut:] + b"b\n")
        assert reader.sees("[sender] a") == "[sender] a😀b"


# --- T6: telnet ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0) as server:
        yield server


def test_telnet_requests_get_at_most_one_answer_an_option_and_direction(server: Server) -> None:
    """T6: nobody can make the server talk."""
    with server.join() as user:
        before = len(user.received)
        storm = b"".join(bytes((0xFF, verb, option)) for option in range(256) for verb in (0xFD, 0xFB))
        for _ in range(20):
            user.sends(storm + b"/ping done\n")
            user.sees_bytes(b"> pong done\n")
        replies = re.findall(rb"\xff[\xfb-\xfe](?s:.)", user.received[before:])
        replies = [reply for reply in replies if reply != b"\xff\xfc\x06"]  # once for each line
        assert len(replies) == 511
        assert len(set(replies)) == len(replies)
        agreed = {reply for reply in replies if reply[1] in (0xFB, 0xFD)}
        assert agreed == {b"\xff\xfb\x00", b"\xff\xfd\x00"}, "BINARY alone is agreed to"


def test_telnet_commands_for_ever_are_closed_and_hold_nobody_up(server: Server) -> None:
    """T6, T45: they are bytes that are no line's."""
    with server.join() as canary:
        for command in (b"\xff\xf1", b"\xff\xfd\x01", b"\xff\xfa\x18\xff\xf0"):
            with server.connect() as user:
                user.sends(command * 1000 + b"/ping done\n")
                user.sees_bytes(b"> pong done\n")
                user.sends(command * 1001)
                user.sees("> Goodbye: more than 1,000 telnet commands without a newline")
                user.sees_end()
        users = [server.connect() for _ in range(20)]
        for user in users:
            try:
                user.sends(b"\xff\xf1" * 500_000)
            except OSError:
                pass  # closed already
        canary.does_not_see(b"\xff")
        for user in users:
            user.sees_end()
            user.sock.close()


def test_will_is_answered_with_dont_and_wont_with_nothing(server: Server) -> None:
    """T6: but for the one question that telnet is asked when it shows itself."""
    with server.join() as user:
        user.sends(b"\xff\xfb\x18\xff\xfc\x19\xff\xfe\x1a\xff\xfb\x18/ping done\n")
        user.sees_bytes(b"> pong done\n")
        assert user.received.count(b"\xff\xfe\x18") == 1
        assert user.received.count(b"\xff\xfd\x00") == 1
        assert user.received.count(b"\xff") == 2


def test_a_telnet_reply_puts_no_blank_line_before_what_comes_next(server: Server) -> None:
    """T6: the reply is not something shown; PuTTY negotiates as soon as it sees the prompt."""
    with server.join("negotiator") as user, server.join("talker") as talker:
        user.sees_bytes(b" is now talker\n")
        user.sends(b"\xff\xfd\x06")
        user.sees_bytes(b"\xff\xfd\x00\xff\xfc\x06")
        talker.says("after the reply")
        user.sees_bytes(b"[talker] after the reply\n")
        assert b"\n\n" not in user.received
        assert b"\xff\xfc\x06[talker] after the reply\n" in user.received


def test_a_telnet_reply_does_not_break_the_line_with_the_prompt() -> None:
    """T6: what is typed stands behind the prompt still."""
    with Server() as server, server.join() as user:
        user.sends(b"\xff\xfb\x1f\xff\xfd\x01")
        user.sees_bytes(b"\xff\xfc\x01")
        assert b"[You] \n" not in user.received


# --- T7, T10: every sink ---------------------------------------------------------------------------------------------

EVIL = (
    "\x1b[2J\x1b]0;t\x07\x9b31m\x90q\x9c\x00\x01\x05\x08\x0b\x0c\x0e\x7f\x85\u2028\u2029\u202e\u2066\u200b\ufeff\U000e0041"
    "\r\ra\x9d52;c;cm0=\x07"
)


def escapes() -> list[bytes]:
    """Return more than 500 sequences that do something to some terminal."""
    found = [b"\x1b" + bytes([final]) for final in range(0x20, 0x7F)]
    for intro in (b"\x1b[", b"\x9b", b"\xc2\x9b"):
        found += [intro + b"?1;2" + bytes([final]) for final in range(0x40, 0x7F)]
        found += [intro + bytes([final]) for final in range(0x40, 0x7F)]
    for intro in (b"\x1b]", b"\x9d", b"\xc2\x9d"):
        for end in (b"\x07", b"\x1b\\", b"\x9c", b"\xc2\x9c"):
            found += [
                intro + b"%d;evil" % number + end for number in (0, 1, 2, 4, 7, 8, 9, 10, 11, 50, 52, 104, 777, 1337)
            ]
    for intro in (b"\x1bP", b"\x1b_", b"\x1b^", b"\x1bX", b"\x90", b"\xc2\x90", b"\xc2\x9f", b"\xc2\x9e", b"\xc2\x98"):
        found += [intro + text + b"\x1b\\" for text in (b"", b"$qm", b"+q544e", b"q#0;2;0;0;0", b"Gi=1,a=T")]
    found += [bytes([c]) for c in range(32) if c not in (10, 13)] + [bytes([c]) for c in range(0x7F, 0xA0)]
    return found + [bytes([0xC2, c]) for c in range(0x80, 0xA0)]


def test_no_escape_sequence_reaches_anybody_anywhere() -> None:
    """T7, T10: one user sends them wherever a user can send anything; no sink lets a control byte through but LF."""
    sequences = escapes()
    assert len(set(sequences)) >= 500
    with (
        Server("127.0.0.1", "--log-level", "debug", limits_messages_per_s=0, limits_nick_max=100) as server,
        server.join("reader") as reader,
        server.join("sender") as sender,
    ):
        for verb in (b"", b"/me x", b"/topic x", b"/msg reader x"):
            sender.sends(b"".join(verb + sequence + b"\n" for sequence in sequences))
        for verb in (b"/nick ", b"/join ", b"/", b"/msg ", b"/help ", b"/ping ", b"/history ", b"/who "):
            sender.sends(b"".join(verb + b"x" + sequence + b" text\n" for sequence in sequences))
        sender.says("/topic", "/rooms", "/who", "/history", "/quit")
        sender.sees_end()
        reader.sees("< The user")
        reader.says("/history -100", "/topic", "/who", "/rooms", "/ping done")
        reader.sees_bytes(b"> pong done\n")
        with server.join() as newcomer:
            assert_harmless(newcomer.received, "a newcomer's replay")
        assert_harmless(sender.received, "the sender's own answers")
        assert_harmless(reader.received, "the reader")
        keys = 3  # BS, DEL and Ctrl+U delete the x before them
        assert reader.received.count(b"\n[sender -> you] x") == len(sequences) - keys
        server.stop()
        assert_harmless(server.out_path.read_bytes(), "stdout")
        assert_harmless(server.log_path.read_bytes(), "the log")


def test_what_is_evil_is_harmless_in_each_sink_by_itself() -> None:
    """T7: the same, with one text and every sink named."""
    with (
        Server(limits_messages_per_s=0, server_motd="Welcome \x1b[31m\x7f\u202e") as server,
        server.join("reader") as reader,
        server.join("sender") as sender,
    ):

        def harmless_at(user: User, sink: str, ends: bytes = b"\n") -> None:
            before = len(user.received) - len(user.unread)
            user.says("/ping fence")
            user.sees_bytes(b"> pong fence\n")
            seen = user.received[before:]
            assert_harmless(seen, sink)
            assert len(seen) > len(b"> pong fence\n"), f"nothing was shown at {sink}"
            assert ends in seen

        for sink, line, who in (
            ("a message", EVIL, reader),
            ("an action", f"/me {EVIL}", reader),
            ("a private message", f"/msg reader {EVIL}", reader),
            ("a topic", f"/topic {EVIL}", reader),
            ("the topic's answer", "/topic", sender),
            ("a refused nick", f"/nick a{EVIL}", sender),
            ("a refused nick with a bracket", f"/nick [{EVIL}", sender),
            ("a refused room", f"/join a{EVIL}", sender),
            ("an unknown command", f"/x{EVIL}", sender),
            ("an unknown command in the help", f"/help {EVIL}", sender),
            ("an unknown user", f"/msg x{EVIL} text", sender),
            ("a pong", f"/ping {EVIL}", sender),
            ("a bad number", f"/history {EVIL}", sender),
            ("the rooms", "/rooms", sender),
            ("the names", "/who", sender),
            ("the history", "/history", sender),
        ):
            sender.says(line)
            if who is reader:
                sender.says("/ping heard")
                sender.sees_bytes(b"> pong heard\n")
            harmless_at(who, sink)
        with server.join() as newcomer:
            assert b"Welcome" in newcomer.received
            assert b"The topic is" in newcomer.received
            assert_harmless(newcomer.received, "the motd, the topic and the replay")


def test_each_line_of_the_log_is_one_event() -> None:
    """T10: whatever is in what is logged."""
    with Server(limits_messages_per_s=0, limits_max_line_bytes=65536, limits_nick_max=100) as server:
        with server.join() as user:
            user.sends(b"/nick a\r\n2026-01-01T00:00:00.000 INFO forged\n")
            user.sends("/nick b\u2028forged\n/nick c\x85forged\n/nick d\x1b[31m\n".encode())
            user.says("/nick " + "e" * 65_000)
            user.says("/nick good", "/quit")
            user.sees_end()
        wait_until(lambda: "closed 1 " in server.log, "the log has the end of the connection")
        server.stop()
        written = server.log_path.read_bytes().decode().removesuffix("\n").split("\n")
        # gevent's monitor, which the harness turns on, may warn once that psutil is not there: two lines of Python's.
        # And a node warns of an engine that does not wait for its disk.
        noise = ("MonitorWarning", "warnings.warn", "the engine of the cluster")
        lines = [line for line in written if not any(each in line for each in noise)]
        for line in lines:
            assert re.match(
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING|ERROR) \S", line
            ), line
            assert len(line) < 400
        assert not any(re.match(r"\S+ INFO forged", line) for line in lines)
        assert [line.split()[2] for line in lines] == [
            "listening",
            "history:",
            "opened",
            "closed",
            "stopping:",
            "stopped:",
        ]


# --- T8, T9: what looks like something else --------------------------------------------------------------------------


def test_marks_do_not_pile_up_with_joiners_between_them(server: Server) -> None:
    """T8: eight combining marks on a base at most; a joiner has no width and is no base."""
    with server.join("tower", "towers") as talker, server.join("", "towers") as reader:
        for joiner in "\u200c\u200d\u200e\u200f\ufe0f":
            talker.says(f"x{(chr(0x301) * 8 + joiner) * 30}y")
            line = reader.sees("[tower] x")
            assert line.count("\u0301") <= 8, f"with U+{ord(joiner):04X} between"


@pytest.mark.parametrize(
    ("held", "tried"),
    [
        ("evan", "еvan"),  # Cyrillic е
        ("Ian", "lan"),
        ("bill", "biII"),
        ("paypa", "раура"),  # all of it Cyrillic
        ("alice", "ALICE"),
        ("alice", "ａｌｉｃｅ"),  # full width
        ("straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("modern", "rnodern"),
        ("scope", "ѕсоре"),  # all of it Cyrillic
    ],
)
def test_a_nick_that_looks_like_another_is_refused(held: str, tried: str) -> None:
    """T9: with a reason, and as long as the other is here."""
    with Server(limits_messages_per_s=0) as server, server.join() as first, server.join() as second:
        first.says(f"/nick {held}", "/ping a")
        first.sees_bytes(b"> pong a\n")
        assert b"> You are" in first.received
        second.says(f"/nick {tried}", "/ping b")
        second.sees_bytes(b"> pong b\n")
        assert b"> You are" not in second.received
        assert b"> The nick " in second.received or b"> A nick " in second.received
        first.says("/quit")
        first.sees_end()
        second.sees("< The user")
        second.says("/nick " + held)
        second.sees(f"> You are now {held}")


@pytest.mark.parametrize("name", ["server", "admin", "Admin", "аdmin", "adrnin", "ｓｅｒｖｅｒ", "you", "***"])
def test_a_reserved_nick_is_refused(server: Server, name: str) -> None:
    """T9."""
    with server.join() as user:
        user.says(f"/nick {name}", "/ping done")
        user.sees_bytes(b"> pong done\n")
        assert b"> You are" not in user.received
        assert b"> The nick" in user.received or b"> A nick" in user.received


# In https://github.com/processone/fluux-messenger/pull/903 users joined as somebody else with blanks and invisible
# characters around the nick; in https://github.com/ddnet/ddnet/issues/557 with a mark that nobody saw.
@pytest.mark.parametrize("place", ["{0}nora", "no{0}ra", "nora{0}"])
def test_blanks_and_what_nobody_sees_make_no_other_nick(server: Server, place: str) -> None:
    """T9."""
    with server.join("nora") as _nora, server.join() as other:
        for char in "\u00a0\u3000\u2007\u200b\u2060\ufeff\u00ad\ufe0f\u3164\u034f\u180b\u17b4\u2800\U000e0061":
            nick = place.format(char)
            other.says(f"/nick {nick}", "/ping done")
            other.sees_bytes(b"> pong done\n")
            assert b"> You are" not in other.received, f"U+{ord(char):04X}"
            with RichUser(server, nick=nick) as rich:
                assert rich.sees("refused")["code"] in ("bad_name", "name_taken"), f"U+{ord(char):04X}"
                assert rich.events[0]["nick"] == rich.user.name


def test_no_confusable_of_a_letter_makes_a_second_nick(server: Server) -> None:
    """T9: each character that Unicode says looks like an ASCII letter or digit; about 1,000 pairs."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    tried = 0
    with server.join() as first, server.join() as second:
        for letter in letters:
            first.says(f"/nick za{letter}oz")
            first.sees(f"> You are now za{letter}oz")
            likes = {str(like["c"]) for like in confusables.confusables_data.get(letter, ())}
            likes = {like for like in likes if not re.search(r"[\s/]", like) and like.casefold() != letter.casefold()}
            tried += len(likes)
            second.sends("".join(f"/nick za{like}oz\n" for like in sorted(likes)).encode() + b"/ping done\n")
            second.sees_bytes(b"> pong done\n")
        taken = set(re.findall(r"> You are now (\S+)", second.received.decode()))
    assert tried >= 1000
    assert taken == set()


# --- T11: without a newline ------------------------------------------------------------------------------------------


def test_a_flood_without_a_newline_is_told_once_and_closed_and_costs_no_memory() -> None:
    """T11: 20 clients, up to 20 MB each as fast as they can."""
    clients, most = 20, 20_000_000
    block = b"x" * 65536

    def flood(user: User) -> None:
        try:
            for _ in range(most // len(block)):
                user.sends(block)
        except OSError:
            pass

    with Server() as server, server.join("canary") as canary:
        before = rss_kib(server)
        users = [server.connect() for _ in range(clients)]
        threads = [threading.Thread(target=flood, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        for user in users:
            user.sees_end()
            assert user.received.count(b"longer than 8,192 bytes") == 1
            assert user.received.count(b"> Goodbye: more than 65,536 bytes without a newline\n") == 1
            user.sock.close()
        assert rss_kib(server, "VmHWM") - before <= clients * 2048
        canary.does_not_see(b"xxx")
        assert messages(canary) == []


def test_a_hundred_thousand_newlines_in_one_packet_are_nothing(server: Server) -> None:
    """T11: taken in slices, while others talk."""
    with server.join("lines", "newlines") as user, server.join("", "newlines") as other:
        user.sends(b"\n" * 100_000 + b"after them\n")
        other.sees("[lines] after them")
        assert len([line for line in messages(other) if "lines" in line]) == 1


def test_a_megabyte_of_long_lines_is_refused_line_by_line(server: Server) -> None:
    """T11: who ends lines is not closed; each is told once, and the next good one is heard."""
    with server.join("long", "long") as user, server.join("", "long") as other:
        user.sends((b"x" * 9_999 + b"\n") * 100 + b"good\n")
        other.sees("[long] good")
        user.says("/ping done")
        user.sees_bytes(b"> pong done\n")
        assert user.received.count(b"longer than 8,192 bytes") == 100


# --- T15, T16: resets and half closes --------------------------------------------------------------------------------


def test_resets_at_every_point_leave_nothing_behind() -> None:
    """T15: 50 at each of 7 points. No traceback, the descriptors come back, and no cut line is ever a message."""

    def at_once(_user: User) -> None:
        pass

    def greeted(user: User) -> None:
        user.sees("> Connected")

    def mid_line(user: User) -> None:
        user.sees("> Connected")
        user.sends(b"cut line")

    def mid_telnet(user: User) -> None:
        user.sends(b"cut line\xff\xfa\x18")

    def at_goodbye(user: User) -> None:
        user.sends(b"-1")

    def with_answers_owed(user: User) -> None:
        user.sends(b"/help\n/who\n/history\ncut line" * 20)

    def half_closed(user: User) -> None:
        user.sends(b"/help\n" * 20)
        user.closes()

    with Server(limits_messages_per_s=0) as server, server.join("canary") as canary:
        canary.says("/ping 0")
        canary.sees_bytes(b"> pong 0\n")
        before = descriptors(server)
        for point in (at_once, greeted, mid_line, mid_telnet, at_goodbye, with_answers_owed, half_closed):
            for _ in range(50):
                user = server.connect()
                point(user)
                user.resets()
        wait_until(lambda: descriptors(server) <= before, "the descriptors are back")
        canary.does_not_see(b"cut line\n")
        assert [line for line in messages(canary) if not line.endswith("cut line/help")] == []


def test_a_line_cut_by_a_reset_is_no_message(server: Server) -> None:
    """T15: even where a whole line came just before it."""
    with server.join("", "resets") as reader:
        for number in range(20):
            user = server.join(f"cut{number}", "resets")
            user.says("whole")
            reader.sees(f"[cut{number}] whole")
            user.sends(b"half of a li")
            user.resets()
            reader.sees(f"< The user cut{number} left")
        assert b"half of a li" not in reader.received


def test_two_hundred_half_closes_are_two_hundred_messages() -> None:
    """T16: printf hi | nc -N, with the real nc; each message is seen once, and each connection ends."""
    nc = need("nc")
    with Server() as server, server.join() as reader:
        for first in range(0, 200, 20):
            running = []
            for number in range(first, first + 20):
                command = [nc, "-N", "127.0.0.1", str(server.port)]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
                assert process.stdin
                process.stdin.write(b"hi %d!" % number)
                process.stdin.close()
                running.append(process)
            for process in running:
                assert process.wait(DEADLINE_S) == 0
        reader.says("/ping done")
        reader.sees_bytes(b"> pong done\n")
        said = re.findall(rb"\] hi (\d+)!\n", reader.received)
        assert sorted(map(int, said)) == list(range(200))


def test_who_ends_the_stream_and_does_not_read_costs_no_processor_time() -> None:
    """T16: the server waits for it, up to 2 s, with output owed; it must not poll the end of the stream meanwhile."""

    with Server(limits_messages_per_s=0) as server, server.join() as talker:
        for _ in range(20):
            talker.sends((b"y" * 7000 + b"\n") * 9)
            talker.does_not_see(b"yyy")
        with server.connect(receive_buffer=4096) as reader:
            reader.sees_bytes(b"[You] ")
            reader.says(*["/history -100"] * 3)
            talker.does_not_see(b"yyy")
            before = processor_s(server)
            reader.closes()
            wait_until(lambda: "closed 2 " in server.log, "the connection is closed")
            assert processor_s(server) - before < 0.7


def test_questions_for_a_long_history_in_one_packet_hold_nobody_up() -> None:
    """T16, T11: answers are made in turns, whatever stands in them; the harness fails if the hub was blocked."""
    with Server() as server, server.join() as talker, server.join() as second, server.join() as canary:
        for user in (talker, second):
            for _ in range(2):
                user.sends((b"\x01" * 8000 + b"\n") * 8)
                user.does_not_see(b"nothing of the sort")
        with server.connect(receive_buffer=4096) as asker:
            asker.sees_bytes(b"[You] ")
            asker.sends(b"/history -100\n" * 30)
            asker.sees_bytes(b"\\x01")
            for _ in range(10):
                canary.does_not_see(b"nothing of the sort")


# --- T26: other protocols --------------------------------------------------------------------------------------------


def tls_hello() -> bytes:
    context = ssl.create_default_context()
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="chat.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


CHAT_IN_A_BODY = b"hello from a browser\n/nick evil\n/me was here\nbye\n"

FOREIGN = {
    **{
        method: f"{method} /x HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nAccept: */*\r\n\r\n".encode()
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
    },
    "GET 1.0": b"GET / HTTP/1.0\n\n",
    "GET 0.9": b"GET /\r\n",
    "GET of a proxy": b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "Host first": b"Host: 127.0.0.1:8888\r\nhello\r\n",
    "host first": b"host: localhost:8888\r\nhello\r\n",
    "blank lines first": b"\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n" + CHAT_IN_A_BODY,
    "POST of chat": b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nContent-Type: text/plain\r\nContent-Length: "
    + b"%d\r\n\r\n" % len(CHAT_IN_A_BODY)
    + CHAT_IN_A_BODY,
    "POST to a long path": b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1:8888\r\n\r\n" + CHAT_IN_A_BODY,
    "TLS": tls_hello(),
    "TLS, then lines": tls_hello() + b"\nhello\n",
    "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "EHLO": b"EHLO mail.example.com\r\nMAIL FROM:<a@example.com>\r\n",
    "HELO": b"HELO mail.example.com\r\nRCPT TO:<b@example.com>\r\n",
    "PROXY v1": b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8888\r\nhello\n",
    "PROXY v1, IPv6": b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 8888\r\nhello\n",
    "PROXY v1, unknown": b"PROXY UNKNOWN\r\nhello\n",
    "weechat": b"CAP LS 302\r\nPASS hunter2\r\nNICK foo\r\nUSER foo 0 * :foo\r\n",
    "irssi": b"NICK foo\r\nUSER foo foo 127.0.0.1 :foo\r\nPRIVMSG NickServ :IDENTIFY hunter2\r\n",
    "PASS": b"PASS hunter2\r\nNICK foo\r\n",
    "USER": b"USER a 0 * :b\r\nPASS hunter2\r\n",
    "AUTHENTICATE": b"AUTHENTICATE PLAIN\r\naHVudGVyMg==\r\n",
    "Redis": b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n",
    "Redis, inline": b"AUTH hunter2\r\n",
    "MQTT": b"\x10\x1b\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x04user\x00\x07hunter2",
    "XMPP": b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client' version='1.0'>",
    "AMQP": b"AMQP\x00\x00\x09\x01",
    "RTSP": b"OPTIONS rtsp://127.0.0.1/stream RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "SIP": b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "SOCKS4": b"\x04\x01\x22\xb8\x7f\x00\x00\x01\x00",
    "SOCKS5": b"\x05\x01\x00",
    "LDAP": b"0\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x07cn=root\x80\x07hunter2",
    "RDP": b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    "IMAP": b"a1 LOGIN bob hunter2\r\n",
    "POP3": b"USER bob\r\nPASS hunter2\r\n",
    "PROXY v2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x22\xb8hello\n",
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("split", ["whole", "cut 1", "bytes"])
def test_nothing_of_a_foreign_protocol_is_relayed(unix_server: Server, name: str, split: str) -> None:
    """T26: its connection is closed."""
    with unix_server.join() as reader, unix_server.connect() as stranger:
        stranger.sees_bytes(b"[You] ")
        try:
            for piece in pieces(FOREIGN[name], split):
                send_piece(stranger, piece)
        except OSError:
            pass  # closed already, which is the best that can be
        stranger.sees_end()
        reader.sees("< The user")
        assert messages(reader) == []
        assert b"evil" not in reader.received
        assert b"* " not in reader.received
        assert "hunter2" not in unix_server.shown
        assert b" is now " not in reader.received


def test_a_program_of_another_protocol_is_told_what_this_is_in_its_own_words(server: Server) -> None:
    """T26."""
    for name, begins in (
        ("GET", "HTTP/1.1 400 Bad Request\r\n"),
        ("EHLO", "554 "),
        ("weechat", "ERROR :"),
        ("irssi", "ERROR :"),
        ("Redis", "-ERR "),
        ("PROXY v1", "> "),
        ("RTSP", "RTSP/1.0 400 "),
        ("XMPP", "<?xml "),
        ("PostgreSQL", "E\0\0"),
    ):
        with server.connect() as stranger:
            stranger.sends(FOREIGN[name])
            stranger.sees_end()
            assert re.search(rf"(\A|\n){re.escape(begins)}(?s:.)*This is a gchat server", stranger.received.decode()), (
                name
            )


@pytest.mark.parametrize(
    "command",
    [
        ["curl", "-sS", "http://127.0.0.1:PORT/"],
        ["psql", "host=127.0.0.1 port=PORT dbname=x user=x sslmode=disable connect_timeout=10", "-c", "select 1"],
        ["git", "-c", "core.askPass=true", "ls-remote", "git://127.0.0.1:PORT/x.git"],
    ],
    ids=lambda command: command[0],
)
def test_a_real_program_of_another_protocol_shows_what_this_is(server: Server, command: list[str]) -> None:
    """T26."""
    need(command[0])
    command = [part.replace("PORT", str(server.port)) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert "This is a gchat server" in done.stdout + done.stderr


def test_after_a_first_line_of_chat_everything_is_chat(server: Server) -> None:
    """T26: people talk about these protocols."""
    with server.join("coder", "protocols") as coder, server.join("", "protocols") as reader:
        for line in ("GET / HTTP/1.1", "Host: x", "EHLO mail", "SSH-2.0-x", "PROXY TCP4 a b 1 2"):
            coder.says(line)
            assert reader.sees("[coder] ") == f"[coder] {line}"


@pytest.mark.parametrize("split", ["whole", "bytes"])
@pytest.mark.parametrize(
    "line",
    [
        "GET some sleep",
        "POST it on the wall",
        "GET / is a request",
        "Host: who is it tonight?",
        "HELO my friends",
        "EHLO is the word",
        "OPTIONS are many",
        "PROXYs are bad",
        "SSH is down",
        "get /etc/passwd please",
        "Hostile: yes",
        "NICK is a great guy",
        "PASS me the salt",
        "USER error again",
        "PING?",
        "auth is broken",
        "HELO everybody",
        "host: me",
        "*1 reason",
        "<?",
        "5",
        "a1 login is broken",
    ],
)
def test_a_first_line_of_words_is_chat_however_it_is_typed(unix_server: Server, line: str, split: str) -> None:
    """T26: a telnet in character mode sends each letter by itself, and is not to be judged by half a line."""
    with unix_server.join() as reader, unix_server.connect() as talker:
        talker.sees_bytes(b"[You] ")
        reader.sees("> New user")
        for piece in pieces(f"{line}\n".encode(), split):
            send_piece(talker, piece)
        assert reader.sees("[").endswith(f"] {line}")


def test_the_server_listens_on_after_all_of_that(unix_server: Server, server: Server) -> None:
    for one in (unix_server, server):
        with one.join("last") as last, one.join() as other:
            last.says("still here")
            other.sees("[last] still here")
        one.check_log()
        assert isinstance(last.sock, socket.socket)
