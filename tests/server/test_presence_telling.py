"""Presence, as it is told: gathered for most dialects, singly for one that is told once what several rooms are."""

from __future__ import annotations

from typing import Any

import pytest

from gchat.chat.effects import Presence, Unheard
from gchat.chat.presence import MAX_TOLD_SINGLY
from gchat.model.audience import Where
from gchat.model.events import Crowd, Entered, Left, Renamed
from gchat.server.fanout import FanOut
from gchat.server.presence_telling import PresenceTelling
from tests.dialects import postcard
from tests.server.test_fanout import Idle


class Turn:
    """The pump, as far as the telling of presence knows it; and what it was told, singly or not."""

    def __init__(self) -> None:
        self.connections: dict[int, Any] = {}
        self.fan_out = FanOut({}, 1 << 20, Idle())
        self.outcomes: list[tuple[str, object]] = []
        self.singly: list[tuple[str, object, int]] = []
        self.fan_out.append_presence = self.append  # type: ignore[method-assign,assignment]

    def append(self, room: str, event: object, _speaker: object, _unheard: Unheard | None, repeated: Any) -> None:
        if repeated is None:
            self.outcomes.append((room, event))
        else:
            self.singly.append((room, event, id(repeated)))

    def wake(self) -> None:
        raise AssertionError

    def shown(self, room: str, event: object) -> None:
        assert (room, event) in self.outcomes


@pytest.fixture
def turn() -> Turn:
    turn = Turn()
    for room in ("a", "b"):
        turn.fan_out.log(Where(room), postcard, 1)
    return turn


def test_what_several_rooms_are_told_is_told_singly_at_once_and_as_one(turn: Turn) -> None:
    telling = PresenceTelling(turn)
    for room in ("a", "b"):
        telling.gather(Presence(room, 1, Renamed("x", "y"), 2, among=("a", "b")))
    telling.gather(Presence("b", 1, Left("y", 1), 1))
    telling.tell("b")

    assert [(room, event) for room, event, _ in turn.singly] == [
        ("a", Renamed("x", "y")),
        ("b", Renamed("x", "y")),
        ("b", Left("y", 1)),
    ]
    assert turn.singly[0][2] == turn.singly[1][2] != turn.singly[2][2]
    assert turn.outcomes == [("b", Renamed("x", "y")), ("b", Left("y", 1))], "room a is told in its time"


def test_many_are_told_singly_and_together_to_others(turn: Turn) -> None:
    telling = PresenceTelling(turn)
    entered = [Entered(f"u{number}", number) for number in range(1, MAX_TOLD_SINGLY + 2)]
    for number, event in enumerate(entered):
        telling.gather(Presence("a", number, event, event.online))
    assert telling.is_due()
    telling.tell_due()

    assert [event for _, event, _ in turn.singly] == entered
    assert turn.outcomes == [("a", Crowd(Entered, len(entered), len(entered)))]
    telling.tell("a")
    telling.tell_due()
    assert len(turn.outcomes) == 1, "what was told is not told again"


def test_where_nobody_is_told_singly_nothing_is_kept_for_it() -> None:
    turn = Turn()
    telling = PresenceTelling(turn)
    telling.gather(Presence("a", 1, Entered("x", 1), 1))
    telling.tell("a")

    assert (turn.singly, turn.outcomes) == ([], [("a", Entered("x", 1))])
