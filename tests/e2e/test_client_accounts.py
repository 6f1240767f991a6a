"""An account in gchat-client on a terminal: secrets that nobody sees, kept or not, and what comes of wrong ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.e2e.harness import Server, wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.terminals import Terminal, client

SECRET = "correct horse"
KEEP = "Keep it in ~/.local/state/gchat? (y/n)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


def answers(screen: Terminal, question: str, answer: str) -> None:
    """Answer a question, when it is there."""
    screen.shows(question)
    screen.types(answer)
    screen.presses("Enter")


def brings_back(screen: Terminal, line: str) -> None:
    """Press Up until what was typed last is there: just after a line was entered the history is still being read."""

    def is_there() -> bool:
        screen.presses("Up")
        return line in screen.lines

    wait_until(is_there, f"Up brings back {line!r}")


def registers(screen: Terminal, nick: str, *, keep: str = "y") -> None:
    screen.says("/register")
    answers(screen, f"A secret for {nick}, by which you log in:", SECRET)
    answers(screen, "The same once more:", SECRET)
    answers(screen, KEEP, keep)
    screen.shows(f"The nick {nick} is yours")
    screen.shows(f"{nick}, logged in │")


def leaves(screen: Terminal) -> None:
    screen.says("/quit")
    screen.ended()


def files(directory: Path) -> dict[str, str]:
    """Return what is kept for the next time, by the names of the files."""
    state = directory / ".local" / "state" / "gchat"
    return {path.name: path.read_text() for path in state.iterdir()} if state.is_dir() else {}


def kept(directory: Path) -> dict[str, str | int] | None:
    """Return the account that is kept, with its secret."""
    found = [text for name, text in files(directory).items() if name.endswith(".secret")]
    return json.loads(found[0]) if found else None


# --- Unseen ----------------------------------------------------------------------------------------------------------


def test_a_secret_is_nowhere_but_in_the_file_that_the_user_wants(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "ann", "unseen") as screen:
        screen.is_ready("ann")
        screen.says("/register")
        screen.shows("A secret for ann")
        screen.types(SECRET)
        screen.shows("•" * len(SECRET))
        screen.presses("Enter")
        answers(screen, "The same once more:", "another")
        screen.shows("These were not the same; nothing is changed")
        registers(screen, "ann")
        brings_back(screen, "[ann] /register")
        screen.presses("C-u")
        assert not any(SECRET in line for line in screen.history)
        leaves(screen)
    assert {name: text for name, text in files(tmp_path).items() if SECRET in text}.keys() == {
        name for name in files(tmp_path) if name.endswith(".secret")
    }
    for path in (tmp_path / ".local" / "state" / "gchat").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_in_the_line_of_its_command_is_not_remembered(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "bea", "lines") as screen:
        screen.is_ready("bea")
        screen.says("/login nobody hunter2")
        answers(screen, KEEP, "n")
        screen.shows("Nobody has registered nobody")
        screen.types("/login nobody hunter3")
        screen.presses("C-c")
        screen.shows("[bea]")
        brings_back(screen, "[bea] /login nobody")
        screen.presses("C-u")
        leaves(screen)
    assert not any("hunter" in text for text in files(tmp_path).values())
    assert kept(tmp_path) is None


def test_a_dialogue_can_be_left_and_the_conversation_goes_on_above_it(server: Server, tmp_path: Path) -> None:
    with server.join("other", "above") as other, client(tmp_path, server, "cid", "above") as screen:
        screen.is_ready("cid")
        for key in ("Escape", "C-c", "C-d"):
            screen.says("/register")
            screen.shows("A secret for cid")
            screen.types("half of it")
            other.says(f"said before {key}")
            screen.shows(f"said before {key}")
            screen.presses(key)
            screen.shows("[cid]")
        screen.shows("> Nothing is changed", times=3)
        screen.says("a message")
        other.sees("[cid] a message")
        leaves(screen)


# --- Kept ------------------------------------------------------------------------------------------------------------


def test_a_kept_secret_logs_in_at_the_next_start_and_a_logout_deletes_it(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "dan", "kept") as screen:
        screen.is_ready("dan")
        registers(screen, "dan")
        screen.shows("deletes it")
        leaves(screen)
    assert kept(tmp_path) == {"account": "dan", "secret": SECRET, "safety": 0}
    with Terminal(tmp_path, server, "--room", "kept", room="kept") as screen:  # without a nick
        screen.is_ready("dan")
        screen.shows("dan, logged in │")
        screen.says("/passwd")
        answers(screen, "The secret of dan now:", SECRET)
        answers(screen, "The new secret of dan:", "battery staple")
        answers(screen, "The same once more:", "battery staple")
        screen.shows("The secret of dan is changed")
        wait_until(lambda: (kept(tmp_path) or {})["secret"] == "battery staple", "the new secret is kept")
        screen.says("/logout")
        screen.shows("You are not logged in as dan any more")
        wait_until(lambda: kept(tmp_path) is None, "the secret is deleted")
        leaves(screen)


def test_a_secret_is_kept_without_a_question_if_the_user_has_said_so(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "eve", "always", "--keep-secret") as screen:
        screen.is_ready("eve")
        screen.says("/register")
        answers(screen, "A secret for eve", SECRET)
        answers(screen, "The same once more:", SECRET)
        screen.shows("eve, logged in │")
        wait_until(lambda: kept(tmp_path), "the secret is kept")
        leaves(screen)


def test_a_second_window_is_another_user(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "fay", "windows") as first:
        first.is_ready("fay")
        registers(first, "fay")
        with Terminal(tmp_path, server, "--room", "windows", room="windows") as second:
            second.shows("You are 127.0.0.1:")
            second.says("from the second window")
            first.shows("from the second window")
            first.shows("fay, logged in │")
            leaves(second)
        leaves(first)


def test_another_person_cannot_have_the_nick(server: Server, tmp_path: Path) -> None:
    with client(tmp_path / "a", server, "gus", "nicks") as owner:
        owner.is_ready("gus")
        registers(owner, "gus", keep="n")
        leaves(owner)
    assert kept(tmp_path / "a") is None
    with client(tmp_path / "b", server, "gus", "nicks") as other:
        other.shows("The nick gus is registered")
        other.says("/login")
        answers(other, "The secret of gus:", "guess")
        answers(other, KEEP, "y")
        other.shows("That is not the secret")
        assert kept(tmp_path / "b") is None
        other.says("/login")
        answers(other, "The secret of gus:", SECRET)
        answers(other, KEEP, "n")
        other.shows("gus, logged in │")
        leaves(other)


def test_a_kept_secret_that_is_wrong_now_is_told_once_and_nothing_typed_is_lost(server: Server, tmp_path: Path) -> None:
    with client(tmp_path / "a", server, "hal", "wrong") as screen:
        screen.is_ready("hal")
        registers(screen, "hal")
        leaves(screen)
    (tmp_path / "b").mkdir()
    with Terminal(tmp_path / "b", server) as screen:
        screen.shows("You are 127.0.0.1:")
        screen.says("/login hal")
        answers(screen, "The secret of hal:", SECRET)
        answers(screen, KEEP, "n")
        screen.shows("hal, logged in")
        screen.says("/passwd")
        answers(screen, "The secret of hal now:", SECRET)
        answers(screen, "The new secret of hal:", "changed since")
        answers(screen, "The same once more:", "changed since")
        answers(screen, KEEP, "n")
        screen.shows("The secret of hal is changed")
        leaves(screen)
    with Terminal(tmp_path / "a", server, "--room", "wrong", room="wrong") as screen:
        screen.types("half typed")
        screen.shows("The secret of hal that is kept in")
        screen.shows(" online │ 127.0.0.1:")
        screen.shows("half typed")
        screen.shows("until /login hal")
        assert sum("secret" in line for line in screen.lines) == 2  # one sentence; the path of the file has the word
        screen.presses("Enter")
        screen.shows("] half typed")
        leaves(screen)


def test_a_user_is_logged_in_again_when_the_server_comes_back(tmp_path: Path) -> None:
    again = Restarted(tmp_path / "history.db")
    directory = tmp_path / "home"
    with again.runs() as server:
        directory.mkdir()
        with client(directory, server, "ida", "lobby") as screen:
            screen.is_ready("ida")
            registers(screen, "ida", keep="n")
            screen.types("half typed")
            server.stop()
            screen.shows("next attempt")
            with again.runs() as server2:
                screen.shows("ida, logged in │")
                screen.shows("[ida] half typed")
                screen.presses("Enter")
                wait_until(lambda: "half typed" in server2.out_path.read_text(), "it is said")
                leaves(screen)


# --- By TLS ----------------------------------------------------------------------------------------------------------


def test_a_secret_that_was_kept_by_tls_stays_there(tmp_path: Path) -> None:
    made = certificate(tmp_path, "127.0.0.1")
    home = tmp_path / "home"
    home.mkdir()
    with Server(limits_messages_per_s=0, tls_cert=made.cert, tls_key=made.key) as server:
        with client(home, server, "joe", "lobby", "--tls", "--ca", made.cert) as screen:
            screen.is_ready("joe")
            screen.shows("gchats://127.0.0.1:")
            registers(screen, "joe")
            leaves(screen)
        assert (kept(home) or {})["safety"] == 2
        with client(home, server, "joe", "lobby") as screen:
            screen.shows("You are a new user here, because your token is for TLS with a certificate that is checked")
            screen.shows("You are not logged in, because the secret of joe is kept for TLS with a certificate")
            screen.shows("The nick joe is registered")
            leaves(screen)
        with Terminal(home, server, "--tls", "--insecure") as screen:
            screen.shows("The certificate of the server is not checked (--insecure)")
            leaves(screen)
        with Terminal(home, server, "--tls", "--ca", made.cert) as screen:
            screen.is_ready("joe")
            screen.shows("joe, logged in │")
            leaves(screen)


def test_the_screen_of_forty_columns_has_room_for_all_of_it(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "kim", "narrow") as screen:
        screen.is_ready("kim")
        screen.resizes(40, 12)
        screen.shows(" narrow │ 1 online │ kim")
        screen.says("/register")
        answers(screen, "A secret for kim, by which you log in:", SECRET)
        answers(screen, "The same once more:", SECRET)
        answers(screen, KEEP, "n")
        screen.shows(" narrow │ 1 online │ kim, logged in")
        assert all(len(line) <= 40 for line in screen.lines)
        screen.resizes(100, 40)  # as it was
        screen.shows("│ 127.0.0.1:")
        leaves(screen)


def test_no_secret_stands_in_the_environment_or_the_arguments(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "lea", "args") as screen:
        screen.is_ready("lea")
        registers(screen, "lea", keep="n")
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{screen.pid}/{name}").read_bytes()
        assert os.path.isdir(f"/proc/{screen.pid}")
        leaves(screen)
