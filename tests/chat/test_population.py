"""The steps in which users change: those that no test of registry, resume or logins looks at alone."""

from __future__ import annotations

from gchat.chat.accounts import Account
from gchat.chat.effects import CloseReason, Deliver
from gchat.chat.limits import Limits
from gchat.chat.registry import LOBBY, Registry
from gchat.model import commands, events
from gchat.model.hello import Hello
from tests.chat.talk import Talk


def test_everybody_is_admitted_where_no_login_is_required() -> None:
    session, _ = Registry(Limits()).connect("127.0.0.1:1")
    assert list(session.rooms) == [LOBBY]
    registry = Registry(Limits(login_required=True))
    session, effects = registry.connect("127.0.0.1:1")
    assert not session.rooms
    (welcome, *_) = [effect.answer for effect in effects if isinstance(effect, Deliver)]
    assert isinstance(welcome, events.Welcome)
    assert "logged in" in welcome.motd


def test_a_user_who_loses_a_nick_is_called_by_the_address_and_the_nick_is_free() -> None:
    talk = Talk(users=2)
    talk.asks(1, commands.Nick("alice"))
    talk.registry._unname(talk.sessions[1])

    assert (talk.sessions[1].name, talk.sessions[1].has_nick) == (talk.sessions[1].address, False)
    talk.asks(2, commands.Nick("alice"))
    assert talk.registry.find("alice") is talk.sessions[2]


def test_to_leave_twice_is_to_leave_once() -> None:
    talk = Talk(users=1)
    assert talk.leaves(1)
    assert talk.registry.leave(talk.sessions[1], CloseReason.ENDED) == []


def test_who_is_taken_over_ignores_nobody_any_more() -> None:
    """A program that logs in takes over a user of nc, and hides what it is to hide itself."""
    talk = Talk(users=2)
    talk.asks(1, commands.Nick("alice"))
    account = Account("alice", "", "a" * 32)
    talk.registry.accounts.add(account)
    talk.registry.log_in(talk.sessions[1], account)
    talk.asks(1, commands.Ignore(talk.sessions[2].name))
    talk.registry.connect("127.0.0.1:9", Hello(nick="alice"), "t" * 22, login=account, attempt=1)

    assert talk.registry.ignorers.of(talk.sessions[2]) is None
