"""The plain dialect as people see it, who come with nc, telnet and pipes."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gchat.dialects.slash import SLASHES
from tests.e2e import clustered
from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.tools import Screen, need

pytestmark = pytest.mark.usefixtures("all_speak_plain")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """For tests that care neither who else is online nor what was said in the lobby before."""
    with Server(limits_messages_per_s=0) as server:
        yield server


def asks(user: User, *lines: str) -> list[str]:
    """Return the lines that come in answer to these, in a room where nobody else speaks now."""
    user.says("/ping before")
    user.sees_bytes(b"> pong before\n")
    before = len(user.received) - len(user.unread)
    user.says(*lines, "/ping after")
    user.sees_bytes(b"> pong after\n")
    answers = user.received[before:].decode().partition("> pong after\n")[0].split("\n")[:-1]
    # Presence comes when it comes: gathered, if others came a moment before.
    return [line for line in answers if not re.match(r"> New user|< The user|> \d+ users|> \S+ is now", line)]


# --- Coming and going ------------------------------------------------------------------------------------------------


def test_a_chat_from_the_first_greeting_to_the_last_goodbye() -> None:
    with Server() as server:
        alice = server.connect()
        alice.sees_bytes(b"[You] ")
        assert alice.received == b"> Connected to the chat server (1 user online)\n[You] "
        bob = server.connect()
        bob.sees_bytes(b"[You] ")
        assert bob.received == b"> Connected to the chat server (2 users online)\n[You] "
        # Alice has not answered her prompt: what comes begins on a line of its own.
        alice.sees_bytes(b"\n")
        assert alice.sees("> New") == f"> New user {bob.name} entered (2 users online)"
        alice.says("Hello")
        assert bob.sees("[127") == f"[{alice.name}] Hello"
        bob.says("/nick bob")
        assert alice.sees(f"> {bob.name}") == f"> {bob.name} is now bob"
        bob.says("Hi", "/me waves", "/msg " + alice.name + " psst")
        alice.sees_bytes(b"[bob] Hi\n* bob waves\n[bob -> you] psst\n")
        bob.says("/nick robert")
        assert alice.sees("> bob") == "> bob is now robert"
        bob.says("/quit")
        assert alice.sees("<") == "< The user robert left (1 user online)"
        bob.sees_bytes(b"> Goodbye\n")
        bob.sees_end()
        assert alice.received == (
            b"> Connected to the chat server (1 user online)\n[You] \n"
            b"> New user %s entered (2 users online)\n> %s is now bob\n[bob] Hi\n* bob waves\n[bob -> you] psst\n"
            b"> bob is now robert\n< The user robert left (1 user online)\n"
        ) % (bob.name.encode(), bob.name.encode())
        assert (
            bob.received
            == (
                b"> Connected to the chat server (2 users online)\n[You] \n[%s] Hello\n"
                b"> You are now bob\n> You are now robert\n> Goodbye\n"
            )
            % alice.name.encode()
        )
        alice.sock.close()
        bob.sock.close()


def test_nobody_hears_their_own_words(server: Server) -> None:
    with server.join("echo", "mirror") as user, server.join("", "mirror") as other:
        user.says("one", "/me two")
        other.sees_bytes(b"[echo] one\n* echo two\n")
        user.does_not_see(b"[echo]")
        user.does_not_see(b"* echo")
        assert b"one" not in user.received


def test_after_an_answered_prompt_nothing_is_put_before_the_next_line() -> None:
    with Server(limits_presence_quiet_above=0) as server, server.join("", "prompts") as other, server.join() as user:
        user.says("/join prompts")
        user.sees("> You are now in prompts")
        other.says("hello")
        user.sees_bytes(b"] hello\n")
        assert b"\n\n" not in user.received
        assert b"[You] >" in user.received


def test_everybody_of_a_crowd_that_enters_at_once_gets_a_greeting_and_a_prompt() -> None:
    with Server() as server, ExitStack() as stack:
        crowd = [stack.enter_context(server.connect()) for _ in range(60)]
        for user in crowd:
            user.sees_bytes(b"> Connected to the chat server (", 5)
            user.sees_bytes(b"[You] ", 5)
            assert b"[You] " in user.received


def test_no_prompt_and_another_prompt_can_be_configured() -> None:
    with Server(server_prompt="", server_motd="Be kind\nAnd brief") as server, server.connect() as user:
        user.sees("> And brief")
        assert user.received == b"> Connected to the chat server (1 user online)\n> Be kind\n> And brief\n"
    with Server(server_prompt="say: ") as server, server.connect() as user:
        user.sees_bytes(b"say: ")


# --- Commands --------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_in_lines_that_fit_a_terminal(server: Server) -> None:
    with server.join("", "help") as user:
        lines = asks(user, "/help")
        for name in SLASHES:
            assert len([line for line in lines if line.startswith((f"> /{name} ", f"> /{name}\n"))]) == 1, name
        assert any("//TEXT" in line for line in lines)
        assert all(len(line) <= 80 for line in lines)
        assert len(lines) == len(SLASHES) + 1


@pytest.mark.parametrize("name", SLASHES)
def test_help_of_one_command_is_one_line(server: Server, name: str) -> None:
    with server.join("", "help") as user:
        for asked in (f"/help {name}", f"/help /{name}", f"/HELP {name.upper()}"):
            [line] = asks(user, asked)
            assert line.startswith(f"> {SLASHES[name].usage}: {SLASHES[name].help}")


def test_what_is_no_command_gets_one_line_with_a_hint_and_is_not_relayed(server: Server) -> None:
    with server.join("", "hints") as user, server.join("", "hints") as other:
        for line in ("/nosuch thing", "/", "/ x", "/help nosuch", "/usr/bin/python", "/" + "x" * 5000):
            [answer] = asks(user, line)
            assert answer.startswith("> Unknown command /")
            assert "/help" in answer
            assert len(answer) < 120
        other.does_not_see(b"nosuch")


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("/nick", "/nick NAME"),
        ("/nick   ", "/nick NAME"),
        ("/join", "/join ROOM [KEY]"),
        ("/me", "/me TEXT"),
        ("/msg", "/msg NAME TEXT"),
        ("/msg bob", "/msg NAME TEXT"),
        ("/msg bob  ", "/msg NAME TEXT"),
        ("/reply", "/reply TEXT"),
        ("/join dev key more", "/join ROOM [KEY]"),
        ("/kick", "/kick NAME [WHY]"),
        ("/op", "/op NAME"),
        ("/who me", "/who"),
        ("/rooms all", "/rooms"),
        ("/history all", "/history [FROM | -COUNT]"),
        ("/history -", "/history [FROM | -COUNT]"),
        ("/history 1.5", "/history [FROM | -COUNT]"),
        ("/history ²", "/history [FROM | -COUNT]"),
        ("/history " + "9" * 4000, "/history [FROM | -COUNT]"),
    ],
)
def test_a_command_typed_wrongly_shows_how_to_type_it(server: Server, line: str, usage: str) -> None:
    with server.join("", "usage") as user:
        [answer] = asks(user, line)
        assert re.match(
            r"> (Missing argument|Unexpected argument|Expected a number other than 0|Number too large)\. ", answer
        )
        assert answer.endswith(f". Usage: {usage}")


def test_two_slashes_say_one(server: Server) -> None:
    with server.join("slasher", "slashes") as user, server.join("", "slashes") as other:
        user.says("//who is it?", "  //who")
        other.sees_bytes(b"[slasher] /who is it?\n[slasher] /who\n")


def test_a_command_in_capitals_is_one_too(server: Server) -> None:
    with server.join("", "capitals") as user:
        assert asks(user, "/PING abc") == ["> pong abc"]
        assert asks(user, "/ping") == ["> pong"]


def test_who_names_everybody_and_me(server: Server) -> None:
    with server.join("wanda", "names") as user:
        assert asks(user, "/who") == ["> In names (1 user online): wanda (you)"]
        with server.join("", "names") as other:
            user.sees("> New user")
            assert asks(user, "/who") == [f"> In names (2 users online): wanda (you), {other.name}"]


# --- Nicks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nick", "reason"),
    [
        ("taken", "The nick taken is taken; choose another"),
        ("TAKEN", "The nick TAKEN is taken; choose another"),
        ("ｔａｋｅｎ", "is taken; choose another"),
        ("tаkеn", "cannot mix"),
        ("server", "is reserved"),
        ("Admin", "is reserved"),
        ("x" * 33, "too long: 33 characters, the limit is 32"),
        ("a b", "cannot contain a space; use letters, digits, - _ and ."),
        ("a[b", "cannot contain ["),
        ("a:b", "cannot contain :"),
        ("127.0.0.1:5", "cannot contain :"),
        ("/who", "cannot contain /"),
        ("-1", "begins with a letter or a digit"),
        (".", "begins with a letter or a digit"),
        ("a\u200db", "zero width joiner"),
        ("a\x1bb", "cannot contain"),
        ("😀", "A nick"),
    ],
)
def test_a_nick_is_refused_with_the_reason(server: Server, nick: str, reason: str) -> None:
    with server.join("taken", "nicks") as _holder, server.join("", "nicks") as user:
        [answer] = asks(user, f"/nick {nick}")
        assert reason in answer
        assert asks(user, "/who")[0].endswith(f"taken, {user.name} (you)")


def test_a_nick_that_only_looks_like_another_is_refused(server: Server) -> None:
    with server.join("bill", "looks") as _bill, server.join("", "looks") as user:
        [answer] = asks(user, "/nick biII")
        assert answer == "> The nick biII looks like bill's; choose another"


@pytest.mark.parametrize("nick", ["x" * 32, "José", "Łukasz", "дмитрий", "太郎", "علي", "a-b_c.d", "7up", "_x"])
def test_a_nick_of_any_language_is_taken(server: Server, nick: str) -> None:
    with server.join("", "nicks") as user:
        assert asks(user, f"/nick {nick}") == [f"> You are now {nick}"]


def test_a_nick_can_change_its_case_and_be_taken_again_when_free(server: Server) -> None:
    with server.join("casey", "cases") as user, server.join("", "cases") as other:
        assert asks(user, "/nick Casey") == ["> You are now Casey"]
        other.sees_bytes(b"> casey is now Casey\n")
        assert asks(user, "/nick Casey") == ["> You are now Casey"]
        assert asks(user, "/nick else") == ["> You are now else"]
        other.sees("> Casey is now else")
        assert asks(other, "/nick casey") == ["> You are now casey"]
        assert b"> Casey is now Casey" not in other.received


# --- Rooms -----------------------------------------------------------------------------------------------------------


def test_moving_is_told_in_both_rooms_with_the_number_of_each() -> None:
    with (
        Server() as server,
        server.join("alice") as alice,
        server.join("bob", "dev") as bob,
        server.join("carol") as carol,
    ):
        alice.sees_bytes(b" is now carol\n")
        alice.says("/join #Dev")
        alice.sees_bytes(b"> You are now in dev (2 users online)\n")
        bob.sees_bytes(b"> New user alice entered (2 users online)\n")
        carol.sees_bytes(b"< The user alice left (1 user online)\n")
        alice.says("only here")
        bob.sees("[alice] only here")
        carol.does_not_see(b"only here")
        assert asks(alice, "/rooms") == ["> dev (2 users online), you are here", "> lobby (1 user online)"]
        assert asks(alice, "/join dev") == ["> You are already in dev"]
        alice.says("/join lobby")
        bob.sees_bytes(b"< The user alice left (1 user online)\n")
        carol.sees_bytes(b"> New user alice entered (2 users online)\n")


def test_who_comes_into_a_room_sees_its_last_ten_lines_with_their_times(server: Server) -> None:
    with server.join("elder", "replays") as elder:
        elder.says(*[f"line {number}" for number in range(12)], "/me rests", "/ping done")
        elder.sees_bytes(b"> pong done\n")
        with server.join() as user:
            user.says("/join replays")
            user.sees("> You are now in replays")
            seen = asks(user, "/ping")
            assert seen == ["> pong"]
            replayed = re.findall(r"^(\d\d:\d\d) (.*)$", user.received.decode(), re.MULTILINE)
            assert [text for _, text in replayed] == [f"[elder] line {n}" for n in range(3, 12)] + ["* elder rests"]
            assert all(int(time[:2]) < 24 and int(time[3:]) < 60 for time, _ in replayed)


def test_a_newcomer_sees_the_last_lines_before_the_prompt() -> None:
    with Server() as server, server.join("alice") as alice:
        alice.says("/topic Ships", "hello", "/ping done")
        alice.sees_bytes(b"> pong done\n")
        with server.join() as user:
            expected = (
                r"> Connected to the chat server \(2 users online\)\n> The topic is: Ships \(set by alice\)\n"
                r"\d\d:\d\d > alice set the topic: Ships\n\d\d:\d\d \[alice\] hello\n\[You\] "
            )
            assert re.fullmatch(expected, user.received.decode())


def test_history_shows_the_last_from_a_number_and_so_many_back(server: Server) -> None:
    with server.join("scribe", "histories") as user:
        assert asks(user, "/history") == ["> There are no such messages"]
        asks(user, *[f"line {number}" for number in range(1, 251)])

        def texts(line: str) -> list[str]:
            return [re.sub(r"^\d\d:\d\d \[scribe\] ", "", answer) for answer in asks(user, line)]

        assert texts("/history") == [f"line {n}" for n in range(231, 251)]
        assert texts("/history -3") == ["line 248", "line 249", "line 250"]
        assert texts("/history 249") == ["line 249", "line 250"]
        assert texts("/history 251") == ["> There are no such messages"]
        assert texts("/history 99999999999") == ["> There are no such messages"]
        # A page has 100, and says how to go on; the pages together are everything, once.
        pages = []
        asked = "/history 1"
        while asked:
            page = texts(asked)
            found = re.fullmatch(r"> … there is more: (/history \d+)", page[-1])
            pages += page[:-1] if found else page
            asked = found[1] if found else ""
            assert len(page) <= 101
        assert pages == [f"line {n}" for n in range(1, 251)]
        assert texts("/history 0") == ["> Expected a number other than 0. Usage: /history [FROM | -COUNT]"]
        assert texts("/history -9999")[0] == "line 1"
        assert texts("/history -150")[0] == "line 101"


def test_a_topic_is_set_told_and_shown(server: Server) -> None:
    with server.join("tom", "topics") as user, server.join("", "topics") as other:
        assert asks(user, "/topic") == ["> There is no topic"]
        assert asks(user, "/topic The sea") == ["> The topic is: The sea (set by tom)"]
        other.sees_bytes(b"> tom set the topic: The sea\n")
        assert asks(other, "/topic") == ["> The topic is: The sea (set by tom)"]
        assert "> topics (2 users online), you are here: The sea" in asks(other, "/rooms")


@pytest.mark.parametrize("name", ["a/b", "a*b", "../etc", "x" * 33, "[x]", "-1", "#", "a\u200db"])
def test_a_room_with_an_impossible_name_is_refused(server: Server, name: str) -> None:
    with server.join("", "rooms") as user:
        [answer] = asks(user, f"/join {name}")
        assert "room name" in answer
        assert asks(user, "/who")[0].startswith("> In rooms ")


# --- Private messages ------------------------------------------------------------------------------------------------


def test_a_private_message_is_seen_by_one_and_answered(server: Server) -> None:
    with server.join("ann") as ann, server.join("ben", "elsewhere") as ben, server.join() as other:
        assert asks(ben, "/reply hm") == ["> Nobody has sent you a private message yet; /msg NAME TEXT sends one"]
        assert asks(ann, "/msg BEN psst  two  spaces") == []
        ben.sees_bytes(b"[ann -> you] psst  two  spaces\n")
        ben.says("/reply yes")
        ann.sees_bytes(b"[ben -> you] yes\n")
        [answer] = asks(ann, "/msg nobody hello")
        assert answer == "> No user named nobody; /who lists the users"
        ann.says(f"/msg {other.name} to an address")
        other.sees_bytes(b"[ann -> you] to an address\n")
        assert b"psst" not in other.received
        ben.says("/quit")
        ben.sees_end()
        [answer] = asks(ann, "/reply gone?")  # the second if the node of ann does not know it yet
        assert answer in ("> ben has left", "> Not sent: the recipient has left")
        with server.join("ben") as impostor:
            assert asks(ann, "/reply secret") == ["> ben has left"]
            assert b"secret" not in impostor.received


# --- Goodbyes of old, and ends of streams ----------------------------------------------------------------------------


def leaves_without_a_word(server: Server, room: str, data: bytes, *, closes: bool) -> None:
    with server.join("", room) as reader, server.join("leaver", room) as user:
        user.sends(data)
        if closes:
            user.closes()
        reader.sees("< The user leaver left")
        user.sees_end()
        assert b"[leaver]" not in reader.received


def test_minus_one_at_the_end_of_the_stream_is_a_goodbye(server: Server) -> None:
    leaves_without_a_word(server, uuid.uuid4().hex, b"-1", closes=True)


def test_minus_one_alone_for_a_while_is_a_goodbye(server: Server) -> None:
    leaves_without_a_word(server, uuid.uuid4().hex, b"-1", closes=False)


def test_minus_one_after_a_message_is_a_goodbye(server: Server) -> None:
    with server.join("", "ends") as reader, server.join("leaver", "ends") as user:
        user.sends(b"bye\n-1")
        reader.sees_bytes(b"[leaver] bye\n< The user leaver left")


def test_minus_one_with_a_newline_is_a_message(server: Server) -> None:
    with server.join("", "ends") as reader, server.join("minus", "ends") as user:
        user.sends(b"-1\n-1\r\n-10\n")
        reader.sees_bytes(b"[minus] -1\n[minus] -1\n[minus] -10\n")
        user.does_not_see(b"Goodbye")


def test_minus_one_followed_at_once_by_more_is_no_goodbye(server: Server) -> None:
    with server.join("", "ends") as reader, server.join("minus", "ends") as user:
        for rest in (b"0 degrees\n", b"\n", b"\r\n"):
            user.sends(b"-1")
            user.sends(rest)
        reader.sees_bytes(b"[minus] -10 degrees\n[minus] -1\n[minus] -1\n")


def test_an_unterminated_last_line_is_a_message(server: Server) -> None:
    for number, (data, seen) in enumerate(
        (
            (b"hi", b"[last] hi\n"),
            (b"one\ntwo", b"[last] one\n[last] two\n"),
            (b"hi\r", b"[last] hi\n"),
            ("é".encode(), "[last] é\n".encode()),
            (b"hi\xff\xf4", b"[last] hi\n"),
            (b"hi\xff", "[last] hi\ufffd\n".encode()),
        )
    ):
        with server.join("", f"last-{number}") as reader, server.join("last", f"last-{number}") as user:
            reader.sees("> New user last entered")
            user.sends(data)
            user.closes()
            reader.sees("< The user last left")
            user.sees_end()
            assert seen in reader.received, data


def test_an_unterminated_command_is_answered_before_the_end(server: Server) -> None:
    with server.join("", "lasts") as user:
        user.sends(b"/who")
        user.closes()
        user.sees("> In lasts (1 user online)")
        user.sees_end()


def test_everything_owed_is_sent_after_the_end_of_the_stream(server: Server) -> None:
    with server.join("", "owed") as user:
        user.sends(b"/help\n" * 300 + b"/ping the last")
        user.closes()
        user.sees_bytes(b"> pong the last\n")
        user.sees_end()
        assert user.received.count(b"> /help") == 300


def test_a_line_that_is_too_long_is_told_and_the_next_is_heard(server: Server) -> None:
    with server.join("long", "longs") as user, server.join("", "longs") as other:
        user.says("x" * 8193, "short")
        user.sees("> Not sent: the line is longer than 8,192 bytes")
        other.sees("[long] short")
        assert b"xxx" not in other.received


def test_who_sends_too_fast_is_told_once_and_loses_nothing() -> None:
    with (
        Server(limits_messages_per_s=20, limits_burst=40) as server,  # only after two seconds is one told again
        server.join() as reader,
        server.join() as user,
    ):
        user.says(*[f"line {number}" for number in range(100)])
        for number in range(100):
            reader.sees_bytes(f"] line {number}\n".encode())
        user.says("/ping done")
        user.sees_bytes(b"> pong done\n")
        assert user.received.count(b"> You send faster than 20 lines a second") == 1


# --- Programs that people have ---------------------------------------------------------------------------------------


def shell(command: str, server: Server, **more: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PORT": str(server.port), **more}
    return subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)


def output(process: subprocess.Popen[bytes]) -> bytes:
    out, _ = process.communicate(timeout=DEADLINE_S)
    return bytes(out)


def test_a_word_through_nc_is_said(server: Server) -> None:
    need("nc")
    with server.join() as reader:
        out = output(shell("printf 'hi from nc' | nc -N 127.0.0.1 $PORT", server))
        assert out.startswith(b"> Connected to the chat server (")
        reader.sees_bytes(b"] hi from nc\n")


def test_a_question_through_nc_is_answered(server: Server) -> None:
    need("nc")
    out = output(shell("echo /who | nc -N 127.0.0.1 $PORT", server))
    assert re.search(rb"> In lobby \(\d+ users? online\): .*\(you\)\n\Z", out)


def test_a_file_through_nc_takes_its_time_and_arrives_whole(tmp_path: Path) -> None:
    need("nc")
    file = tmp_path / "file"
    file.write_text("".join(f"row {number}\n" for number in range(100)))
    with Server(limits_messages_per_s=200, limits_burst=5) as server, server.join() as reader:
        output(shell('nc -N 127.0.0.1 $PORT < "$FILE"', server, FILE=str(file)))
        reader.sees_bytes(b"] row 99\n")
        assert re.findall(rb"\] row (\d+)\n", reader.received) == [b"%d" % number for number in range(100)]


def test_a_file_that_grows_is_followed_through_tail_and_nc(server: Server, tmp_path: Path) -> None:
    need("nc")
    file = tmp_path / "growing"
    file.write_text("first\n")
    tail = subprocess.Popen(["tail", "-n", "+1", "-f", str(file)], stdout=subprocess.PIPE)
    assert tail.stdout
    nc = subprocess.Popen(["nc", "127.0.0.1", str(server.port)], stdin=tail.stdout, stdout=subprocess.DEVNULL)
    tail.stdout.close()
    try:
        with server.connect() as reader:
            reader.sees_bytes(b"] first\n")
            for number in range(3):
                with file.open("a") as more:
                    more.write(f"grown {number}\n")
                reader.sees_bytes(f"] grown {number}\n".encode())
    finally:
        for process in (tail, nc):
            process.kill()
            process.wait()


def test_ncat_chats(server: Server) -> None:
    need("ncat")
    with server.join() as reader:
        out = output(shell("printf '/nick cat\\nmeow\\n/quit\\n' | ncat 127.0.0.1 $PORT", server))
        reader.sees("[cat] meow")
        assert out.endswith(b"> You are now cat\n> Goodbye\n")


@pytest.mark.parametrize("program", ["telnet", "nc"])
def test_at_a_terminal_people_type_and_see(server: Server, tmp_path: Path, program: str) -> None:
    command = [need(program), "127.0.0.1", str(server.port)]
    with server.join() as reader, Screen(tmp_path, *command) as screen:
        reader.sees("> New user")
        wait_until(lambda: any(line.startswith("[You]") for line in screen.lines), "the prompt")
        screen.says(f"/nick {program}user")
        screen.shows(f"> You are now {program}user")
        screen.says("Grüße, 世界")
        reader.sees_bytes(f"[{program}user] Grüße, 世界\n".encode())
        reader.says("/nick reader", f"welcome, {program}")  # what the other program was told is replayed
        screen.shows(f"[reader] welcome, {program}")
        # T7, T8: what another user sends draws nothing but its own line.
        reader.sends(b"/nick evil\n\x1b[2J\x1b[H\x1b[1A\x1b[2Kover\rwritten\x9b2J\x08\x08\n\xc2\x9b2Jc1\n")
        reader.says(f"last, {program}")
        screen.shows(f"[evil] last, {program}")
        shown = screen.lines
        assert f"> You are now {program}user" in shown
        assert f"[evil] last, {program}" in shown
        assert "[evil] \\x1b[2J\\x1b[H\\x1b[1A\\x1b[2Kover" in shown  # a CR ends a line
        assert "[evil] written�" in shown  # and BS deletes
        assert "[evil] \\x9b2Jc1" in shown
        assert f"[reader] welcome, {program}" in shown
        screen.says("/quit")
        reader.sees(f"< The user {program}user left")


# --- Where it listens ------------------------------------------------------------------------------------------------


def test_on_ipv6_addresses_have_brackets() -> None:
    with Server("::1") as server, server.join() as first, server.join() as second:
        assert f"listening on [::1]:{server.port}" in server.log
        assert second.name.startswith("[::1]:")
        first.sees(f"> New user {second.name} entered")
        second.says("six")
        assert first.sees("[[::1]") == f"[{second.name}] six"
        first.says(f"/msg {second.name} psst")
        second.sees_bytes(f"[{first.name} -> you] psst\n".encode())


def test_on_all_addresses_both_families_meet_and_ipv4_looks_like_ipv4() -> None:
    import socket

    with Server("::") as server, server.join() as four:
        assert four.name.startswith("127.0.0.1:")
        sock = socket.create_connection(("::1", server.port), DEADLINE_S)
        with User(sock) as six:
            six.sees_bytes(b"[You] ")
            four.sees(f"> New user {six.name} entered (2 users online)")
            four.says("from four")
            assert six.sees("[127") == f"[{four.name}] from four"
            six.says("from six")
            assert four.sees("[[") == f"[{six.name}] from six"
            assert b"ffff" not in six.received + four.received


def test_a_unix_socket_is_a_place_to_meet_too(tmp_path: Path) -> None:
    path = tmp_path / "gchat.sock"
    with Server(str(path)) as server:
        with server.join() as first, server.join() as second:
            name = "unix:1~2" if clustered.MODE == "2" else "unix:2"  # the first of both nodes
            assert first.sees(f"> New user {name} entered (2 users online)")
            second.says("hello")
            assert first.sees("[unix") == f"[{name}] hello"
            assert server.log.count(f"listening on {path} ") == 1
        nc = need("nc")
        done = subprocess.run(
            [nc, "-N", "-U", str(path)], input=b"/who", capture_output=True, timeout=DEADLINE_S, check=True
        )
        assert b"> In lobby (" in done.stdout
    assert not path.exists()
