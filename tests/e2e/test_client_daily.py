"""gchat-client as people use it every day: what is old, what is new, what is for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Shell, Terminal, client


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=4) as server:
        yield server


def texts(screen: Terminal) -> list[str]:
    """Return the lines of the conversation without their times."""
    return [line if line.startswith("──") else line[6:].strip() for line in screen.history]


def below(screen: Terminal, title: str) -> list[str]:
    """Return what stands between this rule and the next."""
    lines = texts(screen)
    start = lines.index(f"── {title} ──") + 1
    return lines[start : next(at for at in range(start, len(lines)) if lines[at].startswith("──"))]


# --- Old and new -----------------------------------------------------------------------------------------------------


def test_what_was_said_before_is_old_and_what_was_said_meanwhile_is_new(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "visits") as bob:
        bob.says("one", "two")
        with client(tmp_path, server, "ann", "visits") as ann:
            ann.shows("── now ──")
            assert below(ann, "earlier") == ["[bob] one", "[bob] two"]
            assert "[bob] one\n" in ann.coloured  # all of it in one colour
            bob.says("three")
            ann.shows_line("[bob] three")
            ann.presses("C-d")
            ann.ended()
        bob.says("four", "five")
        with client(tmp_path, server, "ann", "visits") as ann:
            ann.shows("── now ──")
            assert below(ann, "earlier") == ["[bob] two", "[bob] three"]
            assert below(ann, "new since you left") == ["[bob] four", "[bob] five"]
            assert not ann.has_rung
            ann.presses("C-d")
            ann.ended()
        bob.says(*map(str, range(10)))
        with client(tmp_path, server, "ann", "visits") as ann:
            ann.shows("── now ──")
            assert below(ann, "new since you left; 6 more: /history 6") == ["[bob] 6", "[bob] 7", "[bob] 8", "[bob] 9"]


def test_a_room_that_one_comes_back_to_shows_what_is_new(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "returns") as bob, client(tmp_path, server, "ann", "returns") as ann:
        ann.is_ready("ann")
        ann.says("/part")
        ann.shows(" in no room │")
        bob.says("meanwhile")
        ann.says("/join returns")
        ann.shows_line("[bob] meanwhile")
        ann.shows("── now ──")
        assert below(ann, "new since you left") == ["[bob] meanwhile"]


def test_in_no_room_the_toolbar_says_so_and_what_was_said_meanwhile_is_new(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "parts") as bob:
        with client(tmp_path, server, "ann", "parts") as ann:
            ann.is_ready("ann")
            ann.says("/part")
            ann.shows(" in no room │ ann │ ")
            wait_until(lambda: title_of(ann) == "gchat", "no room is the title")
            ann.presses("C-d")
            ann.ended()
        bob.says("meanwhile")
        with Terminal(tmp_path, server, "--nick", "ann") as ann:
            ann.shows("> You are ann in ")
            ann.says("/join parts")
            ann.shows("── now ──")
            assert below(ann, "new since you left") == ["[bob] meanwhile"]
            ann.shows("new history", times=0)
            ann.says("/who")
            ann.shows_line("> In parts (2 users online): bob, ann (you)")


def test_a_user_who_is_put_out_is_in_no_room(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "kicks") as bob, client(tmp_path, server, "ann", "kicks") as ann:
        ann.is_ready("ann")
        bob.says("/kick ann too loud")
        ann.shows_line("> bob put you out of kicks: too loud")
        ann.shows(" in no room │ ann │ ")
        bob.says("/invite ann")
        ann.shows("> bob invites you to kicks")
        wait_until(lambda: ann.has_rung, "an invitation is for the user")


def test_old_messages_that_were_asked_for_stand_between_rules(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "pages") as bob, client(tmp_path, server, "ann", "pages") as ann:
        ann.is_ready("ann")
        bob.says("lunch at one", "what is for lunch?")
        ann.shows_line("[bob] what is for lunch?")
        ann.says("/search lunch")
        ann.shows("── now ──")
        ann.says("/history -1")
        ann.shows("── now ──", times=2)
        assert [line.split("[")[1] for line in below(ann, "2 messages found in pages")] == [
            "bob] lunch at one",
            "bob] what is for lunch?",
        ]
        assert below(ann, "1 message of pages") == ["[bob] what is for lunch?"]
        ann.says("/search dinner")
        ann.shows("> Nothing found")
        ann.shows("── now ──", times=2)


def test_a_second_window_leaves_the_marks_of_the_first_alone(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "marks") as bob, client(tmp_path, server, "ann", "marks") as ann:
        ann.is_ready("ann")
        (tmp_path / "second").mkdir()
        with Terminal(tmp_path / "second", server, "--nick", "ann", HOME=str(tmp_path)) as second:
            second.shows(" lobby │ ")
            second.presses("C-d")
            second.ended()
        bob.says("hello")
        ann.shows_line("[bob] hello")
        ann.presses("C-d")
        ann.ended()
    (seen,) = (tmp_path / ".local/state/gchat").glob("client-*.seen")
    assert "marks" in seen.read_text()
    assert "lobby" not in seen.read_text()


# --- Commands of the screen ------------------------------------------------------------------------------------------


def test_the_help_fits_the_screen_and_names_the_keys(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "ann", "help") as ann:
        ann.is_ready("ann")
        ann.resizes(80, 24)
        ann.says("/help")
        ann.shows("Ctrl+R searches")
        ann.shows("> Commands; /help COMMAND tells more:")
        ann.shows("/msg NAME TEXT ")
        ann.says("/help me")
        ann.shows("> /me TEXT: say what you do: * alice waves")


def test_the_screen_can_be_cleared_and_what_is_half_typed_stays(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "clears") as bob, client(tmp_path, server, "ann", "clears") as ann:
        ann.is_ready("ann")
        ann.types("half")
        ann.shows("[ann] half")
        ann.presses("C-l")
        ann.shows("You are ann", times=0)
        ann.shows("[ann] half")
        bob.says("hello")
        ann.shows_line("[bob] hello")
        assert not any(ann.lines[:-3]), "the prompt is at the bottom"
        ann.presses("C-u")
        ann.says("/clear")
        ann.shows("[bob] hello", times=0)
        ann.shows(" clears │ 2 online")


def test_in_a_query_lines_go_to_one_user_alone(server: Server, tmp_path: Path) -> None:
    with (
        server.join("bob", "queries") as bob,
        server.join("eve", "queries") as eve,
        client(tmp_path, server, "ann", "queries") as ann,
    ):
        ann.is_ready("ann")
        ann.says("/query bob first secret")
        bob.sees("[ann -> you] first secret")
        ann.shows("[ann -> bob]")
        ann.says("second secret")
        bob.sees("[ann -> you] second secret")
        ann.shows_line("[you -> bob] second secret")
        ann.says("/me is secret")
        ann.shows("> Not sent: an action is for the whole room")
        bob.says("/nick rob")
        ann.shows("[ann -> rob]")
        ann.says("third secret")
        bob.sees("[ann -> you] third secret")
        ann.says("/query")
        ann.shows("[1:queries]  2:@rob")
        ann.says("hello all")
        assert eve.sees("[ann]") == "[ann] hello all"
        assert b"secret" not in eve.received


# --- Mentions --------------------------------------------------------------------------------------------------------


def title_of(screen: Terminal | Shell) -> str:
    return screen.do("display-message", "-p", "#{pane_title}").rstrip("\n")


def test_the_title_counts_mentions_until_a_key_is_pressed(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "titles") as bob, client(tmp_path, server, "ann", "titles") as ann:
        ann.is_ready("ann")
        wait_until(lambda: title_of(ann) == "titles - gchat", "the room is the title")
        bob.says("hello")
        wait_until(lambda: title_of(ann) == "* titles - gchat", "there is something new")
        bob.says("ann?", "ANN!")
        wait_until(lambda: title_of(ann) == "(2) titles - gchat", "two are for the user")
        ann.types("x")
        wait_until(lambda: title_of(ann) == "titles - gchat", "the user is there")
        ann.presses("C-c", "C-d")
        ann.says("/quit")
        ann.ended()
        assert "titles" not in title_of(ann)


def test_the_title_is_the_shell_s_while_the_client_is_stopped(server: Server, tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        shell.starts(server, "ann", "stopped")
        wait_until(lambda: title_of(shell) == "stopped - gchat", "the room is the title")
        shell.presses("C-z")
        shell.shows("Stopped")
        assert "gchat" not in title_of(shell)
        shell.says("fg")
        wait_until(lambda: title_of(shell) == "stopped - gchat", "the room is the title again")
        shell.presses("C-d")
        shell.shows("> Goodbye")
        assert "gchat" not in title_of(shell)


def test_the_bell_rings_when_it_was_told_to(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "bells") as bob, client(tmp_path, server, "ann", "bells") as ann:
        ann.is_ready("ann")
        ann.says("/bell off")
        ann.shows("> The bell rings: off")
        bob.says("hello ann", "first")
        ann.shows_line("[bob] first")
        assert not ann.has_rung
        ann.says("/bell all")
        ann.shows("> The bell rings: all")
        bob.says("second")
        wait_until(lambda: ann.has_rung, "it rings")


def test_the_last_mention_is_shown_among_what_was_said_around_it(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "lasts") as bob, client(tmp_path, server, "ann", "lasts") as ann:
        ann.is_ready("ann")
        ann.says("/last")
        ann.shows("> Nobody has mentioned you here since you came; try /search ann")
        bob.says(*map(str, range(10)), "ann, look", *map(str, range(10)))
        ann.shows_line("[bob] 9", times=2)
        ann.says("/last")
        ann.shows("── 7 messages of lasts ──")
        ann.shows("── now ──")
        around = [f"[bob] {text}" for text in ("7", "8", "9", "ann, look", *"012")]
        assert below(ann, "7 messages of lasts") == [*around, "> … there is more: /history 15"]


def test_a_notification_is_sent_if_it_was_asked_for(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "notes") as bob, client(tmp_path, server, "ann", "notes") as ann:
        ann.is_ready("ann")
        ann.do("pipe-pane", f"cat > {tmp_path / 'raw'}")
        bob.says("ann, unasked")
        ann.shows_line("[bob] ann, unasked")
        ann.says("/notify osc9")
        ann.shows("> Notifications: osc9")
        bob.says("ann, asked")
        note = b"\x1b]9;gchat: [bob] ann, asked\x07"
        wait_until(lambda: note in (tmp_path / "raw").read_bytes(), "the terminal gets it")
        assert b"unasked\x07" not in (tmp_path / "raw").read_bytes()


# --- The user's own settings -----------------------------------------------------------------------------------------


def test_settings_say_who_and_where_the_user_is_and_a_second_window_is_somebody_else(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / ".config/gchat/client.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f'host = "{server.host}:{server.port}"\nnick = "ann"\nrooms = ["settings", "other"]\ntitle = false\n'
    )
    (tmp_path / "second").mkdir()
    with Terminal(tmp_path, None) as first:
        first.shows("> You are ann in settings; ")
        with Terminal(tmp_path / "second", None, HOME=str(tmp_path)) as second:
            second.shows("> Another window is ann; in this one you are ann-2")
            second.says("hello")
            first.shows_line("[ann-2] hello")
            assert "gchat" not in title_of(first)
            first.types("/join o")
            first.presses("Tab")
            first.shows("[ann] /join other")
            first.presses("C-u", "C-d")
            first.ended()
            second.says("/nick ann")
            second.shows_line("> You are now ann")


def test_a_wrong_setting_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / ".config/gchat/client.toml"
    file.parent.mkdir(parents=True)
    file.write_text("nik = 1")
    with Terminal(tmp_path, None) as screen:
        screen.shows('unknown key "nik"; did you mean nick?')
        screen.ended(2)
    file.write_text('host = "127.0.0.1:99999"')
    with Terminal(tmp_path, None) as screen:
        screen.shows('gchat-client: client.toml: PORT is "99999"; expected a number from 1 to 65535')
        screen.ended(2)


# --- The look of the screen ------------------------------------------------------------------------------------------


def test_who_comes_and_goes_is_not_shown_if_the_user_does_not_want_it(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "presence") as bob, client(tmp_path, server, "ann", "presence") as ann:
        ann.is_ready("ann")
        ann.says("/presence off")
        ann.shows("> It is not shown who enters and leaves")
        with server.join("late", "presence") as late:
            late.says("hello")
            ann.shows_line("[late] hello")
            ann.shows(" presence │ 3 online")
        bob.says("/nick rob")
        ann.shows(" presence │ 2 online")
        bob.says("bye")
        ann.shows_line("[rob] bye")
        ann.shows("late entered", times=0)
        ann.shows("late left", times=0)
        ann.shows("is now rob", times=0)
        ann.says("/presence on")
        ann.shows("> It is shown who enters and leaves")
        bob.says("/quit")
        ann.shows_line("< The user rob left (1 user online)")


def test_the_topic_is_in_the_toolbar_which_fits_a_narrow_screen(server: Server, tmp_path: Path) -> None:
    with server.join("bob", "topics") as bob:
        bob.says("/topic Deploys and their owners")
        with client(tmp_path, server, "ann", "topics") as ann:
            ann.shows(" topics │ 2 online │ ann │ ")
            ann.shows(" │ Deploys and their owners")
            ann.resizes(40, 12)
            wait_until(lambda: ann.lines[-1] == " topics │ 2 online │ Deploys and their…", "it fits")
            bob.says("/topic Tea")
            wait_until(lambda: ann.lines[-1] == " topics │ 2 online │ ann │ Tea", "it is the new one")
            bob.says("/topic -")
            wait_until(lambda: ann.lines[-1] == " topics │ 2 online │ ann", "there is none")


def test_on_a_wide_screen_all_texts_begin_in_one_column(server: Server, tmp_path: Path) -> None:
    with (
        server.join("bob", "columns") as bob,
        server.join("carol-the-great", "columns") as carol,
        client(tmp_path, server, "ann", "columns") as ann,
    ):
        ann.is_ready("ann")
        bob.says("hello " * 20)
        carol.says("/me waves")
        ann.shows_line("* carol-the-great waves")
        assert {line.index("hello") for line in ann.lines if "hello" in line} == {24}
        assert {line.index("carol") for line in ann.lines if "* carol" in line} == {24}
        ann.resizes(60, 20)
        bob.says("narrow")
        ann.shows_line("[bob] narrow")
        assert any(line[5:] == " [bob] narrow" for line in ann.lines)
