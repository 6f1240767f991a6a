"""What one user asks of the disk holds nobody else up: searches, old pages, new rooms, long answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gchat.journal.sqlite.database import Changes, Database
from gchat.journal.sqlite.rows import rows_of
from gchat.model.messages import Record, Said
from tests.e2e import clustered
from tests.e2e.admin_client import Operator
from tests.e2e.crowd import Crowd
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User, wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.rich_user import joins

#: 200 characters.
MANY_BEGINNINGS = " ".join(["aaa*"] * 40)

#: Messages with forty words each that are nowhere else.
MESSAGES = 20_000


@pytest.fixture(scope="module")
def many_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history with 800,000 words that begin with aaa."""
    path = tmp_path_factory.mktemp("words") / "history.db"
    database = Database(str(path), "normal", "epoch", "")
    rows = [
        row
        for seq in range(1, MESSAGES + 1)
        for row in rows_of(
            1, Record(seq, 1.7e9, Said("alice", (" ".join(f"aaa{40 * seq + n:x}" for n in range(40)),))), ""
        )
    ]
    database.commit(Changes([(1, "lobby")], rows, (), ()))
    while database.index(1, MESSAGES, 5000) < MESSAGES:
        pass
    for reader in database.readers:
        reader.close()
    database.close()
    clustered.move(path)
    return path


def talks_meanwhile(alice: User, bob: User, until: User, sign: str) -> int:
    """Have alice and bob talk until this user sees that; return how many lines came before."""
    said = 0
    ends_at = time.monotonic() + DEADLINE_S
    while not until.has_received(sign.encode()):
        assert time.monotonic() < ends_at, sign
        alice.says(f"line {said}")
        bob.sees_bytes(f"line {said}\n".encode(), 5.0)
        said += 1
    return said


def test_a_search_with_many_beginnings_holds_up_no_room(many_words: Path) -> None:
    with (
        Restarted(many_words).runs() as server,
        server.join("alice", "tea") as alice,
        server.join("bob", "tea") as bob,
        server.join("mallory") as mallory,
    ):
        nowhere = ["/search bbb*"] * 8  # what an engine has is looked through in its order, and all of it for this
        mallory.says(f"/search {MANY_BEGINNINGS}", "/search aaa* aaa1* aaa2*", *nowhere, "/ping end")
        with server.connect() as newcomer:
            newcomer.sees_bytes(PROMPT, 5.0)
            newcomer.says("/join brandnew")
            newcomer.sees("> You are now in brandnew", 5.0)
        assert talks_meanwhile(alice, bob, mallory, "> pong end\n") > 0
        mallory.says("/search aaa1f4*", "/search aaa* bbb* ccc* ddd*")
        mallory.sees("> Too much to search: at most 3 words may end in *")


