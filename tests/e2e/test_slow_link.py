"""A client behind a tunnel that takes its time: ssh -L, SOCKS, kubectl port-forward.

Such a tunnel accepts at once and passes on later. So the server sees a connection that says nothing at first, greets it
in plain, and hears the opening after that.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from gchat.client import ConnectFailed, Said, connect
from tests.e2e.harness import DEADLINE_S, Server

#: Later than any greeting (150 ms), and than the announcement of a silent newcomer (1 s).
DELAYS_S = (0.25, 0.5, 1.3)


@contextmanager
def tunnel(port: int, delay_s: float) -> Iterator[int]:
    """Pass everything on, both ways, `delay_s` later; yield the port to connect to."""

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                gevent.spawn_later(delay_s, target.sendall, data)
            gevent.sleep(delay_s)
            target.shutdown(socket.SHUT_WR)

    def handle(near: socket.socket, _address: object) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            gevent.joinall([gevent.spawn(pass_on, near, far), gevent.spawn(pass_on, far, near)])

    listener = StreamServer(("127.0.0.1", 0), handle)
    listener.start()
    try:
        yield listener.server_port or 0
    finally:
        listener.stop()


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_link_through_a_slow_tunnel_is_welcome(delay_s: float) -> None:
    with (
        Server() as server,
        server.join("bob") as bob,
        tunnel(server.port, delay_s) as port,
        gevent.Timeout(2 * DEADLINE_S),
        connect("127.0.0.1", port, nick="far", timeout_s=DEADLINE_S) as chat,
    ):
        assert chat.nick == "far"
        chat.say("hello from afar")
        assert chat.wait_acked(DEADLINE_S)
        gevent.get_hub().threadpool.apply(lambda: bob.sees("[far] hello from afar"))
        bob.says("hello there")
        assert any(isinstance(event, Said) and event.text == "hello there" for event in chat)


def test_the_command_speaks_through_a_slow_tunnel() -> None:
    with Server() as server, server.join() as reader, tunnel(server.port, 0.3) as port:
        command = [sys.executable, "-m", "gchat.client.main", "127.0.0.1", str(port), "--nick", "far"]

        def run() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                command, input=b"deployed\n", capture_output=True, timeout=3 * DEADLINE_S, check=False
            )

        done = gevent.get_hub().threadpool.apply(run)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        gevent.get_hub().threadpool.apply(lambda: reader.sees("[far] deployed"))


def test_a_tunnel_to_nowhere_is_an_error_in_time() -> None:
    with tunnel(1, 0.3) as port, pytest.raises(ConnectFailed, match=r"closed the connection|reset"):
        connect("127.0.0.1", port, timeout_s=DEADLINE_S)
