"""Peers that are gone, slow, many, or loud: T14 and T17 to T24 of the threats, against a real server."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.crowd import (
    Crowd,
    chat_of,
    descriptors,
    join_many,
    kernel_tcp_mib,
    processor_s,
    raise_descriptor_limit,
    resident_mib,
    rises,
    skip_in,
    take,
    told_of,
)
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User, wait_until
from tests.e2e.networks import Talker, Wire
from tests.e2e.tools import need

pytestmark = pytest.mark.usefixtures("all_speak_plain")

HERE = Path(__file__).parent

#: As small a receive buffer as the kernel gives.
TINY = 2048


@pytest.fixture(autouse=True, scope="module")
def _many_descriptors() -> None:
    raise_descriptor_limit()


# https://github.com/tokio-rs/tokio/issues/2702 is such a wait: 30 ms in socket() while the kernel grows the table.
def test_the_kernel_has_room_for_all_connections_before_the_first_one_comes() -> None:
    with Server() as server:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        (size,) = re.findall(r"^FDSize:\t(\d+)$", status, re.MULTILINE)
        (most,) = re.findall(r"max_connections = (\d+)", server.log_path.read_text())
        assert int(size) > min(int(most), 60_000)


# --- T14: half-open peers --------------------------------------------------------------------------------------------


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as made:
        yield made


def impatient(wire: Wire, **settings: object) -> Server:
    """Return a server on the wire that asks idle peers after a second whether they are there."""
    server = Server(wire.near, before=wire.enter(wire.near), script=HERE / "server_keepalive_1s.py")
    server.environment |= {f"GCHAT_{key.upper()}": str(value) for key, value in settings.items()}
    return server


def test_peers_who_are_gone_without_a_word_are_gone_and_a_stopped_one_stays(wire: Wire) -> None:
    """T14. Those who are told that the first of them are gone are owed something, and found by other means."""
    with (
        impatient(wire, limits_stall_timeout_s=2) as server,
        wire.join(wire.near, server.port, 1)[0] as canary,
        Talker(*wire.enter(wire.near), need("nc"), wire.near, str(server.port)) as alive,
    ):
        alive.says("/nick alive")
        canary.sees_bytes(b"is now alive\n")
        alive.process.send_signal(signal.SIGSTOP)
        with Crowd(wire.join(wire.far, server.port, 200)) as ghosts:
            ghosts.users[0].says("/nick ghost")
            canary.sees_bytes(b"is now ghost\n")
            before = descriptors(server)
            wire.cut()
            Crowd([canary]).until(lambda: told_of("left", canary.received)[0] >= 200, "two hundred are gone")

        wait_until(lambda: descriptors(server) <= before - 200, "their descriptors come back")
        canary.says("/nick ghost", "/who")
        canary.sees("> You are now ghost")
        assert "alive" in canary.sees("> In lobby (2 users online)")
        canary.says("still there?")
        alive.process.send_signal(signal.SIGCONT)
        alive.sees("[ghost] still there?")
        alive.process.terminate()
        canary.sees("< The user alive left (1 user online)")
        assert told_of("left", canary.received)[0] == 201, "each is announced once"


def test_peers_who_vanish_while_something_is_owed_to_them_are_gone(wire: Wire) -> None:
    """T14. The kernel's keepalive does not ask while data is on its way."""
    with (
        impatient(wire, limits_stall_timeout_s=2) as server,
        wire.join(wire.near, server.port, 1)[0] as canary,
        Crowd(wire.join(wire.far, server.port, 20)),
    ):
        wire.cut()
        canary.says("is anybody there?")
        Crowd([canary]).until(lambda: told_of("left", canary.received)[0] == 20, "all are gone")


