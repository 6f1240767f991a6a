"""gchat-server as it is typed: what it refuses and how it says so, where settings come from, what it prints."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from gchat import __version__
from gchat.server.config import dump, load
from gchat.server.settings import Config
from tests.e2e.harness import DEADLINE_S, Server, wait_until

COMMAND = [sys.executable, "-m", "gchat.server.main"]
SERVE = [*COMMAND, "--no-admin"]  # its usual port may be in use
STATE = tempfile.TemporaryDirectory()  # where these servers keep things
REPOSITORY = Path(__file__).parents[2]


def clean(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    mine = ("GCHAT_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return {**kept, "COLUMNS": "120", "XDG_STATE_HOME": STATE.name, **(environment or {})}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=DEADLINE_S,
        env=clean(environment),
        check=False,
    )


def assert_refused(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """Fail unless the command ended with `code` and exactly one line on stderr that has all of `parts` in it."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("gchat-server: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.isprintable() or done.stderr[:-1].isprintable()
    for part in parts:
        assert part in done.stderr
    assert done.returncode == code, done.stderr


# --- What the machine refuses: 1 -------------------------------------------------------------------------------------


def test_a_port_in_use_is_one_line_and_exit_code_1() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert_refused(run("127.0.0.1", str(port)), 1, f"127.0.0.1:{port}", "in use", "another port")


def test_a_second_server_on_the_same_port_is_refused_and_the_first_goes_on() -> None:
    with Server() as server:
        assert_refused(run("127.0.0.1", str(server.port)), 1, f"127.0.0.1:{server.port}", "in use")
        with server.join() as user:
            user.does_not_see(b"refused")


def test_an_address_that_is_not_ours_is_one_line_and_exit_code_1() -> None:
    # Of the networks that are kept for documentation: no machine has them.
    assert_refused(run("198.51.100.77", "0"), 1, "198.51.100.77", "not an address of this machine")
    assert_refused(run("2001:db8:77::1", "0"), 1, "[2001:db8:77::1]", "not an address of this machine")


