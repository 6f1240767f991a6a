"""Two processes that take the same steps have the same registry, whoever's users they are and whatever these do.

One has made a step and knows its secrets, the other has heard of it as bytes. Between the asking of a step and its
being taken others are taken, and a process may have lost its place, and go on from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat import handlers
from gchat.chat.checkpoint import packed, restore, taken, unpacked
from gchat.chat.effects import CheckSecret, CloseReason, Effect, Verdict
from gchat.chat.limits import Limits
from gchat.chat.networks import Network, network_of
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.order_steps import (
    AddAccount,
    AnyStep,
    BanTarget,
    GrantOperator,
    LiftPenalty,
    OpenRoom,
    PenaliseUser,
    RemoveAccount,
    ResetModes,
    RevokeOperator,
)
from gchat.chat.registry import Registry
from gchat.chat.session import Session, lineage_of
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
from gchat.model.errors import Refusal
from gchat.model.events import TopicIs
from tests.chat.calls import HOSTS, MAKERS, NICKS, OFTEN, REASONS, ROOMS, Crowd, plain
from tests.chat.talk import NOW
from tests.chat.test_checkpoint import CALLS, EXAMPLES, tables

NODES = ("web-1", "web-2")

_decode: Callable[[bytes], Step] = msgspec.msgpack.Decoder(AnyStep).decode


class Process:
    """A process with a registry of its own."""

    def __init__(self, number: int, limits: Limits) -> None:
        self.number, self.node = number, NODES[number]
        self.crowd = Crowd(Random(0))
        self.crowd.registry = self.registry = Registry(limits)

    def takes(self, step: Step) -> Any:
        """Take a step, and return what comes of it, for comparing."""
        try:
            value, effects = step.take(self.registry)
        except Refusal as refusal:
            return plain([refusal])
        return plain([value.id if isinstance(value, Session) else value, *effects])

    def user(self, some: Random) -> Session | None:
        """Return a user whose connection is here."""
        users = [session for session in self.registry.sessions.values() if session.node == self.node]
        chosen = some.randrange(60)
        return users[chosen % len(users)] if users else None


class Both:
    """Two processes, and the steps that are asked and not taken yet."""

    def __init__(self, kind: int) -> None:
        limits = Crowd(Random(kind)).registry.limits
        self.processes = [Process(number, msgspec.structs.replace(limits)) for number in (0, 1)]
        self.asked: list[tuple[Process, Step]] = []
        self.now = 0.0
        self.ids = 0
        self.heard: set[int] = set()  # users who have said something, which may be a hello

    def call(self, some: Random) -> None:
        process = some.choice(self.processes)
        some.choice(_CALLS)(self, process, some)
        if some.random() < 0.7:
            self.take_all()

    def ask(self, process: Process, step: Step) -> None:
        self.asked.append((process, step))

    def take_all(self) -> None:
        while self.asked:
            origin, step = self.asked.pop(0)
            told = msgspec.msgpack.encode(step.told())
            first, second = (each.takes(step if each is origin else _decode(told)) for each in self.processes)
            assert first == second, step


def comes(both: Both, process: Process, some: Random) -> None:
    both.ids += 1
    host, port = some.choice(HOSTS), some.randrange(1, 9)
    network = Network(network_of(host), is_exempt=host.startswith("127."))
    hello, token, login, has_ended = process.crowd.hello(some)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    entrance = Entrance(address, both.ids - some.randrange(3), network, some.random() < 0.5, process.node)
    id_ = (process.number + 1 << 32) + both.ids
    if some.random() < 0.4:
        both.ask(process, Connect(entrance, both.now, id=id_))
    else:
        lineage = lineage_of(hello.token or token)
        step = Connect(entrance, both.now, hello, token, lineage, login_of(login), has_ended=has_ended, id=id_)
        both.ask(process, step)


def opens(both: Both, process: Process, some: Random) -> None:
    user, (hello, token, login, has_ended) = process.user(some), process.crowd.hello(some)
    if user is not None and not user.lineage and user.id not in both.heard:
        both.heard.add(user.id)
        lineage = lineage_of(hello.token or token)
        both.ask(process, OpenHello(user.id, hello, token, lineage, login_of(login), has_ended=has_ended))


def asks(both: Both, process: Process, some: Random) -> None:
    """See gchat.server.taking: what changes nothing for others is carried out where the user is."""
    user, kind = process.user(some), some.choice([*MAKERS, *OFTEN * 5])
    here = [session.name for session in process.registry.sessions.values()]
    command = MAKERS[kind](some, [*NICKS, *here, *here, *here])
    is_right, number, now = some.random() < 0.8, str(some.randrange(10**9)), NOW + both.now
    if user is None:
        return
    both.heard.add(user.id)
    if isinstance(command, Changing):
        both.ask(process, Execute(user.id, command, now))
        return
    if not user.is_announced:
        both.ask(process, MakeSeen(user.id))
    both.take_all()
    effects: list[Effect] = handlers.execute(process.registry, user, command, now)
    for check in [effect for effect in effects if isinstance(effect, CheckSecret) and is_right]:
        verdict = Verdict(is_right=True, hash=f"hash {number}", lineage=lineage_of(number))
        both.ask(process, Conclude.of(user, check, verdict, now))


def goes(both: Both, process: Process, some: Random) -> None:
    user, reason = process.user(some), some.choice(REASONS)
    if user is not None:
        both.ask(process, Disconnect(user.id, reason, both.now, messages=user.messages))


def something_happens(both: Both, process: Process, some: Random) -> None:
    user, room, now = process.user(some), some.choice(ROOMS), both.now
    nick, actor = some.choice(NICKS), Actor("token", "http", NOW + both.now)
    id_, limits = 0 if user is None else user.id, msgspec.structs.replace(process.registry.limits)
    limits.max_rooms_per_user = some.choice([2, 3])
    steps: list[Step] = [
        Forsake(id_),
        LeaveRoom(id_, room),
        KeepTopic(room, TopicIs("tea", "alice")),
        Configure(limits),
        HandOver(process.node, "Goodbye", "Come back", now),
        DropNode(process.node),
        BanTarget(actor, ("nick", nick), Wish(5.0, "why")),
        PenaliseUser(actor, some.choice(["ban", "mute"]), id_, Wish(5.0)),
        LiftPenalty(actor, some.choice(["ban", "mute"]), some.randrange(4)),
        ResetModes(actor, room),
        GrantOperator(actor, nick),
        RevokeOperator(actor, nick),
        AddAccount(actor, nick, "hash", lineage_of(nick)),
        RemoveAccount(actor, nick),
        OpenRoom(room),
    ]
    both.ask(process, some.choice(steps))


def time_passes(both: Both, process: Process, some: Random) -> None:
    both.now += some.choice([0.5, 1.0, 10.0])
    both.ask(process, BeDue(both.now, NOW + both.now))


def loses_its_place(both: Both, process: Process, _: Random) -> None:
    """It goes on from a checkpoint that the other one has taken."""
    other = both.processes[1 - process.number]
    restore(process.registry, unpacked(packed(taken(other.registry))))


_CALLS: tuple[Callable[[Both, Process, Random], None], ...] = (
    *[comes] * 14,
    *[asks] * 60,
    *[opens, goes, time_passes] * 2,
    *[something_happens] * 5,
    *[loses_its_place] * 3,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), CALLS)
def test_two_processes_that_take_the_same_steps_are_the_same(kind: int, calls: list[int]) -> None:
    both = Both(kind)
    for call in calls:
        both.call(Random(call))
    both.take_all()

    first, second = (process.registry for process in both.processes)
    assert packed(taken(first)) == packed(taken(second))
    assert tables(first) == tables(second)


def test_a_connection_that_ended_while_its_process_had_no_place_ends_for_both() -> None:
    both = Both(0)
    first, second = both.processes
    both.ask(first, Connect(Entrance("192.0.2.1:1", node=first.node), 0.0, id=7))
    both.take_all()
    loses_its_place(both, first, Random(0))
    both.ask(first, Disconnect(7, CloseReason.ENDED, 1.0))
    both.take_all()

    assert not first.registry.sessions
    assert not second.registry.sessions