def test_idle_peers_who_vanish_are_gone_however_patient_the_server_is_with_slow_readers(wire: Wire) -> None:
    """T14. Keepalive finds them: TCP_USER_TIMEOUT must not put its own, longer time in the place of keepalive's."""
    with (
        impatient(wire, limits_stall_timeout_s=3600, limits_presence_quiet_above=0) as server,
        Crowd(wire.join(wire.far, server.port, 20)) as ghosts,
    ):
        before = descriptors(server)
        wire.cut()
        wait_until(lambda: descriptors(server) <= before - len(ghosts.users), "all are gone")


# --- T17: readers that do not read -----------------------------------------------------------------------------------


def test_readers_that_never_read_cost_nothing_and_delay_nobody() -> None:
    """T17. 200 of them among ten who read, 6 MB said to each; they are closed as stalled."""
    silent_count, lines, line = 200, 6000, "x" * 1000
    with (
        Server(limits_messages_per_s=0, limits_stall_timeout_s=2) as server,
        join_many(server, 10) as healthy,
        server.join() as speaker,
        join_many(server, silent_count, receive_buffer=TINY),
    ):
        resident, kernel = resident_mib(server), kernel_tcp_mib()
        resident_most = kernel_most = 0.0

        for first in range(0, lines, 100):
            speaker.says(*(f"{number} {line}" for number in range(first, first + 100)))
            for _ in range(5):
                healthy.read(0.001)
            resident_most = max(resident_most, resident_mib(server))
            kernel_most = max(kernel_most, kernel_tcp_mib())
        healthy.all_see(f"{lines - 1} {line}\n".encode())

        for user in healthy.users:
            said = [text.split()[1] for text in chat_of(user) if line in text]
            assert said == [str(number) for number in range(lines)], "a healthy reader missed something"
        assert resident_most - resident < 64, "silent readers cost memory"
        assert kernel_most - kernel < 256, "silent readers cost the kernel's memory"

        reader = healthy.users[0]
        healthy.until(lambda: told_of("left", reader.received)[0] == silent_count, "the silent ones are closed")
        speaker.says("/who")
        speaker.sees("> In lobby (11 users online)")
        assert server.stop() == 0
        assert f"{silent_count} stalled" in server.log, server.log[-600:]


# In https://github.com/nats-io/nats-server/issues/2631 one reader behind a slow proxy delayed what all others were
# sent.
def test_what_is_asked_and_confirmed_reaches_everybody_before_a_reader_behind_a_slow_proxy_has_read_it() -> None:
    asked = 400
    with (
        Server(limits_messages_per_s=0) as server,
        join_many(server, 8) as healthy,
        server.connect(receive_buffer=TINY) as slow,
    ):
        slow.sees_bytes(PROMPT)
        askers, confirmer = healthy.users[:4], healthy.users[4]
        confirmed, next_read = 0, 0.0
        for number in range(asked):
            askers[number % 4].says(f"request {number} {'x' * 1000}")

        def confirms() -> bool:
            nonlocal confirmed, next_read
            requests = re.findall(rb"\] request (\d+) x+\n", confirmer.received)
            confirmer.says(*(f"confirmed {int(number)}" for number in requests[confirmed:]))
            confirmed = len(requests)
            if time.monotonic() > next_read:
                take(slow, TINY)
                next_read = time.monotonic() + 0.2
            return all(user.received.count(b"] confirmed ") == asked for user in healthy.users if user is not confirmer)

        healthy.until(confirms, "everybody has every confirmation")
        assert slow.received.count(b"] confirmed ") < asked
        for user in healthy.users[5:]:
            said = re.findall(rb"\] (request|confirmed) (\d+)", user.received)
            order = [
                said.index((kind, b"%d" % number)) for number in range(asked) for kind in (b"request", b"confirmed")
            ]
            assert all(first < second for first, second in zip(order[::2], order[1::2], strict=True))
        slow.says("/ping end")
        slow.sees("> pong end")
        heard = len(re.findall(rb"\] (?:request|confirmed) \d+", slow.received))
        skipped = [skip for text in chat_of(slow) if (skip := skip_in(text))]
        assert heard + sum(last - first + 1 for first, last in skipped) == 2 * asked, (
            "a message was lost without a word"
        )


