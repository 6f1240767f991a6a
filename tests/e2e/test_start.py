"""The start as an operator meets it: addresses, sockets, what stands in the way, and --check-config beside it."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gchat.journal.sqlite.schema import APPLICATION_ID
from tests.e2e import clustered
from tests.e2e.harness import DEADLINE_S, Server, free_port, free_ports, wait_until
from tests.e2e.test_failing_disk import possible_here
from tests.e2e.tools import need
from tests.faults import ReadOnly

pytestmark = pytest.mark.usefixtures("all_speak_plain")

CHECK = "--check-config"
COMMAND = [sys.executable, "-m", "gchat.server.main"]

#: Without the rights of root, even if it is root who runs the tests.
POWERLESS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


def run(
    state: Path, *arguments: str, before: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, or stop it with a signal if it starts."""
    ours = ("GCHAT_", "PYTHONUNBUFFERED")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with subprocess.Popen(
        [*before, *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "XDG_STATE_HOME": str(state), **environment},
    ) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def refusal(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Fail unless the command was refused with one line; return it."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("gchat-server: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("gchat-server: ").rstrip("\n")


def refused_twice(state: Path, *arguments: str, before: Sequence[str] = (), **environment: str) -> str:
    """Fail unless --check-config and the start refuse it in the same words; return them."""
    checked = refusal(run(state, CHECK, *arguments, before=before, **environment))
    assert refusal(run(state, *arguments, before=before, **environment)) == checked
    return checked


def made(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_host_and_port_are_understood_as_one_word(host: str, tmp_path: Path) -> None:
    port = free_port()
    done = run(tmp_path, f"{host}:{port}", "--print-config")
    assert f'host = "{host.strip("[]")}"\nport' not in done.stderr
    assert re.search(rf'^host = "{re.escape(host.strip("[]"))}" .*\nport = {port} ', done.stdout, re.MULTILINE)
    server = Server(f"{host}:{port}")
    server.command = [*COMMAND, f"{host}:{port}"]
    with server:
        assert server.port == port
        with socket.create_connection((host.strip("[]"), port), DEADLINE_S) as user:
            assert user.recv(100).startswith(b"> Connected to the chat server")


def test_the_client_and_the_admin_option_understand_host_and_port_too(tmp_path: Path) -> None:
    with Server("127.0.0.1", "--admin", "[::1]:0") as server:
        wait_until(lambda: re.search(r"admin page: http://\[::1\]:\d+/", server.log), "the page is there")
        done = subprocess.run(
            [sys.executable, "-m", "gchat.client.main", f"127.0.0.1:{server.port}"],
            input=b"hello\n", capture_output=True, timeout=DEADLINE_S, check=True,
        )  # fmt: skip
        assert done.returncode == 0
        wait_until(lambda: "hello" in server.shown, "it is said")
    with Server("127.0.0.1", "--admin", "::1") as server:
        wait_until(lambda: re.search(r"admin page: http://\[::1\]:\d+/", server.log), "the page is there")


def test_the_admin_endpoint_is_beside_the_chat(tmp_path: Path) -> None:
    """Two servers on one machine do not meet on 8889."""
    port = free_ports()
    with Server(port=port, environment={"GCHAT_ADMIN_ENABLED": "true"}) as server:
        wait_until(lambda: f"admin page: http://127.0.0.1:{port + 1}/" in server.log, "the page is there")
    with Server(str(tmp_path / "sock"), environment={"GCHAT_ADMIN_ENABLED": "true"}) as server:
        wait_until(lambda: re.search(r"admin page: http://127.0.0.1:\d+/", server.log), "the page is there")
        assert ":8889/" not in server.log
    refused = refusal(run(tmp_path, "127.0.0.1", "65535"), 2)
    assert refused == "the admin endpoint has no port after 65535; set admin.port, or type --no-admin"


def test_an_ipv6_address_with_a_port_and_no_brackets_is_told_where_brackets_go(tmp_path: Path) -> None:
    """HyNetworks/hysteria#775: ::1:8585 is an address, and not the one that was meant."""
    said = refused_twice(tmp_path, "::1:8585")
    assert said == (
        "cannot listen on [::1:8585]:8888: this is not an address of this machine; with a port, an IPv6 address "
        "needs brackets: [::1]:9000"
    )


def test_a_host_in_the_file_that_has_its_port_with_it_is_told_where_the_port_goes(tmp_path: Path) -> None:
    for variable in ("GCHAT_SERVER_HOST", "GCHAT_ADMIN_HOST"):
        said = refusal(run(tmp_path, CHECK, **{variable: "127.0.0.1:9000"}), 2)
        why = "expected a host alone, because the port has a setting of its own"
        assert said == f'{variable} = "127.0.0.1:9000": {why}'


# --- The configuration -----------------------------------------------------------------------------------------------


def test_what_containers_set_is_named_once_in_the_log_and_what_was_meant_with_a_warning() -> None:
    environment = {
        "GCHAT_PORT": "tcp://10.0.0.1:8888",
        "GCHAT_SERVICE_HOST": "10.0.0.1",
        "GCHAT_SERVER_PORT": "tcp://10.0.0.1:8888",
        "GCHAT_LIMITS_BRUST": "7",
    }
    with Server("127.0.0.1", environment=environment) as server, server.join():
        server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: "statistics" in server.log, "the signals are heard")
        log = server.log
    assert log.count(" INFO environment variables that are not settings, ignored: ") == 1
    assert log.count("GCHAT_PORT, GCHAT_SERVICE_HOST, GCHAT_SERVER_PORT") == 1
    assert log.count("did you mean") == 1
    assert "WARNING unknown environment variable GCHAT_LIMITS_BRUST, ignored; did you mean GCHAT_LIMITS_BURST?" in log


def test_a_check_warns_of_a_misspelled_variable(tmp_path: Path) -> None:
    done = run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_LIMITS_BRUST="7", GCHAT_PORT="tcp://10.0.0.1:8888")
    assert (done.returncode, done.stdout) == (0, "The configuration is valid\n")
    assert done.stderr == (
        "gchat-server: unknown environment variable GCHAT_LIMITS_BRUST, ignored; did you mean GCHAT_LIMITS_BURST?\n"
    )