def test_root_is_refused_beyond_this_machine_unless_it_is_allowed(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("not root")
    for arguments in (("0.0.0.0", "0"), ("--check-config", "::", "0")):
        assert_refused(run(*arguments, "--memory", "--no-admin"), 1, "root would listen on ", "--allow-root")
    assert run("--check-config", "--allow-root", "0.0.0.0", "0", "--memory", "--no-admin").returncode == 0
    assert run("--check-config", "127.0.0.1", "0", "--memory", "--no-admin").returncode == 0


@pytest.mark.parametrize("host", ["a..b", "no such name", "a\nb", "\x1b[31m", "[::1", "x" * 300])
def test_a_host_that_is_no_name_is_one_line_and_exit_code_1(host: str) -> None:
    assert_refused(run(host, "0"), 1, "cannot listen on", "is not an address or a known host name")


def test_a_unix_socket_that_cannot_be_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert_refused(run(str(file)), 1, str(file), "not a socket")
    assert file.read_text() == "mine"
    assert_refused(run(str(tmp_path)), 1, str(tmp_path), "not a socket")
    assert_refused(run(str(tmp_path / "none" / "sock")), 1, f"the directory {tmp_path / 'none'} does not exist")
    assert_refused(run(str(file / "sock")), 1, f"{file} is not a directory")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    assert_refused(run(str(tmp_path / "dangling")), 1, "not a socket")
    done = run(str(tmp_path / ("x" * 200)))
    assert_refused(done, 1, "x" * 200, "too long", "at most 107 bytes")
    assert "success" not in done.stderr


def test_a_unix_socket_on_which_another_server_listens_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with Server(path) as server:
        assert_refused(run(path), 1, path, "another server listens there")
        with server.join() as user:
            user.does_not_see(b"refused")


def test_a_unix_socket_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    with Server(path) as server, server.join() as user:
        user.does_not_see(b"refused")


def test_a_missing_or_unreadable_file_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    assert_refused(run("--config", missing), 1, missing, "no such file")
    assert_refused(run("--config", str(tmp_path)), 1, str(tmp_path), "is a directory")
    assert_refused(run("--check-config", "--config", missing), 1, missing)
    if os.getuid():
        unreadable = tmp_path / "mine.toml"
        unreadable.touch(0)
        assert_refused(run("--config", str(unreadable)), 1, str(unreadable), "permission denied")


# --- What was asked wrongly: 2 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("127.0.0.1", "70000"), ('"70000"', "port", "from 0 to 65535")),
        (("127.0.0.1", "http"), ('"http"', "port", "a whole number")),
        (("127.0.0.1", ""), ("port", "a whole number")),
        (("127.0.0.1", "9" * 40), ("port", "from 0 to 65535")),
        (("8888",), ("8888", "looks like a port", "gchat-server 127.0.0.1 8888")),
        (("8888", "127.0.0.1"), ("127.0.0.1", "port", "expected")),
        (("",), ("host", "not empty")),
        (("127.0.0.1", "0", "more"), ("more", "expected [HOST [PORT]]")),
        (("127.0.0.1", "0", "and", "more"), ("and more", "expected [HOST [PORT]]")),
        (("--log-level", "loud"), ('"loud"', "level", "debug", "warning")),
        (("--log-level", ""), ("level", "debug")),
        (("--log-level",), ("--log-level", "expected one argument")),
        (("--config",), ("--config", "expected one argument")),
        (("--config", ""), ("--config is empty; expected a file",)),
        (("--backup", ""), ("--backup is empty; expected a file",)),
        (("--export", ""), ("--export is empty; expected the name of a room",)),
        (("--json",), ("--json goes with --export; type --export ROOM --json",)),
        (("--export", "lobby", "--backup", "x.db"), ("--export and --backup exclude each other; type one of them",)),
        (("--check-config", "--print-config"), ("--check-config and --print-config exclude each other",)),
        (("--export", "lobby", "--memory"), ("--export needs a stored history", "use --db FILE")),
        (("--export", "lobby", "--db", ":memory:"), ("--export needs a stored history", "use --db FILE")),
        (("--backup", "x.db", "--db", ":memory:"), ("--backup needs a stored history", "use --db FILE")),
        (("--bogus",), ("--bogus", "--help")),
        (("--conf", "x"), ("--conf",)),
        (("--quiet=yes",), ("--quiet",)),
        (("127.0.0.1", "-1"), ("-1",)),
        (("--bo\ngus\x1b[31m",), ("--bo\\x0agus\\x1b[31m",)),
    ],
)
def test_what_is_typed_wrongly_is_one_line_and_exit_code_2(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(run(*arguments), 2, *parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[server]\nports = 1\n", ("unknown key server.ports", "did you mean server.port?")),
        ('[server]\nport = "8888"\n', ("server.port", '"8888"', "a whole number from 0 to 65535")),
        ("[server]\nport = 70000\n", ("server.port", "70000", "from 0 to 65535")),
        ("[servers]\nport = 1\n", ("unknown section [servers]", "did you mean [server]?")),
        ("server: port\n", ("not TOML", "line 1")),
        ("port = 3\n", ("port = 3: expected a section; did you mean port in [server] or [admin]?",)),
        ("burst = 3\n", ("burst = 3: expected a section; did you mean burst in [limits]?",)),
        (
            "cheese = 3\n",
            ("cheese = 3: expected a section; there are server, admin, auth, tls, limits, history, hooks, cluster",),
        ),
        ("server = 3\n", ("server = 3: expected a section, [server]",)),
        ('[server]\nmotd = "a\\u0000b"\n', ("server.motd", "expected a text without the character NUL")),
        ("[limits]\nmessages_per_s = inf\n", ("limits.messages_per_s", "expected a number from 0 to 1000000000")),
        ("[limits]\nnick_max = -1\n", ("limits.nick_max", "-1", "from 1 to 100")),
        ('[limits]\n"bu\\nrst\\u001b" = 1\n', ("unknown key limits.bu\\x0arst\\x1b",)),
    ],
)
def test_a_wrong_file_is_one_line_and_exit_code_2(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    assert_refused(run("127.0.0.1", "0", "--config", str(path)), 2, str(path), *parts)


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("GCHAT_SERVER_PORT", "http", ('"http"', "a whole number")),
        ("GCHAT_LIMITS_BURST", "0", ('"0"', "from 1 to 1000000000")),
        ("GCHAT_LIMITS_STALL_TIMEOUT_S", "nan", ('"nan"', "above 0")),
        ("GCHAT_LIMITS_BURST", "\udcff", ("a whole number",)),
        ("GCHAT_LOG_LEVEL", "\udcff", ("debug",)),
    ],
)
def test_a_wrong_variable_is_one_line_and_exit_code_2(name: str, value: str, parts: tuple[str, ...]) -> None:
    assert_refused(run("127.0.0.1", "0", **{name: value}), 2, name, *parts)


def test_a_wrong_value_does_not_get_as_far_as_the_port() -> None:
    with Server() as server:
        assert_refused(run("127.0.0.1", str(server.port), GCHAT_LIMITS_BURST="0"), 2, "GCHAT_LIMITS_BURST")


def test_a_history_that_the_configuration_keeps_in_memory_cannot_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text('[history]\nstore = "memory"\n')
    assert_refused(run("--config", str(path), "--export", "lobby"), 2, "--export needs a stored history")


