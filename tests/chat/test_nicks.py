"""Nicks: who may be called what, and what becomes free."""

from __future__ import annotations

import pytest

from gchat.chat.accounts import Accounts
from gchat.chat.limits import Limits
from gchat.chat.nicks import Names
from gchat.chat.order import Order
from gchat.chat.penalties import Penalty
from gchat.chat.session import Session
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import name_keys

NOW = 1.7e9


class Talk:
    """Sessions that are called by their addresses at first, as the registry does it."""

    def __init__(self) -> None:
        self.order = Order(Limits())
        self.names = Names(self.order, Accounts())

    def comes(self, port: int) -> Session:
        session = Session(port, f"127.0.0.1:{port}")
        self.names.give(session, session.address, frozenset((session.address,)))
        return session

    def refuses(self, session: Session, nick: str) -> Refusal:
        before = session.name, session.keys, session.has_nick
        with pytest.raises(Refusal) as refused:
            self.names.claim(session, nick, 32)
        assert (session.name, session.keys, session.has_nick) == before
        assert self.names.find(session.name) is session
        return refused.value


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_a_nick_is_found_in_any_case_and_the_address_is_free_again(talk: Talk) -> None:
    paul = talk.comes(1)
    talk.names.claim(paul, "Paul", 32)
    assert (paul.name, paul.has_nick) == ("Paul", True)
    assert talk.names.find("pAUL") is talk.names.find("Ｐaul") is paul
    assert talk.names.holder("127.0.0.1:1") is None
    with pytest.raises(Refusal) as refused:
        talk.names.find("127.0.0.1:1")
    assert refused.value.code is Code.NO_SUCH_USER


@pytest.mark.parametrize(
    ("nick", "why"),
    [("PAUL", "is taken"), ("Ｐaul", "is taken"), ("pau1", "looks like Paul's"), ("PauI", "looks like Paul's")],
)
def test_a_nick_that_is_or_looks_like_somebody_elses_is_refused(talk: Talk, nick: str, why: str) -> None:
    paul, bob = talk.comes(1), talk.comes(2)
    talk.names.claim(paul, "Paul", 32)
    refusal = talk.refuses(bob, nick)
    assert (refusal.code, why in str(refusal)) == (Code.NAME_TAKEN, True)


def test_a_user_may_write_its_own_nick_otherwise(talk: Talk) -> None:
    paul = talk.comes(1)
    for nick in ("paul", "PAUL", "pau1"):
        talk.names.claim(paul, nick, 32)
        assert paul.name == nick


@pytest.mark.parametrize("nick", ["", "two words", "x" * 33, "127.0.0.1:1", "<>", "\x1b[31m"])
def test_what_is_no_nick_is_none(talk: Talk, nick: str) -> None:
    assert talk.refuses(talk.comes(1), nick).code is Code.BAD_NAME


@pytest.mark.parametrize("nick", ["server", "Admin", "YOU", "ｙou"])
def test_a_reserved_nick_is_refused(talk: Talk, nick: str) -> None:
    assert talk.refuses(talk.comes(1), nick).code is Code.NAME_TAKEN


def test_a_banned_nick_and_its_lookalike_are_refused_with_the_reason(talk: Talk) -> None:
    talk.order.bans.add(Penalty(1, "nick", "mallory", "spam", NOW))
    for nick in ("mallory", "ma11ory"):
        refusal = talk.refuses(talk.comes(1), nick)
        assert refusal.code is Code.BANNED
        assert "spam" in str(refusal)


def test_of_a_name_that_was_given_up_every_key_is_free(talk: Talk) -> None:
    paul, bob = talk.comes(1), talk.comes(2)
    talk.names.claim(paul, "Paul", 32)
    assert not talk.names.are_free(name_keys("pau1"))
    talk.names.claim(paul, "Carol", 32)
    assert talk.names.are_free(name_keys("Paul"))
    talk.names.claim(bob, "paul", 32)
    talk.names.release(paul)
    assert paul.name == "Carol"  # what is still to be said of it has a name
    with pytest.raises(Refusal):
        talk.names.find("Carol")
    assert talk.names.find("paul") is bob


def test_to_release_a_session_twice_takes_no_name_from_its_new_holder(talk: Talk) -> None:
    paul, bob = talk.comes(1), talk.comes(2)
    talk.names.claim(paul, "Paul", 32)
    talk.names.release(paul)
    talk.names.claim(bob, "Paul", 32)
    talk.names.release(paul)
    assert talk.names.find("Paul") is bob


def test_a_lookalike_is_not_the_user_that_is_meant(talk: Talk) -> None:
    talk.names.claim(talk.comes(1), "Paul", 32)
    with pytest.raises(Refusal, match=r"No user named pau1; /who lists the users"):
        talk.names.find("pau1")


def test_when_all_are_cleared_every_name_is_free(talk: Talk) -> None:
    talk.names.claim(talk.comes(1), "Paul", 32)
    talk.names.clear()
    talk.names.claim(talk.comes(2), "Paul", 32)


def test_that_a_nick_is_taken_is_said_before_that_it_looks_like_others(talk: Talk) -> None:
    """Whatever order a set of keys has in this process."""
    for port, nick in enumerate(("lan", "ian"), 1):
        talk.names.claim(talk.comes(port), nick, 32)

    assert talk.refuses(talk.comes(3), "Ian").message == "The nick Ian is taken; choose another"


def test_what_is_restored_is_found_and_nothing_else_is(talk: Talk) -> None:
    old, new = talk.comes(1), talk.comes(2)
    talk.names.claim(new, "Ian", 32)
    talk.names.restore([new])

    assert [talk.names.holder(key) for key in ("ian", "lan", old.address)] == [new, new, None]
