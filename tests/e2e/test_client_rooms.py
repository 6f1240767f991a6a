"""gchat-client in several rooms at once, and in private conversations."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gchat.client.room_view import KEPT_MESSAGES
from tests.e2e.harness import Server, wait_until
from tests.e2e.restarted import Restarted, kills
from tests.e2e.terminals import Terminal


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=4) as server:
        yield server


def settles(directory: Path, *rooms: str) -> None:
    """Write the settings of a user of these rooms."""
    path = directory / ".config" / "gchat" / "client.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{room}"' for room in rooms)
    path.write_text(f"rooms = [{names}]\n")


def member(directory: Path, server: Server, nick: str, *rooms: str, vi: bool = False) -> Terminal:
    """Return the terminal of a user who is in these rooms."""
    settles(directory, *rooms)
    return Terminal(directory, server, "--nick", nick, *(["--vi"] if vi else []), room=rooms[0])


def told(screen: Terminal) -> list[str]:
    """Return the lines of the conversation without their times."""
    return [line if line.startswith("──") else line[6:].strip() for line in screen.history]


# --- Rooms -----------------------------------------------------------------------------------------------------------


def test_what_is_said_in_another_room_is_counted_and_shown_when_one_turns_to_it(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "c-dev") as bob, member(tmp_path, server, "ann", "c-lobby", "c-dev") as ann:
        ann.shows("[1:c-lobby]  2:c-dev │ 1 online │ ")
        bob.says("one", "two", "ann: three")
        ann.shows("[1:c-lobby]  2:c-dev 3! │")
        wait_until(lambda: ann.has_rung, "a mention elsewhere rings the bell")
        ann.shows("two", times=0)
        ann.presses("M-2")
        ann.shows("1:c-lobby  [2:c-dev] │ 2 online")
        ann.shows_line("[bob] ann: three")
        assert told(ann)[-6:-2] == ["── c-dev ──", "[bob] one", "[bob] two", "[bob] ann: three"]
        ann.says("four")
        ann.shows_line("[ann] four")
        bob.sees("[ann] four")
        ann.presses("M-Left")
        ann.shows("[1:c-lobby]  2:c-dev │ 1 online")
        bob.says("five")
        ann.shows("[1:c-lobby]  2:c-dev 1 │")
        ann.presses("M-Right")
        ann.shows_line("[bob] five")
        seen = ["[bob] one", "[bob] two", "[bob] ann: three", "[ann] four"]
        assert told(ann)[-9:-2] == ["── c-dev ──", *seen, "── new ──", "[bob] five"]
        bob.says("six")
        ann.shows_line("[bob] six")


def test_each_room_keeps_its_half_typed_line_and_a_key_right_behind_is_for_the_next_room(
    server: Server, tmp_path: Path
) -> None:
    with (
        server.join("bob", "h-dev") as bob,
        server.join("eve", "h-lobby") as eve,
        member(tmp_path, server, "ann", "h-lobby", "h-dev") as ann,
    ):
        ann.shows("[1:h-lobby]  2:h-dev │ 2 online")
        ann.types("for the lobby")
        ann.shows("[ann] for the lobby")
        ann.sends(b"\x1b2x")
        ann.shows("[2:h-dev]")
        ann.types("yz")
        ann.shows("[ann] xyz")
        ann.presses("M-1")
        ann.shows("[ann] for the lobby")
        ann.presses("Enter")
        assert eve.sees("[ann]") == "[ann] for the lobby"
        ann.presses("M-2")
        ann.shows("[ann] xyz")
        ann.presses("Enter")
        assert bob.sees("[ann]") == "[ann] xyz"


def test_join_keeps_the_other_rooms_and_part_leaves_one(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "j-lobby") as bob, member(tmp_path, server, "ann", "j-lobby") as ann:
        ann.shows(" j-lobby │ 2 online")
        ann.says("/join j-dev")
        ann.shows(" 1:j-lobby  [2:j-dev] │ 1 online")
        ann.says("/join #J-Lobby")
        ann.shows(" [1:j-lobby]  2:j-dev │ 2 online")
        ann.says("/part j-dev")
        ann.shows(" j-lobby │ 2 online")
        ann.says("/join j-dev")
        ann.shows(" 1:j-lobby  [2:j-dev] │ 1 online")
        ann.says("/who")
        ann.shows_line("> In j-dev (1 user online): ann (you)")
        ann.says("/part")
        ann.shows(" j-lobby │ 2 online")
        ann.says("still here")
        assert bob.sees("[ann]") == "[ann] still here"
        ann.says("/part")
        ann.shows(" in no room │ ")


def test_a_user_who_is_put_out_of_another_room_is_told_where_the_user_is(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "k-dev") as bob, member(tmp_path, server, "ann", "k-lobby", "k-dev") as ann:
        ann.shows("[1:k-lobby]  2:k-dev │ 1 online")
        bob.says("/kick ann too loud")
        ann.shows_line("> bob put you out of k-dev: too loud")
        ann.shows(" k-lobby │ 1 online")


def test_a_room_that_cannot_be_entered_is_not_in_the_bar(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "r-key") as bob:
        bob.says("/mode +i")
        bob.sees("> bob made r-key invite-only")
        with member(tmp_path, server, "ann", "r-lobby", "r-key", "r-dev") as ann:
            ann.shows("[1:r-lobby]  2:r-dev │")
            ann.shows("> r-key is invite-only; one of its operators can invite you")


def test_what_is_more_than_is_kept_is_counted_with_the_way_to_it(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "m-dev") as bob, member(tmp_path, server, "ann", "m-lobby", "m-dev") as ann:
        ann.shows("[1:m-lobby]  2:m-dev │")
        ann.presses("M-2")
        bob.says("seen")
        ann.shows_line("[bob] seen")
        ann.presses("M-1")
        ann.shows("[1:m-lobby]  2:m-dev │")
        bob.says(*(f"line {number}" for number in range(KEPT_MESSAGES + 30)))
        ann.shows(f"2:m-dev {KEPT_MESSAGES + 30} │")
        ann.presses("M-2")
        ann.shows_line(f"[bob] line {KEPT_MESSAGES + 29}")
        lines = told(ann)
        start = lines.index("── new; 30 more: /history 2 ──")
        assert lines[start + 1 : start + 1 + KEPT_MESSAGES] == [
            f"[bob] line {number}" for number in range(30, KEPT_MESSAGES + 30)
        ]


def test_on_a_narrow_screen_the_rooms_come_first(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "n-c") as bob, member(tmp_path, server, "ann", "n-a", "n-b", "n-c") as ann:
        ann.resizes(40, 12)
        ann.shows(" [1:n-a]  2:n-b  3:n-c │ 1 online")
        bob.says("one", "ann: two")
        ann.shows(" [1:n-a]  2:n-b  3:n-c 2! │ 1 online")
        ann.says("/join a-room-with-a-long-name")
        ann.shows(" 3:n-c 2!  [4:a-room-with-a-long-name]")


def test_vi_has_keys_for_the_rooms_beside(server: Server, tmp_path: Path) -> None:
    with member(tmp_path, server, "ann", "v-a", "v-b", vi=True) as ann:
        ann.shows("[1:v-a]  2:v-b")
        ann.presses("M-Right")
        ann.shows("1:v-a  [2:v-b]")


def test_all_rooms_come_back_after_a_crash_of_the_server_with_nothing_missed_or_doubled(tmp_path: Path) -> None:
    restarted = Restarted(tmp_path / "history.db")
    with ExitStack() as ends:
        with restarted.runs() as server:
            ann = ends.enter_context(member(tmp_path, server, "ann", "lobby", "dev", "ops"))
            ann.shows("[1:lobby]  2:dev  3:ops │")
            with server.join("bob", "dev") as bob, server.join("eve", "ops") as eve:
                bob.says("dev before")
                eve.says("ops before")
                ann.shows("[1:lobby]  2:dev 1  3:ops 1 │")
                kills(server)
        ann.shows("next attempt in")
        ann.presses("M-2")
        ann.shows_line("[bob] dev before")
        ann.says("typed in dev")
        ann.shows("⋯ typed in dev")
        ann.presses("M-1")
        ann.says("typed in lobby")
        with restarted.runs() as server, server.join("bill", "dev") as bill, server.join("emma", "ops") as emma:
            bill.says("dev after")
            emma.says("ops after")
            ann.shows_line("[ann] typed in lobby")
            ann.shows("[1:lobby]  2:dev 1  3:ops 2 │")
            ann.presses("M-2")
            ann.shows_line("[bill] dev after")
            ann.presses("M-3")
            ann.shows_line("[emma] ops after")
            ann.says("and here")
            assert emma.sees("[ann]") == "[ann] and here"
            lines = told(ann)
            for text in ("[bill] dev after", "[eve] ops before", "[emma] ops after", "[ann] typed in dev"):
                assert lines.count(text) == 1, text
            ann.presses("C-d")
            ann.ended()


def test_a_room_that_is_closed_meanwhile_leaves_the_bar_at_a_reconnect(tmp_path: Path) -> None:
    with ExitStack() as ends:
        with Server(limits_messages_per_s=0) as first:
            ann = ends.enter_context(member(tmp_path, first, "ann", "lobby", "dev"))
            ann.shows("[1:lobby]  2:dev │")
            ann.presses("M-2")
            ann.shows("[2:dev]")
            os.kill(ann.pid, signal.SIGSTOP)
            kills(first)
        with Server(port=first.port, limits_messages_per_s=0) as second, second.join("bob", "dev") as bob:
            bob.says("/mode +i")
            bob.sees("> bob made dev invite-only")
            os.kill(ann.pid, signal.SIGCONT)
            ann.shows("> dev is invite-only; one of its operators can invite you")
            ann.shows(" lobby │ 1 online")


# --- Private conversations -------------------------------------------------------------------------------------------


def test_a_private_conversation_is_a_room_of_its_own(server: Server, tmp_path: Path) -> None:
    with (
        server.join("bob", "p-lobby") as bob,
        server.join("eve", "p-lobby") as eve,
        member(tmp_path, server, "ann", "p-lobby") as ann,
    ):
        ann.shows(" p-lobby │ 3 online")
        bob.says("/msg ann first secret", "/msg ann second secret", "to all")
        ann.shows("> bob writes to you alone; /query bob shows it")
        ann.shows_line("[bob] to all")
        ann.shows(" [1:p-lobby]  2:@bob 2! │")
        ann.shows("secret", times=0)
        wait_until(lambda: ann.has_rung, "a private message rings the bell")
        ann.presses("M-2")
        ann.shows(" 1:p-lobby  [2:@bob] │ ann")
        ann.shows_line("[bob -> you] second secret")
        ann.says("third secret")
        bob.sees("[ann -> you] third secret")
        ann.shows_line("[you -> bob] third secret")
        bob.says("/msg ann fourth secret")
        ann.shows_line("[bob -> you] fourth secret")
        ann.says("/query")
        ann.shows(" [1:p-lobby]  2:@bob │")
        ann.says("/msg bob fifth secret")
        ann.shows_line("[you -> bob] fifth secret")
        ann.says("/query BOB")
        ann.shows("[2:@BOB]")
        ann.shows("── @BOB ──")
        ann.says("/history")
        ann.shows("── @BOB ──", times=2)
        ann.shows("── now ──", times=3)
        words = ("first", "second", "third", "fourth", "fifth")
        lines = told(ann)
        start = len(lines) - lines[::-1].index("── @BOB ──")
        assert [line.split("] ")[1] for line in lines[start : start + 5]] == [f"{word} secret" for word in words]
        ann.says("/part")
        ann.shows(" p-lobby │ 3 online")
        ann.says("hello all")
        assert eve.sees("[ann]") == "[ann] hello all"
        assert b"secret" not in eve.received


def test_of_an_ignored_user_nothing_is_counted_in_any_room(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "i-dev") as bob, member(tmp_path, server, "ann", "i-lobby", "i-dev") as ann:
        ann.shows("[1:i-lobby]  2:i-dev │")
        ann.says("/ignore bob")
        ann.shows("> You are not shown what bob says any more")
        bob.says("one", "/msg ann two")
        with server.join("eve", "i-dev") as eve:
            eve.says("three")
            ann.shows(" [1:i-lobby]  2:i-dev 1 │")
        ann.presses("M-2")
        ann.shows_line("[eve] three")
        assert not any("[bob" in line for line in told(ann))
