"""gchat-client as it is typed in scripts: between pipes, with files, with what is closed, slow or gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pytest

from gchat import __version__
from gchat.client.pipe import lines_of
from tests.e2e import clustered
from tests.e2e.harness import DEADLINE_S, Server, wait_until

COMMAND = [sys.executable, "-m", "gchat.client.main"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """For tests that care neither who else is online nor what was said before."""
    with Server(limits_messages_per_s=0) as server:
        yield server


def at(server: Server, *arguments: str) -> list[str]:
    return [*COMMAND, server.host, *([] if "/" in server.host else [str(server.port)]), *arguments]


def run(command: list[str], stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        env={**os.environ, "COLUMNS": "120", **environment},
    )


@contextmanager
def started(
    command: list[str], stdin: int = subprocess.PIPE, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def stdin_of(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin
    return process.stdin


def line_of(process: subprocess.Popen[bytes]) -> str:
    """Return the next line of its stdout; the test's own deadline bounds it."""
    assert process.stdout
    return process.stdout.readline().decode().rstrip("\n")


def types(process: subprocess.Popen[bytes], *lines: str) -> None:
    stdin_of(process).write("".join(f"{line}\n" for line in lines).encode())
    stdin_of(process).flush()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for the end; return the exit code and what was said on stderr."""
    assert process.stderr
    code = process.wait(DEADLINE_S)
    return code, process.stderr.read().decode()


def assert_refused(done: subprocess.CompletedProcess[bytes], code: int, *parts: str) -> None:
    complaint = done.stderr.decode()
    assert complaint.startswith("gchat-client: ")
    assert complaint.count("\n") == 1
    assert complaint[:-1].isprintable()
    assert done.stdout == b""
    for part in parts:
        assert part in complaint
    assert done.returncode == code


# --- Lines in --------------------------------------------------------------------------------------------------------


def test_a_word_through_a_pipe_is_said_and_the_command_ends(server: Server) -> None:
    with server.join() as reader:
        done = run(at(server, "--nick", "ci"), b"done\n")
        assert (done.returncode, done.stderr) == (0, b"")
        reader.sees("> New user ci entered")
        assert reader.sees("[ci]") == "[ci] done"
        reader.sees("< The user ci left")


def test_lines_are_said_as_they_are(server: Server) -> None:
    with server.join(room="asis") as reader:
        stdin = "/usr/bin/ls\n\n  \n//x\r\n-1\n grüße 世界 \n//who\nlast".encode()
        assert run(at(server, "--nick", "raw", "--room", "asis"), stdin).returncode == 0
        for line in ("/usr/bin/ls", "/x", "-1", " grüße 世界 ", "/who", "last"):
            assert reader.sees("[raw]") == f"[raw] {line}"


def test_a_command_in_a_pipe_is_refused_and_not_said(server: Server) -> None:
    with server.join(room="piped") as reader:
        done = run(at(server, "--nick", "piper", "--room", "piped"), b"one\n/msg bob secret\n  /WHO\ntwo\n")
        assert done.returncode == 1
        hint = "is a command, and commands do not work in a pipe; to say the line, begin it with //"
        assert done.stderr.decode().splitlines() == [
            f"gchat-client: Not sent: /msg {hint}",
            f"gchat-client: Not sent: /who {hint}",
        ]
        for line in ("one", "two"):
            assert reader.sees("[piper]") == f"[piper] {line}"
        assert b"secret" not in reader.received


def test_what_is_no_utf8_becomes_replacement_characters(server: Server) -> None:
    with server.join() as reader:
        assert run(at(server, "--nick", "bytes"), b"a\xffb\xc3\n\xe4\n").returncode == 0
        assert reader.sees("[bytes]") == "[bytes] a\ufffdb\ufffd"
        assert reader.sees("[bytes]") == "[bytes] \ufffd"


def test_a_file_is_said_whole_and_in_order(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("".join(f"row {number}\n" for number in range(3000)))
    with server.join() as reader, file.open() as stdin, started(at(server, "--nick", "cat"), stdin.fileno()) as process:
        for number in range(3000):
            reader.sees_bytes(f"[cat] row {number}\n".encode())
        assert process.stdout
        process.stdout.read()
        assert ended(process) == (0, "")


def test_a_line_that_is_too_long_is_told_and_the_rest_is_said(server: Server) -> None:
    with server.join() as reader:
        stdin = b"x" * 8193 + b"\n" + b"y" * 200_000 + b"\nshort\n" + b"z" * 8000 + b"\n"
        done = run(at(server, "--nick", "long"), stdin)
        assert done.returncode == 1
        assert done.stderr.decode().splitlines() == [
            "gchat-client: Not sent: the line is longer than 8,192 bytes",
            "gchat-client: a line was not sent: it is longer than 65,536 bytes",
        ]
        assert reader.sees("[long]") == "[long] short"
        reader.sees("[long] zzz")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_found_however_they_are_cut(size: int) -> None:
    text = b"one\n\n" + b"x" * 11 + b"\n" + b"y" * 10 + b"\n" + b"z" * 50 + b"\ntwo\nrest"
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert list(lines_of(chunks, 10)) == [b"one", b"", None, b"y" * 10, None, b"two", b"rest"]


def test_the_end_of_nothing_is_no_line() -> None:
    assert list(lines_of([], 10)) == []
    assert list(lines_of([b"x" * 11], 10)) == [None]
    assert list(lines_of([b"x" * 11, b"x" * 11, b"\n"], 10)) == [None]


def test_a_refusal_is_told_on_stderr_and_by_the_exit_code(server: Server) -> None:
    done = run(at(server, "--nick", "topical"), ("\u200b" * 3 + "\nfine\n").encode())
    assert done.returncode in (0, 1)  # whether such a text is blank is the server's matter
    assert done.stderr.count(b"\n") == done.returncode


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--nick", "taken"], "taken"), (["--nick", "a b"], "nick"), (["--room", "a b"], "room name")],
)
@pytest.mark.parametrize("more", [[], ["--listen"], ["--json"], ["--wait"]])
def test_nothing_is_said_if_nick_or_room_is_not_granted(
    server: Server, arguments: list[str], more: list[str], complaint: str
) -> None:
    with server.join("taken") as reader:
        done = run(at(server, *arguments, *more), b"secret\n")
        reader.does_not_see(b"secret")
    assert done.returncode == 1
    assert complaint in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert b"secret" not in server.shown.encode()


def test_with_a_suffix_a_nick_that_is_taken_gets_a_number(server: Server) -> None:
    with server.join("ci"), server.join("ci-2"), server.join() as reader:
        assert run(at(server, "--nick", "ci", "--nick-suffix"), b"done\n").returncode == 0
        reader.sees("[ci-3] done")


def test_a_pipe_that_only_speaks_prints_nothing(server: Server) -> None:
    with server.join("talker", "quiet") as talker, started(at(server, "--nick", "ci", "--room", "quiet")) as process:
        talker.sees("> New user ci")
        talker.says("a word", "/msg ci psst", "/topic tea")
        types(process, "deployed")
        talker.sees("[ci] deployed")
        stdin_of(process).close()
        assert process.stdout
        assert process.stdout.read() == b""
        assert ended(process) == (0, "")


def test_json_prints_events_without_listen_too(server: Server) -> None:
    done = run(at(server, "--json", "--nick", "acks"), b"hi\n")
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()][:3] == ["welcome", "live", "ack"]


def test_without_stdin_it_connects_and_leaves(server: Server) -> None:
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" <&-', "bash", *at(server)], capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_stdin_that_cannot_be_read_is_at_its_end(server: Server) -> None:
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" 0>/dev/null', "bash", *at(server)],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_stdin_stays_as_it_is_for_the_next_program(server: Server) -> None:
    reader, writer = os.pipe()
    with closing(os.fdopen(reader)), os.fdopen(writer, "wb", buffering=0) as pipe:
        with started(at(server, "--listen"), reader) as process:
            assert "Connected" in line_of(process)
            assert os.get_blocking(reader)
            process.send_signal(signal.SIGKILL)
            process.wait()
        pipe.write(b"x")
        assert os.get_blocking(reader)


# --- Lines out -------------------------------------------------------------------------------------------------------


def test_what_others_say_goes_to_stdout_and_own_words_do_not(server: Server) -> None:
    with started(at(server, "--nick", "both", "--room", "talk", "--listen")) as process:
        assert line_of(process).startswith("> Connected to the chat server (")
        assert line_of(process) == "> both is an operator of talk"
        with server.join("other", "talk") as other:
            types(process, "mine")
            other.sees("[both] mine")
            other.says("theirs", "/me waves", "/msg both psst")
            assert line_of(process) == "> New user other entered (2 users online)"
            shown = [line_of(process) for _ in range(3)]
            assert shown == ["[other] theirs", "* other waves", "[other -> you] psst"]
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "")


def test_with_listen_the_end_of_stdin_is_not_the_end(server: Server) -> None:
    with (
        server.join("speaker") as speaker,
        started(at(server, "--listen", "--nick", "ear"), subprocess.DEVNULL) as process,
    ):
        assert "Connected" in line_of(process)
        speaker.sees("> New user ear")
        speaker.says("one", "two")
        assert [line_of(process), line_of(process)] == ["[speaker] one", "[speaker] two"]
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "")
        speaker.sees("< The user ear left")


def test_json_is_one_object_a_line(server: Server) -> None:
    with server.join("speaker2") as speaker, started(at(server, "--listen", "--json", "--nick", "bot")) as process:
        welcome = json.loads(line_of(process))
        assert (welcome["type"], welcome["nick"], welcome["token"]) == ("welcome", "bot", "")
        assert json.loads(line_of(process))["type"] == "live"
        speaker.sees("> New user bot")
        speaker.says("grüße 🙂")
        said = json.loads(line_of(process))
        assert (said["type"], said["from"], said["text"]) == ("said", "speaker2", "grüße 🙂")
        types(process, "mine")
        ack = json.loads(line_of(process))
        assert (ack["type"], ack["seq"]) == ("ack", said["seq"] + 1)


def test_a_closed_stdout_ends_it_quietly_while_nothing_is_said(server: Server) -> None:
    with started(at(server, "--listen")) as process:
        assert "Connected" in line_of(process)
        assert process.stdout
        process.stdout.close()
        assert ended(process) == (0, "")


def test_what_was_given_is_said_even_if_nobody_reads_stdout(server: Server) -> None:
    with server.join() as reader:
        done = subprocess.run(
            [
                "bash",
                "-c",
                'for i in {1..300}; do echo "row $i"; done | "$@" | true',
                "bash",
                *at(server, "--nick", "shy"),
            ],
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        reader.sees_bytes(b"[shy] row 300\n")


def test_a_slow_reader_of_stdout_does_not_keep_words_from_being_said(server: Server) -> None:
    with (
        server.join("loud", "slow") as loud,
        started(at(server, "--nick", "stuck", "--room", "slow", "--listen")) as process,
    ):
        loud.sees("> New user stuck")
        text = "x" * 4000
        for number in range(200):  # more than a pipe takes, and nobody reads it
            loud.says(f"{number} {text}")
        types(process, "still here")
        loud.sees("[stuck] still here")
        process.send_signal(signal.SIGTERM)
        code, _ = ended(process)
        assert code == 0


def test_a_full_disk_under_stdout_is_one_line_and_exit_code_1(server: Server) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "wb") as full, started(at(server, "--listen"), subprocess.DEVNULL, full.fileno()) as process:
        code, complaint = ended(process)
    assert code == 1
    assert complaint == "gchat-client: cannot write to stdout: no space left on device\n"


# --- The connection --------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_one_line_and_exit_code_1() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        done = run([*COMMAND, "127.0.0.1", str(port)])
        hint = "is the server running? Start it with gchat-server, or wait for it with --wait"
        assert_refused(done, 1, f"cannot connect to 127.0.0.1:{port}: connection refused; {hint}")


@pytest.mark.parametrize("host", ["no such host", "a..b", "\x1b[2J", "x" * 300, "/nonexistent/socket"])
def test_a_host_that_cannot_be_is_one_line_and_exit_code_1(host: str) -> None:
    assert_refused(run([*COMMAND, host]), 1, "cannot connect to ")


def test_a_server_that_comes_back_gets_what_was_said_meanwhile_once() -> None:
    with Server() as server, started(at(server, "--nick", "keeper", "--listen")) as process:
        assert "Connected" in line_of(process)
        port = server.port
        server.stop()
        assert process.stderr
        assert line_of(process) == f"> {clustered.FAREWELL}"
        assert process.stderr.readline().startswith(b"gchat-client: Connection lost (")
        types(process, "said while it was away")
        with Server(port=port) as again:
            wait_until(lambda: "[keeper] said while it was away\n" in again.shown, "it is said")
            process.send_signal(signal.SIGTERM)
            assert ended(process) == (0, "gchat-client: connected\n")
            wait_until(lambda: "< The user keeper left" in again.shown, "it leaves")
            assert again.shown.count("said while it was away") == 1


def test_with_wait_it_waits_for_a_server(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with started([*COMMAND, path, "--wait", "--nick", "early"]) as process:
        assert process.stderr
        assert process.stderr.readline().startswith(b"gchat-client: Connection lost (")
        types(process, "first")
        stdin_of(process).close()
        with Server(path) as server:
            wait_until(lambda: "[early] first" in server.shown, "it is said")
            code, _ = ended(process)
    assert code == 0


def test_a_unix_socket_is_a_host_with_a_slash(tmp_path: Path) -> None:
    with Server(str(tmp_path / "sock")) as server, server.join() as reader:
        assert run(at(server, "--nick", "local"), b"hello\n").returncode == 0
        reader.sees("[local] hello")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_goodbye(server: Server, number: signal.Signals) -> None:
    with server.join() as reader, started(at(server, "--nick", f"sig{number.name.lower()}", "--listen")) as process:
        reader.sees("> New user sig")
        assert "Connected" in line_of(process)
        process.send_signal(number)
        assert ended(process) == (0, "")
        reader.sees("< The user sig")


def test_a_server_that_speaks_no_rich_dialect_is_one_line_with_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with started([*COMMAND, "127.0.0.1", str(port)]) as process:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"> Connected to the chat server\n[You] ")
                code, complaint = ended(process)
    assert code == 1
    assert 'it said "Connected to the chat server"; try --plain' in complaint
    assert complaint.count("\n") == 1


def test_a_server_that_is_no_chat_is_one_line_without_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with started([*COMMAND, "127.0.0.1", str(port)]) as process:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            code, complaint = ended(process)
    assert (code, complaint) == (1, f"gchat-client: cannot connect to 127.0.0.1:{port}: HTTP/1.1 400 Bad Request\n")


def test_an_address_with_its_port_is_one_argument(server: Server) -> None:
    with server.join() as reader:
        for host in (f"127.0.0.1:{server.port}", f"localhost:{server.port}"):
            assert run([*COMMAND, host, "--nick", "oneword"], b"hi\n").returncode == 0
            reader.sees("[oneword] hi")


# --- Plain -----------------------------------------------------------------------------------------------------------


def test_in_plain_commands_are_the_servers_and_are_answered(server: Server) -> None:
    done = run(at(server, "--plain"), b"/nick plain\n/who\n")
    assert done.returncode == 0
    assert b"> You are now plain\n> In lobby (" in done.stdout
    assert done.stderr == b""


def test_in_plain_a_goodbye_is_no_message(server: Server) -> None:
    with server.join(room="bye") as reader:
        assert run(at(server, "--plain"), b"/nick old\n/join bye\nhello\n").returncode == 0
        reader.sees("[old] hello")
        reader.sees("< The user old left")
        assert b"-1" not in reader.received


# --- What is typed wrongly: 2 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("127.0.0.1", "70000"), ('"70000"', "from 1 to 65535")),
        (("127.0.0.1", "0"), ('"0"', "from 1 to 65535")),
        (("127.0.0.1", "http"), ('"http"',)),
        (("127.0.0.1", "²"), ("PORT",)),
        (("8888",), ("8888", "looks like a port", "gchat-client 127.0.0.1 8888")),
        (("",), ("HOST is empty",)),
        (("127.0.0.1", "8888", "more"), ("more", "expected [HOST [PORT]]")),
        (("--nosuch",), ("--nosuch",)),
        (("--nick",), ("--nick",)),
        (("--plain", "--json"), ("--plain",)),
        (("--plain", "--nick", "x"), ("--plain", "/nick")),
        (("--nick-suffix",), ("--nick NAME --nick-suffix",)),
        (("127.0.0.1:70000",), ('"70000"', "from 1 to 65535")),
        (("--nosuch\x1b[2J",), ("\\x1b",)),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(run([*COMMAND, *arguments]), 2, *parts)


def test_it_says_its_version_and_what_it_can() -> None:
    assert run([*COMMAND, "--version"]).stdout.decode() == f"gchat-client {__version__}\n"
    shown = run([*COMMAND, "--help"])
    assert shown.returncode == 0
    for option in (
        "--nick",
        "--room",
        "--plain",
        "--wait",
        "--listen",
        "--json",
        "--no-color",
        "--vi",
        "--nick-suffix",
    ):
        assert option in shown.stdout.decode()


def test_ctrl_c_while_it_connects_says_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        started([*COMMAND, "127.0.0.1", str(listener.getsockname()[1])]) as process,
    ):
        sock, _ = listener.accept()
        with sock:  # which never answers
            process.send_signal(signal.SIGINT)
            code, complaint = ended(process)
    assert (code, complaint) == (130, "")


def test_it_is_ready_for_ctrl_c_before_it_loads_what_takes_time() -> None:
    done = run([sys.executable, "-c", "import sys, gchat.client.main; print('gevent' in sys.modules)"])
    assert done.stdout == b"False\n"


def test_between_pipes_it_does_not_load_what_only_a_terminal_needs(server: Server) -> None:
    done = run([sys.executable, "-X", "importtime", *at(server)[1:]], b"x\n")
    assert done.returncode == 0
    assert b"gevent" in done.stderr
    assert b"prompt_toolkit" not in done.stderr