# --- Where settings come from ----------------------------------------------------------------------------------------


def test_an_argument_is_stronger_than_the_environment_than_the_file_than_the_default(tmp_path: Path) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text('[server]\nhost = "file"\nport = 1\nprompt = "file"\n[log]\nlevel = "error"\n')
    done = run(
        "argument", "--config", str(path), "--log-level", "debug", "--print-config",
        GCHAT_SERVER_PORT="2", GCHAT_SERVER_HOST="variable", GCHAT_LOG_LEVEL="warning",
    )  # fmt: skip
    assert done.stderr == ""
    printed = tmp_path / "printed.toml"
    printed.write_text(done.stdout)
    config = load(str(printed), {}, {})
    assert (config.server.host, config.server.port, config.server.prompt) == ("argument", 2, "file")
    assert (config.log.level, config.server.listen_backlog) == ("debug", 4096)


def test_check_config_says_that_it_is_valid_and_starts_nothing() -> None:
    done = run("--check-config")
    assert (done.returncode, done.stdout, done.stderr) == (0, "The configuration is valid\n", "")


def test_print_config_is_what_stands_in_the_repository() -> None:
    done = subprocess.run(
        [*COMMAND, "--print-config"], capture_output=True, timeout=DEADLINE_S, env=clean(), check=True
    )
    assert done.stdout == (REPOSITORY / "config" / "gchat.toml").read_bytes()
    assert done.stdout.decode() == dump(Config())
    assert done.stderr == b""


def test_print_config_prints_what_loads_back_as_itself(tmp_path: Path) -> None:
    environment = {
        "GCHAT_SERVER_MOTD": 'a\n"b"\\ é 😀\t',
        "GCHAT_LIMITS_MESSAGES_PER_S": "0.1",
        "GCHAT_SERVER_HOST": "::",
    }
    first = run("--print-config", **environment)
    path = tmp_path / "gchat.toml"
    path.write_text(first.stdout)
    second = run("--print-config", "--config", str(path))
    assert second.returncode == 0
    assert second.stdout == first.stdout
    assert first.stdout != dump(Config())


def test_a_variable_that_is_not_utf8_makes_no_traceback() -> None:
    done = run("--print-config", GCHAT_SERVER_PROMPT="\udcff> ")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


def test_version_and_help() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"gchat-server {__version__}\n", "")
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("HOST", "PORT", "--config", "--quiet", "--check-config", "--print-config", "--log-level", "--version"):
        assert word in done.stdout


@pytest.mark.parametrize("option", ["--print-config", "--check-config", "--version", "--help"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_an_answer_that_nobody_takes_makes_no_traceback(option: str, where: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {where}', "sh", *COMMAND, option],
        stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, env=clean(), check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


# --- Running ---------------------------------------------------------------------------------------------------------


def test_without_arguments_it_listens_on_127_0_0_1_8888_and_says_so() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8888))
        except OSError:
            pytest.skip("127.0.0.1:8888 is in use")
    with subprocess.Popen(SERVE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean()) as process:
        assert process.stderr
        try:
            assert "listening on 127.0.0.1:8888" in process.stderr.readline()
            with socket.create_connection(("127.0.0.1", 8888), DEADLINE_S) as user:
                assert user.recv(100).startswith(b"> Connected to the chat server (1 user online)\n")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE_S) == 0


def test_the_port_that_was_taken_for_0_is_announced() -> None:
    with Server() as server:
        assert re.search(r"listening on 127\.0\.0\.1:[1-9]\d*", server.log)
        assert server.port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_goodbye_and_ends_with_0(number: signal.Signals) -> None:
    with Server() as server, server.join() as user:
        server.process.send_signal(number)
        user.sees("> The server is shutting down")
        user.sees_end()
        assert server.process.wait(DEADLINE_S) == 0


def test_the_conversation_is_on_stdout_and_the_log_on_stderr() -> None:
    with Server() as server:
        with server.join("alice") as alice:
            alice.says("hello", "/me waves", "/join dev", "in dev")
            wait_until(lambda: "in dev" in server.shown, "the conversation is shown")
        server.stop()
        shown = server.shown.splitlines()
        assert "[alice] hello" in shown
        assert "* alice waves" in shown
        assert "#dev [alice] in dev" in shown
        assert "listening" not in server.shown
        assert "hello" not in server.log
        assert "in dev" not in server.log


def test_quiet_shows_no_conversation() -> None:
    with Server("127.0.0.1", "--quiet") as server:
        with server.join("alice") as alice, server.join() as bob:
            alice.says("hello")
            bob.sees("[alice] hello")
        server.stop()
        assert server.shown == ""
        assert "listening" in server.log


