"""Calls of the core in any order: all that a registry is ever asked, by users who have nicks, tokens and accounts.

What is called is decided by a random.Random, so Hypothesis can shrink it, and another process can repeat it. Whom a
call is about is told by numbers, so that two registries can be asked the same.

    python -m tests.chat.calls SEED COUNT     prints a digest of all effects, and of the checkpoint after them
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import copy
from hashlib import sha256
from random import Random
from typing import Any

from msgspec import Struct

from gchat.chat import handlers, logins, order_actions
from gchat.chat.accounts import Account
from gchat.chat.checkpoint import packed, taken
from gchat.chat.effects import CheckSecret, CloseReason, Deliver, Effect, Publish, SavedSession, Verdict
from gchat.chat.limits import Limits
from gchat.chat.masks import Cloaks
from gchat.chat.networks import Network, network_of
from gchat.chat.order_actions import Actor, Wish
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.session import Seat, Session, lineage_of
from gchat.chat.steps import DropNode, HandOver
from gchat.model import commands, events
from gchat.model.commands import Command
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello, ResumePoint, WantedRoom
from gchat.model.messages import TopicSet
from tests.chat.talk import NOW, Talk

#: Names that look like each other, and that are in different places of a set in different processes.
NICKS = ("alice", "Alice", "аlice", "bob", "Ian", "lan", "I1", "il", "ll", "Bannzay", "BannZaỵ", "mona")
ROOMS = (LOBBY, "dev", "tea", "ops", "new", "#Dev", "a room")
SECRETS = ("tea4two or three", "another secret 7")
TOKENS = tuple(f"token-{number}".ljust(22, "-") for number in range(5))
HOSTS = ("192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2", "127.0.0.1")
TEXTS = ("", "hello", "x" * 301, "über\nzwei")
RANKS_AND_MASKS = ("o bob", "v Ian", "b lan", "b *n*", "b @bob", "e Ian", "I bob")
MODES = (
    *("", "+i", "-i", "+m", "-m", "+nst", "+k KEY", "-k", "+l 2", "-l", "+b", "+I"),
    *(f"{sign}{each}" for sign in "+-" for each in RANKS_AND_MASKS),
)
REASONS = (CloseReason.ENDED, CloseReason.RESET, CloseReason.QUIT, CloseReason.STALLED)

#: A command of each kind, from some choices.
MAKERS: dict[type, Callable[[Random, list[str]], Command]] = {
    commands.Say: lambda some, _names: commands.Say(("hello",), some.choice([(), ("id",)]), room(some)),
    commands.Act: lambda some, _names: commands.Act("waves", room=room(some)),
    commands.Tell: lambda some, names: commands.Tell(some.choice(names), "psst"),
    commands.Reply: lambda _some, _names: commands.Reply("and you"),
    commands.Nick: lambda some, _names: commands.Nick(some.choice(NICKS)),
    commands.Join: lambda some, _names: commands.Join(
        some.choice(ROOMS), leave=some.choice([None, "current"]), key=some.choice(["", "KEY"])
    ),
    commands.Part: lambda some, _names: commands.Part(room=room(some), reason=some.choice(TEXTS)),
    commands.Topic: lambda some, _names: commands.Topic(some.choice([None, *TEXTS]), room=room(some)),
    commands.Who: lambda some, _names: commands.Who(room=room(some)),
    commands.BeAway: lambda some, _names: commands.BeAway(some.choice(TEXTS)),
    commands.Ignore: lambda some, names: commands.Ignore(some.choice(["", *names])),
    commands.Unignore: lambda some, names: commands.Unignore(some.choice(names)),
    commands.Rooms: lambda _some, _names: commands.Rooms(),
    commands.Kick: lambda some, names: commands.Kick(some.choice(names), room=room(some)),
    commands.Invite: lambda some, names: commands.Invite(some.choice(names), room=room(some)),
    commands.Mode: lambda some, _names: commands.Mode(some.choice(MODES), room=room(some)),
    commands.Kill: lambda some, names: commands.Kill(some.choice(names), "why"),
    commands.Ban: lambda some, _names: commands.Ban(
        some.choice([*NICKS, *HOSTS, "192.0.2.0/24"]), some.choice([5.0, 5.0, 60.0, 0.0]), force=some.random() < 0.5
    ),
    commands.Unban: lambda some, _names: commands.Unban(some.choice([*NICKS, *HOSTS, "1", "2"])),
    commands.Bans: lambda _some, _names: commands.Bans(),
    commands.Mute: lambda some, names: commands.Mute(some.choice(names), some.choice([5.0, 5.0, 60.0, 0.0])),
    commands.Unmute: lambda some, names: commands.Unmute(some.choice([*names, "1", "2"])),
    commands.AnnounceToAll: lambda _some, _names: commands.AnnounceToAll("all of you"),
    commands.History: lambda some, _names: commands.History(commands.Last(3), room=room(some)),
    commands.Search: lambda some, _names: commands.Search("tea", room=room(some)),
    commands.Register: lambda some, _names: commands.Register(secret=some.choice(SECRETS)),
    commands.Login: lambda some, _names: commands.Login(
        some.choice(NICKS), some.choice(SECRETS), leave=some.choice([None, "current"])
    ),
    commands.Passwd: lambda some, _names: commands.Passwd(*some.choices(SECRETS, k=2)),
    commands.Unregister: lambda some, names: commands.Unregister(some.choice(["", *names]), some.choice(SECRETS)),
    commands.AskSecret: lambda some, _names: commands.AskSecret(commands.Login(some.choice(NICKS))),
    commands.Logout: lambda _some, _names: commands.Logout(),
    commands.Ping: lambda _some, _names: commands.Ping("?"),
    commands.Help: lambda _some, _names: commands.Help(""),
    commands.Quit: lambda _some, _names: commands.Quit(),
    commands.Mistake: lambda _some, _names: commands.Mistake(Refusal(Code.BAD_COMMAND, "What?")),
}

#: What users do more often than the rest, because the rest comes of it.
OFTEN = (
    *(commands.Nick, commands.Join, commands.Join, commands.Mode, commands.Mode, commands.Register, commands.Login),
    *(commands.Ignore, commands.Invite, commands.BeAway, commands.Tell, commands.Reply, commands.Say, commands.Topic),
)


def room(some: Random) -> str:
    return some.choice(["", "", "", "", "", "", *ROOMS])


class Crowd:
    """A registry, and what a shell knows beside it."""

    def __init__(self, some: Random) -> None:
        self.registry = Registry(
            Limits(
                max_rooms=some.choice([3, 6]),
                max_rooms_per_user=3,
                announce_after_s=some.choice([0.0, 1.0]),
                allow_plaintext=True,
                login_required=some.random() < 0.05,
                presence_quiet_above=some.choice([3, 500]),
                rooms_per_network=some.choice([None, 2]),
                connections_per_network=some.choice([None, 2]),
                operators="alice",
            )
        )
        self.registry.rooms.cloaks = Cloaks(b"secret")
        self.now = 0.0
        self.calls = 0

    def call(self, some: Random) -> list[Any]:
        """Make one call, and return its effects, or why it was refused. What is chosen depends on the registry only."""
        self.calls += 1
        try:
            effects = some.choice(_CALLS)(self, some)
        except Refusal as refusal:
            return [refusal]
        for effect in effects:
            if isinstance(effect, Publish) and isinstance(effect.message, TopicSet):
                topic = events.TopicIs(effect.message.text, effect.message.name)
                self.registry.keep_topic(effect.room, topic)  # as the pump does, when it is kept
            if isinstance(effect, Deliver) and effect.seat is not None and effect.session in self.registry.sessions:
                self.registry.sessions[effect.session].told_by(effect.seat)  # as the pump does, when it is shown
        return effects

    def twin(self, registry: Registry) -> Crowd:
        """Return the same users in another registry."""
        found = copy(self)
        found.registry = registry
        return found

    def user(self, some: Random) -> Session:
        """Return one of those who are here, or one who is not."""
        chosen, sessions = some.randrange(60), list(self.registry.sessions.values())
        return sessions[chosen % len(sessions)] if sessions else Session(0, "nobody")

    def hello(self, some: Random) -> tuple[Hello, str, Account | Refusal | None, bool]:
        """Return a hello, the token if it has none, what became of its secret, and whether its peer has ended."""
        wanted = tuple(WantedRoom(some.choice(ROOMS), key="KEY") for _ in range(some.randrange(4)))
        rooms = some.choice([None, wanted])
        after = some.choice([None, ResumePoint("epoch", 3)])
        hello = Hello(some.choice(["", *NICKS]), rooms, token=some.choice([None, *TOKENS]), after=after)
        login = some.choice([None, None, Refusal(Code.WRONG_SECRET, "wrong"), self.registry.accounts.get(hello.nick)])
        return hello, some.choice(TOKENS), login, some.random() < 0.05


def comes(crowd: Crowd, some: Random) -> list[Effect]:
    host, port = some.choice(HOSTS), some.randrange(1, 9)
    network = Network(network_of(host), is_exempt=host.startswith("127."))
    hello, token, login, has_ended = crowd.hello(some)
    is_plain = some.random() < 0.4
    _, effects = crowd.registry.connect(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        None if is_plain else hello,
        token,
        attempt=crowd.calls - some.randrange(3),
        login=login,
        has_ended=has_ended and not is_plain,
        network=network,
        is_private=some.random() < 0.5,
        now=crowd.now,
        node=some.choice(["", "web-1"]),
    )
    return effects


def opens(crowd: Crowd, some: Random) -> list[Effect]:
    user, (hello, token, login, has_ended) = crowd.user(some), crowd.hello(some)
    if user.lineage or user.account:
        return []  # it has opened already, or has said something
    return crowd.registry.open(user, hello, token, login, has_ended=has_ended)


def asks(crowd: Crowd, some: Random) -> list[Effect]:
    user, now, kind = crowd.user(some), NOW + crowd.now, some.choice([*MAKERS, *OFTEN * 5])
    here = [session.name for session in crowd.registry.sessions.values()]
    command = MAKERS[kind](some, [*NICKS, *here, *here, *here])
    effects = handlers.execute(crowd.registry, user, command, now)
    is_right, number = some.random() < 0.8, str(crowd.calls)
    for check in [effect for effect in effects if isinstance(effect, CheckSecret)]:
        verdict = Verdict(is_right, f"hash {number}", lineage_of(number))
        effects += logins.concluded(crowd.registry, user, check, verdict, now)
    return effects


def disconnects(crowd: Crowd, some: Random) -> list[Effect]:
    return crowd.registry.disconnect(crowd.user(some), some.choice(REASONS), crowd.now)


def leaves(crowd: Crowd, some: Random) -> list[Effect]:
    return crowd.registry.leave(crowd.user(some), some.choice(REASONS), "Goodbye")


def is_forsaken(crowd: Crowd, some: Random) -> list[Effect]:
    crowd.registry.forsake(crowd.user(some))
    return []


def time_passes(crowd: Crowd, some: Random) -> list[Effect]:
    crowd.now += some.choice([0.5, 1.0, 10.0])
    return [*crowd.registry.due(crowd.now), *order_actions.expire(crowd.registry, NOW + crowd.now)]


def operator_acts(crowd: Crowd, some: Random) -> list[Effect]:
    registry, actor = crowd.registry, Actor("token", "http", NOW + crowd.now)
    user, nick, wish = crowd.user(some), some.choice(NICKS), Wish(some.choice([5.0, 0.0]), "why", some.random() < 0.5)
    match some.randrange(6):
        case 0:
            return order_actions.ban_user(registry, actor, user, wish)[1]
        case 1:
            return order_actions.mute_user(registry, actor, user, wish)[1]
        case 2:
            return order_actions.grant(registry, actor, nick)
        case 3:
            return order_actions.revoke(registry, actor, nick)
        case 4:
            check, number = logins.adding(registry, nick, SECRETS[0]), str(crowd.calls)
            return [*logins.added(registry, check, Verdict(hash=number, lineage=lineage_of(number)), NOW)[1]]
    account = registry.accounts.get(nick)
    return logins.removed(registry, account) if account is not None else []


def a_node_goes(crowd: Crowd, some: Random) -> list[Effect]:
    node = some.choice(["", "web-1"])
    is_expected = some.random() < 0.5
    step = HandOver(node, "Goodbye", "Come back", crowd.now) if is_expected else DropNode(node)
    return step.take(crowd.registry)[1]


def limits_change(crowd: Crowd, some: Random) -> list[Effect]:
    crowd.registry.limits.max_rooms_per_user = some.choice([2, 3])
    crowd.registry.limits.operators = some.choice(["alice", "alice bob"])
    return []


def restarts(crowd: Crowd, some: Random) -> list[Effect]:
    """Have users of a previous run be expected, as when a server has just started."""
    nick, rooms = some.choice(NICKS), tuple(dict.fromkeys(["dev", some.choice(ROOMS[:5])]))
    saved = SavedSession(nick, has_nick=True, rooms=rooms, away="lunch")
    crowd.registry.restore({lineage_of(some.choice(TOKENS)): saved}, crowd.now)
    return []


_OTHERS = (opens, disconnects, disconnects, leaves, is_forsaken, time_passes, operator_acts, limits_change, restarts)
_CALLS: tuple[Callable[[Crowd, Random], list[Effect]], ...] = (*[comes] * 16, *[asks] * 80, *_OTHERS * 2, a_node_goes)


def plain(values: Sequence[Any]) -> Any:
    """Return effects as values that can be compared with those of another registry."""
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    match value:
        case Refusal():
            return value.code, value.message
        case Seat():
            return value.id, value.known_as
        case Struct():
            fields = [name for name in value.__struct_fields__ if name != "token"]  # it is known where it was made
            return type(value).__name__, [_plain(getattr(value, name)) for name in fields]
        case tuple() | list():
            return plain(value)
    return value


def lookalikes() -> list[Any]:
    """Return the effects of what several users have to do with: `I1` looks like `il` and like `ll`, which do not."""
    talk = Talk(users=5, operators="op", registration="operator", allow_plaintext=1)
    effects = [*talk.asks(1, commands.Nick("il")), *talk.asks(2, commands.Nick("ll"))]
    effects += [*talk.asks(3, commands.Nick("I1")), *talk.asks(3, commands.Ignore("I1"))]
    effects += [*talk.asks(1, commands.Say(("hello",))), *talk.asks(3, commands.Unignore("I1"))]
    for number in (4, 5):
        effects += talk.asks(number, commands.Ignore("il"))
    effects += [*talk.asks(1, commands.Say(("hello",)))]
    login = commands.Login("I1", SECRETS[0])
    for name, lineage in (("I1", "1"), ("il", "2"), ("ll", "3")):
        account = Account(name, "", lineage)
        talk.registry.accounts.add(account)
        if name == "I1":  # the others lose their nicks
            effects += talk.registry.log_in(talk.sessions[4], account)
            talk.registry.log_out(talk.sessions[4])
            talk.registry.accounts.remove("I1")
    effects += [*talk.asks(3, commands.Nick("I1")), *talk.asks(3, login)]
    for name in ("il", "ll"):
        talk.registry.accounts.remove(name)
        order_actions.mute_nick(talk.registry, Actor("op", "http", NOW), name, Wish(reason=name))
        order_actions.ban_target(talk.registry, Actor("op", "http", NOW), ("nick", name), Wish(reason=name))
    return [*effects, *talk.asks(3, commands.Nick("I1"))]


def digest(seed: int, count: int) -> str:
    """Return a digest of the effects of so many calls, and of the checkpoint after each hundred of them."""
    some, found = Random(seed), sha256(repr(plain(lookalikes())).encode())
    crowd = Crowd(some)
    for call in range(count):
        found.update(repr(plain(crowd.call(some))).encode())
        if call % 100 == 99:
            found.update(packed(taken(crowd.registry)))
    return found.hexdigest()


if __name__ == "__main__":
    print(digest(int(sys.argv[1]), int(sys.argv[2])))
