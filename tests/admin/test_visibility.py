"""What each scope sees of a value."""

from __future__ import annotations

import pytest

from gchat.admin.access import Scope
from gchat.admin.documents import RoomSummary, UserInfo
from gchat.admin.happenings import Happened, RoomMessage, UserJoined, UserLeft
from gchat.admin.visibility import GRANTED, visible

ADDRESS = "127.0.0.1:5000"


def user(nick: str, *rooms: str) -> UserInfo:
    return UserInfo(1, nick, ADDRESS, rooms[-1] if rooms else "lobby", rooms, "plain", 1.0, 1.0, 3, 0, 0)


def is_secret(room: str) -> bool:
    return room == "vault"


@pytest.mark.parametrize("scope", Scope)
def test_the_address_of_a_user_with_a_nick_is_for_those_with_a_token(scope: Scope) -> None:
    expected = ADDRESS if scope >= Scope.READ else ""
    for value in (user("alice"), UserJoined(1, "alice", ADDRESS, "lobby")):
        shown = visible(value, scope, is_secret)
        assert shown is not None
        assert shown.address == expected
        assert (shown.nick, shown.room) == ("alice", "lobby")
        assert value.address == ADDRESS


@pytest.mark.parametrize("scope", Scope)
def test_a_user_without_a_nick_is_called_by_its_address_everywhere(scope: Scope) -> None:
    for value in (user(ADDRESS), UserJoined(1, ADDRESS, ADDRESS, "lobby")):
        assert visible(value, scope, is_secret) == value


@pytest.mark.parametrize("scope", Scope)
def test_what_is_said_is_for_those_with_a_token_and_who_left_is_for_everybody(scope: Scope) -> None:
    said: Happened = RoomMessage("lobby", 1, "said", "alice", "hello")
    left: Happened = UserLeft(1, "alice", "quit")
    assert visible(said, scope, is_secret) == (said if scope >= Scope.READ else None)
    assert visible(left, scope, is_secret) == left


@pytest.mark.parametrize("scope", Scope)
def test_a_secret_room_is_for_those_with_a_token(scope: Scope) -> None:
    shown = visible(user("alice", "dev", "vault"), scope, is_secret)
    assert shown is not None
    assert (shown.room, shown.rooms) == (("vault", ("dev", "vault")) if scope >= Scope.READ else ("", ("dev",)))
    joined = visible(UserJoined(1, ADDRESS, ADDRESS, "vault"), scope, is_secret)
    assert joined is not None
    assert joined.room == ("vault" if scope >= Scope.READ else "")
    vault, dev = RoomSummary("vault", 1, 1, ""), RoomSummary("dev", 1, 1, "")
    assert visible(vault, scope, is_secret) == (vault if scope >= Scope.READ else None)
    assert visible(dev, scope, is_secret) == dev


def test_each_scope_is_told_what_it_is() -> None:
    assert [GRANTED[scope].scope for scope in Scope] == ["none", "read", "moderate", "all"]
    assert "Authorization: Bearer TOKEN" in GRANTED[Scope.NONE].note
