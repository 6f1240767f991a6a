"""Admission: which peers are let in and which are turned away, and what a network has used, with the time given."""

from __future__ import annotations

import pytest

from gchat.chat.admission import TOLD_AT_ONCE, Admission, TurnedAway
from gchat.chat.effects import CloseReason
from gchat.chat.limits import Limits, Rates
from gchat.chat.networks import Network
from gchat.chat.penalties import Penalties, Penalty

RATES = Rates(messages_per_s=5, burst=40, bytes_per_s=1000, bytes_burst=8000)

MANY = 1000


def admits(admission: Admission, network: str, most: int = MANY) -> CloseReason | None:
    """Return why a peer is turned away, None if it is let in."""
    turned_away = admission.admit(f"{network}:50000", network, most)
    assert turned_away is None or turned_away.message
    return None if turned_away is None else turned_away.reason


def test_a_peer_for_which_there_is_no_place_is_turned_away_until_one_is_released() -> None:
    admission = Admission(Penalties(), Limits())

    assert admits(admission, "10.0.0.1", 1) is None
    assert admits(admission, "10.0.0.2", 1) is CloseReason.FULL
    admission.release("10.0.0.1", 0.0)
    assert admits(admission, "10.0.0.2", 1) is None


@pytest.mark.parametrize(
    ("most", "message"), [(1, "the limit is one connection; close"), (2, "the limit is 2 connections; close")]
)
def test_a_network_has_so_many_connections_unless_it_is_exempt(most: int, message: str) -> None:
    admission = Admission(Penalties(), Limits(connections_per_network=most, exempt="127.0.0.0/8"))
    for _ in range(most):
        assert admits(admission, "10.0.0.1") is None

    turned_away = admission.admit("10.0.0.1:50000", "10.0.0.1", MANY)
    assert turned_away is not None
    assert turned_away.reason is CloseReason.TOO_MANY
    assert message in turned_away.message
    assert admits(admission, "10.0.0.2") is None
    assert [admits(admission, "127.0.0.1") for _ in range(most + 1)] == [None] * (most + 1)


def test_a_few_banned_peers_are_heard_and_the_others_turned_away_at_once_with_the_reason() -> None:
    bans = Penalties()
    bans.add(Penalty(1, "address", "10.0.0.1", "rude", 0.0))
    admission = Admission(bans, Limits())

    assert [admits(admission, "10.0.0.1") for _ in range(TOLD_AT_ONCE)] == [None] * TOLD_AT_ONCE
    assert admission.admit("10.0.0.1:50000", "10.0.0.1", MANY) == TurnedAway(
        CloseReason.BANNED, "You are banned from this server permanently: rude"
    )
    assert admission.total == TOLD_AT_ONCE
    admission.release("10.0.0.1", 0.0)
    assert admits(admission, "10.0.0.1") is None


def test_the_peers_of_a_unix_socket_are_exempt() -> None:
    assert Admission(Penalties(), Limits()).network("unix:3", "") == Network("", is_exempt=True)
    assert Admission(Penalties(), Limits()).network("10.0.0.1:5", "10.0.0.1") == Network("10.0.0.1", is_exempt=False)


def test_what_a_network_spent_is_remembered_after_its_last_connection_until_it_is_allowed_again() -> None:
    admission, here = Admission(Penalties(), Limits(network_rates=RATES)), Network("203.0.113.7", is_exempt=False)
    assert admits(admission, here.name) is None
    allowance = admission.allowance(here, 0.0)
    assert allowance is not None
    allowance.lines = -5
    admission.release(here.name, 0.0)
    assert admits(admission, here.name) is None

    assert admission.allowance(here, 0.0) is allowance
    admission.release(here.name, 0.0)
    assert admits(admission, "10.0.0.1") is None
    admission.release("10.0.0.1", 20.0)
    assert not admission._allowances, "the table would grow for ever"
    assert not admission._unconnected


def test_an_exempt_network_has_no_allowance_and_neither_has_any_without_a_rate() -> None:
    assert Admission(Penalties(), Limits(network_rates=RATES)).allowance(Network("127.0.0.1"), 0.0) is None
    assert Admission(Penalties(), Limits()).allowance(Network("203.0.113.7", is_exempt=False), 0.0) is None


def test_connections_are_counted_by_network_and_forgotten_when_they_end() -> None:
    admission, one, other = Admission(Penalties(), Limits()), "10.0.0.1", "10.0.0.2"
    for network in (one, other, one):
        assert admits(admission, network) is None

    assert (admission.total, admission.of(one), admission.of(other), admission.of("10.0.0.3")) == (3, 2, 1, 0)
    for network in (one, other, one):
        admission.release(network, 0.0)
    assert (admission.total, admission.of(one), admission.of(other)) == (0, 0, 0)
    assert not admission._connections, "the table would grow for ever"


def test_users_of_the_same_network_at_other_nodes_count_as_well() -> None:
    admission = Admission(Penalties(), Limits(connections_per_network=3))
    elsewhere = {"192.0.2.7": 2}
    admission.elsewhere = lambda network: elsewhere.get(network, 0)

    assert admits(admission, "192.0.2.7") is None
    assert admits(admission, "192.0.2.7") is CloseReason.TOO_MANY
    assert admits(admission, "192.0.2.8") is None
    elsewhere.clear()
    assert admits(admission, "192.0.2.7") is None
