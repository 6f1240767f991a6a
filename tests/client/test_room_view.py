"""What belongs to one room on the screen."""

from __future__ import annotations

from gchat.client.room_view import KEPT_MESSAGES, RoomView
from gchat.client.timeline import rule
from gchat.model.hello import ResumePoint
from tests.client.shown import texts


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


def kept(view: RoomView, *numbers: int, on_screen: bool = False) -> None:
    for number in numbers:
        view.keep([[("", f"line {number}")]], number, on_screen=on_screen)


def test_what_was_said_meanwhile_is_shown_behind_the_end_of_what_was_seen() -> None:
    view = RoomView("dev")
    view.enter("e")
    assert texts(view.reveal()) == ["── dev ──"]
    kept(view, *range(1, 9), on_screen=True)
    kept(view, 9, 10)
    assert view.place == ResumePoint("e", 8)
    seen = [f"line {number}" for number in range(4, 9)]
    assert texts(view.reveal()) == ["── dev ──", *seen, "── new ──", "line 9", "line 10"]
    assert view.place == ResumePoint("e", 10)
    assert texts(view.reveal()) == ["── dev ──", *(f"line {number}" for number in range(6, 11)), "── now ──"]


def test_a_room_that_is_shown_for_the_first_time_has_its_own_rules() -> None:
    view = RoomView("dev")
    kept(view, 1, 2)
    view.keep([rule("now")], 0, on_screen=False)
    assert texts(view.reveal()) == ["── dev ──", "line 1", "line 2", "── now ──"]
    kept(view, 3)
    assert texts(view.reveal()) == ["── dev ──", "line 1", "line 2", "── new ──", "line 3"]


def test_what_was_said_before_the_first_visit_is_not_new_at_the_next_one_though_it_was_never_shown() -> None:
    view = RoomView("dev")
    view.enter("e")
    assert view.replays(7) == "earlier"
    kept(view, 7)
    view.goes_live(7)
    assert view.place == ResumePoint("e", 7)
    kept(view, 8)
    view.goes_live(8)
    assert view.place == ResumePoint("e", 7)


def test_what_is_no_longer_kept_is_counted() -> None:
    view = RoomView("dev")
    view.enter("e")
    view.reveal()
    kept(view, 1, on_screen=True)
    kept(view, *range(2, KEPT_MESSAGES + 12))
    shown = texts(view.reveal())
    assert shown[1:3] == ["── new; 10 more: /history 2 ──", "line 12"]
    assert len(shown) == KEPT_MESSAGES + 2


def test_all_that_is_kept_can_be_shown_again() -> None:
    view = RoomView("@bob")
    kept(view, 0, 0, on_screen=True)
    assert texts(view.history()) == ["── @bob ──", "line 0", "line 0", "── now ──"]
    assert view.partner == "bob"


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
