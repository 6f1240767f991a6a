"""Two nodes that share an engine are one server to their users: whatever is done on the one is seen on the other."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.engines import EngineProcess
from tests.e2e.admin_client import Operator
from tests.e2e.harness import Server, User, wait_until
from tests.e2e.nodes import Pair, node
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.terminals import client
from tests.e2e.test_search_attacks import lists
from tests.e2e.tools import need

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(limits_exempt="", auth_operators="root") as pair:
        yield pair


@pytest.fixture(scope="module")
def one(pair: Pair) -> Server:
    return pair.one


@pytest.fixture(scope="module")
def two(pair: Pair) -> Server:
    return pair.two


_rooms = itertools.count(1)


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"room{next(_rooms)}"


@pytest.fixture
def ann(one: Server, room: str) -> Iterator[User]:
    """A user of nc on the one node, the first in the room."""
    with one.join(f"ann-{room}", room) as user:
        yield user
        leaves(user)


@pytest.fixture
def ben(two: Server, room: str, ann: User) -> Iterator[User]:
    """A user of nc on the other node."""
    with two.join(f"ben-{room}", room) as user:
        ann.sees(f"> New user {user.name} entered (2 users online)")
        yield user
        leaves(user)


def leaves(user: User) -> None:
    if not user.ended:
        user.closes()
        user.sees_end()


def test_an_attempt_that_is_too_late_is_refused_and_the_other_node_goes_on(
    one: Server, two: Server, ann: User, ben: User
) -> None:
    token = "too-late-" * 3
    with one.connect() as late, RichUser(one, token=token) as user:
        user.sees("live")
        late.sends(b'GCHAT/1 {"token":"%s"}\n' % token.encode())
        late.sees_bytes(b'"code":"replaced"')

    ann.says("still here?")
    ben.sees(f"[{ann.name}] still here?")
    ben.says("yes")
    ann.sees(f"[{ben.name}] yes")


# In https://github.com/django/channels_redis/issues/89 what one process sent to others came in another order.
def test_private_messages_stand_among_those_of_the_room_where_they_were_said(ann: User, ben: User) -> None:
    for round_ in range(10):
        ann.says(f"room {round_}", f"/msg {ben.name} private {round_}")
    ann.says("/ping done")
    for round_ in range(10):
        ben.sees(f"[{ann.name}] room {round_}")
        ben.sees(f"[{ann.name} -> you] private {round_}")
    ann.sees("> pong done")
    told = re.findall(r"\] ((?:room|private) \d)\n", ben.received.decode())
    assert told == [text for round_ in range(10) for text in (f"room {round_}", f"private {round_}")]


# --- Messages --------------------------------------------------------------------------------------------------------


def test_what_users_of_both_nodes_say_at_once_stands_in_one_order_everywhere(
    one: Server, two: Server, room: str
) -> None:
    nodes, lines = (one, two), 150
    with (
        joins(one, f"a-{room}", room=room) as first,
        joins(two, f"b-{room}", room=room) as second,
        joins(one, f"c-{room}", room=room) as third,
        joins(two, f"d-{room}", room=room) as fourth,
    ):
        talkers = first, second, third, fourth

        def talks(user: RichUser, at: int) -> None:
            for number in range(lines):
                user.says(f"{at} {number}", str(number))

        threads = [threading.Thread(target=talks, args=(user, at)) for at, user in enumerate(talkers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for user in talkers:
            user.sees("ack", id=str(lines - 1))
        histories = [numbered(node, room, 4 * lines) for node in nodes]
        assert histories[0] == histories[1]
        assert [seq for seq, _ in histories[0]] == list(range(1, 4 * lines + 1))
        for at in range(4):
            own = [text for _, text in histories[0] if text.startswith(f"{at} ")]
            assert own == [f"{at} {number}" for number in range(lines)]
        for at, user in enumerate(talkers):
            wait_until(lambda user=user: len(seen(user)) == 4 * lines, "all is seen")  # type: ignore[misc]
            live = [(seq, text) for seq, text in seen(user) if text]
            assert live == [(seq, text) for seq, text in histories[0] if not text.startswith(f"{at} ")]


def numbered(node: Server, room: str, count: int) -> list[tuple[int, str]]:
    """Return what a newcomer on a node is told of a room."""
    with joins(node, room=room, replay=count) as reader:
        return [(event["seq"], event["text"]) for event in reader.events if event["type"] == "said"]


def seen(user: RichUser) -> list[tuple[int, str]]:
    """Return the numbers that a user has seen, in that order, with texts of others."""
    user.user.has_received()
    user._parse()
    return [(event["seq"], event.get("text", "")) for event in user.events if event["type"] in ("said", "ack")]


def test_lines_actions_and_topics_cross_with_their_times_and_numbers(
    one: Server, two: Server, room: str, ann: User, ben: User
) -> None:
    ann.says("hello", "/me waves", "/topic tea")
    ben.sees(f"[{ann.name}] hello")
    ben.sees(f"* {ann.name} waves")
    ben.sees(f"> {ann.name} set the topic: tea")
    with joins(two, f"eve-{room}", room=room) as eve:
        eve.says("hi", "1")
        assert eve.sees("ack", id="1")["seq"] == 4
        ann.sees(f"[eve-{room}] hi")
        eve.says("hi", "1")
        assert eve.sees("ack", id="1")["seq"] == 4
    ben.says("/topic", "/history")
    ben.sees("> The topic is: tea")
    ben.sees_bytes(f"[{ann.name}] hello\n".encode())
    with one.join() as late:
        late.says(f"/join {room}")
        late.sees_bytes(f"[eve-{room}] hi\n".encode())


def test_private_messages_and_their_answers_cross(one: Server, two: Server, ann: User, ben: User, room: str) -> None:
    ann.says(f"/msg {ben.name} psst")
    ben.sees(f"[{ann.name} -> you] psst")
    ben.says("/reply yes")
    ann.sees(f"[{ben.name} -> you] yes")
    with joins(one, f"eve-{room}") as eve:
        eve.asks({"type": "tell", "to": ben.name, "text": "from eve", "id": "t"})
        assert eve.sees("ack", id="t") == {"type": "ack", "id": "t"}
        ben.sees(f"[eve-{room} -> you] from eve")
        eve.asks({"type": "tell", "to": ben.name, "text": "from eve", "id": "t"})
        eve.sees("ack", id="t")
        ben.says(f"/msg eve-{room} hm")
        assert eve.sees("told")["text"] == "hm"
        eve.asks({"type": "tell", "to": "nobody-there", "text": "x", "id": "u"})
        assert eve.sees("refused", id="u")["message"].startswith("No user named nobody-there")
    ann.says(f"/msg {ben.name} last")
    ben.sees(f"[{ann.name} -> you] last")
    assert ben.received.count(b"from eve") == 1


# --- Users -----------------------------------------------------------------------------------------------------------


def test_a_nick_that_is_taken_on_the_other_node_is_refused_until_its_user_leaves(
    two: Server, room: str, ann: User, ben: User
) -> None:
    ben.says(f"/nick {ann.name}")
    ben.sees(f"> The nick {ann.name} is taken; choose another")
    with RichUser(two, nick=ann.name) as other:
        assert other.sees("refused")["message"].startswith(f"The nick {ann.name} is taken")
    ann.says("/quit")
    ann.sees_end()
    ben.sees(f"< The user {ann.name} left (1 user online)")
    ben.says(f"/nick {ann.name}")
    ben.sees(f"> You are now {ann.name}")


def test_two_who_want_one_nick_at_once_on_two_nodes_do_not_both_get_it(one: Server, two: Server, room: str) -> None:
    for turn in range(10):
        nick = f"n{turn}-{room}"
        with joins(one) as first, joins(two) as second:
            for user in (first, second):
                user.asks({"type": "nick", "nick": nick, "id": "n"})
            answers = [user.sees_any("named", "refused", id="n")["type"] for user in (first, second)]
            assert sorted(answers) == ["named", "refused"]


def test_who_and_rooms_name_everybody_wherever_they_are(room: str, ann: User, ben: User) -> None:
    for user in (ann, ben):
        user.says("/who", "/rooms")
        line = user.sees(f"> In {room} (2 users online): ")
        assert ann.name in line
        assert ben.name in line
        user.sees(f"> {room} (2 users online), you are here")


def test_who_comes_renames_is_away_moves_and_goes_is_told_on_the_other_node(
    two: Server, room: str, ann: User, ben: User
) -> None:
    ann.says(f"/nick zoe-{room}")
    ben.sees(f"> {ann.name} is now zoe-{room}")
    ann.says("/away at lunch")
    ben.sees(f"> zoe-{room} is away: at lunch")
    ann.says("/back")
    ben.sees(f"> zoe-{room} is back")
    ann.says(f"/join {room}-2")
    ben.sees(f"< The user zoe-{room} left (1 user online)")
    ann.says(f"/join {room}")
    ben.sees(f"> New user zoe-{room} entered (2 users online)")
    with joins(two, f"eve-{room}", room=room) as eve:
        ann.sees(f"> New user eve-{room} entered")
        eve.asks({"type": "part", "room": room})
        ann.sees(f"< The user eve-{room} left")
    ann.says("/quit")
    ann.sees_end()
    ben.sees(f"< The user zoe-{room} left (1 user online)")


def test_an_ignored_user_of_the_other_node_is_not_shown(ann: User, ben: User, two: Server, room: str) -> None:
    ann.says(f"/ignore {ben.name}", "/ping ignored")
    ann.sees("> pong ignored")
    ben.says("alpha", f"/msg {ann.name} beta")
    with two.join(f"eve-{room}", room) as eve:
        eve.sees_bytes(b"alpha")
        ben.says("gamma")
        eve.sees(f"[{ben.name}] gamma")
        eve.says("heard")
        ann.sees(f"[eve-{room}] heard")
    for word in (b"alpha", b"beta", b"gamma"):
        assert word not in ann.received


def test_a_user_who_comes_back_on_the_other_node_has_missed_nothing_and_nobody_notices(
    one: Server, two: Server, room: str, ann: User, ben: User
) -> None:
    with joins(one, f"eve-{room}", room=room) as eve:
        welcome = eve.sees_any("welcome") if not eve.events else eve.events[0]
        ben.sees(f"> New user eve-{room} entered")
        ben.says("seen")
        seq = eve.sees("said", text="seen")["seq"]
        eve.user.resets()
    ben.says("missed")
    after = {"epoch": welcome["epoch"], "seq": seq}
    with RichUser(two, token=welcome["token"], after=after) as again:
        assert again.sees("welcome")["nick"] == f"eve-{room}"
        assert [event["text"] for event in again.sees_up_to("live")] == ["missed"]
        again.says("here", "1")
        again.sees("ack", id="1")
        for user in (ann, ben):
            user.sees(f"[eve-{room}] here")
            assert user.received.count(b"> New user eve-") == 1
            assert b"< The user eve-" not in user.received


def test_the_ghost_on_the_other_node_is_closed_at_once(one: Server, two: Server, room: str) -> None:
    with joins(one, f"eve-{room}") as ghost, joins(two, token=ghost.events[0]["token"]) as again:
        assert again.events[0]["nick"] == f"eve-{room}"
        assert ghost.sees("closing")["code"] == "replaced"
        ghost.sees_end()


# In https://github.com/supabase-community/realtime-csharp/issues/31 and https://github.com/security-union/videocall-rs/issues/811
# users who came back while their old session was still there were told to have left, and to have come again.
def test_a_user_who_hops_from_node_to_node_is_noticed_by_nobody(
    one: Server, two: Server, room: str, ann: User, ben: User
) -> None:
    eve = joins(one, f"eve-{room}", room=room)
    for user in (ann, ben):
        user.sees(f"> New user eve-{room} entered")
    token, place, said = eve.events[0]["token"], {"epoch": eve.events[0]["epoch"], "seq": 0}, 0
    for turn in range(20):
        again = RichUser(two if turn % 2 == 0 else one, token=token, after=place)
        assert again.sees("welcome")["nick"] == f"eve-{room}"
        missed = [event for event in again.sees_up_to("live") if event["type"] == "said"]
        assert [event["seq"] for event in missed] == list(range(place["seq"] + 1, said + 1))
        (eve.user.resets if turn % 3 else eve.user.sock.close)()
        eve = again
        eve.says(f"turn {turn}", str(turn))
        said = place["seq"] = eve.sees("ack", id=str(turn))["seq"]
        if turn % 4 == 3:
            place["seq"] -= 2
    with eve:
        for user in (ann, ben):
            user.sees(f"[eve-{room}] turn 19")
            assert user.received.count(f"New user eve-{room}".encode()) == 1
            assert f"user eve-{room} left".encode() not in user.received
        ann.says("/who")
        assert "(3 users online)" in ann.sees(f"> In {room} ")


# --- Order -----------------------------------------------------------------------------------------------------------


def test_ranks_modes_kicks_and_invitations_hold_on_the_other_node(two: Server, room: str, ann: User, ben: User) -> None:
    ben.says(f"/kick {ann.name}")
    ben.sees(f"> Only operators of {room} can do that")
    ann.says("/mode +m")
    ben.sees(f"> {ann.name} made {room} moderated")
    ben.says("hi")
    ben.sees(f"> Not sent: {room} is moderated; its operators can give you a voice")
    ann.says(f"/voice {ben.name}")
    ben.sees(f"> {ann.name} gave {ben.name} a voice in {room}")
    ben.says("at last")
    ann.sees(f"[{ben.name}] at last")
    ann.says("/mode -m+i", f"/kick {ben.name} too loud")
    ben.sees(f"> {ann.name} put you out of {room}: too loud")
    ben.says(f"/join {room}")
    ben.sees(f"> {room} is invite-only")
    ann.says(f"/invite {ben.name}")
    ben.sees(f"> {ann.name} invites you to {room}; /join {room} goes there")
    ben.says(f"/join {room}")
    ben.sees(f"> You are now in {room} (2 users online)")
    ann.says(f"/op {ben.name}")
    ben.sees(f"> {ann.name} made {ben.name} an operator of {room}")
    ben.says(f"/kick {ann.name} my turn")
    ann.sees(f"> {ben.name} put you out of {room}: my turn")


def test_an_account_of_one_node_is_one_of_the_other(one: Server, two: Server, room: str) -> None:
    with one.join(f"eve-{room}", room) as eve:
        eve.says(f"/register {SECRET}")
        eve.sees(f"> The nick eve-{room} is yours")
        with two.join() as mallory:
            mallory.says(f"/nick eve-{room}")
            mallory.sees(f"> The nick eve-{room} is ")
        leaves(eve)
    with two.join() as again:
        again.says(f"/nick eve-{room}")
        again.sees(f"> The nick eve-{room} is registered")
        again.says(f"/login eve-{room} wrong-{SECRET}")
        again.sees("> ")
        again.says(f"/login eve-{room} {SECRET}")
        again.sees(f"> You are now eve-{room}")
        leaves(again)


def test_bans_mutes_and_kills_reach_users_of_the_other_node(one: Server, two: Server, room: str, ann: User) -> None:
    Operator(one).asks("POST", "/accounts", name="root", secret=SECRET)
    with two.join() as root, one.connect(source="127.0.0.9") as mallory:
        root.says(f"/login root {SECRET}")
        root.sees("> You are now root")
        mallory.sees_bytes(b"[You] ")
        nick = f"mallory-{room}"
        mallory.says(f"/nick {nick}", f"/join {room}")
        ann.sees(f"> New user {nick} entered")
        root.says(f"/mute {nick} 10m spam")
        mallory.sees("> You are muted until ")
        mallory.says("hi")
        mallory.sees("> Not sent: you are muted until ")
        root.says(f"/unmute {nick}")
        mallory.sees("> You may speak again")
        root.says(f"/ban {nick} 10m spam")
        mallory.sees("> You are banned from this server until ")
        mallory.sees_end()
        ann.sees(f"< The user {nick} left")
        for server in (one, two):
            with server.connect(source="127.0.0.9") as again:
                assert again.sees("> You are banned from this server until ").endswith("UTC: spam")
                again.sees_end()
        root.says(f"/unban {nick}")
        root.sees("> Lifted: ")
        with one.connect(source="127.0.0.9") as again:
            again.sees_bytes(b"[You] ")
            again.says(f"/nick {nick}")
            again.sees(f"> You are now {nick}")
            root.says(f"/kill {nick} wake up")
            again.sees("> An operator has closed your connection: wake up")
            again.sees_end()


# --- Over HTTP -------------------------------------------------------------------------------------------------------


def test_the_operator_of_either_node_sees_all_users_and_where_they_are(
    one: Server, two: Server, ann: User, ben: User
) -> None:
    for each in (one, two):
        operator = Operator(each)

        def there(operator: Operator = operator) -> bool:
            users = {user["nick"]: user for user in operator.asks("GET", "/users")["users"]}
            return users.keys() >= {ann.name, ben.name}

        wait_until(there, "both are there")
        users = {user["nick"]: user for user in operator.asks("GET", "/users")["users"]}
        assert users[ann.name]["node"].startswith("one")
        assert users[ben.name]["node"].startswith("two")

        def nodes(operator: Operator = operator) -> Any:
            return {found["name"]: found for found in operator.asks("GET", "/status")["nodes"]}

        wait_until(lambda: len(nodes()) == 2 and all(found["online"] for found in nodes().values()), "both tell")
        assert {name.split("-")[0] for name in nodes()} == {"one", "two"}


def test_what_is_posted_and_announced_at_one_node_is_seen_on_the_other(
    one: Server, room: str, ann: User, ben: User
) -> None:
    operator = Operator(one)
    said = operator.asks("POST", f"/rooms/{room}/messages", **{"from": "ci", "text": "deploy done"})
    assert said["seq"] == 1
    for user in (ann, ben):
        user.sees("[ci (http)] deploy done")
    operator.asks("POST", "/announce", text="tea at five", room=room)
    for user in (ann, ben):
        user.sees("> Announcement: tea at five")
    found = {user["nick"]: user["id"] for user in operator.asks("GET", "/users")["users"]}
    operator.asks("POST", f"/users/{found[ben.name]}/kick", reason="enough")
    ben.sees_end()
    ann.sees(f"< The user {ben.name} left")


# --- Programs --------------------------------------------------------------------------------------------------------


def test_gchat_client_on_one_node_and_nc_on_the_other_talk(one: Server, two: Server, room: str, tmp_path: Path) -> None:
    need("tmux")
    with client(tmp_path / "client", one, f"cat-{room}", room) as screen:
        screen.is_ready(f"cat-{room}")
        nc = subprocess.Popen(
            [need("nc"), "127.0.0.1", str(two.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert nc.stdin is not None
        assert nc.stdout is not None
        try:
            nc.stdin.write(f"/join {room}\nhello from nc\n")
            nc.stdin.flush()
            screen.shows("] hello from nc")
            screen.says("hello from tmux")
            line = next(line for line in nc.stdout if "hello" in line)
            assert re.search(rf"\[cat-{room}\] hello from tmux$", line.rstrip())
        finally:
            nc.kill()
            nc.wait()
            nc.stdin.close()
            nc.stdout.close()


def test_a_user_who_waits_for_a_room_is_greeted_with_the_number_of_those_who_are_in_it_then(tmp_path: Path) -> None:
    stuck = tmp_path / "room"
    script, environment = Path(__file__).with_name("server_with_a_stuck_disk.py"), {"STUCK": str(tmp_path)}
    with (
        EngineProcess() as engine,
        node(engine.url, "one") as one,
        node(engine.url, "two", script, environment=environment) as two,
        one.join("carol", "slow") as carol,
        one.join("dave", "slow") as dave,
        two.join("alice") as alice,
        two.join("bob") as bob,
        joins(two, "eve") as eve,
    ):
        stuck.touch()
        alice.says("/join slow")
        dave.sees("> New user alice entered (3 users online)")
        eve.asks({"type": "join", "room": "slow"})
        dave.sees("> New user eve entered (4 users online)")
        carol.says("/quit")
        dave.sees("< The user carol left (3 users online)")
        wait_until(lambda: lists(bob, "slow (3 users online)"), "the other node has heard it")
        stuck.unlink()
        alice.sees("> You are now in slow (3 users online)")
        assert eve.sees("joined", room="slow")["online"] == 3