def test_a_wrong_value_in_the_environment_stops_the_start(tmp_path: Path) -> None:
    assert "GCHAT_LIMITS_BURST" in refusal(run(tmp_path, GCHAT_LIMITS_BURST="many"), 2)


def test_a_configuration_that_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path / "fifo", "a FIFO"), (Path("/dev/zero"), "a device"), (tmp_path, "a directory")):
        said = refused_twice(tmp_path, "--config", str(path))
        assert said == f"cannot read {path}: it is {kind}; expected a regular file"


def test_a_file_from_powershell_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "gchat.toml"
    path.write_bytes(b'\xef\xbb\xbf[server]\r\nmotd = "from windows"\r\n')
    with Server("127.0.0.1", "--config", str(path)) as server, server.join() as alice:
        assert b"> from windows\n" in alice.received


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}])
def test_the_printed_configuration_is_utf8_whatever_the_terminal_is(tmp_path: Path, encoding: dict[str, str]) -> None:
    done = run(tmp_path, "--print-config", GCHAT_SERVER_MOTD="é 😀", **encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'motd = "é 😀"' in done.stdout
    assert run(tmp_path, "--help", **encoding).returncode == 0


@pytest.mark.parametrize("option", ["--help", "--version", "--print-config", "--check-config"])
def test_what_is_printed_arrives_in_a_pipe_and_a_full_disk_is_told(tmp_path: Path, option: str) -> None:
    assert run(tmp_path, option).stdout
    full = refusal(run(tmp_path, option, before=["sh", "-c", 'exec "$@" >/dev/full', "sh"]))
    assert full == "cannot write to stdout: no space left on device"
    closed = run(tmp_path, option, before=["sh", "-c", 'sleep 0.1; "$@" | true; exit 0', "sh"])
    assert closed.stderr == ""


@pytest.mark.parametrize("what", [["--print-config"], ["--export", "lobby"]])
def test_a_non_blocking_pipe_gets_all_that_is_printed(tmp_path: Path, what: list[str]) -> None:
    """O_NONBLOCK is a flag that all who hold the pipe share; node, ssh and bun set it (oven-sh/bun#33560)."""
    database = tmp_path / "history.db"
    with (
        Server("127.0.0.1", "--db", str(database), limits_messages_per_s=0) as server,
        server.join("alice") as alice,
    ):
        alice.says(*(f"{number} {'x' * 1000}" for number in range(200)))
        alice.does_not_see(b"refused")
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"\n" * 4096)
    with subprocess.Popen([*COMMAND, "--db", str(database), *what], stdout=write, stderr=subprocess.PIPE) as process:
        os.close(write)
        stat_path = Path(f"/proc/{process.pid}/stat")
        wait_until(lambda: stat_path.read_text().rpartition(")")[2].split()[0] in "SZ", "it waits")
        with os.fdopen(read, "rb") as file:
            received = file.read()
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr
        assert process.stderr.read() == b""
    assert b"[log]" in received if what == ["--print-config"] else received.count(b" [alice] ") == 200


