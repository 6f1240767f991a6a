"""A server that has no descriptor for a connection: it pauses, says so once, and goes on."""

from __future__ import annotations

import errno
import logging

import gevent
import pytest

from gchat.accept_pause import AcceptPause


class Server:
    closed = False

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start_accepting(self) -> None:
        self.calls.append("start")

    def stop_accepting(self) -> None:
        self.calls.append("stop")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr("gchat.accept_pause.PAUSE_S", 0.0)
    return Server()


def test_a_server_without_descriptors_pauses_and_goes_on(server: Server) -> None:
    assert AcceptPause(server, "no: %(reason)s").begins(OSError(errno.EMFILE, ""))
    gevent.sleep(0.001)

    assert server.calls == ["stop", "start"]


def test_a_server_that_was_closed_meanwhile_does_not_go_on(server: Server) -> None:
    AcceptPause(server, "no: %(reason)s").begins(OSError(errno.ENOMEM, ""))
    server.closed = True
    gevent.sleep(0.001)

    assert server.calls == ["stop"]


def test_another_error_is_no_reason_to_pause(server: Server) -> None:
    assert not AcceptPause(server, "no: %(reason)s").begins(OSError(errno.EBADF, ""))
    assert not server.calls


def test_the_log_says_it_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    pause = AcceptPause(server, "no: %(reason)s")
    with caplog.at_level(logging.ERROR, "gchat"):
        for _ in range(3):
            pause.begins(OSError(errno.EMFILE, ""))

    assert [record.getMessage() for record in caplog.records] == ["no: too many open files"]
