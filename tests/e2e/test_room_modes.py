"""Rooms with operators, as users of nc and a bot see them; and every way around their modes, tried (T60, T61)."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, User
from tests.e2e.rich_user import RichUser, joins


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(admin_enabled="true", admin_port=0, history_store="memory", limits_messages_per_s=0) as server:
        yield server


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room of the test's own."""
    return f"room{abs(hash(request.node.name)) % 1_000_000}"


@pytest.fixture
def alice(server: Server, room: str) -> Iterator[User]:
    """The operator of the room."""
    user = server.join(f"alice-{room}", room)
    user.sees(f"> alice-{room} is an operator of {room}")
    yield user
    user.sock.close()


@pytest.fixture
def bob(server: Server, room: str, alice: User) -> Iterator[User]:
    """A member."""
    user = server.join(f"bob-{room}", room)
    yield user
    user.sock.close()


@pytest.fixture
def mallory(server: Server, room: str) -> Iterator[User]:
    """A user of the lobby."""
    user = server.join(f"mallory-{room}")
    yield user
    user.sock.close()


# --- What everybody sees ---------------------------------------------------------------------------------------------


def test_an_operator_makes_another_and_all_are_told_in_plain_words(room: str, alice: User, bob: User) -> None:
    alice.says(f"/op bob-{room}")

    for user in (alice, bob):
        user.sees(f"> alice-{room} made bob-{room} an operator of {room}")
    bob.says("/mode +t-n", "/mode")
    alice.sees(f"> bob-{room} lets only operators set the topic of {room}")
    alice.sees(f"> bob-{room} opened {room} to messages from outside")
    bob.sees(f"> Modes of {room}: +t (only operators set the topic)")
    bob.sees(f"> Operators: alice-{room}, bob-{room}")


def test_a_kicked_user_is_told_how_to_come_back_and_does(room: str, alice: User, bob: User) -> None:
    alice.says(f"/kick bob-{room} too loud")

    alice.sees(f"< alice-{room} put bob-{room} out of {room} (1 user online): too loud")
    bob.sees(f"> alice-{room} put you out of {room}: too loud")
    bob.sees(f"> /join {room} comes back")
    alice.says("who hears this?")
    bob.does_not_see(b"who hears this?")
    bob.says("hello?")
    bob.sees("> You are in no room; /join ROOM enters one")
    bob.says(f"/join {room}")
    bob.sees(f"> You are now in {room} (2 users online)")


def test_a_moderated_room(room: str, alice: User, bob: User) -> None:
    alice.says("/mode +m")
    bob.sees(f"> alice-{room} made {room} moderated")
    bob.says("hi", "/me waves", "/topic tea")
    for _ in range(3):
        bob.sees(f"> Not sent: {room} is moderated; its operators can give you a voice")
    alice.says(f"/voice bob-{room}")
    bob.sees(f"> alice-{room} gave bob-{room} a voice in {room}")
    bob.says("at last")
    alice.sees(f"[bob-{room}] at last")
    assert b"waves" not in alice.received


def test_a_locked_topic_is_cleared_by_an_operator(room: str, alice: User, bob: User) -> None:
    alice.says("/mode +t", "/topic tea")
    bob.sees(f"> alice-{room} set the topic: tea")
    bob.says("/topic -")
    bob.sees(f"> Only operators of {room} can do that")
    alice.says("/topic -")
    bob.sees(f"> alice-{room} cleared the topic")


def test_what_is_typed_wrong_is_explained_in_one_line(room: str, alice: User) -> None:
    for line, answer in {
        "/mode +x": "> Unknown mode x; expected one of i (invite-only)",
        "/mode +k": "> +k needs a key, as +k KEY",
        "/op nobody": "> No user named nobody",
        "/kick": "> Missing argument. Usage: /kick NAME [WHY]",
        "/mode -m": f"> That changes nothing in {room}",
    }.items():
        alice.says(line)
        alice.sees(answer)


def test_an_invitation(room: str, alice: User, mallory: User) -> None:
    alice.says("/mode +i", f"/invite mallory-{room}")
    alice.sees(f"> mallory-{room} is invited to {room}")
    mallory.sees(f"> alice-{room} invites you to {room}; /join {room} goes there")
    mallory.says(f"/join {room}")
    mallory.sees(f"> You are now in {room} (2 users online)")