class Stuck:
    """A server with a history, whose reads of the disk can get stuck."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.server = server

    @contextmanager
    def at(self, *calls: str) -> Iterator[None]:
        for call in calls:
            (self.directory / call).touch()
        try:
            yield
        finally:
            for call in calls:
                (self.directory / call).unlink(missing_ok=True)


@pytest.fixture
def stuck(tmp_path: Path, restarted: Restarted) -> Iterator[Stuck]:
    with restarted.runs() as server, joins(server, "older") as bot, server.join("old", "slow") as user:
        for number in range(400):  # in turn, so that each is stored by itself: a node has the last hundred at hand
            kind = ("say", "act")[number % 2]
            bot.asks({"type": kind, "text": f"line {number} {'x' * 1000}", "id": f"{number}"})
        bot.sees("ack", id="399")
        user.says("here", "/topic slow tea")
        user.sees("> The topic is: slow tea")
    directory = tmp_path / "stuck"
    directory.mkdir()
    with Server(
        "127.0.0.1",
        "--db",
        str(restarted.path),
        script=Path(__file__).with_name("server_with_a_stuck_disk.py"),
        environment={"STUCK": str(directory)},
        limits_messages_per_s=0,
        admin_enabled="true",
        admin_port=0,
    ) as server:
        yield Stuck(directory, server)


def test_while_a_room_is_loaded_only_those_who_enter_it_wait(stuck: Stuck) -> None:
    server = stuck.server
    with server.join("alice") as alice, server.join("bob") as bob, server.join("carol") as carol:
        with stuck.at("room"):
            carol.says("/join slow", "hello there", "/who")
            bob.sees("< The user carol left")
            alice.says("hello", "/search line", "/history 1", "/msg carol psst", "/ping end")
            bob.sees("[alice] hello")
            alice.sees("> pong end")
            assert b"slow" not in carol.received
        carol.sees("> You are now in slow")
        carol.sees("> The topic is: slow tea (set by old)")
        assert b"[alice -> you] psst\n" in carol.received or carol.sees("[alice -> you] psst")
        carol.sees("> In slow (1 user online): carol (you)")
        assert carol.received.index(b"You are now in slow") < carol.received.index(b"psst")


def test_the_first_thing_that_a_program_hears_is_the_welcome_also_if_its_room_is_slow(stuck: Stuck) -> None:
    server = stuck.server
    with server.join("alice") as alice, server.connect() as bob:
        with stuck.at("room"):
            bob.sends(b'GCHAT/1 {"nick":"bob","room":"slow"}\n')
            wait_until(lambda: lists(alice, "slow (1 user online)"), "bob is in the room")
            alice.says("/msg bob psst", "/ping end")
            alice.sees("> pong end")
            assert bob.received == b""
        bob.sees_bytes(b'"type":"told"')
        events = re.findall(rb'"type":"(\w+)"', bob.received)
        assert events == [b"welcome", b"topic", b"said", b"topic", b"live", b"mode", b"told"]


def lists(user: User, room: str) -> bool:
    user.says("/rooms", "/ping listed")
    user.sees("> pong listed")
    return f"> {room}" in user.received.decode()


def test_a_user_who_is_gone_before_the_room_is_loaded_has_left(stuck: Stuck) -> None:
    server = stuck.server
    with server.join("alice") as alice, server.join("carol") as carol:
        with stuck.at("room"):
            carol.says("/join slow")
            alice.sees("< The user carol left")
            carol.resets()
            alice.says("hello", "/ping end")
            alice.sees("> pong end")
        alice.says("/join slow")
        alice.sees("< The user carol left (1 user online)")
        alice.says("/who")
        alice.sees("> In slow (1 user online): alice (you)")


@pytest.mark.parametrize("call", ["search", "read"])
def test_a_search_or_an_old_page_that_is_stuck_holds_up_its_reader_alone(stuck: Stuck, call: str) -> None:
    server = stuck.server
    with server.join("alice") as alice, server.join("bob") as bob, server.join("mallory") as mallory:
        with stuck.at(call):
            mallory.says({"search": "/search line", "read": "/history 1"}[call], "/ping end")
            alice.says("one", {"search": "/history 1", "read": "/search line"}[call], "/join slow")
            bob.sees("[alice] one")
            alice.sees_bytes(b"line 399 " if call == "read" else b"line 1 ")
            alice.sees("> You are now in slow")
            assert b"line" not in mallory.received.split(PROMPT)[-1]
        mallory.sees("> pong end")


# In https://github.com/donovan-yohan/relay-ide/pull/1331 and https://github.com/markmhendrickson/neotoma/issues/2280 a
# query held up the loop, and with it the check that is there to tell of it.
@pytest.mark.parametrize("call", ["search", "read", "room"])
def test_while_the_disk_is_stuck_for_some_the_operator_is_answered_and_the_rest_talk(stuck: Stuck, call: str) -> None:
    server, operator = stuck.server, Operator(stuck.server)
    ask = {"search": "/search line", "read": "/history 1", "room": "/join slow"}[call]
    with server.join("alice") as alice, server.join("bob") as bob, ExitStack() as stack:
        waiting = [stack.enter_context(server.join()) for _ in range(6)]
        with stuck.at(call):
            for user in waiting:
                user.says(ask, "/ping end")
            for path in ("/healthz", "/readyz", "/metrics", "/status", "/rooms"):
                operator.asks("GET", path)
                alice.says(f"beside {path}")
                bob.sees(f"[alice] beside {path}")
            assert not any(user.has_received(b"> pong end\n") for user in waiting)
        for user in waiting:
            user.sees("> pong end")


def test_of_many_searches_at_once_eight_are_heard(stuck: Stuck) -> None:
    server = stuck.server
    with ExitStack() as stack:
        users = [stack.enter_context(server.join()) for _ in range(12)]
        with stuck.at("search"), Crowd(users) as crowd:
            for user in users:
                user.says("/search line", "/ping end")
            refusal = b"> Too many searches at once; try again in a few seconds\n> pong end\n"
            crowd.until(lambda: sum(refusal in user.received for user in users) == 4, "four are refused")
            (stuck.directory / "search").rename(stuck.directory / "nothing")
            crowd.all_see(b"> pong end\n")
            assert sum(b"\n#400 " in user.received for user in users) == 8


def test_pages_of_long_lines_are_bounded_and_nothing_is_missing_from_them(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says(*(f"{number} {'x' * 8000}" for number in range(1, 301)), "/ping end")
        alice.sees("> pong end")
        with Crowd([server.join() for _ in range(40)]) as crowd:
            for user in crowd.users:
                user.says("/history 1", "/search xxx*", "/history -300", "/ping end")
            crowd.until(lambda: all(b"> pong end\n" in user.received for user in crowd.users), "all have their pages")
            assert max(len(user.received) for user in crowd.users) < 3 * 65536
        seen, ask = list[int](), "/history 1"
        with server.join() as bob:
            while ask:
                begin = len(bob.received)
                bob.says(ask, "/ping page")
                bob.sees("> pong page")
                page = bob.received[begin:]
                assert len(page) < 32768
                seen += [int(number) for number in re.findall(rb"\[alice\] (\d+) x", page)]
                more = re.search(rb"there is more: (/history \d+)", page)
                ask = more[1].decode() if more else ""
        assert seen == list(range(1, 301))
        with joins(server, "carol") as carol:
            carol.asks({"type": "history", "id": "h", "before": 301, "limit": 100})
            page_ = carol.sees("page", id="h")
            assert [event["seq"] for event in page_["events"]] == [299, 300]
            assert page_["end"] is False


def test_rooms_with_long_topics_are_a_short_answer() -> None:
    with Server("127.0.0.1", "--memory", limits_messages_per_s=0) as server, ExitStack() as stack:
        for number in range(100):
            user = stack.enter_context(server.join("", f"room{number:03}"))
            user.says("/topic " + "\N{GRINNING FACE}" * 300, "/ping end")
            user.sees("> pong end")
        with server.join() as bob:
            begin = len(bob.received)
            bob.says("/rooms", "/ping end")
            bob.sees("> pong end")
            answer = bob.received[begin:].decode()
        assert len(answer.encode()) < 20_000
        assert "room000 (1 user online): " + "\N{GRINNING FACE}" * 79 + "…\n" in answer
        listed = answer.count("online)")
        assert f"> … and {101 - listed} more\n" in answer
        assert listed > 20