def test_a_history_in_memory_is_asked_for_as_in_sqlite(tmp_path: Path) -> None:
    with Server("127.0.0.1", "--db", ":memory:") as server:
        assert "history: " not in server.log
        assert not Path(":memory:").exists()
    assert "--db is empty" in refusal(run(tmp_path, "--db", ""), 2)


# --- What stands in the way ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("socket", "EAFNOSUPPORT", "cannot listen on [::1]:0: this machine has no IPv6; choose another address"),
        ("socket", "EMFILE", "cannot listen on [::1]:0: the limit of open files is reached; raise it (ulimit -n)"),
        ("setsockopt", "ENOPROTOOPT", "cannot listen on [::1]:0: this machine lacks the socket option SO_REUSEADDR"),
        ("setsockopt", "ENOPROTOOPT:when=2+", "cannot listen on [::1]:0: this machine lacks the socket option IPV6_V"),
        ("setsockopt", "ENOPROTOOPT:when=5+", "cannot set the socket option SO_SNDBUF: protocol not available"),
        ("setsockopt", "ENOPROTOOPT:when=6+", "cannot set the socket option TCP_NODELAY: protocol not available"),
        ("bind", "EPERM", "cannot listen on [::1]:0: the security policy of this machine does not permit it"),
        ("bind", "EACCES", "cannot listen on [::1]:0: "),
        ("bind", "ENOBUFS", "cannot listen on [::1]:0: no buffer space available"),
        ("listen", "EADDRINUSE", "cannot listen on [::1]:0: the port is in use"),
    ],
)
def test_each_error_of_a_socket_has_its_own_line(tmp_path: Path, call: str, error: str, said: str) -> None:
    injected = [
        need("strace"),
        "-D",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:error={error}",
    ]
    assert refusal(run(tmp_path, "::1", "0", "--no-admin", "--memory", before=injected)).startswith(said)


def without_threads(first: int) -> list[str]:
    """Return what makes the kernel refuse threads from the `first` one on."""
    call = "inject=clone,clone3:error=EAGAIN"
    return [need("strace"), "-D", "-f", "-o", "/dev/null", "-e", "trace=clone,clone3", "-e", f"{call}:when={first}+"]


def test_all_threads_that_the_server_needs_run_before_it_listens() -> None:
    """Whichever is refused, the start fails with one line; a server that listens needs no more of them."""
    for first in range(1, 20):
        environment = {"GCHAT_ADMIN_ENABLED": "true", "GEVENT_MONITOR_THREAD_ENABLE": "false"}
        server = Server("127.0.0.1", "--admin", "127.0.0.1:0", before=without_threads(first), environment=environment)
        try:
            server.__enter__()
        except AssertionError:
            assert server.process.wait(DEADLINE_S) == 1
            assert server.log.startswith("gchat-server: cannot start a thread: the limit of processes is reached; ")
            assert server.log.count("\n") == 1
            server.__exit__(None, None, None)
        else:
            break
    else:
        pytest.fail("the server does not start")
    assert first > 2
    with ExitStack() as stack:
        stack.push(server.__exit__)
        wait_until(lambda: "admin page: " in server.log, "the page is announced")
        page = re.search(r"admin page: (http://\S+)", server.log)
        assert page
        with urllib.request.urlopen(f"{page[1]}healthz", timeout=DEADLINE_S) as answer:
            assert answer.status == 200
        with server.join() as user:
            user.says("hello", "/search hello")
            user.sees_bytes(b"hello\n")
        assert "thread" not in server.log


