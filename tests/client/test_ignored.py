"""Ignored users, in a client: what they say is not shown, wherever it comes from."""

from __future__ import annotations

import pytest

from gchat.client.conversation.notices import Lost, Notice
from gchat.client.ignored import Ignored
from gchat.dialects.rich_events import (
    ActedEvent,
    AwayEvent,
    EnteredEvent,
    FoundEvent,
    InvitedEvent,
    LeftEvent,
    PageEvent,
    RenamedEvent,
    SaidEvent,
    ToldEvent,
    TopicSetEvent,
)
from gchat.model import commands


@pytest.fixture
def ignored() -> Ignored:
    """Alice's, who ignores bob."""
    ignored = Ignored()
    ignored.carry_out(commands.Ignore("Bob"), "alice")
    return ignored


def said(by: str, seq: int = 1) -> SaidEvent:
    return SaidEvent(room="lobby", seq=seq, time="", from_=by, text="hi")


def things_of(name: str) -> list[Notice]:
    return [
        said(name),
        ActedEvent(room="lobby", seq=1, time="", from_=name, text="waves"),
        TopicSetEvent(room="lobby", text="tea", from_=name, seq=1),
        ToldEvent(from_=name, time="", text="psst"),
        EnteredEvent(room="lobby", online=2, who=name),
        InvitedEvent(room="dev", by=name),
        LeftEvent(room="lobby", online=2, who=name),
        AwayEvent(room="lobby", who=name, reason="at lunch"),
        RenamedEvent(room="lobby", who=name, nick=f"{name}-2"),
    ]


def test_what_an_ignored_user_says_and_does_is_not_shown_and_all_else_is(ignored: Ignored) -> None:
    assert [ignored.heard(notice) for notice in things_of("bob")] == [None] * 9
    others = [
        *things_of("carol"),
        EnteredEvent(room="lobby", online=9, count=7),
        Lost("timed out", 1.0),
    ]
    assert [ignored.heard(notice) for notice in others] == others


def test_an_ignored_user_is_followed_to_another_name(ignored: Ignored) -> None:
    for room in ("lobby", "dev"):
        assert ignored.heard(RenamedEvent(room=room, who="bob", nick="rob")) is None

    assert ignored.heard(said("rob")) is None
    assert ignored.carry_out(commands.Ignore(), "alice") == "You ignore Bob (now rob)"


@pytest.mark.parametrize("kind", [PageEvent, FoundEvent])
def test_old_messages_of_an_ignored_user_are_left_out(ignored: Ignored, kind: type[PageEvent]) -> None:
    page = kind(room="lobby", events=(said("bob"), said("carol", 2), said("BOB", 3)), end=True)
    heard = ignored.heard(page)

    assert isinstance(heard, kind)
    assert heard.events == (said("carol", 2),)


def test_what_is_asked_is_answered(ignored: Ignored) -> None:
    assert ignored.carry_out(commands.Ignore("alice"), "alice") == "You cannot ignore yourself"
    assert ignored.carry_out(commands.Unignore("eve"), "alice") == "You do not ignore eve; /ignore lists the names"
    assert ignored.carry_out(commands.Unignore("bob"), "alice") == "You are shown again what bob says"
    assert ignored.carry_out(commands.Ignore(), "alice") == "You ignore nobody"
    assert ignored.heard(said("bob")) == said("bob")
