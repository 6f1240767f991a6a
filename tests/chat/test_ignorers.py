"""Ignoring: who is deaf to whom, as users are renamed, come and go; against a naive model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gchat.chat.effects import Deliver, HearAgain, Presence, Publish
from gchat.model import commands, events
from gchat.model.errors import Code
from gchat.model.ignored_names import MAX_IGNORED
from tests.chat.talk import Talk, address, code


def answer(talk: Talk, number: int, command: commands.Command) -> str:
    (effect,) = talk.asks(number, command)
    assert isinstance(effect, Deliver)
    assert isinstance(effect.answer, events.Done)
    return effect.answer.message


def deaf(talk: Talk, number: int) -> tuple[int, ...]:
    """Return who does not hear what a user says."""
    said, acted = talk.asks(number, commands.Say(("x",)))[-1], talk.asks(number, commands.Act("x"))[-1]
    assert isinstance(said, Publish)
    assert isinstance(acted, Publish)
    assert said.unheard == acted.unheard
    return readers(said)


def readers(effect: Publish | Presence) -> tuple[int, ...]:
    """Return who ignores it."""
    if effect.unheard is None:
        return ()
    assert effect.unheard.by == effect.session
    assert effect.unheard.readers
    return effect.unheard.readers


def test_an_ignored_user_is_not_heard_by_that_one_until_it_is_taken_back() -> None:
    talk = Talk(users=3)
    talk.asks(2, commands.Nick("bob"))

    assert answer(talk, 1, commands.Ignore()) == "You ignore nobody"
    assert answer(talk, 1, commands.Ignore("BOB")) == "You are not shown what bob says any more; /unignore bob ends it"
    assert answer(talk, 1, commands.Ignore()) == "You ignore bob"
    assert deaf(talk, 2) == (1,)
    assert deaf(talk, 3) == ()
    assert talk.asks(1, commands.Unignore("bob")) == [
        HearAgain(1, (2,)),
        Deliver(1, events.Done("You are shown again what bob says")),
    ]
    assert deaf(talk, 2) == ()
    assert code(talk.asks(1, commands.Unignore("bob"))) is Code.NO_SUCH_USER


def test_of_several_that_are_ignored_only_the_one_who_is_taken_back_is_heard_again() -> None:
    talk = Talk(users=4)
    for number, nick in ((2, "bob"), (3, "eve"), (4, "bub")):
        talk.asks(number, commands.Nick(nick))
        answer(talk, 1, commands.Ignore(nick))
    talk.asks(2, commands.Nick("rob"))

    assert talk.asks(1, commands.Unignore("bob"))[0] == HearAgain(1, (2,))
    talk.leaves(3)
    assert talk.asks(1, commands.Unignore("eve"))[0] == HearAgain(1, ())


def test_a_user_without_a_nick_is_ignored_by_address_and_followed_to_a_nick() -> None:
    talk = Talk(users=2)
    answer(talk, 1, commands.Ignore(address(2)))
    talk.asks(2, commands.Nick("bob"))

    assert deaf(talk, 2) == (1,)
    talk.asks(2, commands.Nick("rob"))
    assert deaf(talk, 2) == (1,)
    assert answer(talk, 1, commands.Ignore()) == f"You ignore {address(2)} (now rob)"


def test_a_name_may_be_ignored_before_anybody_has_it_and_after_its_user_has_left() -> None:
    talk = Talk(users=3)
    answer(talk, 1, commands.Ignore("bob"))
    talk.asks(2, commands.Nick("bob"))
    assert deaf(talk, 2) == (1,)

    talk.leaves(2)
    talk.asks(3, commands.Nick("Bob"))
    assert deaf(talk, 3) == (1,)


def test_when_the_one_who_ignores_has_left_nobody_is_deaf_and_nothing_is_kept() -> None:
    talk = Talk(users=2)
    answer(talk, 1, commands.Ignore(address(2)))
    talk.leaves(1)

    assert deaf(talk, 2) == ()
    assert not talk.registry.ignorers.by_key


def test_presence_and_topics_of_an_ignored_user_are_not_told() -> None:
    talk = Talk(users=2)
    answer(talk, 1, commands.Ignore(address(2)))

    told = [
        *talk.asks(2, commands.Nick("bob")),
        *talk.asks(2, commands.BeAway("at lunch")),
        *talk.asks(2, commands.Topic("tea")),
        *talk.leaves(2),
    ]
    assert [readers(effect) for effect in told if isinstance(effect, Presence)] == [(1,)] * 3
    assert [readers(effect) for effect in told if isinstance(effect, Publish)] == [(1,)]


def test_the_sender_of_a_private_message_sees_no_difference() -> None:
    talk = Talk(users=3)
    before = talk.asks(2, commands.Tell(address(1), "psst"))
    answer(talk, 1, commands.Ignore(address(2)))
    (after,) = talk.asks(2, commands.Tell(address(1), "psst"))

    assert before == [talk.told(1, 2, "psst")]
    assert isinstance(after, Deliver)
    assert (after.ignored, after.sender, after.session) == (True, 2, 1)


def test_an_invitation_by_an_ignored_user_is_not_shown() -> None:
    talk = Talk(users=2)
    answer(talk, 1, commands.Ignore(address(2)))
    talk.asks(2, commands.Join("dev"))
    (invited,) = talk.asks(2, commands.Invite(address(1)))

    assert isinstance(invited, Deliver)
    assert (invited.ignored, invited.receipt) == (True, events.Done(f"{address(1)} is invited to dev"))


@pytest.mark.parametrize("name", [address(1), "a b", "", "x" * 200, "admin:1"])
def test_a_user_cannot_ignore_themselves_or_what_is_no_name(name: str) -> None:
    talk = Talk(users=1)

    if name:
        assert code(talk.asks(1, commands.Ignore(name))) is Code.BAD_NAME
    assert not talk.sessions[1].ignored


def test_there_are_only_so_many() -> None:
    talk = Talk(users=1)
    for number in range(MAX_IGNORED):
        answer(talk, 1, commands.Ignore(f"user-{number}"))

    assert code(talk.asks(1, commands.Ignore("one-more"))) is Code.TOO_MUCH


USERS = st.integers(1, 4)
NICKS = st.sampled_from(("ann", "bob", "bоb", "eve", "ian"))


class Deafness(RuleBasedStateMachine):
    """The index of those who are deaf, against asking each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk(users=4)
        self.gone: set[int] = set()

    @rule(user=USERS, nick=NICKS)
    def takes(self, user: int, nick: str) -> None:
        self.talk.asks(user, commands.Nick(nick))

    @rule(user=USERS, name=NICKS | USERS.map(address))
    def ignores(self, user: int, name: str) -> None:
        self.talk.asks(user, commands.Ignore(name))

    @rule(user=USERS, name=NICKS | USERS.map(address))
    def unignores(self, user: int, name: str) -> None:
        self.talk.asks(user, commands.Unignore(name))

    @rule(user=USERS)
    def leaves(self, user: int) -> None:
        if len(self.gone) < 3:
            self.gone.add(user)
            self.talk.leaves(user)

    @invariant()
    def those_are_deaf_who_ignore(self) -> None:
        registry = self.talk.registry
        for session in registry.sessions.values():
            naive = {
                other.id for other in registry.sessions.values() if (other.ignored and other.ignored.has(session.name))
            }
            found = registry.ignorers.of(session)
            assert set(found.readers if found else ()) == naive


TestDeafness = Deafness.TestCase
TestDeafness.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
