"""The drain: before a server stops, its users are sent elsewhere, some at a time."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest

from gchat.client.link.reconnect import MOVED_AFTER_S
from tests.cluster.engines import EngineProcess
from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import DEADLINE_S, Server, wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.rich_user import RichUser
from tests.e2e.test_systemd import Supervisor
from tests.e2e.workers import Workers

pytestmark = pytest.mark.usefixtures("all_speak_plain")


def test_programs_are_sent_elsewhere_and_the_others_stay_to_the_end() -> None:
    with open_to_the_operator(server_drain_s=3) as server, server.join("alice") as alice:
        operator = Operator(server)
        with RichUser(server, nick="one") as one, RichUser(server, nick="two") as two:
            for program in (one, two):
                program.sees("welcome")
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: "draining for 3 s: connected users: 3" in server.log, "it begins")
            assert operator.is_refused(503, "GET", "/readyz") == "The server is draining: it sends its users elsewhere"
            assert operator.asks("GET", "/healthz") == {"status": "ok"}
            assert "gchat_draining 1" in operator.asks("GET", "/metrics")
            with socket.socket() as late, pytest.raises(ConnectionRefusedError):
                late.connect(("127.0.0.1", server.port))
            for program in (one, two):
                assert program.sees("closing")["code"] == "moving"
                program.sees_end()
            # Nobody is told of them: they are about to come back.
            alice.says("/ping still here")
            alice.sees("> pong still here")
            alice.sees("> The server is shutting down")
            alice.sees_end()
            assert b"left" not in alice.received
            assert server.process.wait(DEADLINE_S) == 0
        assert "connections: 2 moving, 1 shutdown" in server.log


def test_programs_come_back_to_the_server_that_is_started_again(restarted: Restarted) -> None:
    with restarted.runs(server_drain_s=0.5) as server, RichUser(server, nick="alice", room="dev") as alice:
        token = alice.sees("welcome")["token"]
        alice.says("before", "1")
        seq = alice.sees("ack")["seq"]
        server.process.send_signal(signal.SIGTERM)
        alice.sees("closing", code="moving")
        assert server.process.wait(DEADLINE_S) == 0
    with (
        restarted.runs() as server,
        server.join("watcher", "dev") as watcher,
        RichUser(server, token=token) as alice,
    ):
        welcome = alice.sees("welcome")
        assert (welcome["nick"], welcome["room"], welcome["seq"]) == ("alice", "dev", seq)
        watcher.does_not_see(b"left")


def test_an_operator_begins_it_over_http_with_the_admin_token_alone() -> None:
    with open_to_the_operator() as server, server.join("alice") as alice:
        operator = Operator(server)
        assert "token" in operator.shows("").is_refused(401, "POST", "/drain", over_s=1)
        assert "over_s" in operator.is_refused(422, "POST", "/drain", over_s=-1)
        answer = operator.asks("POST", "/drain", over_s=60)
        assert 50 < answer["left_s"] <= 60
        assert answer["online"] == 1
        assert operator.asks("POST", "/drain", over_s=1)["left_s"] > 50, "it goes on as it is"
        assert [row["action"] for row in operator.asks("GET", "/audit")["audit"]].count("drain") == 1
        server.process.send_signal(signal.SIGTERM)  # without drain_s: at once
        alice.sees("> The server is shutting down")
        assert server.process.wait(DEADLINE_S) == 0


def test_a_server_without_users_does_not_wait() -> None:
    with Server(server_drain_s=3600) as server:
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_second_signal_do_not_wait_either(number: signal.Signals) -> None:
    with Server(server_drain_s=3600) as server, RichUser(server, nick="alice") as alice, server.join() as bob:
        alice.sees("welcome")
        if number is signal.SIGTERM:
            server.process.send_signal(number)
            wait_until(lambda: "draining for" in server.log, "it begins")
            bob.says("/ping 1")
            bob.sees("> pong 1")
        ended = []

        def signalled() -> bool:  # two that come together are one
            if server.process.poll() is None:
                server.process.send_signal(number)
            ended.append(1)
            return "stopping: " in server.log

        wait_until(signalled, "it stops")
        bob.sees("> The server is shutting down")
        assert server.process.wait(DEADLINE_S) in (0, 130)


def test_systemd_is_asked_for_the_time_that_it_takes(tmp_path: object) -> None:
    supervisor = Supervisor(f"\0gchat-drain-{id(tmp_path)}")
    environment = {"NOTIFY_SOCKET": f"@gchat-drain-{id(tmp_path)}"}
    with Server(server_drain_s=20, environment=environment) as server, server.join():
        server.process.send_signal(signal.SIGTERM)
        assert "EXTEND_TIMEOUT_USEC=24500000" in supervisor.hears("STATUS=Draining: users are sent elsewhere")
        server.process.kill()
        server.process.wait()
    supervisor.close()


def test_gchat_client_goes_on_at_another_node_and_says_nothing_of_it() -> None:
    with Workers(admin_enabled="true", admin_port=0) as server:
        server.may_complain = True
        operator = Operator(server)
        command = [
            sys.executable,
            "-m",
            "gchat.client.main",
            "127.0.0.1",
            str(server.port),
            "--nick",
            "far",
            "--listen",
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as client:
            assert client.stdout
            assert client.stderr
            try:
                assert b"Connected" in client.stdout.readline()
                drained = server.node_of_program(client.pid)
                time.sleep(2 * MOVED_AFTER_S)  # a link that is sent elsewhere sooner waits a moment
                while drained in (before := set(server.nodes)):  # the kernel chooses which of them hears this
                    listening = server.log.count("listening on") + 1
                    operator.asks("POST", "/drain", over_s=0)
                    wait_until(lambda: not before <= set(server.nodes), "one has ended")
                    wait_until(lambda: server.log.count("listening on") >= listening, "another one listens")  # noqa: B023
                with server.joins_again() as late:
                    said = [f"now {number}" for number in range(3)]
                    late.says(*said)
                    for text in said:
                        while text.encode() not in (line := client.stdout.readline()):
                            assert line
            finally:
                client.terminate()
            assert client.stderr.read() == b""


def a_node(engine: EngineProcess) -> Server:
    return open_to_the_operator(cluster_url=engine.url)


def test_nobody_sees_a_program_leave_that_a_node_sends_to_another() -> None:
    with (
        EngineProcess() as engine,
        a_node(engine) as one,
        a_node(engine) as other,
        other.join("watcher") as watcher,
        one.join("plain"),
        RichUser(one, nick="alice") as alice,
    ):
        token = alice.sees("welcome")["token"]
        watcher.sees("> New user alice entered")
        Operator(one).asks("POST", "/drain", over_s=0)
        alice.sees("closing", code="moving")
        watcher.sees("< The user plain left")
        with RichUser(other, token=token) as again:
            assert again.sees("welcome")["nick"] == "alice"
            again.says("here")
            watcher.sees("[alice] here")
        assert b"alice left" not in watcher.received
        assert one.process.wait(DEADLINE_S) == 0
