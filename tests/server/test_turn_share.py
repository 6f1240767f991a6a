"""The share of a turn: users who say much wait for each other, in the order in which they came."""

from __future__ import annotations

import gevent
import pytest

from gchat.server.turn_share import FULL_TURN, TurnShare


class Users:
    """Users who want into a turn, and the order in which they are let in."""

    def __init__(self) -> None:
        self.woken = 0
        self.share = TurnShare(self._wake)
        self.let_in: list[str] = []

    def wants(self, name: str, weight: int) -> gevent.Greenlet[[], None]:
        def wait() -> None:
            self.share.wait(weight)
            self.let_in.append(name)

        greenlet = gevent.spawn(wait)
        gevent.sleep(0)
        return greenlet

    def turn(self) -> list[str]:
        """Begin another turn; return who is let into it."""
        before = len(self.let_in)
        self.share.renew()
        gevent.sleep(0)
        return self.let_in[before:]

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def users() -> Users:
    return Users()


def test_nobody_waits_while_there_is_room(users: Users) -> None:
    for name in "abcd":
        users.wants(name, FULL_TURN // 4)

    assert users.let_in == ["a", "b", "c", "d"]
    assert users.share.left <= 0
    assert not users.share.is_wanted


def test_in_a_full_turn_users_wait_in_their_order_and_a_turn_comes_for_them(users: Users) -> None:
    for name in "abcdef":
        users.wants(name, FULL_TURN // 2)
    assert users.let_in == ["a", "b"]
    assert users.woken == 4

    assert users.turn() == ["c", "d"]
    assert users.turn() == ["e", "f"]
    assert users.turn() == []
    assert users.share.left > 0


def test_one_that_wants_more_than_a_turn_gets_one_and_later_ones_do_not_overtake(users: Users) -> None:
    users.share.left -= FULL_TURN
    users.wants("large", 3 * FULL_TURN)
    users.wants("small", 1)

    assert users.turn() == ["large"]
    users.wants("later", 1)
    assert users.turn() == ["small", "later"]


def test_one_that_is_ended_while_it_waits_takes_nothing(users: Users) -> None:
    users.share.left -= FULL_TURN
    ended = users.wants("ended", FULL_TURN)
    users.wants("next", 1)
    ended.kill()

    assert users.turn() == ["next"]