def test_too_few_descriptors_are_one_line_and_few_a_warning(tmp_path: Path) -> None:
    few = ["sh", "-c", 'ulimit -n 10; exec "$@"', "sh"]
    assert "the limit of open files is 10, expected at least 40" in refused_twice(tmp_path, "::1", "0", before=few)
    limited = ["sh", "-c", 'ulimit -n 120; exec "$@"', "sh"]
    with Server(before=limited, environment={"GCHAT_ADMIN_ENABLED": "true"}) as server, server.join():
        assert "WARNING few connections are possible (1), because the limit of open files is 120" in server.log
    with Server(before=["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"]) as server:
        assert "WARNING few connections" not in server.log
    with Server(before=["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"], server_max_connections=500) as server:
        assert "WARNING few connections are possible (236)" in server.log
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 64


@pytest.mark.parametrize(("descriptors", "places"), [(64, 1), (128, 64)])
@pytest.mark.parametrize("admin", [False, True])
def test_so_few_descriptors_leave_few_places_and_the_warning_says_how_many(
    descriptors: int, places: int, admin: bool
) -> None:
    places = 1 if admin else places
    limited = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
    with Server(before=limited, environment={"GCHAT_ADMIN_ENABLED": str(admin), "GCHAT_ADMIN_PORT": "0"}) as server:
        wait_until(lambda: "few connections" in server.log, "the warning")
        assert (
            f"WARNING few connections are possible ({places}), because the limit of open files is {descriptors};"
            in (server.log)
        )
        with server.join() as alice, ExitStack() as others:
            for _ in range(places - 1):
                others.enter_context(server.join())
            with server.connect() as late:
                late.sees("> The server is full")
            alice.says("/ping still")
            alice.sees("> pong still")


def test_a_path_in_a_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = ["sh", "-ec", f'mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; exec "$@"', "sh"]
    repository = str(Path(__file__).parents[2])
    said = refused_twice(tmp_path, "./sock", "--no-admin", before=gone, PYTHONPATH=repository)
    assert said == "the current directory does not exist any more; change to another one"


@pytest.mark.parametrize("option", ["--config", "--db", "--admin", "--log-level", "--export", "--backup"])
def test_a_word_that_is_not_utf8_is_one_line(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, "127.0.0.1", "0", option, "\udcff\udcfe")
    assert done.returncode in (1, 2)
    refusal(done, done.returncode)


def test_what_a_user_may_not_do_is_told_by_its_cause(tmp_path: Path) -> None:
    powerless = [need("setpriv"), *POWERLESS[1:]]
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o755)
    if os.getuid() == 0:
        os.chown(theirs, 1234, 1234)
    else:
        theirs.chmod(0o555)
    said = refused_twice(tmp_path, str(theirs / "sock"), "--no-admin", before=powerless)
    assert said == (
        f"cannot listen on {theirs}/sock: no permission to create a socket in {theirs}; choose another directory"
    )
    said = refused_twice(tmp_path, "127.0.0.1", "80", "--no-admin", before=powerless)
    assert said == (
        "cannot listen on 127.0.0.1:80: ports below 1024 are reserved for the system; choose a higher one than 80"
    )
    said = refused_twice(tmp_path, str(tmp_path / "sock"), "--no-admin", before=powerless, GCHAT_SERVER_GROUP="99999")
    assert "the server's user is not in the group 99999" in said
    checked = run(tmp_path, CHECK, "127.0.0.1", "0", "--db", str(theirs / "x.db"), before=powerless)
    assert f"cannot store the history in {theirs}/x.db: no permission to write in {theirs}" in refusal(checked)
    assert not (tmp_path / "sock").exists()


# --- Checking --------------------------------------------------------------------------------------------------------