# --- T18: sippers ----------------------------------------------------------------------------------------------------


def test_who_reads_a_byte_at_a_time_is_closed_and_who_reads_slowly_is_not() -> None:
    """T18. 20 sippers of a byte a second, and 5 readers of 1.5 kB/s, all owed more than they will ever read."""
    with (
        Server(limits_messages_per_s=0, limits_stall_timeout_s=4) as server,
        server.join() as speaker,
        join_many(server, 5, receive_buffer=TINY) as slow,
        join_many(server, 20, receive_buffer=TINY) as sippers,
    ):
        everybody = descriptors(server)
        speaker.says(*("x" * 1000 for _ in range(1000)))
        began = time.monotonic()
        taken = sips = 0

        def only_sippers_are_closed() -> bool:
            nonlocal taken, sips
            passed_s = time.monotonic() - began
            while taken < passed_s * 1500:
                taken += 300
                for user in slow.users:
                    user.sock.settimeout(DEADLINE_S)
                    assert user.sock.recv(300), "a slow reader was closed"
            if sips < passed_s:
                sips += 1
                for user in sippers.users:
                    with suppress(ConnectionResetError):
                        take(user, 1)
            return passed_s > 10 and descriptors(server) <= everybody - len(sippers.users)

        wait_until(only_sippers_are_closed, "the sippers are closed")
        speaker.says("/who")
        speaker.sees("> In lobby (6 users online)")
        assert server.stop() == 0
        assert f"{len(sippers.users)} stalled" in server.log, server.log[-600:]


# --- T19: readers who pause ------------------------------------------------------------------------------------------


def heard_and_skipped(user: User, prefix: str) -> tuple[int, int]:
    """Return how many messages that begin with `prefix` and their number a user heard, and how many were skipped.

    Fails where a number is missing and not told to be skipped, or heard although it is, or out of order.
    """
    heard, skipped, expected = 0, 0, 1
    for line in chat_of(user):
        skip = skip_in(line)
        if skip:
            assert skip[0] == expected, f"{line}, where {expected} comes next"
            skipped += skip[1] - skip[0] + 1
            expected = skip[1] + 1
        elif line.startswith(prefix):
            assert line == f"{prefix}{expected} {'x' * 80}", f"{line}, where {expected} comes next"
            heard += 1
            expected += 1
        else:
            assert line.startswith("> New user") or "users entered" in line, line
    return heard, skipped


@pytest.mark.parametrize("room_log_bytes", [16384, 16777216])
def test_who_pauses_in_a_flood_hears_or_is_told_to_have_missed_every_message(room_log_bytes: int) -> None:
    """T19. Readers stop and go on at random, and read in bits; what each hears and is told adds up to what was sent."""
    sent, chance = 30000, random.Random(19)
    with (
        Server(limits_messages_per_s=0, history_replay_on_join=0, limits_room_log_bytes=room_log_bytes) as server,
        server.join() as speaker,
        join_many(server, 12, receive_buffer=8192) as crowd,
    ):
        for first in range(1, sent + 1, 250):
            speaker.says(*(f"{number} {'x' * 80}" for number in range(first, first + 250)))
            for user in crowd.users[1:]:  # the first one stops for all the while
                if chance.random() < 0.3:
                    for _ in range(chance.randrange(40)):
                        take(user, chance.choice((1, 7, 500, 5000)))
        prefix = f"[{speaker.name}] "
        last = f"{prefix}{sent} {'x' * 80}\n".encode()
        skipped_to_the_end = re.compile(rf"skipped \((\d+-)?{sent}\), /history \d+\n".encode())

        def has_the_end(user: User) -> bool:
            return last in user.received[-1000:] or bool(skipped_to_the_end.search(user.received[-1000:]))

        crowd.until(lambda: all(map(has_the_end, crowd.users)), "the end of the flood")

        views = [heard_and_skipped(user, prefix) for user in crowd.users]
        assert [heard + skipped for heard, skipped in views] == [sent] * len(views)
        assert any(skipped for _, skipped in views) == (room_log_bytes < 1 << 20), views
        # The numbers are those of the room: /history knows the last one by it.
        speaker.says(f"/history {sent}")
        speaker.sees_bytes(b" " + last)
        speaker.says(f"/history {sent + 1}")
        speaker.sees("> There are no such messages")