# In https://github.com/ngircd/ngircd/issues/35, https://github.com/ergochat/ergo/issues/19,
# https://github.com/ElementalAlchemist/txircd/pull/84 and https://github.com/PyLink/PyLink/issues/573 arguments were
# taken for modes, split into letters, left over, or given to the wrong letter.
def test_an_argument_belongs_to_one_letter_and_what_is_missing_or_left_over_changes_nothing(
    room: str, alice: User, bob: User
) -> None:
    bob_name = f"bob-{room}"
    for change in (f"+v {bob_name} {bob_name}", "+ik", "+kl tea", "+l 5 +k", f"+o {bob_name} +b {bob_name}", "-b"):
        alice.says(f"/mode {change}", "/mode")
        alice.sees(f"> Modes of {room}: +n (no messages from outside)")
        alice.sees(f"> Operators: alice-{room}")
    alice.says("/mode +lk-t 20 tea", "/mode +b-b eve EVE", "/mode +b", "/mode")
    alice.sees(f"> alice-{room} set the limit of {room} to 20")
    alice.sees(f"> alice-{room} set the key of {room}: /join {room} tea")
    alice.sees(f"> alice-{room} banned eve!*@* from {room}")
    alice.sees(f"> alice-{room} lifted the ban of EVE!*@* from {room}")
    alice.sees(f"> Nobody is banned from {room}")
    alice.sees(f"> Modes of {room}: +kln 20")
    bob.does_not_see(b"gave")


# In https://github.com/prawnsalad/KiwiIRC/issues/224 an operator who had kicked somebody heard nothing any more; in
# https://github.com/robustirc/robustirc/issues/98 and https://github.com/osa1/tiny/issues/53 the kicked user spoke on,
# and in https://github.com/alexyoung/ircd.js/pull/84 a kick of nobody ended the server.
def test_whoever_is_kicked_the_others_talk_on(server: Server, room: str, alice: User, bob: User, mallory: User) -> None:
    with joins(server, f"gone-{room}", room=room) as gone:
        token = gone.events[0]["token"]
        gone.user.resets()
    mallory.says("/ping there")
    mallory.sees("> pong there")
    alice.says("/kick", "/kick nobody", f"/kick mallory-{room}", f"/kick gone-{room} away", f"/kick gone-{room}")
    alice.sees("> Missing argument. Usage: /kick NAME [WHY]")
    alice.sees("> No user named nobody")
    alice.sees(f"> mallory-{room} is not in {room}")
    alice.sees(f"< alice-{room} put gone-{room} out of {room} (2 users online): away")
    alice.sees(f"> gone-{room} is not in {room}")
    bob.says("still here?")
    alice.sees(f"[bob-{room}] still here?")
    alice.says(f"/kick alice-{room} tea", "anybody?")
    alice.sees(f"> alice-{room} put you out of {room}: tea")
    alice.sees("> You are in no room; /join ROOM enters one")
    bob.sees(f"< alice-{room} put alice-{room} out of {room} (1 user online): tea")
    bob.says("between us", "/ping said")
    bob.sees("> pong said")
    alice.does_not_see(b"between us")
    with joins(server, token=token) as gone:
        gone.asks({"type": "say", "room": room, "text": "me again", "id": "s"})
        assert gone.sees("refused", id="s")["code"] == "not_in_room"
    bob.does_not_see(b"again")


def test_a_bot_keeps_order_in_the_rich_dialect(server: Server, room: str) -> None:
    with joins(server, f"bot-{room}", room=room) as bot, joins(server, f"eve-{room}", room=room) as eve:
        bot.asks({"type": "mode", "change": "+kv tea eve-" + room, "id": "m"})
        bot.sees("ack", id="m")
        eve.sees("mode", room=room, by=f"bot-{room}", change=f"+kv tea eve-{room}")
        eve.asks({"type": "mode", "id": "q"})
        told = eve.sees("modes", id="q")
        assert (told["modes"], told["operators"], told["voices"]) == ("+kn", [f"bot-{room}"], [f"eve-{room}"])
        assert "key" not in told
        bot.asks({"type": "kick", "name": f"eve-{room}", "reason": "spam", "id": "k"})
        for user in (bot, eve):
            user.sees("kicked", room=room, who=f"eve-{room}", by=f"bot-{room}", reason="spam")
        bot.asks({"type": "mode", "change": f"+b eve-{room}"}, {"type": "mode", "change": "+b", "id": "b"})
        assert bot.sees("list", id="b")["masks"] == [f"eve-{room}!*@*"]
        eve.asks({"type": "join", "room": room, "key": "tea", "id": "j"})
        assert eve.sees("refused", id="j")["code"] == "banned"