def test_a_check_makes_nothing_and_does_not_mind_the_server_that_runs(tmp_path: Path) -> None:
    state = tmp_path / "state"
    done = run(state, CHECK, "127.0.0.1", str(free_port()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "The configuration is valid\n", "")
    assert not state.exists()
    path = tmp_path / "sock"
    with Server(str(path), "--db", str(tmp_path / "history.db"), admin_enabled="true") as server, server.join("alice"):
        before = made(tmp_path)
        inode = path.stat().st_ino
        done = run(Path(server.environment["XDG_STATE_HOME"]), CHECK, str(path), "--db", str(tmp_path / "history.db"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "The configuration is valid\n", "")
        assert made(tmp_path) == before
        assert path.stat().st_ino == inode
    with Server() as server:
        assert run(tmp_path, CHECK, "127.0.0.1", str(server.port)).returncode == 0


def test_a_check_finds_what_the_start_would(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("mine")
    for arguments, part in (
        (["198.51.100.77", "0"], "not an address of this machine"),
        (["no.such.host.invalid", "0"], "is not an address or a known host name"),
        (["127.0.0.1", "0", "--admin", "198.51.100.77:0"], "admin.insecure = true"),
        (["127.0.0.1", "0", "--admin", "no such:0"], "the admin endpoint"),
        (
            ["127.0.0.1", "0", "--admin", str(tmp_path / "none" / "sock")],
            f"the directory {tmp_path / 'none'} does not exist",
        ),
        ([str(nowhere)], "it is not a socket"),
    ):
        assert part in refused_twice(tmp_path, *arguments), arguments
    done = run(tmp_path, CHECK, "127.0.0.1", "0", "--admin", "127.0.0.1:0", GCHAT_SERVER_GROUP="x")
    assert done.returncode == 0, "a group is of Unix sockets"
    said = refused_twice(tmp_path, str(tmp_path / "sock"), GCHAT_SERVER_GROUP="no such group")
    assert said == f"cannot listen on {tmp_path}/sock: this machine has no group no such group"
    assert 'expected an octal file mode in quotes, such as "0660"' in refusal(
        run(tmp_path, CHECK, str(tmp_path / "sock"), GCHAT_SERVER_MODE="rw-rw----"), 2
    )


@pytest.mark.parametrize(
    ("chat", "admin"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
    ],
)
def test_the_chat_and_the_admin_endpoint_cannot_have_one_port(chat: str, admin: str, tmp_path: Path) -> None:
    """manticoresoftware/manticoresearch#757: listeners of one server met, and the other one was blamed."""
    port = free_port()
    said = refused_twice(
        tmp_path, chat, str(port), "--admin", f"[{admin}]:{port}" if ":" in admin else f"{admin}:{port}"
    )
    assert "the chat listens there; --admin HOST:PORT moves it, --no-admin turns it off" in said
    assert made(tmp_path) == []


def test_the_chat_and_the_admin_endpoint_may_have_one_port_on_two_addresses(tmp_path: Path) -> None:
    for chat, admin in (("127.0.0.1", "127.0.0.2"), ("0.0.0.0", "[::1]")):
        port = free_port()
        assert run(tmp_path, CHECK, "--allow-root", chat, str(port), "--admin", f"{admin}:{port}").returncode == 0
        with Server(chat, "--admin", f"{admin}:{port}", port=port) as server:
            wait_until(lambda: "admin page: " in server.log, "both listen")


def test_the_chat_and_the_admin_endpoint_cannot_have_one_unix_socket(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    said = refused_twice(tmp_path, str(tmp_path / "sock"), "--admin", str(tmp_path / "link" / "sock"))
    assert "the chat listens there" in said


def test_the_start_and_the_check_refuse_files_in_the_same_words_and_make_none(tmp_path: Path) -> None:
    def refused(*arguments: str, **environment: str) -> str:
        before = made(tmp_path)
        said = refused_twice(tmp_path / "state", "127.0.0.1", "0", *arguments, **environment)
        assert made(tmp_path) == before
        return said

    database = str(tmp_path / "history.db")
    assert "cannot store the history in /proc/x/y.db: no files can be created in /proc; " in refused(
        "--db", "/proc/x/y.db"
    )
    assert f"cannot store the history in {tmp_path}: it is a directory; " in refused("--db", str(tmp_path))
    assert "it is not a regular file" in refused("--db", "/dev/null")
    token = tmp_path / "token"
    said = refused("--db", database, "--admin", "127.0.0.1:0", GCHAT_ADMIN_TOKEN_FILE=str(tmp_path))
    assert said == f"{tmp_path} is not a token file: it is a directory; choose another path, and the file is created"
    token.write_text("short")
    token.chmod(0o600)
    said = refused("--db", database, "--admin", "127.0.0.1:0", GCHAT_ADMIN_TOKEN_FILE=str(token))
    assert "a token has at least 22 characters" in said
    token.write_text("")
    insecure = {"GCHAT_ADMIN_INSECURE": "true", "GCHAT_ADMIN_TOKEN_FILE": str(token)}
    said = refused("--db", database, "--admin", "0.0.0.0:0", **insecure)
    assert said == f"the admin endpoint listens on a network, but the token file {token} is empty"
    one = {"GCHAT_ADMIN_TOKEN_FILE": str(tmp_path / "one"), "GCHAT_ADMIN_READ_TOKEN_FILE": str(tmp_path / "one")}
    said = refused("--db", database, "--admin", "127.0.0.1:0", **one)
    assert said == "admin.read_token_file has the admin token; give it a file of its own"


def test_a_read_only_file_system_is_told_as_such(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with Server("127.0.0.1", "--db", str(disk / "old.db")) as server, server.join() as user:
        user.says("hello")
        user.does_not_see(b"refused")
    with possible_here(), ReadOnly(disk):
        for name in ("old.db", "new.db", "none/new.db"):
            said = refused_twice(tmp_path, "127.0.0.1", "0", "--no-admin", "--db", str(disk / name))
            assert ("read-only file system" if "new" in name else "the file system is read-only") in said


def test_a_file_without_permissions_is_found_by_the_check_too(tmp_path: Path) -> None:
    """elastic/logstash#5282: a test of the configuration said OK, and the start then failed."""
    powerless = [need("setpriv"), *POWERLESS[1:]]
    database, token = tmp_path / "history.db", tmp_path / "token"
    for path in (database, token):
        path.touch()
        path.chmod(0)
    said = refused_twice(tmp_path, "127.0.0.1", "0", "--no-admin", "--db", str(database), before=powerless)
    assert said.startswith(f"cannot store the history in {database}: permission denied")
    arguments = ["127.0.0.1", "0", "--memory", "--admin", "127.0.0.1:0"]
    said = refused_twice(tmp_path, *arguments, before=powerless, GCHAT_ADMIN_TOKEN_FILE=str(token))
    assert said == f"cannot use the token file {token}: permission denied"


def test_a_user_without_a_home_needs_none_where_nothing_is_stored(tmp_path: Path) -> None:
    """nicolargo/glances#3207, Kozea/Radicale#1826: with docker run --user 4242 no entry in /etc/passwd."""
    if os.getuid():
        pytest.skip("only root can start a process of a user that does not exist")
    homeless = [need("setpriv"), "--ruid", "4242", "env", "-u", "HOME", "-u", "XDG_STATE_HOME"]
    nothing_stored = ["127.0.0.1", "0", "--memory", "--no-admin"]
    done = run(tmp_path, CHECK, *nothing_stored, before=homeless)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The configuration is valid\n", "")
    with Server("127.0.0.1", "--memory", "--no-admin", before=homeless) as server, server.join():
        pass
    database = tmp_path / "history.db"
    with Server("127.0.0.1", "--db", str(database), "--no-admin", before=homeless) as server, server.join():
        pass
    new = ["127.0.0.1", "0", "--db", str(tmp_path / "new.db")]
    assert "cannot tell where to store files" in refused_twice(tmp_path, *new, before=homeless)
    assert not (tmp_path / "new.db").exists()


def test_a_check_looks_at_the_database_without_opening_it(tmp_path: Path) -> None:
    def checked(path: Path) -> str:
        return refusal(run(tmp_path, CHECK, "127.0.0.1", "0", "--db", str(path)))

    text, directory, newer = tmp_path / "text", tmp_path / "directory", tmp_path / "newer"
    text.write_text("root:x:0:0:root:/root:/bin/bash\n")
    directory.mkdir()
    other = tmp_path / "other"
    head = bytearray(b"SQLite format 3\0".ljust(100, b"\0"))
    other.write_bytes(head)
    head[60:64], head[68:72] = (99).to_bytes(4), APPLICATION_ID.to_bytes(4)
    newer.write_bytes(head)
    before = made(tmp_path)
    assert f"cannot store the history in {text}: it is not a gchat database; use --db FILE" in checked(text)
    assert "it is not a gchat database" in checked(other)
    assert "it is a directory" in checked(directory)
    assert "a newer gchat has made it (version 99" in checked(newer)
    assert f"{text} is not a directory" in checked(text / "history.db")
    assert made(tmp_path) == before
    empty = tmp_path / "empty"
    empty.touch()
    assert run(tmp_path, CHECK, "127.0.0.1", "0", "--db", str(empty)).returncode == 0
    assert empty.stat().st_size == 0


def test_a_check_looks_at_the_token_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 40)
    token.chmod(0o644)
    assert str(token) in refusal(run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_ADMIN_TOKEN_FILE=str(token)))
    token.write_text("short")
    token.chmod(0o600)
    assert str(token) in refusal(run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_ADMIN_TOKEN_FILE=str(token)))
    assert "is not a directory" in refusal(
        run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_ADMIN_TOKEN_FILE=str(token / "token"))
    )
    assert str(token) in refusal(run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_ADMIN_READ_TOKEN_FILE=str(token)))
    token.write_text("x" * 40)
    done = run(tmp_path, CHECK, "127.0.0.1", "0", GCHAT_ADMIN_TOKEN_FILE=str(token))
    assert (done.returncode, done.stderr) == (0, "")


