"""The rooms side by side."""

from __future__ import annotations

from gchat.client.room_bar import MAX_PRIVATE, RoomBar
from gchat.model.hello import ResumePoint


def names(bar: RoomBar) -> list[str]:
    return [view.name for view in bar.listed]


def test_rooms_stand_in_the_order_of_entering_and_are_found_by_number_and_side() -> None:
    bar = RoomBar({"ops": ResumePoint("e", 4)})
    assert bar.beside(1) is bar.at(1) is None
    lobby, dev, ops = (bar.opened(room) for room in ("lobby", "dev", "ops"))
    assert bar.opened("dev") is bar.room("#Dev") is dev
    assert ops.place == ResumePoint("e", 4)
    assert bar.beside(1) is bar.at(1) is lobby
    bar.show(lobby)
    assert (bar.beside(1), bar.beside(-1), bar.at(3), bar.at(4), bar.at(0)) == (dev, ops, ops, None, None)


def test_rooms_are_arranged_before_private_conversations() -> None:
    bar = RoomBar({})
    bar.private("bob")
    bar.opened("dev")
    bar.opened("lobby")
    bar.arrange(["lobby", "ops", "dev"])
    assert names(bar) == ["lobby", "dev", "@bob"]


def test_when_the_room_that_is_shown_is_closed_what_was_shown_before_it_is_shown() -> None:
    bar = RoomBar({})
    lobby, dev, bob = bar.opened("lobby"), bar.opened("dev"), bar.private("bob")
    bar.show(lobby)
    bar.show(dev)
    bar.close(bob)
    assert bar.shown is dev
    bar.close(dev)
    assert bar.shown is lobby
    bar.close(lobby)
    assert bar.shown.name == ""
    assert bar.opened("dev") is dev


def test_a_private_conversation_is_no_room_and_goes_on_under_another_nick() -> None:
    bar = RoomBar({})
    bar.opened("lobby")
    bob = bar.private("BOB")
    assert [view.name for view in bar.others_than(["dev"])] == ["lobby"]
    assert bar.private("bob") is bob
    bar.renamed("bob", "rob")
    assert names(bar) == ["lobby", "@rob"]
    assert bob.partner == "rob"
    assert "@rob" not in bar.places


def test_private_conversations_are_bounded() -> None:
    bar = RoomBar({})
    bar.show(bar.private("shown"))
    unread = bar.private("unread")
    unread.hears(mentions=True)
    for number in range(2 * MAX_PRIVATE):
        bar.private(f"user{number}")
    assert len(bar.listed) == MAX_PRIVATE + 1
    assert [view.name for view in bar.listed[:2]] == ["@shown", "@unread"]
    assert bar.listed[-1].name == f"@user{2 * MAX_PRIVATE - 1}"


def test_the_title_counts_what_is_for_the_user_in_all_rooms() -> None:
    bar = RoomBar({})
    assert bar.title == "gchat"
    lobby, dev = bar.opened("lobby"), bar.opened("dev")
    bar.show(lobby)
    assert bar.title == "lobby - gchat"
    dev.hears(mentions=False)
    assert bar.title == "* lobby - gchat"
    dev.hears(mentions=True)
    lobby.hears(mentions=True)
    assert bar.title == "(2) lobby - gchat"
    dev.mark_read()
    lobby.mark_read()
    assert bar.title == "lobby - gchat"
