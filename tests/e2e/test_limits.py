"""Limits that cannot be walked around: each test is an attack by users who have nothing but connections."""

from __future__ import annotations

import json
import re
import signal
import time
import unicodedata
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.crowd import Crowd, processor_s
from tests.e2e.harness import PROMPT, Server, User, wait_until
from tests.e2e.rich_user import RichUser, joins

HERE = "127.0.0.5"  # with limits_exempt="" each address is a network of its own


def memory(server: Server) -> int:
    """Return the bytes that the server's process has in memory."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


# --- The rate --------------------------------------------------------------------------------------------------------


def test_reconnecting_does_not_lift_the_rate() -> None:
    rate, burst, factor = 20, 10, 2
    with (
        Server(
            limits_exempt="", limits_messages_per_s=rate, limits_burst=burst, limits_network_factor=factor
        ) as server,
        server.join("bob") as bob,
        ExitStack() as users,
    ):
        began = time.monotonic()
        for _ in range(60):
            user = users.enter_context(server.connect(source=HERE))
            user.sends(b"flood\n" * burst)
            user.closes()
        while time.monotonic() < began + 2:
            bob.says("/ping x")
            bob.sees("> pong x")
            time.sleep(0.2)
        heard = bob.received.count(b"] flood\n")
        allowed = burst + (time.monotonic() - began) * rate * factor  # half of twice the burst is the burst

        assert burst <= heard <= allowed + 60, "one line of each connection waits for its turn"
        bob.does_not_see(b"You send")
        user.sees("> Users from your address send faster than 40 lines a second; your lines are delayed")


# In https://github.com/djust-org/djust/issues/108 and https://github.com/boardsesh/boardsesh/issues/2863 every
# connection had an allowance of its own, so that a thousand of them had a thousand.
@pytest.mark.parametrize("line", [b"flood", b"/msg bob flood"], ids=["said", "told"])
def test_many_connections_of_one_address_send_together_no_more_than_the_address_may(line: bytes) -> None:
    rate, burst, count = 5, 10, 40
    with (
        Server(limits_exempt="", limits_messages_per_s=rate, limits_burst=burst, limits_network_factor=2) as server,
        server.join("bob") as bob,
        Crowd([server.connect(source=HERE) for _ in range(count)]) as flood,
    ):
        flood.all_see(PROMPT)
        began = time.monotonic()
        for user in flood.users:
            user.sends((line + b"\n") * burst)
        told = b"> Users from your address send faster than 10 lines a second; your lines are delayed"
        flood.until(lambda: any(told in user.received for user in flood.users), "they are told why")
        while time.monotonic() < began + 2:
            bob.says("/ping x")
            bob.sees("> pong x")
            time.sleep(0.3)
        heard = len(re.findall(rb"(?:\]|-> you\]) flood\n", bob.received))

        assert heard <= burst + (time.monotonic() - began) * rate * 2 + count, "each may have one line that is not paid"
        assert heard < count * burst / 2
        with server.connect(source="127.0.0.6") as other:
            other.says("hello from next door")
            bob.sees_bytes(b"] hello from next door\n")
            other.does_not_see(b"faster than")


def test_by_default_an_address_has_twice_the_burst_of_a_user_and_four_times_the_rate() -> None:
    with (
        Server(limits_exempt="") as server,
        server.join("bob") as bob,
        Crowd([server.connect(source=HERE) for _ in range(4)]) as crowd,
    ):
        crowd.all_see(PROMPT)
        began = time.monotonic()
        for user in crowd.users:
            user.sends(b"flood\n" * 40)
        told = b"> Users from your address send faster than 20 lines a second"
        crowd.until(lambda: any(told in user.received for user in crowd.users), "they are told why")
        wait_until(lambda: bob.has_received() and bob.received.count(b"] flood\n") >= 80, "the burst is heard")

        assert bob.received.count(b"] flood\n") <= 80 + (time.monotonic() - began) * 20 + 4
        assert not any(b"> You send faster" in user.received for user in crowd.users), "40 lines are the burst of each"


def test_by_default_many_users_of_this_machine_share_no_limit_and_each_keeps_its_own() -> None:
    with Server() as server, server.join("bob") as bob, Crowd([server.connect() for _ in range(6)]) as crowd:
        crowd.all_see(PROMPT)
        for user in crowd.users:
            user.sends(b"flood\n" * 40)
        crowd.resume(bob)
        crowd.until(lambda: bob.received.count(b"] flood\n") == 240, "bob hears all of them")
        assert not any(b"faster" in user.received for user in crowd.users)
        crowd.users[0].sends(b"flood\n" * 40)
        crowd.until(lambda: b"> You send faster than 5 lines" in crowd.users[0].received, "its own rate stays")


def test_what_was_received_of_a_slowed_down_sender_is_said_before_the_server_stops() -> None:
    with (
        Server(limits_messages_per_s=1, limits_burst=5) as server,
        server.join("alice") as alice,
        server.join("bob") as bob,
    ):
        alice.says(*[f"line {number}" for number in range(100)])
        alice.sees("> You send faster than")
        assert server.stop() == 0
        bob.sees_end()
        heard = bob.received.splitlines()

        assert [line for line in heard if b"] line " in line] == [b"[alice] line %d" % number for number in range(100)]
        assert heard[-1] == b"> The server is shutting down"


# Each line takes 8,000 bytes, and says little or nothing.
LINES = {
    "escapes": b"\x1b" * 8000 + b"\n",
    "blanks": b" " * 8000 + b"\n",
    "refused": b"x" * 9000 + b"\n",
    "telnet": b"\xff\xf1" * 900 + b"\n" * 10 + b"\xff\xf1" * 900 + b"\xff\xf1" * 50 + b"\n" * 4000,
    "commands": b"/ping " + b"x" * 8000 + b"\n",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_every_byte_is_paid_for(line: bytes) -> None:
    with Server(
        limits_messages_per_s=1e6, limits_burst=10**6, limits_bytes_per_s=50_000, limits_bytes_burst=8000
    ) as server:
        began = time.monotonic()
        evil = server.join("evil")
        count = 100_000 // len(line)
        evil.sends(line * count + b"/ping done\n")
        evil.sees("> pong done")

        assert time.monotonic() - began > (count * len(line) - 8000 - 16_384) / 50_000
        assert b"> You send faster than 50,000 bytes a second" in evil.received
        evil.sock.close()


def test_without_a_rate_of_lines_there_is_no_other_rate_either() -> None:
    with (
        Server(limits_exempt="", limits_messages_per_s=0, limits_bytes_per_s=1, limits_bytes_burst=1) as server,
        server.connect(source=HERE) as user,
    ):
        user.sends((b"x" * 1000 + b"\n") * 200 + b"/ping done\n")
        user.sees("> pong done")
        user.does_not_see(b"faster than")


# In https://github.com/inspircd/inspircd/issues/654 some commands had no price, and were what a flood was made of.
@pytest.mark.parametrize(
    ("command", "price"),
    [
        ("/search word", 5),
        ("/history 1", 3),
        ("/join {}", 3),
        ("/nick n{}", 2),
        ("/topic {}", 2),
        ("/rooms", 2),
        *(
            (line, 1)
            for line in ("/who", "/help", "/help who", "/me waves", "/msg nobody x", "/reply x", "/nick", "/no")
        ),
    ],
)
def test_a_command_is_paid_for_as_it_costs_the_others(command: str, price: int) -> None:
    count, rate, burst = 20, 50, 10
    with Server(limits_messages_per_s=rate, limits_burst=burst) as server:
        began = time.monotonic()
        user = server.join()
        user.says(*[command.format(number) for number in range(count)], "/ping done")
        user.sees("> pong done")

        assert time.monotonic() - began > (count * price - burst - price) / rate
        user.sock.close()


def test_many_short_lines_that_are_not_yet_due_take_little_memory() -> None:
    with Server() as server, server.join("bob") as bob, ExitStack() as users:
        before = memory(server)
        flood = [users.enter_context(server.connect()) for _ in range(200)]
        for user in flood:
            user.sends(b"ab\n" * 21_000)
        for user in flood:
            user.sees("> You send faster than")
        bob.says("/ping x")
        bob.sees("> pong x")

        assert memory(server) - before < 200 * 150_000, "as lines they take more than a megabyte for each connection"


# --- After a stall ---------------------------------------------------------------------------------------------------


def talks(user: User, lines_per_s: float, for_s: float) -> None:
    """Say a line now and then."""
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        user.says("tick")
        time.sleep(1 / lines_per_s)


def test_a_writer_within_the_limit_is_not_slowed_down_because_the_server_stood_still() -> None:
    with (
        Server(limits_messages_per_s=20, limits_burst=5) as server,
        server.join("bob") as bob,
        server.join("alice") as alice,
    ):
        talks(alice, 16, 0.5)
        server.process.send_signal(signal.SIGSTOP)
        talks(alice, 16, 2)
        server.process.send_signal(signal.SIGCONT)
        talks(alice, 16, 0.5)
        alice.says("fence")

        bob.sees("[alice] fence")
        alice.does_not_see(b"You send faster")


def test_a_writer_within_the_limit_is_not_slowed_down_because_the_network_stood_still() -> None:
    with (
        Server(limits_messages_per_s=20, limits_burst=5) as server,
        server.join("bob") as bob,
        server.join("alice") as alice,
    ):
        talks(alice, 16, 0.5)
        time.sleep(2)
        alice.sends(b"late\n" * 32)
        talks(alice, 16, 0.5)
        alice.says("fence")

        bob.sees("[alice] fence")
        alice.does_not_see(b"You send faster")


# --- Places ----------------------------------------------------------------------------------------------------------


def test_one_address_does_not_take_all_places() -> None:
    with Server(limits_exempt="", server_max_connections=300) as server, ExitStack() as users:
        flood = [users.enter_context(server.connect(source=HERE)) for _ in range(300)]
        for user in flood[200:]:
            user.sees("> Too many connections from your address: the limit is 200 connections")
            user.sees_end()

        for source in ("127.0.0.6", "127.0.0.1"):
            users.enter_context(server.connect(source=source)).sees_bytes(PROMPT)


def test_one_address_does_not_take_all_rooms() -> None:
    with Server(limits_exempt="", limits_max_rooms=60, limits_messages_per_s=0) as server, ExitStack() as users:
        flood = [users.enter_context(server.connect(source=HERE)) for _ in range(60)]
        for number, user in enumerate(flood):
            user.says(f"/join room{number}", "/ping done")
            user.sees("> pong done")

        assert sum(b"> Too many rooms from your address: the limit is 50" in user.received for user in flood) == 10
        other = users.enter_context(server.connect(source="127.0.0.6"))
        other.says("/join mine")
        other.sees("> You are now in mine")


def test_reconnecting_under_other_nicks_is_limited_like_changing_the_nick() -> None:
    rate, burst, count = 20, 10, 40
    with (
        Server(limits_exempt="", limits_messages_per_s=rate, limits_burst=burst, limits_network_factor=1) as server,
        server.join("bob") as bob,
    ):
        began = time.monotonic()
        for number in range(count):
            with server.connect(source=HERE) as user:
                user.sends(b'GCHAT/1 {"nick":"evil%d"}\n' % number)
                user.sees_bytes(b'"type":"welcome"')

        assert time.monotonic() - began > (count - burst - 1) / rate
        bob.sees(f"> New user evil{count - 1} entered")


def test_a_hello_is_paid_for_by_the_rooms_that_it_names() -> None:
    """T65."""
    rate, burst, hellos, rooms = 20, 10, 5, 10
    with Server(limits_exempt="", limits_messages_per_s=rate, limits_burst=burst, limits_network_factor=1) as server:
        names = b",".join(b'{"room":"room%d"}' % number for number in range(rooms))
        began = time.monotonic()
        for _ in range(hellos):
            with server.connect(source=HERE) as user:
                user.sends(b'GCHAT/1 {"rooms":[%s]}\n' % names)
                user.sees_bytes(b'"type":"welcome"')

        assert time.monotonic() - began > (hellos * rooms - burst - 1) / rate


def test_an_office_that_loses_its_link_comes_back_all_at_once() -> None:
    with Server(limits_exempt="") as server, server.join("bob") as bob, ExitStack() as users:
        office = [users.enter_context(server.connect(source=HERE)) for _ in range(90)]
        for user in office:
            user.sends(b'GCHAT/1 {}\n{"type":"say","text":"we are back"}\n')
        for user in office:
            user.sees_bytes(b'"type":"welcome"')
        for _ in office:
            bob.sees_bytes(b"] we are back\n")


# In https://github.com/inspircd/inspircd/issues/1841 the users of a provider came back all at once and were banned for
# that; and to exempt the provider would have let in those of its users who were banned.
def test_a_provider_that_is_exempt_comes_back_all_at_once_and_its_banned_users_stay_out() -> None:
    with (
        open_to_the_operator(limits_exempt=f"192.0.2.0/24 {HERE}", limits_connections_per_ip=5) as server,
        server.join("bob") as bob,
    ):
        operator = Operator(server)
        operator.asks("POST", "/bans", kind="nick", value="mallory", reason="rude")
        for _ in range(2):
            with Crowd([server.connect(source=HERE) for _ in range(100)]) as provider:
                for number, user in enumerate(provider.users):
                    user.sends(b'GCHAT/1 {"nick":"user%d"}\n' % number + b'{"type":"say","text":"we are back"}\n')
                provider.all_see(b'"type":"welcome"')
                for _ in provider.users:
                    bob.sees_bytes(b"] we are back\n")
                provider.users[0].sends(b'{"type":"nick","nick":"mallory","id":"n"}\n')
                provider.users[0].sees_bytes(b'"type":"refused","code":"banned"')
        operator.asks("POST", "/bans", kind="address", value=HERE, reason="all of you", force=True)
        with server.connect(source=HERE) as nobody:
            nobody.sees("> You are banned from this server permanently: all of you")


# --- Disconnected users ----------------------------------------------------------------------------------------------


def test_quick_connections_do_not_drive_out_a_disconnected_user() -> None:
    token = "0123456789abcdef-alice"
    script = Path(__file__).with_name("server_few_disconnected.py")
    with Server(script=script) as server, server.join("bob") as bob:
        alice = joins(server, "alice", token=token)
        alice.user.resets()
        for number in range(100):
            with RichUser(server, token=f"0123456789abcdef-{number}") as ghost:
                ghost.sees("welcome")
        bob.says("/nick alice")
        bob.sees("> The nick alice is taken")

        with joins(server, token=token) as back:
            assert back.events[0]["nick"] == "alice"
        bob.does_not_see(b"The user alice left")


# --- Replies go to the person who was read ---------------------------------------------------------------------------


def test_a_repeated_private_message_does_not_redirect_a_reply() -> None:
    with Server() as server, server.join("bob") as bob, server.join("alice") as alice, joins(server, "mallory") as evil:
        evil.asks({"type": "tell", "to": "bob", "text": "psst", "id": "1"})
        evil.sees("ack", id="1")
        bob.sees("[mallory -> you] psst")
        alice.says("/msg bob lunch?")
        bob.sees("[alice -> you] lunch?")
        evil.asks({"type": "tell", "to": "bob", "text": "psst", "id": "1"})
        evil.sees("ack", id="1")

        bob.says("/reply yes")

        alice.sees("[bob -> you] yes")
        bob.sees("> Your reply went to alice")
        evil.asks({"type": "ping", "id": "fence"})
        assert not [event for event in evil.sees_up_to("pong", id="fence") if event["type"] == "told"]


def test_a_private_message_that_is_refused_does_not_redirect_a_reply() -> None:
    with (
        Server(limits_messages_per_s=0) as server,
        server.connect(receive_buffer=2048) as bob,
        server.join("alice") as alice,
        joins(server, "mallory") as evil,
    ):
        bob.says("/nick bob")
        bob.sees("> You are now bob")
        alice.says("/msg bob lunch?")
        bob.sees("[alice -> you] lunch?")
        for id_ in range(1000):  # bob reads nothing now, until one is refused for that
            evil.asks({"type": "tell", "to": "bob", "text": "x" * 8000, "id": str(id_)})
            if evil.sees_any("ack", "refused", id=str(id_))["type"] == "refused":
                break
        shown = id_
        alice.says("/msg bob you there?")
        alice.sees("> Not sent: bob is not reading")
        for _ in range(shown):
            bob.sees("[mallory -> you]")

        bob.says("/reply who are you?")

        evil.sees("told", text="who are you?")
        bob.sees("> Your reply went to mallory")


# In https://github.com/kangarko/ChatControl/issues/3854 a message to a user who had left seemed to be sent; in
# https://github.com/FrozenSand/UrbanTerror4/issues/19 some letters of a nick were enough, and the wrong user got it.
def test_a_private_message_goes_to_the_user_that_is_named_in_full_and_is_here() -> None:
    with (
        Server() as server,
        server.join("alice2") as other,
        server.join("bob") as bob,
        joins(server, "alice", token="0123456789abcdef-alice") as alice,
    ):
        for name in ("al", "alice1", "alic", "alice22", "*"):
            bob.says(f"/msg {name} secret")
            bob.sees(f"> No user named {name}; /who lists the users")
        alice.user.resets()
        wait_until(lambda: "closed" in server.log, "alice has lost the connection")
        bob.says("/msg alice secret")
        bob.sees("> Not sent: alice has just lost the connection")
        other.does_not_see(b"secret")


# As in https://github.com/erming/shout/issues/509, where what was begun with a user went to the nick and not the user.
def test_a_reply_follows_the_user_and_not_the_nick() -> None:
    with (
        Server() as server,
        server.join("bob") as bob,
        server.join("alice") as alice,
        server.join("mallory") as mallory,
    ):
        alice.says("/msg bob lunch?", "/nick carol")
        bob.sees("[alice -> you] lunch?")
        alice.sees("> You are now carol")
        mallory.says("/nick alice")
        mallory.sees("> You are now alice")
        bob.says("/reply yes")
        alice.sees("[bob -> you] yes")
        bob.sees("> Your reply went to carol")
        alice.says("/quit")
        alice.sees_end()
        mallory.says("/nick carol")
        mallory.sees("> You are now carol")
        bob.says("/reply where?")
        bob.sees("> carol has left")
        mallory.does_not_see(b"[bob -> you]")


def test_a_reply_goes_to_nobody_who_has_only_the_address_of_a_user_who_left() -> None:
    # An address of its own: no other program takes the port meanwhile.
    home, token = "127.0.8.9", "0123456789abcdef-alice"
    with Server() as server, server.join("bob") as bob, joins(server, source=home, token=token) as alice:
        port = int(alice.user.name.rpartition(":")[2])
        alice.asks({"type": "tell", "to": "bob", "text": "lunch?"})
        bob.sees(f"[{alice.user.name} -> you] lunch?")
        alice.user.resets()
        with server.connect(source=home, source_port=port) as stranger:
            stranger.sees_bytes(PROMPT)
            bob.says("/reply yes")
            bob.sees(f"> {alice.user.name} has left")
            stranger.does_not_see(b"yes")


# --- Names -----------------------------------------------------------------------------------------------------------


#: Sorting its marks, which is the first part of normalizing, takes a time that grows with the square of their number.
HOSTILE = "a" + "\u0301" * 12_000 + "\u0323" * 12_000

REQUESTS: dict[str, dict[str, str]] = {
    "tell": {"to": HOSTILE, "text": "x"},
    "nick": {"nick": HOSTILE},
    "join": {"room": HOSTILE},
    "topic": {"text": HOSTILE},
    "search": {"text": HOSTILE},
    "say": {"text": HOSTILE},
}


def normalizing_s(text: str) -> float:
    """Return the processor time that it takes to normalize a text, in seconds."""
    began = time.process_time()
    unicodedata.normalize("NFKC", text)
    return time.process_time() - began


# As in https://github.com/python/cpython/issues/149079: half a megabyte took half a minute.
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_text_of_many_thousand_marks_is_refused_without_being_normalized(kind: str) -> None:
    with Server(limits_messages_per_s=0) as server, server.join("ping") as other, joins(server, "mallory") as evil:
        before = processor_s(server)
        for id_ in range(5):
            request = {"type": kind, "id": str(id_), **REQUESTS[kind]}
            evil.user.sends(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        for id_ in range(5):
            other.says("/ping x")
            other.sees("> pong x")
            evil.sees("refused", id=str(id_))

        assert processor_s(server) - before < normalizing_s(HOSTILE), "it was normalized in one of five requests"


def test_a_line_of_as_many_marks_as_a_line_has_room_for_is_said_and_found_as_fast_as_any() -> None:
    with Server(limits_messages_per_s=0) as server, server.join("bob") as bob, server.join("alice") as alice:
        line = "word a" + "\u0301" * 2000 + "\u0323" * 2000
        before = processor_s(server)
        alice.says(*[line] * 100, "/search word", "/ping end")
        assert "[alice] word a" in alice.sees("#")
        alice.sees("> pong end")
        assert bob.sees("[alice] word ") == "[alice] word a" + "\u0301" * 8, "eight marks stay on a letter"

        assert processor_s(server) - before < sum(normalizing_s(line) for _ in range(40))