# --- Unix sockets ----------------------------------------------------------------------------------------------------


def test_unix_sockets_get_their_mode_and_group_and_are_removed_at_the_end(tmp_path: Path) -> None:
    path, admin = tmp_path / "chat", tmp_path / "admin"
    group = next((number for number in os.getgroups() if number != os.getegid()), os.getegid())
    group = 4321 if os.getuid() == 0 else group
    settings: dict[str, Any] = {"server_mode": "0660", "server_group": group, "admin_mode": "600", "admin_host": admin}
    with Server(str(path), admin_enabled="true", **settings) as server, server.join():
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, group)
        assert stat.S_IMODE(admin.stat().st_mode) == 0o600
        assert server.stop() == 0
    assert not path.exists()
    assert not admin.exists()


def test_a_socket_that_is_another_servers_by_then_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with Server(str(path)) as first:
        path.unlink()
        with Server(str(path)) as second:
            assert first.stop() == 0
            with second.join():
                assert path.exists()


def test_a_start_that_fails_leaves_no_socket_behind(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    (tmp_path / "text").write_text("not a database " * 500)
    refusal(run(tmp_path, str(path), "--no-admin", "--db", str(tmp_path / "text")))
    assert not path.exists()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert "the port is in use" in run(tmp_path, str(path), "--admin", f"127.0.0.1:{port}").stderr
    assert not path.exists()


# --- What a start costs ----------------------------------------------------------------------------------------------


def test_without_the_admin_endpoint_and_a_file_the_server_loads_nothing_for_them() -> None:
    code = "import sys, gchat.server.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    loaded = set(done.stdout.split())
    assert "gchat.server.app" in loaded
    assert not loaded & {
        "falcon",
        "gchat.admin.access",
        "gchat.admin.token_file",
        "gchat.journal.sqlite.backup",
        "tomllib",
    }
    assert not loaded & {"hashlib", "secrets", "difflib", "ssl", "urllib.request", "gevent.threadpool"}


def test_a_server_without_the_admin_endpoint_is_small(tmp_path: Path) -> None:
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "", "GEVENT_MONITOR_THREAD_ENABLE": ""}
    # The packages of the tests bring it, and then msgspec loads it: a server that is only installed has none.
    (tmp_path / "typing_extensions.py").write_text("raise ImportError\n")
    compiled["PYTHONPATH"] = str(tmp_path)
    with Server(environment=compiled):  # compiling takes memory, but only once
        pass
    resident_kib = []
    for _ in range(3):  # what is measured differs by 0.5 MiB: where the tables for nicks come to lie, and their garbage
        with Server(environment=compiled) as server, server.join("alice"):
            status = Path(f"/proc/{server.pid}/status").read_text()
            resident_kib.append(int(status.partition("VmRSS:")[2].split()[0]))
    assert min(resident_kib) <= 33 * 1024  # measured: 31.5 MiB


def test_a_server_whose_users_are_silent_wakes_at_most_five_times_a_second() -> None:
    quiet = {"GEVENT_MONITOR_THREAD_ENABLE": "", "GCHAT_SERVER_ANNOUNCE_AFTER_S": "1"}
    with Server(environment=quiet) as server, ExitStack() as users:
        for number in range(20):
            users.enter_context(server.join(f"user{number}"))
        time.sleep(3)  # until everything that these users caused is done
        before, began = switches(server), time.monotonic()
        time.sleep(5)
        most = 20 if clustered.MODE else 5  # a node looks after its engine too
        assert switches(server) - before <= most * (time.monotonic() - began)


def switches(server: Server) -> int:
    """Return how often the threads of a server have slept so far."""
    statuses = [path.read_text() for path in Path(f"/proc/{server.pid}/task").glob("*/status")]
    return sum(int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for status in statuses)
