"""Steps, as processes tell each other of them: what one says is what another takes, and no secret is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gchat.chat.effects import CheckSecret, CloseReason, Effect, Enter, Verdict
from gchat.chat.limits import Limits
from gchat.chat.order_steps import AnyStep
from gchat.chat.registry import Registry
from gchat.chat.session import lineage_of
from gchat.chat.steps import (
    BeDue,
    Changing,
    Conclude,
    Configure,
    Connect,
    Disconnect,
    DropNode,
    Entrance,
    Execute,
    Forsake,
    HandOver,
    KeepTopic,
    LeaveRoom,
    MakeSeen,
    OpenHello,
    Step,
    login_of,
)
from gchat.model import commands
from gchat.model.errors import Code, Refusal
from gchat.model.events import TopicIs
from gchat.model.hello import Hello, WantedRoom

TOKEN = "the-token-of-alice"

_decode: Callable[[bytes], Step] = msgspec.msgpack.Decoder(AnyStep).decode


class Process:
    """A process with a registry of its own, which hears of a step as bytes, or has made it itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.registry = Registry(Limits())

    def hears(self, step: Step) -> tuple[Any, list[Effect]]:
        return _decode(msgspec.msgpack.encode(step.told())).take(self.registry)


@pytest.fixture
def here() -> Process:
    return Process("here")


@pytest.fixture
def there() -> Process:
    return Process("there")


def connect(nick: str, number: int, node: str = "here", port: int = 0, token: str = "") -> Connect:
    """Return the step by which a user comes who has a nick and a token."""
    token = token or f"a-long-token-of-{nick}"
    hello = Hello(nick=nick, secret="swordfish", password="open sesame", token=token)
    entrance = Entrance(f"192.0.2.7:{port or number}", number, node=node)
    return Connect(entrance, 1.0, hello, token, lineage_of(token), id=number)


def test_a_user_who_comes_is_the_same_everywhere_and_only_the_origin_knows_the_token(
    here: Process, there: Process
) -> None:
    step = connect("alice", 7, token=TOKEN)
    session, effects = step.take(here.registry)
    told, as_there = there.hears(step)
    assert (session.id, session.name, session.lineage) == (7, "alice", lineage_of(TOKEN))
    assert (told.id, told.name, told.lineage) == (7, "alice", lineage_of(TOKEN))
    assert (session.token, told.token) == (TOKEN, "")
    assert [type(effect) for effect in effects] == [type(effect) for effect in as_there]


def test_no_secret_is_told(here: Process) -> None:
    step = connect("alice", 7, token=TOKEN)
    for each in (step, OpenHello(7, step.hello or Hello(), TOKEN, step.lineage)):
        told = msgspec.msgpack.encode(each.told())
        for secret in (TOKEN, "swordfish", "open sesame"):
            assert secret.encode() not in told
    session, _ = step.take(here.registry)
    check = CheckSecret(7, commands.Passwd(secret="swordfish", new="sesame"), "swordfish", "$argon2id", "sesame")
    told = msgspec.msgpack.encode(Conclude.of(session, check, Verdict(is_right=True, hash="$argon2id$new"), 1.0).told())
    assert b"swordfish" not in told
    assert b"sesame" not in told


def test_a_token_works_at_another_process(here: Process, there: Process) -> None:
    for process in (here, there):
        process.hears(connect("alice", 7))
        process.hears(connect("alice", 9, "there"))
        assert [(user.id, user.name, user.node) for user in process.registry.sessions.values()] == [
            (9, "alice", "there")
        ]


def test_the_same_address_at_two_processes_is_two_users(here: Process) -> None:
    for number, node in ((1, "a"), (2, "b"), (3, "c")):
        here.hears(Connect(Entrance("127.0.0.1:5", node=node), 1.0, id=number))
    assert [user.name for user in here.registry.sessions.values()] == ["127.0.0.1:5", "127.0.0.1:5~2", "127.0.0.1:5~3"]
    here.hears(Connect(Entrance("127.0.0.1:5", node="a"), 2.0, id=4))  # the one before is gone without a word
    assert {user.id: user.name for user in here.registry.sessions.values()} == {
        2: "127.0.0.1:5~2",
        3: "127.0.0.1:5~3",
        4: "127.0.0.1:5",
    }


def test_users_of_a_process_that_is_gone_leave_and_those_of_one_that_stops_may_come_back(here: Process) -> None:
    here.hears(connect("alice", 1, "a"))
    here.hears(connect("bob", 2, "b"))
    here.hears(DropNode("a"))
    assert [user.name for user in here.registry.sessions.values()] == ["bob"]
    here.hears(HandOver("b", "Goodbye", "Come back", 5.0))
    bob = here.registry.find("bob")
    assert here.registry.is_disconnected(bob)
    here.hears(connect("bob", 3, "c"))
    assert [(user.id, user.name) for user in here.registry.sessions.values()] == [(3, "bob")]


def test_a_login_is_of_the_account_as_it_is_when_the_step_is_taken(here: Process) -> None:
    gone = login_of(Refusal(Code.WRONG_SECRET, "That is not the secret", 3.0))
    assert gone is not None
    refusal = gone.of(here.registry)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.message, refusal.retry_after_s) == (Code.WRONG_SECRET, "That is not the secret", 3.0)
    assert login_of(None) is None


STEPS: list[Step] = [
    MakeSeen(1),
    Forsake(1),
    Execute(1, commands.Nick("bob"), 2.0),
    Execute(1, commands.Join("dev", id="x"), 2.0),
    LeaveRoom(1, "lobby"),
    KeepTopic("lobby", TopicIs("tea", "alice")),
    Disconnect(1, CloseReason.RESET, 3.0, "Goodbye", 4),
    BeDue(1e9, 1e9),
    Configure(Limits(max_rooms=3, motd="Hello")),
    HandOver("here", "Goodbye", "Come back", 3.0),
    DropNode("here"),
    OpenHello(1, Hello(nick="carol", rooms=(WantedRoom("dev"),)), "a-token-for-carol", "lineage"),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_a_step_does_the_same_everywhere_and_nothing_for_a_session_that_has_left(step: Step, here: Process) -> None:
    there = Process("there")
    for process in (here, there):
        process.hears(Connect(Entrance("127.0.0.1:5", node="here"), 1.0, id=1))
    assert step.told().take(here.registry)[1] == there.hears(step)[1]
    names = [[user.name for user in each.registry.sessions.values()] for each in (here, there)]
    assert names[0] == names[1]
    empty = Process("empty")
    for effect in empty.hears(step)[1]:
        assert not isinstance(effect, Enter)


def test_each_command_that_changes_something_can_be_told() -> None:
    fields: dict[type, tuple[Any, ...]] = {
        commands.Nick: ("bob",),
        commands.Join: ("dev",),
        commands.Topic: (),
        commands.Ignore: ("bob",),
        commands.Unignore: ("bob",),
        commands.Kick: (),
    }
    for command in Changing.__args__:
        needed = {
            field.name: "x" for field in msgspec.structs.fields(command) if field.required and command not in fields
        }
        arguments = fields.get(command, ())
        if command is commands.Kick:
            needed = {"name": "x"}
        step = Execute(1, command(*arguments, **needed), 1.0)
        assert _decode(msgspec.msgpack.encode(step)) == step
