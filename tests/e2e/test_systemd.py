"""The server under systemd: what it tells, what it writes for journald, and the units in config/."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gchat.server.activation import ADMIN, CHAT
from gchat.server.settings import ROWS, Config
from tests.e2e import clustered
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, wait_until
from tests.e2e.tools import need

pytestmark = pytest.mark.usefixtures("all_speak_plain")

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "config"
UNITS = [path for path in CONFIG.iterdir() if path.suffix in (".service", ".socket", ".timer")]


class Supervisor:
    """What systemd hears on its socket."""

    def __init__(self, address: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address)
        self.heard: list[list[str]] = []

    def hears(self, assignment: str, deadline_s: float = DEADLINE_S) -> list[str]:
        """Wait for a message with this assignment, after what was heard before; return all of it."""
        while True:
            message = self.next(deadline_s)
            assert message is not None, f"not in time: {assignment}; heard: {self.heard}"
            if assignment in message:
                return message

    def next(self, within_s: float) -> list[str] | None:
        if not select.select([self._sock], [], [], within_s)[0]:
            return None
        self.heard.append(self._sock.recv(4096).decode().split("\n"))
        return self.heard[-1]

    def close(self) -> None:
        self._sock.close()


@contextmanager
def supervised(
    tmp_path: Path, *arguments: str, abstract: bool = False, script: Path | None = None, **variables: str
) -> Iterator[tuple[Server, Supervisor]]:
    name = f"gchat-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    supervisor = Supervisor(f"\0{name}" if abstract else name)
    environment = {"NOTIFY_SOCKET": f"@{name}" if abstract else name, **variables}
    try:
        with Server("127.0.0.1", *arguments, environment=environment, script=script) as server:
            yield server, supervisor
    finally:
        supervisor.close()


# --- sd_notify -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_that_the_server_is_ready_and_that_it_stops(tmp_path: Path, *, abstract: bool) -> None:
    with supervised(tmp_path, abstract=abstract) as (server, supervisor):
        assert f"STATUS=Listening on 127.0.0.1:{server.port}" in supervisor.hears("READY=1")
        with server.join("alice"):
            server.process.send_signal(signal.SIGTERM)
            supervisor.hears("STOPPING=1")
            assert server.process.wait(DEADLINE_S) == 0
    assert not any("WATCHDOG=1" in message for message in supervisor.heard)


def test_systemd_is_told_of_a_reload_and_of_its_end(tmp_path: Path) -> None:
    file = tmp_path / "gchat.toml"
    file.write_text('[server]\nmotd = "first"\n')
    with supervised(tmp_path, "--config", str(file)) as (server, supervisor):
        supervisor.hears("READY=1")
        for content in ('[server]\nmotd = "second"\n', "broken"):
            file.write_text(content)
            server.process.send_signal(signal.SIGHUP)
            (time,) = [word for word in supervisor.hears("RELOADING=1") if word.startswith("MONOTONIC_USEC=")]
            assert time.removeprefix("MONOTONIC_USEC=").isdecimal()
            assert supervisor.next(DEADLINE_S) == ["READY=1"]
        wait_until(lambda: "server.motd is now second" in server.log, "it is logged")
        wait_until(lambda: "configuration not reloaded" in server.log, "that it could not be is logged too")


# In https://github.com/Supervisor/supervisor/issues/1175 a SIGHUP behind a SIGTERM ended the stop, not the program.
def test_a_reload_while_the_server_stops_is_none_and_the_stop_goes_on(tmp_path: Path) -> None:
    with supervised(tmp_path, GCHAT_LIMITS_MESSAGES_PER_S="0") as (server, supervisor):
        with server.connect(receive_buffer=2048) as slow:
            supervisor.hears("READY=1")
            slow.sees_bytes(PROMPT)
            slow.says(*["/help"] * 400)  # so much that the drain waits for it as long as it may
            with server.join() as alice:
                alice.does_not_see(b"refused")
            server.process.send_signal(signal.SIGTERM)
            supervisor.hears("STOPPING=1")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "not reloaded: the server is shutting down" in server.log, "it is refused")
            assert server.process.wait(DEADLINE_S) == 0
        assert supervisor.next(0) is None


def test_the_watchdog_is_fed_while_the_pump_turns_and_no_longer(tmp_path: Path) -> None:
    script = HERE / "server_that_stands_still.py"
    with supervised(tmp_path, "--memory", script=script, WATCHDOG_USEC="600000") as (server, supervisor):
        with server.join("alice") as alice, server.join("bob") as bob:
            for _ in range(3):
                supervisor.hears("WATCHDOG=1", 5)
            alice.says("hello")
            bob.sees("[alice] hello")
            supervisor.hears("WATCHDOG=1", 5)
            alice.says("stand still")
            wait_until(lambda: supervisor.next(2) is None, "it is silent for longer than systemd would wait")
            server.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: "statistics: " in server.log, "the loop goes on")
        server.process.kill()
        server.process.wait()


def test_a_watchdog_that_is_anothers_is_not_fed(tmp_path: Path) -> None:
    with supervised(tmp_path, WATCHDOG_USEC="100000", WATCHDOG_PID="1") as (_, supervisor):
        supervisor.hears("READY=1")
        assert supervisor.next(1) is None


@pytest.mark.parametrize("place", ["", "nonsense", "/nowhere/notify", "@nobody-listens-there"])
def test_without_anybody_to_tell_the_server_runs_as_usual(place: str) -> None:
    with Server(environment={"NOTIFY_SOCKET": place}) as server, server.join("alice") as alice:
        alice.does_not_see(b"refused")
        assert server.stop() == 0


# --- journald --------------------------------------------------------------------------------------------------------


def in_journal(log_format: str = "text") -> Server:
    journal = 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@"'
    return Server(before=["sh", "-c", journal, "sh"], log_format=log_format, log_level="debug")


def test_journald_gets_priorities_and_no_second_timestamp() -> None:
    with in_journal() as server:
        with server.join("alice"):
            pass
        assert server.stop() == 0
        lines = [line for line in server.log.splitlines() if line.startswith("<")]
    assert re.match(r"<6>listening on 127\.0\.0\.1:\d+", lines[0])
    assert re.match(r"<6>stopped: messages: 0", lines[-1])
    assert all(re.match(r"<[3467]>[a-z]", line) for line in lines)


def test_journald_gets_json_with_its_priority_in_front() -> None:
    with in_journal("json") as server, server.join("alice"):
        (line,) = [line for line in server.log.splitlines() if "listening on" in line]
    assert line.startswith("<6>{")
    assert json.loads(line[3:])["level"] == "info"


def test_a_log_that_is_not_journalds_has_times_with_their_zone() -> None:
    with Server(environment={"JOURNAL_STREAM": "8:1234", "TZ": "Asia/Kolkata"}) as server:
        (line,) = [line for line in server.log.splitlines() if "listening on" in line]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30 INFO listening on 127\.0\.0\.1:", line)


# --- The units -------------------------------------------------------------------------------------------------------


def settings_of(unit: Path) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in unit.read_text().replace("\\\n", " ").splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            settings.setdefault(name, []).append(value)
    return settings


@pytest.mark.parametrize("name", ["gchat.service", "gchat@.service", "gchat-backup.service"])
def test_systemd_rates_the_services_as_well_protected(name: str) -> None:
    done = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=30", str(CONFIG / name)],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    found = re.search(rf"Overall exposure level for {re.sub('@', '@i?', name)}: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= 3.0
    assert done.returncode == 0


def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/gchat/bin/gchat-server", "/bin/true"))
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert len(UNITS) == 6
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_sockets_are_those_that_the_server_takes_by_default() -> None:
    chat, admin = settings_of(CONFIG / "gchat.socket"), settings_of(CONFIG / "gchat-admin.socket")
    config = Config()
    assert chat["ListenStream"] == [f"{config.server.host}:{config.server.port}"]
    assert admin["ListenStream"] == [f"{config.admin.host}:{config.admin_port}"]
    assert (chat["FileDescriptorName"], admin["FileDescriptorName"]) == ([CHAT], [ADMIN])
    assert chat["Backlog"] == [str(config.server.listen_backlog)]
    assert admin["Service"] == ["gchat.service"]


def test_the_unit_of_a_node_is_that_of_a_server_but_for_its_number_and_its_engine() -> None:
    alone, node = settings_of(CONFIG / "gchat.service"), settings_of(CONFIG / "gchat@.service")
    differs = {name for name in alone.keys() | node.keys() if alone.get(name) != node.get(name)}
    own = {"Description", "After", "EnvironmentFile", "Environment", "ExecStart", "RuntimeDirectory", "TimeoutStartSec"}
    assert differs == own
    command = node["ExecStart"][0].replace("$$", "$").replace("%i", "3").replace("/opt/gchat/bin/gchat-server", "env")
    done = subprocess.run(
        shlex.split(command.replace("--config /etc/gchat.toml --quiet", "")),
        capture_output=True, text=True, check=True, timeout=DEADLINE_S,
    )  # fmt: skip
    assert "GCHAT_ADMIN_PORT=8903\n" in done.stdout
    assert {word.partition("=")[0].lower() for word in node["Environment"][0].split()} <= {
        f"gchat_{section}_{key}" for section, rows in ROWS.items() for key in rows
    }


def in_state_directory(command: str, tmp_path: Path) -> list[str]:
    """Return the words of a unit's command, with this server for the installed one and tmp_path for the root."""
    (tmp_path / "gchat-server").write_text(f'#!/bin/sh\nexec {sys.executable} -m gchat.server.main "$@"\n')
    (tmp_path / "gchat-server").chmod(0o700)
    moved = command.replace("/opt/gchat/bin", str(tmp_path)).replace("/etc/", f"{tmp_path}/").replace("%%", "%")
    return shlex.split(moved)