def test_a_room_may_hear_users_who_are_not_in_it(server: Server, room: str, alice: User) -> None:
    with joins(server, f"eve-{room}") as eve:
        say = {"type": "say", "room": room, "text": "a word from outside"}
        eve.asks({**say, "id": "1"})
        assert eve.sees("refused", id="1")["code"] == "not_in_room"
        alice.says("/mode -n")
        alice.sees(f"> alice-{room} opened {room} to messages from outside")
        alice.says(f"/msg eve-{room} it is open")
        eve.sees("told", text="it is open")  # behind it, on whatever node
        eve.asks({**say, "id": "2"}, {"type": "history", "room": room, "id": "3"})
        eve.sees("ack", id="2", room=room)
        assert eve.sees("refused", id="3")["code"] == "not_in_room"
        alice.sees(f"[eve-{room}] a word from outside")
        alice.says("/mode +m")
        alice.sees(f"> alice-{room} made {room} moderated")
        alice.says(f"/msg eve-{room} it is moderated")
        eve.sees("told", text="it is moderated")
        eve.asks({**say, "id": "4"})
        assert eve.sees("refused", id="4")["code"] == "moderated"


# --- By attack -------------------------------------------------------------------------------------------------------


# In https://github.com/ergochat/ergo/issues/1171 an invitation to a room outlived the room: whoever made one of that
# name later had guests whom others had invited.
def test_a_new_operator_of_an_empty_room_does_not_have_the_guests_of_the_old_one(
    server: Server, room: str, alice: User, mallory: User
) -> None:
    alice.says(f"/invite mallory-{room}", "/part")
    alice.sees(f"> You have left {room}")
    with server.join(f"carol-{room}", room) as carol:
        carol.says("/mode +i")
        carol.sees(f"> carol-{room} made {room} invite-only")
        mallory.says(f"/join {room}")
        mallory.sees(f"> {room} is invite-only; one of its operators can invite you")


# As https://github.com/ergochat/ergo/issues/1946 says: anybody may invite to an open room, but what lets a guest into a
# closed one is the word of an operator.
def test_only_invitations_of_operators_hold_when_the_room_is_closed(
    room: str, alice: User, bob: User, mallory: User
) -> None:
    bob.says(f"/invite mallory-{room}")
    mallory.sees(f"> bob-{room} invites you to {room}; /join {room} goes there")
    alice.says("/mode +k tea")
    alice.sees(f"> alice-{room} set the key")
    mallory.says(f"/join {room}")
    mallory.sees(f"> {room} needs a key: /join {room} KEY")
    alice.says("/mode -k", f"/invite mallory-{room}", "/mode +i")
    alice.sees(f"> alice-{room} made {room} invite-only")
    mallory.says(f"/nick guest-{room}")
    mallory.sees("> You are now guest")
    bob.says("/part", f"/nick mallory-{room}", f"/join {room}")
    bob.sees(f"> {room} is invite-only; one of its operators can invite you")
    mallory.says(f"/join {room}")
    mallory.sees(f"> You are now in {room} (2 users online)")


# In https://github.com/element-hq/element-web/issues/26242 an operator who had left could not be made an ordinary user,
# and was an operator again on coming back.
def test_an_operator_who_is_elsewhere_can_be_removed_and_comes_back_as_anybody(
    server: Server, room: str, alice: User
) -> None:
    with joins(server, f"eve-{room}", room=room) as eve:
        alice.says(f"/op eve-{room}")
        eve.sees("mode", change=f"+o eve-{room}")
        eve.asks({"type": "part"})
        eve.sees("parted")
        alice.says(f"/deop eve-{room}", f"/deop eve-{room}", f"/op eve-{room}")
        alice.sees(f"> alice-{room} removed eve-{room} from the operators of {room}")
        alice.sees(f"> eve-{room} is not in {room}")
        alice.sees(f"> eve-{room} is not in {room}")
        eve.asks({"type": "join", "room": room}, {"type": "mode", "change": "+i", "id": "m"})
        assert eve.sees("refused", id="m")["code"] == "not_operator"


#: Each closed room, and what an outsider is told who wants to enter it.
CLOSED = {"+i": "invite_only", "+k tea": "bad_key", "+l 1": "room_full", "+b mallory*": "banned", "+b *": "banned"}


