"""A checkpoint: a registry that is restored from it does what the one does that it was taken of.

CHECKPOINT_EXAMPLES=20000 python -m pytest tests/chat/test_checkpoint.py -n0 --timeout 0     the long form
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat import handlers, order_actions
from gchat.chat.accounts import UNREADABLE, stored
from gchat.chat.admission import Admission
from gchat.chat.checkpoint import Checkpoint, packed, restore, taken, unpacked
from gchat.chat.effects import CloseReason
from gchat.chat.limits import Allowance, Limits, Rates
from gchat.chat.networks import Network
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import Seat, Session
from gchat.model import commands
from gchat.model.hello import Hello
from tests.chat.calls import MAKERS, Crowd, plain
from tests.chat.talk import NOW, Talk

EXAMPLES = int(os.environ.get("CHECKPOINT_EXAMPLES", "80"))
CALLS = st.integers(0, 100).flatmap(lambda count: st.lists(st.integers(0, 2**32), min_size=count, max_size=count))


def again(registry: Registry) -> Registry:
    """Return another registry that is restored from the bytes of a checkpoint of this one."""
    found = Registry(Limits())
    restore(found, unpacked(packed(taken(registry))))
    return found


def tables(registry: Registry) -> Any:
    """Return all tables of a registry, also those that can be made from others, with the ids of sessions."""
    found, order = registry.tables, registry.order
    return {
        "names": {key: session.id for key, session in found.names._holders.items()},
        "ignorers": {key: {session.id for session in each} for key, each in registry.ignorers.by_key.items()},
        "lineages": {lineage: session.id for lineage, session in found.lineages._newest.items()},
        "disconnected": [(session.id, until) for session, until in found.disconnected.until.items()],
        "idle": [session.id for session in found.disconnected._idle],
        "networks": {name: [session.id for session in of] for name, of in found.disconnected._by_network.items()},
        "rooms": [(name, list(room.members), plain(list(room.ranks.items()))) for name, room in registry.rooms.items()],
        "sessions": [(id_, list(session.rooms), session.current_name) for id_, session in registry.sessions.items()],
        "modes": (list(registry.rooms.modes.items()), registry.rooms.modes._size),
        "accounts": (list(registry.accounts), registry.accounts._by_key, registry.accounts._from),
        "penalties": [
            (list(each.all.items()), dict(each._prefixes), each.last_id) for each in (order.bans, order.mutes)
        ],
        "limits": registry.limits,
    }


def know_what_only_the_node_knows(registry: Registry, of: Registry) -> None:
    """Give the sessions of a registry what is in no checkpoint."""
    seats = {session.seat.id: session.seat for session in registry.sessions.values()}
    for id_, session in of.sessions.items():
        twin, friend = registry.sessions[id_], session.correspondent
        twin.token, twin.messages = session.token, session.messages
        if friend is not None:
            twin.correspondent = seats.get(friend.id) or Seat(friend.id, friend.known_as)
        if session.absence is not None and twin.absence is not None:
            told = (seat for seat in session.absence._told if isinstance(seat, Seat))
            twin.absence._told = {seats.get(seat.id, seat) for seat in told}


# --- Any calls -------------------------------------------------------------------------------------------------------


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), CALLS, CALLS)
def test_what_is_restored_goes_on_as_what_it_was_taken_of(kind: int, before: list[int], after: list[int]) -> None:
    crowd = Crowd(Random(kind))
    for call in before:
        crowd.call(Random(call))

    twin = crowd.twin(again(crowd.registry))
    assert tables(twin.registry) == tables(crowd.registry)
    assert packed(taken(twin.registry)) == packed(taken(crowd.registry))
    know_what_only_the_node_knows(twin.registry, crowd.registry)

    for call in after:
        assert plain(twin.call(Random(call))) == plain(crowd.call(Random(call)))
    assert packed(taken(twin.registry)) == packed(taken(crowd.registry))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), CALLS, CALLS, st.booleans())
def test_nothing_is_left_of_what_a_registry_was_before(
    kind: int, wanted: list[int], others: list[int], goes_on: bool
) -> None:
    """It was another registry, or the same one, which has gone another way since: its place in the feed is lost."""
    source = Crowd(Random(kind))
    for call in wanted:
        source.call(Random(call))
    checkpoint = taken(source.registry)
    crowd = source if goes_on else Crowd(Random(kind + 1))
    for call in others:
        crowd.call(Random(call))
    registry, old = crowd.registry, list(crowd.registry.sessions.values())
    fresh = Registry(Limits())
    restore(fresh, checkpoint)

    restore(registry, checkpoint)
    assert packed(taken(registry)) == packed(checkpoint)
    assert tables(registry) == tables(fresh)
    for session in old:
        if registry.sessions.get(session.id) is not session:
            assert not session.rooms
            assert not registry.is_connected(session)
            assert session.seat.session is not session
    for session in registry.sessions.values():
        assert session.seat.session is session
        assert all(room is registry.rooms[name] for name, room in session.rooms.items())


def test_every_command_is_among_the_calls() -> None:
    assert set(MAKERS) == set(handlers.HANDLERS)


@pytest.mark.parametrize("hash_seed", ["2", "8"])
def test_another_process_does_the_same(hash_seed: str) -> None:
    """The order of a set is another one with another seed of hashes."""

    def digest(seed: str) -> str:
        command = [sys.executable, "-m", "tests.chat.calls", "14", "1500"]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        root = Path(__file__).parent.parent.parent
        return subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True).stdout

    assert digest(hash_seed) == digest("0")


# --- In place --------------------------------------------------------------------------------------------------------


def test_those_who_hold_a_part_of_the_registry_see_what_is_restored() -> None:
    there, here = Talk(users=1), Talk(users=1)
    admission = Admission(here.registry.order.bans, here.registry.limits)
    there.registry.limits.connections_per_network = 1
    actor = Actor("op", "http", NOW)
    order_actions.ban_target(there.registry, actor, ("address", "192.0.2.9"), Wish(reason="spam"))

    restore(here.registry, taken(there.registry))
    assert here.registry.order.bans.of_address("192.0.2.9") is not None
    assert admission.admit("192.0.2.1:1", "192.0.2.1", 10) is None
    turned_away = admission.admit("192.0.2.1:2", "192.0.2.1", 10)
    assert turned_away is not None
    assert turned_away.reason is CloseReason.TOO_MANY


def rich(registry: Registry, nick: str, token: str) -> Session:
    return registry.connect(f"192.0.2.1:{len(registry.sessions) + 1}", Hello(nick), token.ljust(22, "-"))[0]


def test_a_session_that_is_known_stays_the_same_with_what_only_this_node_knows_of_it() -> None:
    registry = Registry(Limits())
    alice, bob = rich(registry, "alice", "a"), rich(registry, "bob", "b")
    allowance = alice.allowance = Allowance(Rates(), 0.0)
    alice.told_by(bob.seat)
    checkpoint = unpacked(packed(taken(registry)))
    registry.rename(alice, "eve")
    carol = rich(registry, "carol", "c")
    alice.told_by(carol.seat)
    carol.told_by(alice.seat)

    restore(registry, checkpoint)
    assert list(registry.sessions.values()) == [alice, bob]
    assert (alice.name, alice.token, alice.allowance) == ("alice", "a".ljust(22, "-"), allowance)
    assert registry.find("alice") is alice
    assert alice.correspondent is carol.seat
    assert carol.seat.session is None, "carol has not come yet"
    assert carol.correspondent is alice.seat
    assert alice.seat.session is alice


def test_a_token_is_forgotten_that_is_not_of_the_user_who_is_restored() -> None:
    there, here = Registry(Limits()), Registry(Limits())
    rich(there, "alice", "a")
    mallory = rich(here, "mallory", "m")

    restore(here, taken(there))
    assert (mallory.name, mallory.token) == ("alice", "")


def test_who_answers_a_private_message_reaches_its_sender_who_came_back_elsewhere_meanwhile() -> None:
    """The node had lost its place in the feed between the message and the answer."""
    there = Registry(Limits())
    bob, alice = rich(there, "bob", "b"), rich(there, "alice", "a")
    here = again(there)
    here.sessions[bob.id].told_by(here.sessions[alice.id].seat)
    there.connect("192.0.2.9:9", Hello(token="a".ljust(22, "-")), attempt=1)

    restore(here, taken(there))
    friend = here.sessions[bob.id].correspondent
    assert friend is not None
    assert friend.session is here.find("alice")
    assert friend.session.address == "192.0.2.9:9"


def test_an_invitation_and_its_place_in_the_line_outlive_a_user_who_has_left() -> None:
    talk = Talk(users=3)
    talk.asks(1, commands.Join("dev"))
    for number in (2, 3):
        talk.asks(number, commands.Nick("bob" if number == 2 else "eve"))
        talk.asks(1, commands.Invite("bob" if number == 2 else "eve", room="dev"))
    talk.leaves(2)

    registry = again(talk.registry)
    assert [seat.known_as for seat in registry.rooms["dev"].invited] == ["bob", "eve"]
    assert registry.sessions[3].seat in registry.rooms["dev"].invited


def test_an_account_that_cannot_be_read_stays_closed() -> None:
    talk = Talk(users=1)
    talk.registry.accounts.add(stored("alice", UNREADABLE))

    assert [account.is_closed for account in again(talk.registry).accounts] == [True]


def test_who_was_not_announced_yet_is_announced_once_or_never() -> None:
    """A user who has only connected is not known to the others, and does not become known by a checkpoint."""
    registry = Registry(Limits(announce_after_s=1.0))
    for port in (1, 2):
        registry.connect(f"127.0.0.1:{port}", now=port)
    twin = again(registry)

    assert plain(twin.leave(twin.sessions[2], CloseReason.ENDED)) == [("Close", [2, CloseReason.ENDED])]
    assert [type(effect).__name__ for effect in twin.due(2.0)] == ["Arrive", "Presence"]
    assert twin.due(9.0) == []


def test_who_may_come_back_is_waited_for_as_long_as_elsewhere_although_the_time_is_over_when_it_is_restored() -> None:
    registry = Registry(Limits())
    alice = rich(registry, "alice", "a")
    registry.disconnect(alice, CloseReason.RESET, 0.0)
    twin = again(registry)

    assert twin.is_disconnected(twin.find("alice")), "time passes by what the registry is told, and by nothing else"
    assert plain(twin.due(99.0)) == plain(registry.due(99.0)) != []


def test_an_id_is_not_given_again() -> None:
    talk = Talk(users=2)
    talk.leaves(2)

    assert again(talk.registry).connect("127.0.0.1:1")[0].id == 3


# --- The bytes -------------------------------------------------------------------------------------------------------


def test_a_checkpoint_does_not_change_with_its_registry() -> None:
    talk = Talk(users=2, operators="op")
    talk.asks(1, commands.Join("dev"))
    checkpoint = taken(talk.registry)
    before = packed(checkpoint)
    talk.asks(1, commands.Mode("+m"))
    talk.asks(2, commands.Nick("bob"))
    talk.registry.limits.nick_max = 3
    talk.leaves(1)

    assert packed(checkpoint) == before


def test_no_token_is_in_it_and_no_secret_is_shown() -> None:
    registry = Registry(Limits())
    rich(registry, "alice", "never-to-be-seen")

    assert b"never-to-be-seen" not in packed(taken(registry))
    assert repr(taken(registry)) == "Checkpoint(of 1 sessions)", "it has the hashes of accounts, and what makes cloaks"


@pytest.mark.parametrize(
    "place",
    [
        (),
        ("limits",),
        ("limits", "rates"),
        ("sessions", 0),
        ("rooms", 0),
        ("modes", "dev"),
        ("accounts", 0),
        ("order",),
        ("order", 0, 0),
    ],
)
def test_a_checkpoint_with_more_in_it_is_of_another_version(place: tuple[str | int, ...]) -> None:
    """A node that left out what it does not know would go another way than the others, and nobody would notice."""
    talk = Talk(users=1)
    talk.asks(1, commands.Join("dev"))
    talk.asks(1, commands.Mode("+m"))
    talk.registry.accounts.add(stored("alice", UNREADABLE))
    order_actions.ban_target(talk.registry, Actor("op", "http", NOW), ("nick", "eve"), Wish())
    whole = found = msgspec.msgpack.decode(packed(taken(talk.registry)))
    for depth, step in enumerate(place):
        found = found[Checkpoint.__struct_fields__.index(str(step)) if not depth else step]
    if isinstance(found, dict):
        found["more"] = 1
    else:
        found += [0] * 30  # also what is left out at the end

    with pytest.raises(msgspec.DecodeError):
        unpacked(msgspec.msgpack.encode(whole))


def test_half_a_checkpoint_is_none() -> None:
    data = packed(taken(Talk(users=1).registry))
    for size in range(len(data)):
        with pytest.raises(msgspec.DecodeError):
            unpacked(data[:size])


def test_ten_thousand_users_are_small() -> None:
    """What it takes is told by python -m tests.chat.checkpoint_cost."""
    registry = Registry(Limits())
    for number in range(1000):
        address = f"10.0.{number // 250}.{number % 250}"
        hello, token = Hello(nick=f"user-{number}"), f"{number:022}"
        registry.connect(f"{address}:50000", hello, token, network=Network(address, is_exempt=False), now=1000.5)

    assert len(packed(taken(registry))) < 130 * 1000
    assert len(again(registry).rooms[LOBBY].members) == 1000
