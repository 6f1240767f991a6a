"""gchat-client on a terminal, as people see it: under tmux, with what they type and what stands on their screen."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.client.terminal.screen import CLEARED_S
from tests.e2e import clustered
from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Terminal, client


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """For tests that are in a room of their own."""
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


# --- Talking ---------------------------------------------------------------------------------------------------------


def test_two_people_and_nc_talk(server: Server, tmp_path: Path) -> None:
    with (
        client(tmp_path / "a", server, "alice", "talk") as alice,
        client(tmp_path / "b", server, "bob", "talk") as bob,
        server.join("carol", "talk") as carol,
    ):
        alice.is_ready("alice")
        bob.is_ready("bob")
        alice.says("Grüße, 世界")
        alice.shows_line("[alice] Grüße, 世界")
        bob.shows_line("[alice] Grüße, 世界")
        carol.sees("[alice] Grüße, 世界")
        bob.says("/me waves")
        carol.sees("* bob waves")
        alice.shows_line("* bob waves")
        carol.says("hi both", "/msg alice psst")
        bob.shows_line("[carol] hi both")
        alice.shows_line("> carol writes to you alone; /query carol shows it")
        alice.says("/reply heard")
        carol.sees("[alice -> you] heard")
        alice.shows_line("[you -> carol] heard")
        alice.shows(" [1:talk]  2:@carol 1! │ 3 online │ alice │ ")
        bob.presses("C-d")
        bob.shows("> Goodbye")
        bob.ended()
        carol.sees("< The user bob left (2 users online)")
        alice.shows_line("< The user bob left (2 users online)")
        alice.shows(" [1:talk]  2:@carol 1! │ 2 online │ alice │ ")


def test_commands_are_answered(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "asker", "ask") as screen:
        screen.is_ready("asker")
        screen.says("/who")
        screen.shows_line("> In ask (1 user online): asker (you)")
        screen.says("/topic of the day")
        screen.shows_line("> asker set the topic: of the day")
        screen.says("/rooms")
        screen.shows_line("> ask (1 user online), you are here: of the day")
        screen.says("/topic -")
        screen.shows_line("> asker cleared the topic")
        screen.says("/topic")
        screen.shows_line("> There is no topic")
        screen.says("/nick other")
        screen.shows_line("> You are now other")
        screen.shows("[other]")
        screen.says("/ping")
        screen.shows("> Round trip: ")
        screen.says("/nosuch")
        screen.shows("> Unknown command /nosuch; type /help for the list, or //nosuch to say it")
        screen.says("//nosuch")
        screen.shows_line("[other] /nosuch")
        screen.says("/history")
        screen.shows("[other] /nosuch", times=2)
        screen.says("/join elsewhere")
        screen.shows_line("> You are now in elsewhere (1 user online)")
        screen.shows(" 1:ask  [2:elsewhere] │ 1 online │ other │ ")
        screen.says("/help")
        screen.shows("/msg NAME TEXT ")
        screen.says("/quit")
        screen.ended()


def test_a_nick_that_is_taken_is_told(server: Server, tmp_path: Path) -> None:
    with server.join("double"), client(tmp_path, server, "double", "nicks") as screen:
        screen.shows("taken")
        screen.shows(" nicks │ 1 online │ 127.0.0.1:")


def test_what_others_send_is_text_and_nothing_else(server: Server, tmp_path: Path) -> None:
    with server.join("evil", "evils") as evil, client(tmp_path, server, "target", "evils") as screen:
        screen.is_ready("target")
        evil.says("before")
        evil.sends(b"\x1b[2J\x1b[H\x1b[1A\x1b[2Kover\rwritten\x9b2J\x08\x08 <b>x</b> \x1b]0;title\x07 {} %s\n")
        evil.says("last")
        screen.shows_line("[evil] last")
        screen.shows_line("[evil] before")
        screen.shows_line("[evil] \\x1b[2J\\x1b[H\\x1b[1A\\x1b[2Kover")  # CR ends a line, BS deletes
        screen.shows_line("[evil] written� <b>x</b> \\x1b]0;title\\x07 {} %s")


# --- What is half typed ----------------------------------------------------------------------------------------------


def test_what_is_half_typed_survives_a_flood_and_resizes(server: Server, tmp_path: Path) -> None:
    with server.join("flood", "floods") as flood, client(tmp_path, server, "typist", "floods") as screen:
        screen.is_ready("typist")
        screen.types("half typed")
        screen.shows("[typist] half typed")
        flood.says(*[f"row {number}" for number in range(200)])
        screen.types(" and more")
        screen.shows_line("[flood] row 199")
        shown = [line[6:].lstrip() for line in screen.history if "[flood] row" in line]
        assert shown == [f"[flood] row {number}" for number in range(200)]
        assert sum("half typed" in line for line in screen.history) == 1
        screen.shows("[typist] half typed and more")
        screen.resizes(60, 20)
        screen.shows(" floods │ 2 online")
        screen.resizes(120, 30)
        screen.shows(" floods │ 2 online")
        flood.says("after")
        screen.shows_line("[flood] after")
        screen.presses("Home")
        screen.types("> ")
        screen.shows("[typist] > half typed and more")
        screen.presses("Enter")
        flood.sees("[typist] > half typed and more")


def test_what_is_half_typed_survives_a_server_that_restarts(tmp_path: Path) -> None:
    with Server() as server, client(tmp_path, server, "patient", "lobby") as screen:
        screen.is_ready("patient")
        screen.types("half")
        screen.shows("[patient] half")
        port = server.port
        server.stop()
        screen.shows_line(f"> {clustered.FAREWELL}")
        screen.shows("next attempt in")
        screen.shows(f"> Connection lost ({clustered.FAREWELL});")
        screen.says(" said while away")
        screen.shows("⋯ half said while away")
        screen.types("half again")
        with Server(port=port) as again:
            screen.shows_line("> Connected again")
            screen.shows_line("[patient] half said while away")
            screen.shows("[patient] half again")
            screen.shows("⋯", times=0)
            screen.presses("Enter")
            wait_until(lambda: "[patient] half again\n" in again.shown, "it is said")
            assert again.shown.count("said while away") == 1


def test_a_paste_of_many_lines_asks_first(server: Server, tmp_path: Path) -> None:
    rows = [f"pasted {number}" for number in range(1, 8)]
    with server.join("witness", "pastes") as witness, client(tmp_path, server, "paster", "pastes") as screen:
        screen.is_ready("paster")
        screen.pastes("\n".join(rows))
        screen.shows("pasted 7")
        screen.presses("Enter")
        screen.shows("Send these 7 lines as one message? (y/n")
        screen.types("n")
        screen.shows("Send these", times=0)
        screen.shows("pasted", times=7)
        witness.does_not_see(b"pasted")
        screen.presses("Enter")
        screen.shows("Send these 7 lines as one message? (y/n")
        screen.types("l")
        for row in rows:
            assert witness.sees("[paster]") == f"[paster] {row}"
            screen.shows_line(f"[paster] {row}")
        screen.pastes("few\n\nlines\n")
        screen.presses("Enter")
        witness.sees_bytes(b"[paster] few\n    | \n    | lines\n")


def test_tab_completes_commands_nicks_and_rooms(server: Server, tmp_path: Path) -> None:
    with server.join("zacharias", "tabs"), client(tmp_path, server, "tabber", "tabs") as screen:
        screen.is_ready("tabber")
        screen.shows(" tabs │ 2 online")
        for typed, completed in (
            ("/hist", "/history "),
            ("za", "zacharias:"),
            ("/msg z", "/msg zacharias"),
            ("/join ta", "/join tabs"),
        ):
            screen.types(typed)
            screen.presses("Tab")
            screen.shows(f"[tabber] {completed.strip()}")
            screen.presses("C-c")
            screen.shows(f"[tabber] {completed.strip()}", times=0)


def test_what_was_typed_is_remembered_between_runs_and_nobody_else_may_read_it(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "first", "memory") as screen:
        screen.is_ready("first")
        screen.says("a memorable line")
        screen.shows_line("[first] a memorable line")
        screen.presses("C-d")
        screen.ended()
    file = tmp_path / ".local/state/gchat/history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with client(tmp_path, server, "second", "memory", XDG_STATE_HOME="") as screen:
        screen.is_ready("second")
        screen.presses("Up")
        screen.shows("[second] a memorable line")


@pytest.mark.parametrize("state", ["/dev/null", "/proc/none", "/nonexistent\x01"])
def test_a_home_that_cannot_be_written_does_not_matter(server: Server, tmp_path: Path, state: str) -> None:
    with client(tmp_path, server, "homeless", "memory", XDG_STATE_HOME=state) as screen:
        screen.is_ready("homeless")
        screen.says("one")
        screen.shows_line("[homeless] one")
        screen.presses("Up")
        screen.shows("[homeless] one", times=2)


def test_vi_keys_can_be_chosen(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "vi", "editors", "--vi") as screen:
        screen.is_ready("vi")
        screen.types("one two")
        screen.presses("Escape")
        screen.types("bcw")
        screen.says("three")
        screen.shows_line("[vi] one three")


# --- Colours ---------------------------------------------------------------------------------------------------------


def test_nicks_have_colours_and_mentions_stand_out(server: Server, tmp_path: Path) -> None:
    with server.join("painter", "colours") as painter, client(tmp_path, server, "vain", "colours") as screen:
        screen.is_ready("vain")
        painter.says("hello all")
        screen.shows_line("[painter] hello all")
        assert not screen.has_rung
        painter.says("hello vain")
        screen.shows_line("[painter] hello vain")
        assert "\x1b[38;5;" in screen.coloured
        assert "\x1b[1;7mvain" in screen.coloured
        assert screen.has_rung


@pytest.mark.parametrize(("arguments", "environment"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})])
def test_colours_can_be_turned_off(
    server: Server, tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    with (
        server.join("painter", "grey") as painter,
        client(tmp_path, server, "plainly", "grey", *arguments, **environment) as screen,
    ):
        screen.is_ready("plainly")
        painter.says("hello")
        screen.shows_line("[painter] hello")
        assert "\x1b[38;5;" not in screen.coloured
        assert "\x1b[3" not in screen.coloured.replace("\x1b[39m", "")


def test_on_a_terminal_that_can_only_print_people_talk_too(server: Server, tmp_path: Path) -> None:
    with server.join("other", "dumb") as other, client(tmp_path, server, "simple", "dumb", TERM="dumb") as screen:
        screen.shows("> Connected to the chat server (")
        screen.says("hello")
        other.sees("[simple] hello")
        other.says("hi")
        screen.shows("[other] hi")
        screen.says("/who")
        screen.shows("> In dumb (2 users online): ")
        screen.presses("C-c")
        screen.shows("code 0")
        other.sees("< The user simple left")


# --- Leaving ---------------------------------------------------------------------------------------------------------


def test_what_was_said_last_is_said_and_shown(server: Server, tmp_path: Path) -> None:
    with server.join("other", "last") as other, client(tmp_path, server, "hasty", "last") as screen:
        screen.is_ready("hasty")
        screen.presses("h", "i", "Enter", "C-d")
        screen.ended()
        screen.shows_line("[hasty] hi")
        other.sees_bytes(b"[hasty] hi\n< The user hasty left")


def test_a_terminal_that_is_gone_is_a_goodbye(server: Server, tmp_path: Path) -> None:
    with server.join("other", "gone") as other:
        with client(tmp_path, server, "vanishing", "gone") as screen:
            screen.is_ready("vanishing")
            pid = screen.pid
        other.sees("< The user vanishing left")
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the client ends")


def test_ctrl_c_clears_what_is_typed_and_leaves_when_nothing_is(server: Server, tmp_path: Path) -> None:
    with server.join("other", "leaving") as other, client(tmp_path, server, "leaver", "leaving") as screen:
        screen.is_ready("leaver")
        screen.types("never said")
        screen.shows("[leaver] never said")
        screen.presses("C-c")
        screen.shows("never said", times=0)
        screen.presses("C-c")
        other.does_not_see(b"left")
        time.sleep(CLEARED_S)
        screen.presses("C-c")
        other.sees("< The user leaver left")
        screen.shows("> Goodbye")
        screen.ended()
        assert b"never said" not in other.received


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    with server.join("other", "signals") as other, client(tmp_path, server, "signalled", "signals") as screen:
        screen.is_ready("signalled")
        screen.types("half")
        screen.shows("[signalled] half")
        os.kill(screen.pid, number)
        screen.ended()
        other.sees("< The user signalled left")


def test_a_server_that_is_not_there_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with Server() as server:
        pass
    with Terminal(tmp_path, server) as screen:
        screen.shows(f"gchat-client: cannot connect to 127.0.0.1:{server.port}: connection refused")
        screen.ended(1)


def test_a_user_who_leaves_while_the_server_is_away_is_told_what_was_not_sent(tmp_path: Path) -> None:
    with Server() as server, client(tmp_path, server, "unlucky", "lobby") as screen:
        screen.is_ready("unlucky")
        server.stop()
        screen.shows("next attempt in")
        screen.says("lost words")
        screen.shows("⋯ lost words")
        screen.presses("C-d")
        screen.shows("> Your last message may not have been sent: lost words")
        screen.ended()


# --- Plain -----------------------------------------------------------------------------------------------------------


def test_in_plain_lines_go_and_come_as_they_are(server: Server, tmp_path: Path) -> None:
    with server.join("modern", "plains") as modern, Terminal(tmp_path, server, "--plain") as screen:
        screen.shows("> Connected to the chat server (")
        screen.says("/nick old")
        screen.shows("> You are now old")
        screen.says("/join plains")
        screen.shows("> You are now in plains")
        screen.says("hello")
        modern.sees("[old] hello")
        screen.shows("[You] hello")
        modern.says("hi \x1b[2J")
        screen.shows("[modern] hi \\x1b[2J")
        screen.presses("C-c")
        screen.ended()
        modern.sees("< The user old left")
        assert b"-1" not in modern.received
