"""What users of other servers reported of bans, mutes and tokens, tried here as they did it (T80, T81)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import Server, User, wait_until
from tests.e2e.rich_user import RichUser
from tests.e2e.test_order import SECRET, comes, kept_by_alice, operator_joins


@pytest.fixture
def server() -> Iterator[Server]:
    with kept_by_alice() as server:
        yield server


@pytest.fixture
def alice(server: Server) -> Iterator[User]:
    with operator_joins(server) as alice:
        yield alice


# https://github.com/MultiCraft/MultiCraft_game/issues/26: /ban XREALMDDDDDD banned XREALM, the operator itself.
def test_a_ban_of_a_longer_name_is_not_of_the_shorter_one(server: Server, alice: User) -> None:
    alice.says("/ban aliceDDDDDD")
    alice.sees("> Banned permanently: aliceDDDDDD")
    alice.says("/ban bob2")
    alice.sees("> Banned permanently: bob2")
    with comes(server, "127.0.0.9", "bob"):
        alice.says("/ping still here")
        alice.sees("> pong still here")


# https://github.com/smogon/pokemon-showdown/issues/568: a banned user came as somebody else, and then logged in.
def test_a_banned_account_cannot_be_logged_in_to_from_elsewhere(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory:
        mallory.says(f"/register {SECRET}")
        mallory.sees("> The nick mallory is yours")
        alice.says("/ban mallory 1h spam")
        mallory.sees_end()
    with comes(server, "127.0.0.10", "innocent") as again:
        again.says(f"/login mallory {SECRET}")
        assert again.sees("> You are banned from this server until ").endswith("UTC: spam")
        again.says("/who")
        assert "mallory" not in again.sees("> In lobby ")
    with RichUser(server, nick="mallory", secret=SECRET) as again_rich:
        assert again_rich.sees("closing")["code"] == "banned"


# Tried here: whoever opened six connections kept the address out of the ban, and the operator did not know.
def test_an_operator_is_told_that_a_shared_address_is_left_out_and_can_ban_it(server: Server, alice: User) -> None:
    crowd = [comes(server, "127.0.0.9", f"mal{number}") for number in range(6)]
    alice.says("/ban mal0 1h spam")
    told = alice.sees("> Banned until ")
    assert told.endswith(
        "(number 1). Not of the address 127.0.0.9, which others may share: mal0 can come back as somebody else"
    )
    alice.says("/ban 127.0.0.9 1h force spam")
    for each in crowd:
        each.sees_end()
        each.sock.close()


# Tried here: the operator made a ban or a mute longer whose user was gone by then, and so let the user in again.
def test_a_ban_or_a_mute_that_is_made_longer_is_still_of_the_address(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory, comes(server, "127.0.0.10", "eve") as eve:
        alice.says("/ban mallory 10m", "/mute eve 10m")
        mallory.sees_end()
        eve.sees("> You are muted until ")
        eve.says("/quit")
        eve.sees_end()
    alice.says("/ban Mallory 2h spam", "/mute eve 2h")
    alice.sees("> Banned until ")
    assert alice.sees("> Banned until ").endswith("UTC: Mallory, 127.0.0.9 (number 2)")
    assert alice.sees("> Muted until ").endswith("UTC: eve, 127.0.0.10 (number 2)")
    with server.connect(source="127.0.0.9") as again:
        assert again.sees("> You are banned from this server until ").endswith("UTC: spam")
    with comes(server, "127.0.0.10") as again:
        again.says("hello")
        again.sees("> Not sent: you are muted until ")


# https://github.com/TotalFreedom/TotalFreedomMod/issues/716 and /405, https://github.com/NodeBB/NodeBB/issues/11932:
# muted users went on by private messages, by other names of those commands, and by /me.
def test_a_muted_user_has_no_other_way_to_say_something(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory, comes(server, "127.0.0.10", "bob") as bob:
        bob.says("/msg mallory hello")
        mallory.sees("[bob -> you] hello")
        alice.says("/mute mallory")
        mallory.sees("> You are muted permanently")
        lines = ("//x", "/me x", "/msg bob x", "/tell bob x", "/w bob x", "/query bob x", "/reply x", "/invite bob")
        for line in lines:
            mallory.says(line)
            mallory.sees("> Not sent: you are muted permanently")
        mallory.says("/join x-x-x")
        mallory.sees("> Room not opened: you are muted permanently")
        bob.does_not_see(b"mallory")


# https://github.com/minetest-mods/xban2/issues/3: a ban of a minute was still in force after seven.
def test_a_ban_ends_when_it_was_said_to_end(server: Server, alice: User) -> None:
    alice.says("/ban 127.0.0.9 1s")
    alice.sees("> Banned until ")
    wait_until(lambda: not Operator(server).asks("GET", "/bans")["bans"], "the ban is over")
    with comes(server, "127.0.0.9", "mallory"):
        pass


# https://github.com/ergochat/ergo/issues/1311: a ban of one user was of the host that all of them had.
def test_a_ban_of_one_user_leaves_an_office_in(server: Server, alice: User) -> None:
    office = [comes(server, "127.0.0.50", f"user{number}") for number in range(7)]
    try:
        alice.says("/ban user0 1h spam")
        assert "user0 (number 1)" in alice.sees("> Banned until ")
        office[0].sees_end()
        for user in office[1:]:
            user.says("/ping here")
            user.sees("> pong here")
    finally:
        for user in office:
            user.closes() if not user.ended else None
            user.sock.close()


# https://github.com/cfdp/opeka/issues/77, https://github.com/tgstation/tgstation/pull/8177: an empty address was
# stored as banned, and everybody without one was kept out.
def test_nothing_empty_can_be_banned(server: Server) -> None:
    operator = Operator(server)
    for kind in ("nick", "account", "address", "network"):
        operator.is_refused(422, "POST", "/bans", kind=kind, value="")
        operator.is_refused(409, "POST", "/bans", kind=kind, value=" ")
    assert operator.asks("GET", "/bans")["bans"] == []


# https://github.com/chatwoot/chatwoot/pull/14505: a token that only reads could read what gives more rights.
def test_what_a_reading_token_reads_gives_no_rights(server: Server) -> None:
    operator = Operator(server)
    made = [
        operator.asks("POST", "/tokens", name=name, scope=scope)["token"]
        for name, scope in (("a", "all"), ("r", "read"))
    ]
    hook = operator.asks("POST", "/hooks", room="lobby", name="x")["secret"]
    reader = operator.shows(made[1])
    paths = json.loads(json.dumps(reader.asks("GET", "/openapi.json")))["paths"]
    seen = ""
    for path, item in paths.items():
        if "get" in item and "{" not in path and path not in ("/events", "/tokens"):
            seen += str(reader.asks("GET", path))
    assert not [secret for secret in (*made, hook, operator.token) if secret in seen + server.log]
    reader.is_refused(403, "GET", "/tokens")