def test_log_level_error_logs_nothing_that_is_usual(tmp_path: Path) -> None:
    path = str(tmp_path / "sock")
    with subprocess.Popen(
        [*SERVE, path, "--log-level", "error"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean()
    ) as process:
        wait_until(lambda: os.path.exists(path), "the socket is there")
        with socket.socket(socket.AF_UNIX) as sock:
            wait_until(lambda: sock.connect_ex(path) == 0, "it listens")
            assert sock.recv(1) == b">"
            process.terminate()
            assert process.wait(DEADLINE_S) == 0
        assert process.stderr
        assert process.stderr.read() == b""


def test_a_log_in_json_is_one_object_a_line() -> None:
    import json

    with Server(log_format="json") as server:
        with server.join("alice"):
            pass
        server.stop()
        lines = [line for line in server.log.splitlines() if line.startswith("{")]
        assert [json.loads(line)["message"].split()[0] for line in lines][:3] == ["listening", "history:", "opened"]
        events = [json.loads(line) for line in lines]
        assert all(set(event) >= {"time", "level", "message"} for event in events)
        assert all(re.fullmatch(r"[-\d]{10}T[:\d]{8}\.\d{3}[+-]\d\d:\d\d", event["time"]) for event in events)
        assert events[0]["address"] == f"127.0.0.1:{server.port}"
        assert events[-1]["messages"] == 0


def users_of(path: Path) -> Server:
    """Return a harness for the users of a server that was started without it."""
    server = Server(str(path))
    server._directory.cleanup()
    return server


def chat_with(command: list[str], path: Path, *, stdout: int | None = None) -> None:
    """Run a server whose output goes nowhere, and fail unless people can talk on it, much, and it ends as usual."""
    process = subprocess.Popen(
        command, stdout=stdout, stderr=subprocess.DEVNULL, env=clean({"GCHAT_LIMITS_MESSAGES_PER_S": "0"})
    )
    try:
        wait_until(lambda: path.exists() or process.poll() is not None, "the socket is there")
        assert process.poll() is None
        server = users_of(path)
        with server.join("alice") as alice, server.join("bob") as bob:
            for number in range(50):
                alice.sends(b"x" * 1000 + b"\n" + b"y\n" * 500 + b"end %d\n" % number)
                bob.sees(f"[alice] end {number}")
            alice.does_not_see(b"[alice]")
            assert b"opened" not in bob.received
            assert b"listening" not in bob.received
            assert bob.received.count(b"[alice] end 7\n") == 1
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_server_without_its_standard_files_serves_and_ends_as_usual(tmp_path: Path, closed: str) -> None:
    """Above all it must not write its log or the conversation into a socket that got the number 1 or 2."""
    path = tmp_path / "sock"
    chat_with(["sh", "-c", f'exec "$@" {closed}', "sh", *SERVE, str(path)], path)


def test_a_stdout_that_nobody_reads_does_not_stop_the_server(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        chat_with([*SERVE, str(tmp_path / "sock")], tmp_path / "sock", stdout=write)
    finally:
        os.close(read)
        os.close(write)


def test_a_stdout_whose_reader_is_gone_does_not_stop_the_server(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        chat_with([*SERVE, str(tmp_path / "sock")], tmp_path / "sock", stdout=write)
    finally:
        os.close(write)


def test_a_stdout_that_nobody_reads_costs_bounded_memory(tmp_path: Path) -> None:
    """60 MB of conversation while stdout is stuck: what waits for it is bounded in bytes, not only in pieces."""
    path = tmp_path / "sock"
    read, write = os.pipe()
    environment = clean({"GCHAT_LIMITS_MESSAGES_PER_S": "0", "GCHAT_LIMITS_ROOM_LOG_BYTES": "65536"})
    process = subprocess.Popen([*SERVE, str(path)], stdout=write, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(path.exists, "the socket is there")
        server = users_of(path)
        with server.join("alice") as alice:
            alice.does_not_see(b"x")
            before = resident_kib(process.pid)
            for _ in range(60):
                alice.sends((b"x" * 7_999 + b"\n") * 125)
                alice.does_not_see(b"x")
            assert resident_kib(process.pid) - before <= 24 * 1024
    finally:
        os.close(read)
        os.close(write)
        process.kill()
        process.wait()


def resident_kib(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def test_a_unix_socket_that_somebody_removed_does_not_spoil_the_end(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with Server(str(path)) as server, server.join() as user:
        path.unlink()
        server.process.terminate()
        user.sees("> The server is shutting down")
        user.sees_end()
        assert server.process.wait(DEADLINE_S) == 0


def test_a_unix_socket_is_gone_when_the_server_is(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with Server(str(path)) as server:
        assert server.stop() == 0
    assert not path.exists()
