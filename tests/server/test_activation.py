"""Socket activation: a server on sockets on which systemd listens for it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.tools import need

pytestmark = pytest.mark.usefixtures("all_speak_plain")

#: Does as systemd does: the descriptors in the first argument become 3, 4 and so on, called by the names in the second.
PASS = """
import fcntl, os, sys
descriptors = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1].split()]
for place, descriptor in enumerate(descriptors, 3):
    os.dup2(descriptor, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(descriptors)))
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execvp(sys.argv[3], sys.argv[3:])
"""


def listening(place: str | tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    sock = socket.socket(family)
    sock.bind(place)
    sock.listen()
    return sock


@contextmanager
def activated(names: str, *sockets: socket.socket, **settings: object) -> Iterator[Server]:
    """Start a server that is passed these sockets."""
    inherits = [sock.fileno() for sock in sockets]
    before = [sys.executable, "-c", PASS, " ".join(map(str, inherits)), names]
    with Server(before=before, inherits=inherits, **settings) as server:  # type: ignore[arg-type]  # settings
        yield server


def refused(names: str, *sockets: socket.socket, code: int = 1) -> str:
    """Return the one line with which a server that is passed these sockets does not start."""
    inherits = [sock.fileno() for sock in sockets]
    server = [sys.executable, "-m", "gchat.server.main", "--memory", "--no-admin"]
    done = subprocess.run(
        [sys.executable, "-c", PASS, " ".join(map(str, inherits)), names, *server],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False, pass_fds=inherits,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.returncode == code
    return done.stderr.removeprefix("gchat-server: ").rstrip("\n")


def test_users_who_come_before_the_server_runs_are_served_and_its_address_is_printed() -> None:
    with listening() as chat:
        port = chat.getsockname()[1]
        with User(socket.create_connection(("127.0.0.1", port))) as early:
            early.says("/nick early")
            with activated("chat", chat) as server:
                assert f"listening on 127.0.0.1:{port} " in server.log
                early.sees("> You are now early")
                with server.join("alice") as alice:
                    alice.says("hello")
                    early.sees("[alice] hello")


# In https://github.com/erebe/systemd/pull/11 a socket without any name was not taken.
@pytest.mark.parametrize("name", ["unknown", "gchat.socket", ""])
def test_a_single_socket_is_the_chats_whatever_it_is_called(name: str) -> None:
    with listening() as chat, activated(name, chat) as server, server.join("alice"):
        assert server.port == chat.getsockname()[1]


# Their order is not promised: https://github.com/caddyserver/caddy/issues/6792 could not tell them apart.
def test_the_chat_and_the_admin_endpoint_get_the_socket_with_their_name() -> None:
    with (
        listening() as admin,
        listening(("::1", 0)) as chat,
        activated("admin:chat", admin, chat, admin_enabled="true") as server,
    ):
        wait_until(lambda: "admin page" in server.log, "both listen")
        page = f"http://127.0.0.1:{admin.getsockname()[1]}/"
        assert f"listening on [::1]:{chat.getsockname()[1]} " in server.log
        assert f"admin page: {page}" in server.log
        done = subprocess.run([need("curl"), "-sf", f"{page}healthz"], check=True, capture_output=True)
        assert done.stdout


def test_the_admin_endpoint_alone_may_be_passed() -> None:
    with listening() as admin, activated("admin", admin, admin_enabled="true") as server, server.join("alice"):
        wait_until(lambda: f":{admin.getsockname()[1]}/" in server.log, "it listens")


def test_the_file_of_a_passed_unix_socket_stays_because_systemd_listens_on(tmp_path: Path) -> None:
    path = str(tmp_path / "chat.sock")
    with listening(path) as chat:
        for _ in range(2):
            with activated("chat", chat, host=path) as server, server.join("alice"):
                assert f"listening on {path} " in server.log


def test_connections_wait_while_the_server_restarts() -> None:
    with listening() as chat:
        with activated("chat", chat) as server:
            assert server.stop() == 0
        address = chat.getsockname()
        with User(socket.create_connection(address)) as waiting, activated("chat", chat):
            waiting.says("/nick alice")
            waiting.sees("> You are now alice")


def test_a_reload_finds_the_passed_place_unchanged() -> None:
    with listening() as chat, activated("chat", chat) as server:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded: nothing has changed" in server.log, "it is reloaded")


def test_the_programs_of_systemd_pass_what_the_server_takes(tmp_path: Path) -> None:
    with listening() as free:
        port = free.getsockname()[1]
    command = [need("systemd-socket-activate"), "--listen", f"127.0.0.1:{port}", "--fdname", "chat"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "gchat.server.main", "--memory", "--no-admin", "--quiet"], stderr=log
        )
    try:
        wait_until(lambda: b"Listening on" in (tmp_path / "log").read_bytes(), "it listens for the server")
        with User(socket.create_connection(("127.0.0.1", port))) as alice:
            alice.says("/nick alice")
            alice.sees("> You are now alice")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()


# --- What is refused -------------------------------------------------------------------------------------------------


# All sockets of one unit have one name: https://github.com/traefik/traefik/issues/9891.
@pytest.mark.parametrize("names", ["chat:chat", "chat:web", "one:two", "unknown:unknown", "chat", ""])
def test_two_sockets_have_to_be_called_chat_and_admin(names: str) -> None:
    with listening() as one, listening() as two:
        said = refused(names, one, two)
    assert said.startswith("cannot take the sockets that systemd passes, which are called ")
    assert said.endswith("expected one with FileDescriptorName=chat, and none or one with FileDescriptorName=admin")


def test_what_is_no_listening_socket_is_refused(tmp_path: Path) -> None:
    with listening() as sock, socket.create_connection(sock.getsockname()) as connected:
        assert refused("chat", connected).endswith("expected ListenStream= and Accept=no in its unit")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert "nobody can connect to it" in refused("chat", datagrams)
    with listening(f"\0gchat-test-{tmp_path.name}") as abstract:
        assert "it is of another kind" in refused("chat", abstract)


def test_a_socket_for_an_endpoint_that_is_turned_off_is_refused() -> None:
    with listening() as admin:
        assert refused("admin", admin, code=2).startswith("systemd passes a socket for the admin endpoint, which is ")