def test_the_command_of_the_unit_starts_and_the_backup_of_its_timer_opens(tmp_path: Path) -> None:
    state, backups = tmp_path / "gchat", tmp_path / "gchat-backup"
    state.mkdir()
    backups.mkdir()
    (tmp_path / "gchat.toml").write_bytes((CONFIG / "gchat.toml").read_bytes())
    service, backup = settings_of(CONFIG / "gchat.service"), settings_of(CONFIG / "gchat-backup.service")
    assert service["StateDirectory"] == ["gchat"]
    assert backup["StateDirectory"] == ["gchat gchat-backup"]
    assert service["User"] == backup["User"]  # else systemd hands the directory over, see systemd/systemd/issues/7090
    environment = {"STATE_DIRECTORY": str(state), "GCHAT_ADMIN_ENABLED": "true", "GCHAT_ADMIN_PORT": "0"}
    words = in_state_directory(service["ExecStart"][0], tmp_path)[1:]
    with Server("127.0.0.1", *words, environment=environment) as server, server.join("alice") as alice:
        alice.says("kept")
        alice.does_not_see(b"refused")
        assert f"history: {state}/history.db" in server.log
        wait_until((state / "admin-token").exists, "the admin token is there")

        for _ in range(2):  # the second takes the place of the first
            subprocess.run(
                in_state_directory(backup["ExecStart"][0], tmp_path), check=True, timeout=DEADLINE_S,
                stdout=subprocess.DEVNULL,
                env={
                    "PATH": os.environ["PATH"],
                    "STATE_DIRECTORY": f"{state}:{backups}",
                    **dict([backup["Environment"][0].replace("%S", str(tmp_path)).split("=")]),
                },
            )  # fmt: skip
        (copy,) = backups.iterdir()
        assert re.fullmatch(r"history-[1-7]\.db", copy.name)
        assert copy.stat().st_mode & 0o077 == 0
        done = subprocess.run(
            [sys.executable, "-m", "gchat.server", "--db", str(copy), "--export", "lobby"],
            capture_output=True, text=True, check=True, timeout=DEADLINE_S,
        )  # fmt: skip
        assert done.stdout.endswith("[alice] kept\n")


