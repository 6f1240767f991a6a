"""Keys, pastes and everything else that a terminal may send to gchat-client."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.client.terminal.history_file import KEPT_ENTRIES
from gchat.model.text import MAX_LINES
from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Terminal, client

EITHER = "(y/n, l: line by line)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0, history_replay_on_join=0) as server:
        yield server


# --- Pastes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["Enter", "C-c", "C-d"])
def test_a_paste_whose_end_is_lost_is_over_soon(server: Server, tmp_path: Path, key: str) -> None:
    room = f"lost-{key.lower()}"
    with server.join("other", room) as other, client(tmp_path, server, "paster", room) as screen:
        screen.is_ready("paster")
        screen.sends(b"\x1b[200~cut off")
        screen.shows("[paster] cut off")
        screen.presses(key)
        if key == "Enter":
            other.sees("[paster] cut off")
        if key == "C-c":
            screen.shows("cut off", times=0)
        screen.says("heard again")
        other.sees("[paster] cut offheard again" if key == "C-d" else "[paster] heard again")


def test_keys_that_are_held_down_end_a_paste_whose_end_is_lost(server: Server, tmp_path: Path) -> None:
    with server.join("other", "held") as other, client(tmp_path, server, "paster", "held") as screen:
        screen.is_ready("paster")
        screen.sends(b"\x1b[200~cut off")

        def is_ended() -> bool:
            screen.presses("C-c")
            return other.has_received(b"< The user paster left")

        wait_until(is_ended, "the client ends")


@pytest.mark.parametrize("lines", [2, 3, 7, 200])
def test_lines_that_are_pasted_without_brackets_are_asked_for(server: Server, tmp_path: Path, lines: int) -> None:
    room = f"bare-{lines}"
    rows = [f"\tpasted {number}" for number in range(lines)]
    with server.join("other", room) as other, client(tmp_path, server, "paster", room) as screen:
        screen.is_ready("paster")
        screen.pastes_without_brackets("\n".join(rows) + "\n")
        is_much = lines > MAX_LINES
        screen.shows(f"Send these {lines} lines{'? (y/n)' if is_much else f' as one message? {EITHER}'}")
        other.does_not_see(b"pasted")
        screen.presses("Enter")
        screen.types("y" if is_much else "l")
        for number in range(lines):
            assert other.sees("[paster]") == f"[paster]     pasted {number}"


def test_a_paste_without_brackets_and_without_an_end_of_line_is_a_draft(server: Server, tmp_path: Path) -> None:
    with server.join("other", "drafts") as other, client(tmp_path, server, "paster", "drafts") as screen:
        screen.is_ready("paster")
        screen.types("first ")
        screen.shows("first")
        screen.pastes_without_brackets("one\nzwei\tdrei")
        screen.shows("[paster] first one")
        screen.shows("zwei    drei")
        other.does_not_see(b"one")
        screen.presses("Enter")
        other.sees_bytes(b"[paster] first one\n    | zwei    drei\n")


def test_lines_behind_a_command_are_said_only_after_an_answer(server: Server, tmp_path: Path) -> None:
    with (
        server.join("ear", "secrets") as ear,
        server.join("other", "secrets") as other,
        client(tmp_path, server, "paster", "secrets") as screen,
    ):
        screen.is_ready("paster")
        screen.types("/msg ear ")
        screen.shows("[paster] /msg ear")
        screen.pastes_without_brackets("hunter2\nhunter3\n")
        screen.shows(f"Send 2 lines as one message with /msg ear? {EITHER}")
        screen.types("n")
        screen.shows("(y/n", times=0)
        screen.presses("C-c")
        screen.shows("hunter2", times=0)
        other.does_not_see(b"hunter")
        ear.does_not_see(b"hunter")
        screen.presses("Up")
        screen.shows("hunter3")
        screen.presses("Enter")
        ear.sees_bytes(b"[paster -> you] hunter2\n    | hunter3\n")
        other.does_not_see(b"hunter")


@pytest.mark.parametrize("answer", ["n", "Escape", "C-c", "C-d"])
def test_a_no_keeps_the_draft_and_sends_nothing(server: Server, tmp_path: Path, answer: str) -> None:
    room = f"no-{answer.lower()}"
    with server.join("other", room) as other, client(tmp_path, server, "paster", room) as screen:
        screen.is_ready("paster")
        screen.pastes_without_brackets("one\ntwo\n")
        screen.shows("Send these 2 lines as one message? (y/n")
        screen.types("x7?")  # no answer
        screen.presses("Enter")
        screen.presses(answer)
        screen.shows("(y/n", times=0)
        screen.shows("[paster] one")
        other.does_not_see(b"one")


def test_in_plain_too_lines_behind_a_command_are_sent_only_after_an_answer(server: Server, tmp_path: Path) -> None:
    with server.join("plain-ear", "plainly") as ear, Terminal(tmp_path, server, "--plain") as screen:
        screen.shows("> Connected to the chat server (")
        screen.says("/join plainly")
        screen.shows("> You are now in plainly")
        screen.pastes("/msg plain-ear hunter2\nhunter3")
        screen.presses("Enter")
        screen.shows("Send 2 lines with /msg plain-ear? (y/n)")
        ear.does_not_see(b"hunter")
        screen.types("y")
        ear.sees_bytes(b" -> you] hunter2\n")
        ear.sees_bytes(b" -> you] hunter3\n")


def test_a_command_among_pasted_lines_is_asked_for(server: Server, tmp_path: Path) -> None:
    with server.join("other", "among") as other, client(tmp_path, server, "paster", "among") as screen:
        screen.is_ready("paster")
        screen.pastes("hello\n /msg other hunter2")
        screen.presses("Enter")
        screen.shows("Send these 2 lines as text, without running the commands in them? (y/n")
        screen.types("n")
        screen.shows("(y/n", times=0)
        other.does_not_see(b"hunter2")


def test_a_command_behind_a_space_is_a_command(server: Server, tmp_path: Path) -> None:
    with (
        server.join("ear", "spaces") as ear,
        server.join("other", "spaces") as other,
        client(tmp_path, server, "teller", "spaces") as screen,
    ):
        screen.is_ready("teller")
        screen.says(" /msg ear hunter2")
        ear.sees("[teller -> you] hunter2")
        other.does_not_see(b"hunter2")


# --- Sequences -------------------------------------------------------------------------------------------------------

NO_KEYS = {
    "focus": b"\x1b[I\x1b[O",
    "cursor position": b"\x1b[12;40R\x1b[?12;40R\x1b[1;1R",
    "attributes": b"\x1b[?62;1;2;4c\x1b[>41;354;0c\x1b[0n",
    "colour": b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b]4;1;rgb:ffff/0000/0000\x07",
    "DCS": b"\x1bP1+r544e=787465726d\x1b\\\x1bP>|tmux 3.3a\x1b\\\x1b_Gi=31;OK\x1b\\",
    "unknown": b"\x1b[99Z\x1b[1;2;3;4;5X\x1b[?2026;2$y\x1b[?1u\x1b[57358u\x1b[57441;1:3u",
    "mouse": b"\x1b[<0;10;10M\x1b[<0;10;10m\x1b[M !!",
    "releases": b"\x1b[97;1:3u\x1b[1;1:3A\x1b[13;1:3u",
    "end of a paste": b"\x1b[201~",
    "keys with modifiers": b"\x1b[1;5P\x1b[1;6P\x1b[15;5~\x1b[15;6~\x1b[24;5~\x1b[1;5p\x1b[1;6p\x1b[1;6A\x1b[1;6B",
    "modern modifiers": b"\x1b[49;5u\x1b[49;6u\x1b[27;5;50~\x1b[1089;5u\x1b[120;9u",
    "two answers": b"\x1b]11;rgb:0d0d/0f0f/1313\x1b\\\x1b[48;1R",
}


@pytest.mark.parametrize("kind", NO_KEYS)
def test_what_is_no_key_does_nothing(server: Server, tmp_path: Path, kind: str) -> None:
    room = f"no-{kind.replace(' ', '-').lower()}"
    with server.join("other", room) as other, client(tmp_path, server, "typist", room) as screen:
        screen.is_ready("typist")
        screen.types("be")
        screen.shows("[typist] be")
        screen.sends(NO_KEYS[kind])
        screen.says("fore")
        assert other.sees("[typist]") == "[typist] before"


def test_a_key_that_nothing_binds_inserts_nothing_with_the_keys_of_vi_either(server: Server, tmp_path: Path) -> None:
    with server.join("other", "no-vi") as other, client(tmp_path, server, "typist", "no-vi", "--vi") as screen:
        screen.is_ready("typist")
        screen.types("be")
        screen.shows("[typist] be")
        screen.sends(NO_KEYS["keys with modifiers"] + b"\x1b[21~\x1b[23;2~")
        screen.says("fore")
        assert other.sees("[typist]") == "[typist] before"


def test_keys_of_modern_protocols_work(server: Server, tmp_path: Path) -> None:
    with server.join("other", "csi-u") as other, client(tmp_path, server, "typist", "csi-u") as screen:
        screen.is_ready("typist")
        for number, enter in enumerate(
            [b"\x1b[13u", b"\x1b[13;1u", b"\x1b[13;5u", b"\x1b[27;5;13~", b"\x1b[27;2;13~", b"\x1b[57414u"]
        ):
            screen.types(f"heard {number}")
            screen.shows(f"[typist] heard {number}")
            screen.sends(enter)
            assert other.sees("[typist]") == f"[typist] heard {number}"
        screen.sends(b"\x1b[103u\x1b[111;129uox\x1b[127ud\x1b[32u\x1b[98:66;2u")
        screen.shows("[typist] good B")
        screen.sends(b"\x1b[117;5u")
        screen.shows("[typist] good B", times=0)
        screen.types("never")
        screen.shows("[typist] never")
        screen.sends(b"\x1b[99;5u")
        screen.shows("[typist] never", times=0)
        time.sleep(1.1)  # or the next one would do nothing
        screen.sends(b"\x1b[27;5;99~")
        screen.shows("> Goodbye")


def test_a_byte_that_is_no_text_ends_nothing(server: Server, tmp_path: Path) -> None:
    with server.join("other", "bytes") as other, client(tmp_path, server, "typist", "bytes") as screen:
        screen.is_ready("typist")
        screen.sends(b"caf\xe9 \xff\xc0\xaf\x80")
        screen.sends("é".encode()[:1])
        screen.sends("é".encode()[1:])
        screen.shows("[typist] caf\ufffd")
        screen.presses("Enter")
        assert other.sees("[typist]").endswith("é")
        screen.says("still here")
        other.sees("[typist] still here")


# --- Characters of several code points -------------------------------------------------------------------------------

CLUSTERS = {
    "flag": "🇩🇪",
    "family": "👨‍👩‍👧‍👦",
    "skin": "👍🏽",
    "heart": "❤️",
    "Devanagari": "स्ते",
    "accents": "e\u0301\u0323",
    "Hangul": "한",
    "keycap": "1️⃣",
    "Thai": "กำ",
    "cat": "🐱‍💻",
    "hands": "👩🏿‍🤝‍👩🏼",
}


@pytest.mark.parametrize("kind", CLUSTERS)
def test_backspace_deletes_a_whole_character(server: Server, tmp_path: Path, kind: str) -> None:
    room = f"cluster-{kind.lower()}"
    cluster = CLUSTERS[kind]
    with server.join("other", room) as other, client(tmp_path, server, "typist", room) as screen:
        screen.is_ready("typist")
        screen.types(f"a{cluster}b{cluster}c")
        screen.shows("[typist] a")
        screen.presses("Left", "BSpace")
        screen.types("X")
        screen.presses("Home", "Right", "Right")
        screen.types("Y")
        screen.presses("DC")
        screen.types("Z")
        screen.presses("Enter")
        assert other.sees("[typist]") == f"[typist] a{cluster}YZXc"


@pytest.mark.parametrize("kind", CLUSTERS)
def test_the_cursor_does_not_drift_and_the_prompt_stays_whole(server: Server, tmp_path: Path, kind: str) -> None:
    room = f"drift-{kind.lower()}"
    with client(tmp_path, server, "typist", room) as screen:
        screen.is_ready("typist")
        screen.types(CLUSTERS[kind] * 60 + " end")
        screen.shows(" end")
        for _ in range(3):
            screen.presses("C-a")
            screen.types("x")
            screen.presses("BSpace", "C-e")
        screen.types("|")
        screen.shows(" end|")
        screen.types("\x0b")  # Ctrl+K: whatever stands behind the cursor goes
        screen.shows(" end|")
        screen.presses("C-u")
        screen.shows("end", times=0)
        wait_until(lambda: "[typist]" in screen.lines, "the prompt is whole and alone")
        assert screen.do("display-message", "-p", "#{cursor_x}") == f"{len('[typist] ')}\n"


# --- Drafts ----------------------------------------------------------------------------------------------------------


def test_a_draft_that_was_cleared_comes_back_with_up(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "typist", "cleared") as screen:
        screen.is_ready("typist")
        screen.types("precious words")
        screen.shows("[typist] precious words")
        screen.presses("C-c", "C-c")
        screen.shows("precious", times=0)
        screen.presses("Up")
        screen.shows("[typist] precious words")


def test_ctrl_r_shows_what_it_finds_and_ctrl_c_brings_the_draft_back(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "typist", "searches") as screen:
        screen.is_ready("typist")
        for line in ("the first", "the second"):
            screen.says(line)
            screen.shows_line(f"[typist] {line}")
        screen.types("half")
        screen.shows("[typist] half")
        screen.presses("C-r")
        screen.types("fir")
        wait_until(lambda: "[typist] the first" in screen.lines, "what is found stands at the prompt")
        screen.presses("C-c")
        wait_until(lambda: "[typist] half" in screen.lines, "the draft is back")


def test_escape_closes_the_menu_and_leaves_what_was_typed(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "typist", "menus") as screen:
        screen.is_ready("typist")
        screen.types("/")
        screen.presses("Tab")
        screen.shows(" /rooms ")
        screen.presses("Escape")
        screen.shows(" /rooms ", times=0)
        screen.shows("[typist] /")


def test_the_file_of_what_was_typed_does_not_grow_without_bound(server: Server, tmp_path: Path) -> None:
    path = tmp_path / ".local/state/gchat/history"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"\n# then\n+old {number}\n" for number in range(5000)))
    with client(tmp_path, server, "typist", "bounds") as screen:
        screen.is_ready("typist")
        screen.presses("Up")
        screen.shows("[typist] old 4999")
        screen.presses("C-c")
        screen.says("the newest")
        wait_until(lambda: path.read_text().endswith("+the newest\n"), "it is in the file")
    text = path.read_text()
    assert text.count("\n+") in range(KEPT_ENTRIES, KEPT_ENTRIES + 5)
    assert "+old 4999\n" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.glob("*history*")) == [path]