def check_view(lines: list[str], order: list[str], own: str) -> None:
    """Fail unless who speaks as `own` heard all of `order` but its own lines and what it was told to have missed."""
    at = 0
    for line in lines:
        skip = skip_in(line)
        if skip:
            missed = [said for said in order[at : skip[0] - 1] if not said.startswith(own)]
            assert at < skip[1], f"{line}, but {at} were heard or skipped"
            assert not missed, f"neither heard nor skipped: {missed[:3]}"
            at = skip[1]
        elif line.startswith("["):
            while order[at].startswith(own):
                at += 1
            assert line == order[at]
            at += 1
        else:
            assert line.startswith("> "), line
    assert all(said.startswith(own) for said in order[at:]), "something at the end was neither heard nor skipped"


def test_who_speaks_and_reads_slowly_hears_everybody_else_in_the_order_of_the_room() -> None:
    """T19. Own lines are left out and are no gap, skips count them too, answers stand between whole lines."""
    sent, chance = 2500, random.Random(20)
    with (
        Server(limits_messages_per_s=0, history_replay_on_join=0, limits_room_log_bytes=8192) as server,
        server.join() as witness,
        join_many(server, 6, receive_buffer=4096) as talkers,
    ):
        healthy = Crowd([witness])
        for first in range(0, sent, 25):
            for talker in talkers.users:
                lines = [f"{number} {'é' * 30}" for number in range(first, first + 25)]
                lines.insert(chance.randrange(25), "/ping between")
                talker.says(*lines)
                for _ in range(chance.randrange(8)):
                    take(talker, chance.choice((1, 50, 500, 5000)))
            healthy.read(0)
        healthy.until(lambda: witness.received.count(f" {sent - 1} ".encode()) == 6, "the witness has all")
        for talker in talkers.users:
            talker.says("/ping the end")
        talkers.all_see(b"> pong the end\n")

        order = [line for line in chat_of(witness) if line.startswith("[")]
        assert len(order) == 6 * sent, "the witness missed something, or was skipped"
        skips = 0
        for talker in talkers.users:
            lines = chat_of(talker)
            check_view(lines, order, f"[{talker.name}] ")
            assert lines.count("> pong between") == sent / 25, "an answer was lost"
            skips += sum(skip_in(line) is not None for line in lines)
        assert skips, "nobody was slow enough for this test"


def test_who_moves_between_rooms_and_reads_slowly_hears_no_line_twice_or_of_another_room() -> None:
    """T19. What was owed of the room that is left comes before the new room's first line, or is told as skipped."""
    chance = random.Random(21)
    with (
        Server(limits_messages_per_s=0, history_replay_on_join=0, limits_room_log_bytes=8192) as server,
        server.join() as here,
        server.join(room="dev") as there,
        server.connect(receive_buffer=4096) as wanderer,
    ):
        wanderer.sees_bytes(PROMPT)
        for turn in range(60):
            numbers = range(turn * 100, turn * 100 + 100)
            here.says(*(f"{number} lobby {'x' * 80}" for number in numbers))
            there.says(*(f"{number} dev {'x' * 80}" for number in numbers))
            wanderer.says(f"/join {('dev', 'lobby')[turn % 2]}")
            for _ in range(chance.randrange(12)):
                take(wanderer, chance.choice((1, 500, 3000)))
        wanderer.says("/ping the end")
        Crowd([wanderer]).all_see(b"> pong the end\n")
        wanderer.received = wanderer.received[: wanderer.received.index(b"> pong the end\n")]

        room, moves = "lobby", 0
        heard: dict[str, list[int]] = {"lobby": [], "dev": []}
        for line in chat_of(wanderer):
            if moved := re.match(r"> You are now in (\w+)", line):
                room, moves = moved[1], moves + 1
            elif line.startswith("["):
                assert line.endswith(f" {room} {'x' * 80}"), f"in {room}: {line}"
                heard[room].append(int(line.split()[1]))
            else:
                assert line.startswith(("> ", "< ")), line
        assert moves == 60
        assert rises(heard["lobby"])
        assert rises(heard["dev"])


