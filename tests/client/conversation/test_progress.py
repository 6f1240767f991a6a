"""Where a program that is started again goes on."""

from __future__ import annotations

from gchat.client.conversation.notices import Notice, Sent
from gchat.client.conversation.progress import Progress
from gchat.dialects.rich_events import JoinedEvent, TopicSetEvent
from gchat.model.hello import ResumePoint
from tests.client.conversation.test_conversation import gap, live, said, welcome


def place(*notices: Notice, after: ResumePoint | None = None) -> ResumePoint | None:
    taken = Progress(after)
    for notice in notices:
        taken.take(notice)
    return taken.after


def test_the_place_is_the_last_number_that_was_taken() -> None:
    assert place() is None
    assert place(welcome(4)) is None
    assert place(welcome(4), live(4)) == ResumePoint("e", 4)
    assert place(welcome(4), said(3)) == ResumePoint("e", 3)
    assert place(welcome(4), live(4), said(5), gap(6, 9)) == ResumePoint("e", 9)
    assert place(welcome(4), live(4), Sent("id", "lobby", 5, "x", action=False)) == ResumePoint("e", 5)


def test_the_place_does_not_go_back() -> None:
    own = Sent("id", "lobby", 3, "x", action=False)
    assert place(welcome(4), live(4), own) == ResumePoint("e", 4)
    assert place(welcome(4), live(4), TopicSetEvent(room="lobby", text="tea")) == ResumePoint("e", 4)


def test_a_place_that_was_given_stands_until_there_is_another() -> None:
    assert place(after=ResumePoint("e", 2)) == ResumePoint("e", 2)
    assert place(welcome(4), after=ResumePoint("e", 2)) == ResumePoint("e", 2)
    assert place(welcome(4), said(3), after=ResumePoint("e", 2)) == ResumePoint("e", 3)


def test_another_log_and_another_room_have_places_of_their_own() -> None:
    assert place(welcome(4, "new"), after=ResumePoint("e", 9)) is None
    assert place(welcome(4, "new"), live(4), after=ResumePoint("e", 9)) == ResumePoint("new", 4)
    joined = JoinedEvent(room="dev", epoch="d", seq=7, online=1)
    assert place(welcome(4), live(4), joined) is None
    assert place(welcome(4), live(4), joined, live(7, room="dev")) == ResumePoint("d", 7)