def allowed_calls() -> set[str]:
    """Return the system calls that the unit's filter lets through."""
    groups: dict[str, set[str]] = {}
    listed = subprocess.run(
        [need("systemd-analyze"), "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    )
    group = ""
    for line in listed.stdout.splitlines():
        name = line.strip()
        if line.startswith("@"):
            group = name
        elif name and not name.startswith("#"):
            groups.setdefault(group, set()).add(name)

    def calls(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return set().union(*(calls(member) for member in groups[name]))

    allowed: set[str] = set()
    for words in settings_of(CONFIG / "gchat.service")["SystemCallFilter"]:
        for name in words.removeprefix("~").split():
            allowed = allowed - calls(name) if words.startswith("~") else allowed | calls(name)
    return allowed


# As with MemoryDenyWriteExecute=, with which callbacks of cffi failed: https://github.com/python-cffi/cffi/issues/73.
def test_secrets_are_hashed_where_no_memory_may_be_both_written_and_run() -> None:
    hashed = """
import ctypes, mmap, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE
    sys.exit("the kernel has no PR_SET_MDWE")
import argon2, gevent.threadpool
hasher = argon2.PasswordHasher()
assert gevent.threadpool.ThreadPool(1).apply(hasher.verify, (hasher.hash("secret"), "secret"))
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except OSError:
    print("hashed")
"""
    done = subprocess.run([sys.executable, "-c", hashed], capture_output=True, text=True, check=False)
    if "no PR_SET_MDWE" in done.stderr:
        pytest.skip(done.stderr)
    assert (done.stdout, done.stderr) == ("hashed\n", "")


def test_the_server_makes_no_call_that_the_unit_forbids(tmp_path: Path) -> None:
    allowed, trace = allowed_calls(), tmp_path / "trace"
    traced = [need("strace"), "-D", "-f", "-qq", "-o", str(trace), "-e", "signal=none"]
    limited = ["sh", "-c", 'ulimit -n 4096; exec "$@"', "sh", *traced]  # LimitNOFILE= sets both limits, as this does
    with Server(before=limited, environment={"GCHAT_ADMIN_ENABLED": "true"}) as server:
        with server.join("alice") as alice, server.join("bob") as bob:
            alice.says("hello", "/topic something", "/search hello")
            bob.sees("[alice] hello")
            page = re.search(r"admin page: (http://\S+)", server.log)
            assert page
            subprocess.run([need("curl"), "-sf", page[1] + "metrics"], check=True, stdout=subprocess.DEVNULL)
        assert server.stop() == 0
        wait_until(lambda: "exit_group(" in trace.read_text(errors="replace"), "the trace is complete")
    made = {found[1] for found in re.finditer(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE)}
    assert {"epoll_create1", "accept4"} <= made
    assert clustered.MODE or "fdatasync" in made
    assert made - allowed == set()
    assert not re.search(r"mmap\([^)]*PROT_WRITE\|PROT_EXEC", trace.read_text(errors="replace"))