@pytest.mark.parametrize("mode", CLOSED)
def test_an_outsider_does_not_enter_a_closed_room(server: Server, room: str, alice: User, mode: str) -> None:
    alice.says("secret plans", f"/mode {mode}")
    alice.sees(f"> alice-{room} ")
    code = CLOSED[mode]
    with RichUser(server, nick=f"mallory-{room}", room=room, replay=100) as mallory:
        token = mallory.sees("welcome")["token"]
        assert mallory.sees("refused")["code"] == code, "by the hello"
        for request in (
            {"type": "join", "room": room},
            {"type": "join", "room": room, "key": "wrong"},
            {"type": "join", "room": f"#{room.upper()}"},
            {"type": "join", "room": room, "after": {"epoch": "x", "seq": 0}},
        ):
            mallory.asks({**request, "id": "j"})
            assert mallory.sees("refused", id="j")["code"] in (code, "bad_key")
        for request in (
            {"type": "kick", "name": f"alice-{room}"},
            {"type": "mode", "change": "-ikl"},
            {"type": "mode", "change": f"+o mallory-{room}"},
            {"type": "invite", "name": f"mallory-{room}"},
        ):
            mallory.asks({**request, "id": "r"})
            mallory.sees("refused", id="r")
        for request in (
            {"type": "say", "text": "I am here"},
            {"type": "act", "text": "is here"},
            {"type": "topic", "text": "mine"},
            {"type": "topic"},
            {"type": "mode"},
            {"type": "mode", "change": "+b"},
            {"type": "kick", "name": f"alice-{room}"},
            {"type": "history"},
            {"type": "search", "text": "plans"},
            {"type": "who"},
            {"type": "part"},
        ):
            mallory.asks({**request, "room": room, "id": "h"})
            assert mallory.sees("refused", id="h")["code"] == "not_in_room"
        assert "secret plans" not in str(mallory.events)
    wanted = [{"room": room, "after": {"epoch": "x", "seq": 0}}, {"room": "lobby"}]
    with RichUser(server, token=token, nick=f"mallory-{room}", rooms=wanted) as again:
        assert again.sees("refused")["code"] == code, "by a resume"
        assert not [event for event in again.events if event.get("room") == room]
    alice.does_not_see(b"mallory")


@pytest.mark.parametrize("mode", ["+m", "+t", "+b mallory*"])
def test_a_member_without_a_voice_says_nothing_by_any_way(server: Server, room: str, alice: User, mode: str) -> None:
    with joins(server, f"mallory-{room}", room=room) as mallory:
        alice.says(f"/mode {mode}")
        mallory.sees("mode")
        tried = [{"type": "topic", "text": "psst"}, {"type": "topic", "text": ""}]
        if mode != "+t":
            tried += [{"type": "say", "text": "psst"}, {"type": "act", "text": "psst"}]
        for request in tried:
            mallory.asks({**request, "id": "s"})
            assert mallory.sees("refused", id="s")["code"] in ("moderated", "not_operator", "banned")
        if mode != "+t":
            mallory.asks({"type": "away", "reason": "psst"}, {"type": "part", "reason": "psst"})
            mallory.asks({"type": "join", "room": room, "id": "j"})
            mallory.sees_any("joined", "refused", id="j")
            mallory.asks({"type": "away"})
        mallory.asks({"type": "kick", "name": f"alice-{room}", "reason": "psst", "id": "k"})
        assert mallory.sees("refused", id="k")["code"] in ("not_operator", "not_in_room")
    alice.does_not_see(b"psst")


def test_a_secret_room_is_seen_by_nobody_outside(server: Server, room: str, alice: User, mallory: User) -> None:
    alice.says("/mode +s")
    alice.sees(f"> alice-{room} took {room} off the list of rooms")
    alice.says(f"/tell mallory-{room} it is secret")
    mallory.sees(f"[alice-{room} -> you] it is secret")  # at another node too it comes behind the mode
    for question in ("/rooms", "/who", "/search room", "/history"):
        mallory.says(question)
    mallory.does_not_see(b"> " + room.encode())
    alice.says("/rooms")
    alice.sees(f"> {room} (1 user online), you are here")
    operator = Operator(server)
    for path in ("/rooms", "/status", "/users"):
        assert f'"{room}"' not in str(operator.shows("").asks("GET", path)).replace("'", '"')
        assert room in str(operator.asks("GET", path))
    assert operator.shows("").is_refused(401, "DELETE", f"/rooms/{room}/modes")
    assert operator.shows("").is_refused(401, "GET", f"/rooms/{room}/messages")


