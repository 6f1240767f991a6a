"""One room through every door: TLS, a proxy, the client and nc; a claimed nick, hooks, and somebody who keeps order.

The server and nginx are in one network, and those who come by TLS or through nginx in another.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import DEADLINE_S, Server, wait_until
from tests.e2e.networks import Talker, Wire
from tests.e2e.terminals import COMMAND
from tests.e2e.tools import need

SECRET = "a secret of alice"  # it opens nothing but the server of this test

#: The only address that the proxy comes from, so that others on loopback are themselves.
PROXY = "127.0.0.9"

PROXY_PORT = 9999

NGINX = """
pid {directory}/nginx.pid;
error_log stderr;
daemon off;
master_process off;
{modules}
events {{}}
stream {{
    server {{
        listen {near}:{proxy_port};
        proxy_pass 127.0.0.1:{port};
        proxy_bind {proxy};
        proxy_protocol on;
    }}
}}
"""


class House:
    """A server with every door open, in the network `near` of a wire."""

    def __init__(self, wire: Wire, directory: Path, end: ExitStack) -> None:
        self.wire, self.directory, self._end = wire, directory, end
        subprocess.run(
            [
                sys.executable,
                "-m",
                "gchat.server.main",
                "--make-cert",
                str(directory),
                "chat.example",
                "127.0.0.1",
                wire.near,
            ],
            check=True,
            capture_output=True,
            timeout=DEADLINE_S,
        )
        self.certificate = str(directory / "cert.pem")
        # Its own administrator started it in a network of its own, as in a container.
        server = Server(
            "0.0.0.0",
            "--allow-root",
            before=wire.enter(wire.near),
            admin_enabled="true",
            admin_port=0,
            tls_cert=self.certificate,
            tls_key=str(directory / "key.pem"),
            server_trusted_proxies=PROXY,
            auth_operators="alice",
        )
        self.server = end.enter_context(server)
        (token,) = Path(server.environment["XDG_STATE_HOME"]).glob("gchat/admin-token-*")
        self._token = token.read_text().strip()
        wait_until(lambda: "admin page: " in server.log, "the admin endpoint is up")
        found = re.search(r"admin page: (https?://\S+)/", server.log)
        assert found
        self._admin = found[1]
        self._start_nginx()

    def _start_nginx(self) -> None:
        modules = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        text = NGINX.format(
            directory=self.directory,
            modules=f"load_module {modules};" if modules.exists() else "",
            near=self.wire.near,
            port=self.server.port,
            proxy=PROXY,
            proxy_port=PROXY_PORT,
        )
        path = self.directory / "nginx.conf"
        path.write_text(text)
        nginx = subprocess.Popen(
            [*self.wire.enter(self.wire.near), need("nginx"), "-c", str(path), "-p", str(self.directory)],
            stderr=subprocess.DEVNULL,
        )
        self._end.callback(nginx.wait)
        self._end.callback(nginx.terminate)

    def talker(self, end: str, *command: str) -> Talker:
        """Return a program that runs at this end of the wire."""
        return self._end.enter_context(Talker(*self.wire.enter(end), *command))

    def by_openssl(self) -> Talker:
        """Return a user of `openssl s_client` in the other network."""
        address = f"{self.wire.near}:{self.server.port}"
        verified = ("-CAfile", self.certificate, "-verify_return_error", "-verify_ip", self.wire.near)
        return self.talker(self.wire.far, need("openssl"), "s_client", "-quiet", "-connect", address, *verified)

    def by_client(self, *arguments: str) -> Talker:
        """Return a user of `gchat-client --tls` in the other network, whose input is a pipe."""
        where = (self.wire.near, str(self.server.port), "--tls", "--ca", self.certificate)
        return self.talker(self.wire.far, "env", f"HOME={self.directory}", *COMMAND, *where, *arguments)

    def by_proxy(self) -> Talker:
        """Return a user of nc in the other network, who comes through nginx."""
        return self.talker(self.wire.far, need("nc"), self.wire.near, str(PROXY_PORT))

    def by_nc(self) -> Talker:
        """Return a user of nc on the server's own machine."""
        return self.talker(self.wire.near, need("nc"), "127.0.0.1", str(self.server.port))

    def asks(self, method: str, path: str, body: str = "", **headers: str) -> Any:
        """Return what the endpoint answers to curl on the server's machine."""
        given = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        command = [*self.wire.enter(self.wire.near), need("curl"), "-sS", "--fail-with-body", "-X", method]
        command += [part for header in given for part in ("-H", header)]
        command += ["--cacert", self.certificate, "--data-binary", "@-"] if body else ["--cacert", self.certificate]
        done = subprocess.run(
            [*command, f"{self._admin}{path}"],
            input=body.encode(),
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert not done.returncode, (done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith((b"{", b"[")) else None

    def operator_asks(self, method: str, path: str, body: str = "") -> Any:
        """Return what the endpoint answers to the one who has the admin token."""
        return self.asks(method, path, body, Authorization=f"Bearer {self._token}", Content_Type="application/json")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    need("nginx")
    with ExitStack() as end:
        yield House(end.enter_context(Wire()), tmp_path, end)


def test_one_room_through_every_door(house: House) -> None:
    # The account of somebody who keeps order is made by the operator of the machine.
    house.operator_asks("POST", "/accounts", json.dumps({"name": "alice", "secret": SECRET}))
    alice = house.by_openssl()
    alice.sees("> Connected to the chat server")
    alice.says("/login alice", SECRET)
    alice.sees("> You are now alice")
    carol, dave = house.by_proxy(), house.by_nc()
    for user in (carol, dave):
        user.sees("> Connected to the chat server")
    bob = house.by_client("--nick", "bob")
    bob.says("good morning")
    for user in (alice, carol, dave):
        user.sees("[bob] good morning")
    users = house.operator_asks("GET", "/users")["users"]
    by_host = [user["address"].rpartition(":")[0] for user in users]
    assert sorted(by_host) == ["127.0.0.1", house.wire.far, house.wire.far, house.wire.far], "nginx says where from"

    # A claimed nick, and one that looks like it, cannot be taken by any of them.
    for user in (carol, dave):
        user.says("/nick alice")
        user.sees("> ")
        user.says("/nick аlice")  # the first letter is Cyrillic
        user.sees("> ")
    carol.says("/nick carol")
    dave.says("/nick dave")
    carol.sees("> You are now carol")
    dave.sees("> You are now dave")
    alice.says("/quit")
    dave.sees("< The user alice left")
    for user in (carol, dave):
        user.says("/nick alice")
        user.sees("alice")
    names = {user.get("nick") or user["name"] for user in house.operator_asks("GET", "/users")["users"]}
    assert "alice" not in names
    # Over plain text from another machine no secret is taken, and the user is told how to do it.
    carol.says("/login alice", SECRET)
    assert "TLS" in carol.sees("TLS")

    alice = house.by_openssl()
    alice.sees("> Connected to the chat server")
    alice.says("/login alice", SECRET)
    dave.sees("alice")
    alice.says("it is me")
    dave.sees("[alice] it is me")

    _machines_speak(house, dave)
    _order_is_kept(house, alice, carol, dave)
    assert SECRET not in house.server.log
    assert SECRET not in house.server.shown


def _machines_speak(house: House, dave: Talker) -> None:
    dave.says("/join ci")
    dave.sees("> You are now in ci")
    hook = house.operator_asks("POST", "/hooks", json.dumps({"room": "ci", "name": "the alarm bell"}))
    path = "/hooks/" + re.sub(r".*/hooks/", "", hook.get("url") or hook["secret"])
    alert = {
        "version": "4",
        "status": "firing",
        "receiver": "gchat",
        "groupLabels": {},
        "commonLabels": {"alertname": "DiskFull"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "instance": "db1"},
                "annotations": {"summary": "the disk of db1 is full"},
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }
        ],
    }
    house.asks("POST", path, json.dumps(alert), Content_Type="application/json")
    assert "the alarm bell" in dave.sees("the disk of db1 is full")
    push = json.dumps(
        {
            "ref": "refs/heads/main",
            "repository": {"full_name": "example/project"},
            "pusher": {"name": "erin"},
            "compare": "https://git.example/compare",
            "commits": [{"id": "0" * 40, "message": "Mend the door", "author": {"name": "erin"}}],
        }
    )
    house.asks("POST", path, push, Content_Type="application/json", X_GitHub_Event="push")
    dave.sees("Mend the door")
    dave.says("/join lobby")
    dave.sees("> You are now in lobby")


def _order_is_kept(house: House, alice: Talker, carol: Talker, dave: Talker) -> None:
    alice.says("/mute dave 10m shouting")
    dave.sees("shouting")
    dave.says("HEY")
    dave.sees("shouting")
    alice.says("/ban carol 10m spam")
    carol.sees("spam")
    dave.sees("< The user carol left")
    back = house.by_proxy()  # from the same address, which is not banned, because others share it
    back.sees("> Connected to the chat server")
    back.says("/nick carol")
    back.sees("spam")
    rows = house.operator_asks("GET", "/audit")
    rows = rows if isinstance(rows, list) else rows["audit"]
    told = {(row["actor"], row["action"], row["target"], row["reason"], bool(row["until"])) for row in rows}
    assert ("alice", "mute", "dave", "shouting", True) in told
    assert ("alice", "ban", "carol", "spam", True) in told
