"""What belongs to one room on the screen."""

from __future__ import annotations

from gchat.client.room_view import RoomView
from gchat.model.hello import ResumePoint


def titles(view: RoomView, *numbers: int) -> list[str]:
    return [view.replays(number) for number in numbers]


def test_what_is_replayed_at_the_first_visit_is_old() -> None:
    view = RoomView("lobby")
    view.enter("e")
    assert not view.is_live
    assert titles(view, 4, 5) == ["earlier", ""]
    assert view.is_old
    assert view.goes_live()
    assert view.is_live
    assert not view.is_old


def test_what_was_said_since_the_last_visit_is_new() -> None:
    view = RoomView("lobby", ResumePoint("e", 5))
    view.enter("e")
    assert titles(view, 4, 5) == ["earlier", ""]
    assert view.is_old
    assert titles(view, 6, 7) == ["new since you left", ""]
    assert not view.is_old
    assert not view.is_live


def test_new_messages_that_are_not_replayed_are_counted() -> None:
    view = RoomView("lobby", ResumePoint("e", 5))
    view.enter("e")
    assert titles(view, 1206, 1207) == ["new since you left; 1,200 more: /history 6", ""]


def test_numbers_of_another_log_say_nothing_about_what_is_new() -> None:
    view = RoomView("lobby", ResumePoint("e1", 5))
    view.enter("e2")
    assert titles(view, 6) == ["earlier"]


def test_a_room_in_which_nothing_was_said_has_no_rules() -> None:
    view = RoomView("lobby")
    view.enter("e")
    assert not view.goes_live()
    assert view.is_live


def test_each_room_keeps_its_half_typed_line() -> None:
    lobby, dev = RoomView("lobby"), RoomView("dev")
    lobby.topic = "Tea"
    assert lobby.swap_draft(dev, "half a line") == ""
    assert lobby.topic == "Tea"
    assert dev.swap_draft(lobby, "for dev") == "half a line"
    assert lobby.swap_draft(dev, "") == "for dev"


def test_the_place_goes_on_with_what_is_seen_and_never_back() -> None:
    view = RoomView("lobby")
    view.enter("e")
    for number in (4, 7, 5):
        view.sees(number)
    assert view.place == ResumePoint("e", 7)
    view.enter("e")
    assert titles(view, 8) == ["new since you left"]
    view.enter("another")
    assert view.place == ResumePoint("another", 0)


def test_the_title_counts_what_is_for_the_user_until_a_key_is_pressed() -> None:
    view = RoomView("lobby")
    assert view.title == "lobby"
    view.hears(mentions=False)
    assert view.title == "* lobby"
    view.hears(mentions=True)
    view.hears(mentions=True)
    assert view.title == "(2) lobby"
    view.mark_read()
    assert view.title == "lobby"


def test_another_log_under_a_room_that_goes_on_begins_anew() -> None:
    view = RoomView("lobby")
    view.enter("e")
    view.sees(7)
    view.last_mention = 5
    view.goes_on("e")
    assert (view.place, view.last_mention) == (ResumePoint("e", 7), 5)
    view.goes_on("another")
    view.sees(2)
    assert (view.place, view.last_mention) == (ResumePoint("another", 2), 0)