# --- T20, T21: floods of connections, and descriptors ----------------------------------------------------------------


def test_a_flood_of_connections_is_answered_and_nobody_else_notices() -> None:
    """T20. 3,000 connections from three hundred addresses, half of them reset at once."""
    with Server() as server, server.join(nick="alice") as alice, server.join(nick="bob") as bob:
        before = descriptors(server)
        for turn in range(30):
            flood = [server.connect(source=f"127.0.{turn}.{lane % 10 + 2}") for lane in range(100)]
            for user in flood[1::2]:
                user.resets()
            with Crowd(flood[::2]) as staying:
                alice.says(f"canary {turn}")
                bob.sees(f"[alice] canary {turn}")
                staying.all_see(b"> Connected")
        wait_until(lambda: descriptors(server) <= before + 5, "descriptors come back")
        alice.says("/who")
        alice.sees("> In lobby (2 users online)")
        assert len(server.log.splitlines()) < 1500, "the log is flooded too"


def test_an_address_with_enough_connections_is_told_so_and_another_is_let_in() -> None:
    """T20. connections_per_ip counts those who are there now."""
    with (
        Server(limits_connections_per_ip=2, limits_exempt="") as server,
        server.connect(source="127.0.0.5") as first,
        server.connect(source="127.0.0.5") as second,
    ):
        first.sees_bytes(PROMPT)
        second.sees_bytes(PROMPT)
        with server.connect(source="127.0.0.5") as third:
            third.sees("> Too many connections from your address: the limit is 2 connections")
            third.sees_end()
        with server.connect(source="127.0.0.6") as other:
            other.sees_bytes(PROMPT)
        first.resets()
        second.sees(f"< The user {first.name} left")
        with server.connect(source="127.0.0.5") as third:
            third.sees_bytes(PROMPT)
        assert server.stop() == 0
        assert "1 too_many" in server.log


def test_when_descriptors_end_a_newcomer_is_told_that_the_server_is_full() -> None:
    """T21. Of 256 descriptors 64 are kept back: of 400 who come, 192 are in, and 208 are told and closed."""
    with (
        Server(before=[need("prlimit"), "--nofile=256:256"]) as server,
        Crowd([server.connect() for _ in range(400)]) as everybody,
    ):
        everybody.until(
            lambda: all(PROMPT in user.received or user.ended for user in everybody.users), "everybody is answered"
        )
        users = [user for user in everybody.users if not user.ended]
        assert users == everybody.users[:192]
        for user in everybody.users[192:]:
            assert user.received == b"> The server is full; try again later\n"
        assert descriptors(server) < 256
        users[0].says("/who")
        users[0].sees("> In lobby (192 users online)")

        for user in users[100:]:
            everybody.pause(user)
            user.sock.close()
        everybody.until(lambda: told_of("left", users[0].received)[0] == 92, "those who leave have left")
        with join_many(server, 92), server.connect() as late:
            late.sees("> The server is full")


