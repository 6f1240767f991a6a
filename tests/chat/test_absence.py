"""Being away: what the others are told of it, once, and what ends it."""

from __future__ import annotations

import pytest

from gchat.chat.absence import MAX_LISTED_REASON, MAX_TOLD, Absence
from gchat.chat.disconnected import RECONNECT_GRACE_S
from gchat.chat.effects import Deliver, Effect, Presence, SaveSession
from gchat.chat.handlers import surcharge
from gchat.chat.moderation import MAX_REASON
from gchat.chat.registry import LOBBY
from gchat.model import commands, events
from gchat.model.errors import Code
from gchat.model.hello import Hello
from tests.chat.talk import Talk, address, code


def said_to(effects: list[Effect], number: int) -> list[str]:
    """Return the sentences that one user gets."""
    return [
        effect.answer.message
        for effect in effects
        if isinstance(effect, Deliver) and effect.session == number and isinstance(effect.answer, events.Done)
    ]


def test_a_user_who_is_away_is_told_to_the_room_and_so_is_the_return() -> None:
    talk = Talk(users=2)
    name = address(1)

    assert talk.asks(1, commands.BeAway("at lunch", id="a")) == [
        Deliver(1, events.Done("You are away: at lunch; /back ends it", "a")),
        Presence(LOBBY, 1, events.Away(name, "at lunch"), 2),
    ]
    assert talk.asks(1, commands.BeAway("at lunch")) == [
        Deliver(1, events.Done("You are away: at lunch; /back ends it"))
    ], "it is no news"
    assert talk.asks(1, commands.BeAway("at tea"))[1] == Presence(LOBBY, 1, events.Away(name, "at tea"), 2)
    assert talk.asks(1, commands.BeAway()) == [
        Deliver(1, events.Done("You are back")),
        Presence(LOBBY, 1, events.Away(name, ""), 2),
    ]
    assert talk.asks(1, commands.BeAway()) == [Deliver(1, events.Done("You are back"))]


def test_speaking_does_not_end_it() -> None:
    talk = Talk(users=1)
    talk.asks(1, commands.BeAway("at lunch"))
    talk.asks(1, commands.Say(("one more thing",)))

    assert talk.sessions[1].away == "at lunch"


def test_who_says_who_is_away_and_cuts_a_long_reason() -> None:
    talk = Talk(users=3)
    talk.asks(1, commands.BeAway("at lunch"))
    talk.asks(3, commands.BeAway("x" * MAX_REASON))
    (who,) = talk.asks(2, commands.Who())

    assert isinstance(who, Deliver)
    assert isinstance(who.answer, events.Users)
    assert who.answer.away == ((address(1), "at lunch"), (address(3), "x" * (MAX_LISTED_REASON - 1) + "…"))


def test_a_user_who_writes_to_one_that_is_away_is_told_so_once_in_each_absence() -> None:
    talk = Talk(users=3)
    talk.asks(2, commands.Nick("bob"))
    talk.asks(2, commands.BeAway("at lunch"))
    tell = commands.Tell("bob", "psst")

    assert talk.asks(1, tell) == [talk.told(2, 1, "psst"), Deliver(1, events.Done("bob is away: at lunch"))]
    assert said_to(talk.asks(1, tell), 1) == []
    assert said_to(talk.asks(3, tell), 3) == ["bob is away: at lunch"]
    talk.asks(2, commands.Tell(address(3), "later"))
    assert said_to(talk.asks(3, commands.Reply("fine")), 3) == [], "and told already"
    talk.asks(2, commands.BeAway())
    assert said_to(talk.asks(1, tell), 1) == []
    talk.asks(2, commands.BeAway("at tea"))
    assert said_to(talk.asks(1, tell), 1) == ["bob is away: at tea"]


def test_a_reason_that_is_too_long_is_refused() -> None:
    talk = Talk(users=1)

    assert code(talk.asks(1, commands.BeAway("x" * (MAX_REASON + 1)))) is Code.BAD_COMMAND
    assert talk.sessions[1].away == ""


def test_it_costs_what_a_nick_costs() -> None:
    talk = Talk(users=250)

    def price(command: commands.Nick | commands.BeAway) -> int:
        return surcharge(talk.registry, command, talk.asks(1, command))

    assert price(commands.BeAway("at lunch")) == price(commands.Nick("bob")) == 3


def test_a_user_who_comes_back_after_a_lost_connection_or_a_restart_is_still_away() -> None:
    talk = Talk()
    old, _ = talk.registry.connect(address(1), Hello(nick="alice"), "t" * 22)
    talk.sessions[1] = old
    effects = talk.asks(1, commands.BeAway("at lunch"))
    saved = {effect.lineage: effect.who for effect in effects if isinstance(effect, SaveSession)}

    new, _ = talk.registry.connect(address(2), Hello(token="t" * 22), attempt=1)
    assert new.away == "at lunch"

    other = Talk()
    other.registry.restore({lineage: who for lineage, who in saved.items() if who is not None}, 0.0)
    again, _ = other.registry.connect(address(3), Hello(token="t" * 22), now=RECONNECT_GRACE_S / 2)
    assert (again.name, again.away) == ("alice", "at lunch")


def test_a_user_who_enters_a_room_is_told_to_be_away_there() -> None:
    talk = Talk(users=1)
    talk.asks(1, commands.BeAway("at lunch"))

    told = [effect.presence for effect in talk.asks(1, commands.Join("dev")) if isinstance(effect, Presence)]
    assert told[-2:] == [events.Entered(address(1), 1), events.Away(address(1), "at lunch")]


@pytest.mark.parametrize("writers", [1, MAX_TOLD, 3 * MAX_TOLD])
def test_what_is_remembered_of_an_absence_is_bounded(writers: int) -> None:
    absence = Absence("at lunch")

    assert all(absence.is_news_to(writer) for writer in range(writers))
    assert not absence.is_news_to(writers - 1)
    assert len(absence._told) <= MAX_TOLD