# In https://github.com/ngircd/ngircd/issues/176 /whois told strangers all secret rooms of a user, and so the names of
# the customers that they were called after.
def test_who_watches_the_server_without_a_token_is_told_of_no_secret_room(server: Server, room: str) -> None:
    operator = Operator(server)
    with (
        joins(server, f"alice-{room}", room=room) as alice,
        urllib.request.urlopen(f"http://{operator.at}/events", timeout=DEADLINE_S) as stream,
    ):
        alice.asks({"type": "mode", "change": "+s", "id": "m"})
        alice.sees("ack", id="m")
        with joins(server, f"bob-{room}", room=room) as bob, joins(server, f"carol-{room}") as carol:
            bob.says("in secret", "s")
            bob.sees("ack", id="s")
            carol.asks({"type": "join", "room": room}, {"type": "part", "room": room, "id": "p"})
            carol.sees("parted")
            users = operator.shows("").asks("GET", "/users")["users"]
            for path in ("/rooms", "/status", "/metrics"):
                assert f"'{room}'" not in str(operator.shows("").asks("GET", path)).replace('"', "'")
            bob.asks({"type": "quit"})
        told = list(itertools.takewhile(lambda line: b"event: left" not in line, stream))

    joined = [json.loads(line.removeprefix(b"data: ")) for line in told if b'"joined"' in line]
    rooms_of = {each["nick"]: each["room"] for each in joined}
    assert (rooms_of[f"bob-{room}"], rooms_of[f"carol-{room}"]) == ("", "lobby")
    assert b"in secret" not in b"".join(told)
    assert {user["room"] for user in users if user["nick"].endswith(room)} == {"", "lobby"}
    assert {name for user in users if user["nick"].endswith(room) for name in user["rooms"]} == {"lobby"}


def test_the_operator_of_the_server_opens_a_room_that_nobody_can_enter(
    server: Server, room: str, mallory: User
) -> None:
    first = server.join(f"first-{room}", room)
    with first:
        first.says("/mode +ik tea")
        first.sees(f"> first-{room} set the key")
    mallory.says(f"/join {room}")
    mallory.sees(f"> {room} is invite-only; one of its operators can invite you")
    operator = Operator(server)
    operator.asks("DELETE", f"/rooms/{room}/modes")
    mallory.says(f"/join {room}")
    mallory.sees(f"> You are now in {room}")


def test_the_nick_of_an_operator_gives_no_rank_and_the_token_does(server: Server, room: str) -> None:
    with joins(server, f"op-{room}", room=room) as op:
        token = op.events[0]["token"]
        op.asks({"type": "mode", "change": "+m", "id": "m"})
        op.sees("ack", id="m")
        op.asks({"type": "quit"})
        op.sees_end()
    with joins(server, f"op-{room}", room=room) as impostor:
        impostor.asks({"type": "mode", "change": "-m", "id": "m"})
        assert impostor.sees("refused", id="m")["code"] == "not_operator"
        impostor.asks({"type": "nick", "nick": f"other-{room}"})
        impostor.sees("named")
        with joins(server, f"op-{room}", room=room, token=token) as op:
            op.asks({"type": "mode", "change": "-m", "id": "m"})
            op.sees("ack", id="m")
            impostor.sees("mode", change=f"+o op-{room}")
            impostor.sees("mode", change="-m")


def test_modes_and_ranks_outlive_a_restart(tmp_path: Path) -> None:
    def start() -> Server:
        return Server(history_path=tmp_path / "history.db", limits_messages_per_s=0)

    with start() as server, joins(server, "alice", room="dev") as alice, joins(server, "eve") as eve:
        tokens = {"alice": alice.events[0]["token"], "eve": eve.events[0]["token"]}
        alice.asks({"type": "mode", "change": "+kib tea eve", "id": "m"})
        alice.sees("ack", id="m")
        alice.says("stored", "s")
        alice.sees("ack", id="s")
    with start() as server:
        with RichUser(server, token=tokens["eve"], room="dev", key="tea") as eve:
            assert eve.sees("refused")["code"] == "banned"
        with RichUser(server, nick="stranger", room="dev", key="tea") as stranger:
            assert stranger.sees("refused")["code"] == "invite_only"
        with joins(server, token=tokens["alice"], room="dev") as alice:
            alice.asks({"type": "mode", "id": "q"})
            told = alice.sees("modes", id="q")
            assert (told["modes"], told["key"], told["operators"]) == ("+ikn", "tea", ["alice"])