@pytest.mark.parametrize("error", ["EMFILE", "ENFILE", "ENOBUFS", "ECONNABORTED"])
def test_the_server_lives_through_a_time_in_which_accept_fails(error: str) -> None:
    """T21. accept fails five times after the third connection; who waited is let in, and it is logged once."""
    # -D: strace is the child, so that the process we started is the server.
    strace = [need("strace"), "-D", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=accept4"]
    with (
        Server(before=[*strace, "-e", f"inject=accept4:error={error}:when=4..8"]) as server,
        server.join() as alice,
        server.join() as bob,
        join_many(server, 20),
    ):
        alice.says("hello")
        bob.sees(f"[{alice.name}] hello")
        alice.says("/who")
        alice.sees("> In lobby (22 users online)")
        assert server.log.count("cannot accept connections") == (error != "ECONNABORTED")


# In https://github.com/oven-sh/bun/pull/32705, https://github.com/joyent/libuv/issues/690 and others a server without
# descriptors tried to accept again and again, with all of a core, and had none left for those whom it had accepted.
def test_a_server_that_gets_no_descriptor_waits_and_lets_newcomers_in_when_somebody_leaves() -> None:
    with Server() as server, server.join("alice") as alice, join_many(server, 5) as crowd:
        limit = f"--nofile={descriptors(server) + 2}:"
        subprocess.run([need("prlimit"), "--pid", str(server.pid), limit], check=True)
        with Crowd([server.connect() for _ in range(12)]) as newcomers:
            wait_until(lambda: "cannot accept connections" in server.log, "accept fails")
            before, began = processor_s(server), time.monotonic()
            for number in range(20):
                alice.says(f"/ping {number}")
                alice.sees(f"> pong {number}")
                time.sleep(0.05)
            assert processor_s(server) - before < (time.monotonic() - began) / 5, "it tries again and again"
            assert sum(user.has_received(b"> Connected") for user in newcomers.users) < 5
            for user in crowd.users:
                crowd.pause(user)
                user.sock.close()
            newcomers.until(
                lambda: sum(b"> Connected" in user.received for user in newcomers.users) >= 5, "five are let in"
            )


# In https://github.com/apache/pulsar/issues/14826 a loop that opened sockets and closed none kept everybody out, and
# the HTTP port did not answer either.
def test_a_program_that_opens_sockets_and_closes_none_keeps_nobody_else_out() -> None:
    with (
        open_to_the_operator(limits_exempt="", server_max_connections=250) as server,
        ExitStack() as sockets,
    ):
        operator = Operator(server)
        host, _, port = operator.at.rpartition(":")
        for _ in range(300):
            sockets.enter_context(server.connect(source="127.0.0.5"))
            sockets.enter_context(socket.create_connection((host, int(port))))
        assert operator.asks("GET", "/readyz")["status"] == "ready"
        with server.join("alice") as alice, server.join("bob") as bob:
            alice.says("hello")
            bob.sees("[alice] hello")
            assert operator.asks("GET", "/status")["online"] == 202


# --- T22: who sends too fast -----------------------------------------------------------------------------------------


def test_flooders_are_read_more_slowly_are_told_once_and_lose_nothing() -> None:
    """T22. Twenty at full speed; the room never sees more than the allowed rate."""
    rate, burst, each, flooders = 50, 10, 100, 20
    with (
        Server(limits_messages_per_s=rate, limits_burst=burst) as server,
        server.join() as witness,
        join_many(server, flooders) as crowd,
    ):
        crowd.resume(witness)
        began = time.monotonic()
        for user in crowd.users:
            user.says(*(f"line {number}" for number in range(each)))

        def all_is_heard() -> bool:
            heard = witness.received.count(b"] line ")
            allowed = flooders * (burst + (time.monotonic() - began) * rate)
            assert heard <= allowed * 1.05 + flooders, f"{heard} messages where {allowed:.0f} are allowed"
            return heard == flooders * each

        crowd.until(all_is_heard, "all is heard")

        lines = chat_of(witness)
        for user in crowd.users:
            said = [line.partition("] ")[2] for line in lines if line.startswith(f"[{user.name}]")]
            assert said == [f"line {number}" for number in range(each)], "lost or reordered"
            user.says("/ping fence")
        crowd.all_see(b"> pong fence\n")
        for user in crowd.users:
            assert user.received.count(b"> You send faster than 50 lines a second") == 1


def test_a_paste_passes_at_once() -> None:
    """T22. At this rate it would take minutes, if the burst did not let it through."""
    with Server(limits_messages_per_s=0.1) as server, server.join() as alice, server.join() as bob:
        alice.says(*(f"line {number}" for number in range(30)))
        for number in range(30):
            bob.sees(f"[{alice.name}] line {number}")
        alice.does_not_see(b"You send faster")


def test_a_file_sent_with_nc_arrives_whole_although_it_is_too_fast(tmp_path: Path) -> None:
    """T22. `cat file | nc -N` takes its time."""
    path = tmp_path / "file"
    path.write_text("".join(f"line {number}\n" for number in range(149)) + "the unterminated end")
    with Server(limits_messages_per_s=100, limits_burst=50) as server, server.join() as bob:
        with path.open() as file:
            command = [need("nc"), "-N", "127.0.0.1", str(server.port)]
            shown = subprocess.run(command, stdin=file, stdout=subprocess.PIPE, timeout=DEADLINE_S, check=True).stdout
        assert shown.count(b"> You send faster") == 1
        for number in range(149):
            bob.sees_bytes(f"] line {number}\n".encode())
        bob.sees_bytes(b"] the unterminated end\n")


# --- T23: storms of presence -----------------------------------------------------------------------------------------


def test_a_storm_of_joins_and_parts_is_told_in_few_lines_that_add_up() -> None:
    """T23. A room of 200 is told of presence at most five times a second."""
    members, storm = 200, 500
    with Server() as server, join_many(server, members) as crowd:
        canary = crowd.users[0]
        crowd.until(lambda: told_of("entered", canary.received)[0] >= members - 1, "the members are announced")
        for user in crowd.users:
            user.received = b""
        began = time.monotonic()
        for _ in range(0, storm, 50):
            with join_many(server, 50) as passing:
                crowd.read(0)
                for user in passing.users:
                    user.resets()
        crowd.until(
            lambda: told_of("entered", canary.received)[0] == storm == told_of("left", canary.received)[0],
            "the storm is told",
        )
        passed_s = time.monotonic() - began

        lines = told_of("entered", canary.received)[1] + told_of("left", canary.received)[1]
        assert lines <= (passed_s * 5 + 2) * 3, f"{lines} lines in {passed_s:.1f} s"
        canary.says("/who")
        crowd.all_see(b" left (")
        crowd.until(lambda: b"> In lobby (200 users online)" in canary.received, "all of the storm are gone")


def test_a_storm_of_nicks_is_told_in_few_lines() -> None:
    """T23. Fifty users take twenty nicks each, at once."""
    with Server(limits_messages_per_s=0) as server, server.join() as canary, join_many(server, 50) as crowd:
        crowd.resume(canary)
        began = time.monotonic()
        for count, user in enumerate(crowd.users):
            user.says(*(f"/nick n{count}x{turn}" for turn in range(20)))
        crowd.until(lambda: told_of("renamed", canary.received)[0] == 1000, "the storm is told")
        passed_s = time.monotonic() - began

        assert told_of("renamed", canary.received)[1] <= (passed_s * 20 + 2) * 3
        canary.says("/who")
        assert "n0x19, n1x19, " in canary.sees("> In lobby (51 users online)")


def test_a_room_with_many_members_is_not_told_who_comes_and_goes() -> None:
    """T23. And it is told again when it is small enough."""
    with Server(limits_presence_quiet_above=20) as server, server.join() as canary:
        with join_many(server, 20):
            canary.says("/ping all are there")
            canary.sees("> pong all are there")
            assert told_of("entered", canary.received)[0] <= 20
            with server.join(nick="silently") as user:
                user.says("hello")
                canary.sees("[silently] hello")
                canary.does_not_see(b"New user")
            canary.does_not_see(b"silently left")
            assert b"is now silently" not in canary.received
        canary.sees("< ")
        with server.join(nick="loudly"):
            canary.sees_bytes(b"is now loudly\n")


def test_who_comes_gets_a_prompt_although_the_room_is_not_told_of_it() -> None:
    """T23. What a newcomer is owed does not wait for somebody to speak."""
    with Server(limits_presence_quiet_above=0) as server, server.join() as alice, server.join() as bob:
        alice.says("hello")
        bob.sees_bytes(f"[{alice.name}] hello\n".encode())


# --- T24: nobody holds the hub ---------------------------------------------------------------------------------------
# The server runs with gevent's monitor; a report of a blocked hub fails the test, when its Server ends.


def test_nothing_that_a_large_room_is_asked_holds_the_hub() -> None:
    """T24. A room of 2,000: /who, /rooms, /history, joins, long lines, and a packet of 32,768 lines."""
    with (
        Server(limits_messages_per_s=0, limits_presence_quiet_above=5000) as server,
        join_many(server, 2000) as crowd,
        server.join(nick="speaker") as speaker,
        server.join(nick="canary") as canary,
    ):
        speaker.sends(b"x\n" * 32768)
        speaker.says(*("y" * 8192 for _ in range(20)))
        for _ in range(20):
            canary.says("/who", "/history 1", "/rooms", "/history")
            with server.join():
                crowd.read(0)
        speaker.says("the end")
        Crowd([canary]).all_see(b"[speaker] the end\n")
        crowd.all_see(b"[speaker] the end\n")


ESCAPES = b"\x1b" * 8000 + b"\n"  # what costs most to make fit to be shown


def test_lines_that_are_dear_to_clean_do_not_hold_the_hub() -> None:
    """T24. Sixty users send what fits in one read, of nothing but escapes, at the same time, within every limit."""
    with Server() as server, server.join() as canary, join_many(server, 60) as crowd:
        for user in crowd.users:
            user.sends(ESCAPES * 8)
        canary.says("/ping still there")
        Crowd([canary]).all_see(b"> pong still there\n")


def test_pages_of_history_asked_for_together_cost_neither_time_nor_memory() -> None:
    """T24, T17. Ten users ask for a large page forty times in one packet, within every limit, and do not read it."""
    with (
        Server() as server,
        server.join() as speaker,
        server.join() as canary,
        join_many(server, 10, receive_buffer=TINY) as silent,
    ):
        speaker.sends(ESCAPES * 30)
        speaker.says("/ping said")
        speaker.sees("> pong said")
        resident = resident_mib(server)
        for user in silent.users:
            user.says(*["/history 1"] * 40)
        canary.says("/ping still there")
        Crowd([canary]).all_see(b"> pong still there\n")
        assert resident_mib(server) - resident < 16, "who does not read costs memory"


def test_a_list_of_rooms_with_long_topics_costs_neither_time_nor_memory() -> None:
    """T24. A hundred rooms with topics of nothing but escapes, and one user who asks for the list twenty times."""
    with Server() as server, server.join() as canary, join_many(server, 100) as crowd:
        for count, user in enumerate(crowd.users):
            user.sends(f"/join room{count}\n/topic ".encode() + ESCAPES + b"/ping set\n")
        crowd.all_see(b"> pong set\n")
        resident = resident_mib(server)
        crowd.users[0].says(*["/rooms"] * 20)
        canary.says("/ping still there")
        Crowd([canary]).all_see(b"> pong still there\n")
        assert resident_mib(server) - resident < 16


def test_who_is_reset_while_being_slowed_down_harms_nobody() -> None:
    """The debt of a fast sender ends at about the moment at which the pump finds its connection broken."""
    rng = random.Random(3)
    with Server(limits_messages_per_s=50, limits_burst=1, history_replay_on_join=0) as server, server.join() as canary:
        for _ in range(12):
            with join_many(server, 25) as crowd:
                for user in crowd.users:
                    user.says("one", "two")  # which it pays for with 20 ms
                for user in rng.sample(crowd.users, len(crowd.users)):
                    crowd.read(rng.uniform(0, 0.004))
                    assert not user.ended, "the server closed somebody who was well"
                    crowd.pause(user)
                    user.resets()
        canary.says("/ping still there")
        canary.sees("> pong still there")
