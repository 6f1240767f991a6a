"""Presence: told singly when few came or went, together when many did, and not too often."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat.effects import Presence, Unheard
from gchat.chat.presence import MAX_DELIVERIES_PER_S, MAX_TOLD_SINGLY, Gatherers, PresenceGatherer
from gchat.model.events import Away, Crowd, Entered, Left, Movement, Renamed


def gathered(*happened: tuple[int, Movement]) -> PresenceGatherer:
    gatherer = PresenceGatherer()
    members = 0
    for session, presence in happened:
        members = presence.online if isinstance(presence, Entered | Left) else members
        gatherer.add(session, presence, members)
    return gatherer


def told_by(gatherer: PresenceGatherer, now: float = 0.0) -> list[tuple[int | None, Movement]]:
    """Return what is told now, and to whom not; nobody ignores it."""
    gathered = gatherer.take(now)
    assert not any(unheard for _, _, unheard in gathered)
    return [(session, presence) for session, presence, _ in gathered]


def test_few_are_told_one_by_one_in_their_order() -> None:
    happened: list[tuple[int, Movement]] = [(1, Entered("a", 2)), (2, Left("b", 1)), (1, Renamed("a", "c"))]

    assert told_by(gathered(*happened)) == happened


def test_many_who_enter_become_one_line_for_everybody() -> None:
    gatherer = gathered(*((n, Entered(f"u{n}", 1000 + n)) for n in range(1, 58)))

    assert told_by(gatherer) == [(None, Crowd(Entered, 57, 1057))]


def test_each_kind_has_a_line_of_its_own_and_the_numbers_follow_from_each_other() -> None:
    entered = [(n, Entered(f"u{n}", 10 + n)) for n in (1, 2, 3, 4)]
    left = [(n, Left(f"v{n}", 14 - n)) for n in (1, 2, 3, 4)]

    told = told_by(gathered(*entered, *left))

    assert told == [(None, Crowd(Entered, 4, 14)), (None, Crowd(Left, 4, 10))]


def test_one_of_a_kind_among_many_is_named_and_does_not_hear_of_itself() -> None:
    entered = [(n, Entered(f"u{n}", 10 + n)) for n in (1, 2, 3, 4)]

    told = told_by(gathered(*entered, (9, Left("v", 13)), (8, Renamed("w", "x"))))

    assert told == [(None, Crowd(Entered, 4, 14)), (9, Left("v", 13)), (8, Renamed("w", "x"))]


def test_few_of_a_kind_among_many_are_named_with_numbers_that_follow_from_each_other() -> None:
    happened: list[tuple[int, Movement]] = [
        (1, Entered("a", 8)),
        (2, Left("b", 7)),
        (3, Entered("c", 8)),
        (4, Left("d", 7)),
    ]

    assert [p for _, p in told_by(gathered(*happened))] == [
        Entered("a", 8),
        Entered("c", 9),
        Left("b", 8),
        Left("d", 7),
    ]


def test_what_was_taken_is_not_told_again() -> None:
    gatherer = gathered((1, Entered("a", 1)))

    assert gatherer
    gatherer.take(0.0)
    assert not gatherer
    assert gatherer.take(0.0) == []


@pytest.mark.parametrize("online", [1, 50, 500, 15_000])
def test_a_larger_room_is_told_less_often(online: int) -> None:
    gatherer = gathered((1, Entered("a", online)))

    assert gatherer.wait_s(100.0) == 0, "the first is told at once"
    gatherer.take(100.0)
    assert gatherer.wait_s(100.0) == pytest.approx(online / MAX_DELIVERIES_PER_S)
    assert gatherer.wait_s(100.0 + online / MAX_DELIVERIES_PER_S) == 0


def test_a_change_of_names_waits_as_long_as_the_room_is_large() -> None:
    gatherer = PresenceGatherer()
    gatherer.add(1, Renamed("a", "b"), 400)
    gatherer.take(0.0)
    gatherer.add(1, Renamed("a", "b"), 400)

    assert gatherer.wait_s(0.0) == pytest.approx(0.4)
    gatherer.take(0.4)
    assert gatherer.wait_s(0.4) == pytest.approx(0.4)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from((Entered, Left, Renamed, Away))), st.integers(0, 2000))
def test_nobody_is_forgotten_and_the_last_number_online_is_the_true_one(
    kinds: list[type[Entered | Left | Renamed | Away]], online: int
) -> None:
    gatherer = PresenceGatherer()
    for session, kind in enumerate(kinds, 1):
        if kind in (Renamed, Away):
            gatherer.add(session, kind(f"u{session}", "x"), online)
        else:
            online = max(0, online + (1 if kind is Entered else -1))
            presence = Entered(f"u{session}", online) if kind is Entered else Left(f"u{session}", online)
            gatherer.add(session, presence, online)

    told = [presence for _, presence in told_by(gatherer)]

    for kind in (Entered, Left, Renamed, Away):
        counted = [one.count if isinstance(one, Crowd) else 1 for one in told if kind in (type(one), _kind(one))]
        assert sum(counted) == kinds.count(kind)
    numbers = [one.online for one in told if not isinstance(one, Renamed | Away) and _kind(one) in (Entered, Left)]
    assert not numbers or numbers[-1] == online
    assert len(told) <= 4 * MAX_TOLD_SINGLY


def test_what_is_told_singly_waits_as_long_as_its_rooms_together_and_keeps_its_order() -> None:
    gatherers = Gatherers()
    effects = [Presence("a", 1, Entered("x", 300), 300), Presence("b", 1, Entered("x", 200), 200)]
    for effect in effects:
        gatherers.gather(effect, singly=True)
    assert gatherers.singly_is_due(0.0)
    assert gatherers.take_singly(0.0) == effects
    for room in ("a", "b"):
        gatherers.take(room, 0.0)
    gatherers.gather(effects[1], singly=True)

    assert not gatherers.singly_is_due(0.4)
    assert gatherers.singly_is_due(0.5)
    assert gatherers.wait_s(0.0) == pytest.approx(0.2), "room b alone may be told before"
    assert "b" in gatherers.waiting
    gatherers.take("b", 0.3)
    assert "b" in gatherers.waiting, "it is not told singly yet"
    assert gatherers.take_singly(0.5) == effects[1:]
    assert not gatherers.waiting


def _kind(presence: Movement) -> type:
    return presence.kind if isinstance(presence, Crowd) else type(presence)


def test_those_who_ignore_a_user_are_not_told_unless_the_user_is_one_of_many() -> None:
    gatherer, unheard = PresenceGatherer(), Unheard(1, (7,))
    gatherer.add(1, Left("bob", 2), 2, unheard)
    assert gatherer.take(0.0) == [(1, Left("bob", 2), unheard)]
    for session in range(2, 7):
        gatherer.add(session, Left(f"u{session}", 9 - session), 9 - session, unheard)
    assert gatherer.take(9.0) == [(None, Crowd(Left, 5, 3), None)]
