"""gchat behind the proxies of Debian: nginx and Caddy by the files in config/, HAProxy for version 2 of the header."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User, free_port, wait_until
from tests.e2e.rich_user import RichUser
from tests.e2e.tools import need

CONFIG = Path(__file__).parents[2] / "config"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

pytestmark = pytest.mark.usefixtures("all_speak_plain")


class Behind(Server):
    """A server that is reached through a proxy at `proxy_port`."""

    proxy_port = 0

    def through(self, source: str = "127.0.0.7") -> User:
        """Return a user who comes through the proxy, from this address."""
        inner, self.port = self.port, self.proxy_port
        try:
            return self.connect(source=source)
        finally:
            self.port = inner


@contextmanager
def running(port: int, *command: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a proxy until the end, from when it listens on this port."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), f"{command[0]} listens")
        assert process.poll() is None, process.communicate()[0].decode()
        yield
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def _listens(port: int) -> bool:
    wanted = f":{port:04X} "
    return any(
        wanted in line and " 0A " in line
        for name in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(name).read_text().splitlines()
    )


def written(path: Path, name: str, **replaced: str) -> str:
    """Return the text of a file in config/ with other values, each of which must be in it."""
    text = (CONFIG / name).read_text()
    for old, new in replaced.items():
        found = {"chat_port": "listen 8888;", "chat": "127.0.0.1:8887", "page_port": "listen 443 ssl;"}.get(old, old)
        assert found in text, found
        text = text.replace(found, new)
    path.write_text(text)
    return text


@contextmanager
def nginx(directory: Path, port: int, text: str) -> Iterator[None]:
    main = f"""
        load_module {STREAM_MODULE};
        daemon off;
        pid {directory}/pid;
        error_log {directory}/error.log;
        events {{}}
    """
    path = directory / "main.conf"
    path.write_text(main + text)
    with running(port, need("nginx"), "-p", str(directory), "-e", f"{directory}/error.log", "-c", str(path)):
        yield


@pytest.fixture(scope="module")
def behind_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    need("nginx")
    if not STREAM_MODULE.exists():
        need("ngx_stream_module")
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    with Behind(server_trusted_proxies="127.0.0.2") as server:
        server.proxy_port = port
        text = written(
            directory / "chat.conf",
            "nginx-chat.conf",
            chat_port=f"listen 127.0.0.1:{port};",
            chat=f"127.0.0.1:{server.port}",
        )
        with nginx(directory, port, text):
            yield server


def test_a_user_through_nginx_and_one_beside_it_talk_at_their_own_addresses(behind_nginx: Behind) -> None:
    with behind_nginx.join() as alice, behind_nginx.through() as bob:
        bob.sees_bytes(PROMPT)
        alice.sees(f"> New user {bob.name} entered")
        bob.says("hello")
        alice.sees(f"[{bob.name}] hello")
        alice.says("and hello to you")
        bob.sees(f"[{alice.name}] and hello to you")
        assert bob.name.startswith("127.0.0.7:")


def test_a_pipe_into_nc_through_nginx_gets_its_answer(behind_nginx: Behind) -> None:
    with behind_nginx.join() as alice:
        command = f"printf 'one\\ntwo\\n/ping x\\n' | {need('nc')} -N 127.0.0.1 {behind_nginx.proxy_port}"
        answer = subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20).stdout
        alice.sees_bytes(b"] two\n")
        assert b"> pong x" in answer


def test_a_program_through_nginx_speaks_the_rich_dialect(behind_nginx: Behind) -> None:
    inner, behind_nginx.port = behind_nginx.port, behind_nginx.proxy_port
    try:
        with RichUser(behind_nginx, nick="ci") as bot:
            bot.sees("welcome")
            bot.says("built", "1")
            bot.sees("ack", id="1")
    finally:
        behind_nginx.port = inner


def _ask(url: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def check_the_page(url: str, operator: Operator) -> None:
    """Fail unless a browser behind the proxy sees the page, and what it may see, and nothing that it may not."""
    host, token = "chat.example:8443", f"Bearer {operator.token}"
    assert _ask(url, Host=host)[0] == 200
    assert _ask(f"{url}users", Host=host)[0] == 200, "the browser is on this machine"
    assert _ask(f"{url}users", Host="evil.example")[0] == 421
    assert _ask(f"{url}users", Host=host, X_Forwarded_Host="evil.example")[0] == 200, "the client's own is dropped"
    origin = f"http://{host}"
    assert _ask(f"{url}users", Host=host, Origin=origin)[0] == 200
    assert _ask(f"{url}users", Host=host, Origin="http://evil.example")[0] == 403
    assert _ask(f"{url}rooms/lobby/messages", Host=host)[0] == 401
    status, text = _ask(f"{url}rooms/lobby/messages", Host=host, Authorization=token)
    assert (status, json.loads(text)["room"]) == (200, "lobby")
    first = urllib.request.Request(f"{url}events", headers={"Host": host})
    with urllib.request.urlopen(first, timeout=DEADLINE_S) as events:
        assert events.readline() == b"retry: 2000\n", "it is sent as it happens"
        while b'"type":"counters"' not in events.readline():
            pass


def check_who_it_is(url: str, operator: Operator, *, said: str) -> None:
    """Fail unless what a client itself says of its address counts for nothing."""
    assert _ask(f"{url}users", Host="chat.example", X_Forwarded_For=said)[0] == 200
    for _ in range(5):
        _ask(f"{url}bans", Host="chat.example", Authorization="Bearer wrong", X_Forwarded_For=said)
    assert _ask(f"{url}bans", Host="chat.example", Authorization="Bearer wrong", X_Forwarded_For="127.0.0.99")[0] == 429
    assert operator.asks("GET", "/bans")["bans"] == [], "the right token is never refused"


def test_the_page_through_nginx(tmp_path: Path) -> None:
    need("nginx")
    port = free_port()
    page = open_to_the_operator(server_trusted_proxies="127.0.0.2", admin_names="chat.example")
    with page as server:
        operator = Operator(server)
        text = (CONFIG / "nginx-page.conf").read_text()
        text = re.sub(r"ssl_certificate\S* .*;\n", "", text)
        for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{port};"), ("127.0.0.1:8889", operator.at)):
            assert old in text
            text = text.replace(old, new)
        folders = "".join(f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy"))
        with nginx(tmp_path, port, f"http {{\naccess_log off;\n{folders}{text}}}\n"):
            check_the_page(f"http://127.0.0.1:{port}/", operator)
            check_who_it_is(f"http://127.0.0.1:{port}/", operator, said="203.0.113.9")
        assert operator.shows("").asks("GET", "/users")["users"] == [], "beside the proxy all is as ever"


def test_the_page_through_caddy(tmp_path: Path) -> None:
    need("caddy")
    port = free_port()
    page = open_to_the_operator(server_trusted_proxies="::1", admin_host="::1", admin_names="chat.example")
    with page as server:
        operator = Operator(server)
        text = (CONFIG / "Caddyfile").read_text()
        site = f"http://:{port} {{\n\tbind 127.0.0.1"
        for old, new in (("chat.example {", site), ("[::1]:8889", operator.at)):
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
        home = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        with running(port, need("caddy"), "run", "--config", f"{tmp_path}/Caddyfile", environment=home):
            check_the_page(f"http://127.0.0.1:{port}/", operator)
            check_who_it_is(f"http://127.0.0.1:{port}/", operator, said="203.0.113.9")


@pytest.mark.parametrize("check", ["check-ssl verify none", ""])
def test_a_health_check_of_haproxy_in_tls_finds_the_server_there(tmp_path: Path, check: str) -> None:
    """As in thingsboard/tbmq#322: closed before the handshake, the server counts as down, and nobody comes in."""
    need("haproxy")
    port = free_port()
    subprocess.run(
        [sys.executable, "-m", "gchat.server.main", "--make-cert", str(tmp_path)], check=True, capture_output=True
    )
    with Behind(
        server_trusted_proxies="127.0.0.2",
        log_level="debug",
        tls_cert=tmp_path / "cert.pem",
        tls_key=tmp_path / "key.pem",
    ) as server:
        server.proxy_port = port
        path = tmp_path / "haproxy.cfg"
        options = f"send-proxy-v2 check check-send-proxy {check} inter 100ms fall 1 rise 1"
        path.write_text(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout check 2s
    timeout client 1d
    timeout server 1d
listen chat
    bind 127.0.0.1:{port}
    server gchat 127.0.0.1:{server.port} source 127.0.0.2 {options}
""")
        with running(port, need("haproxy"), "-f", str(path)):
            wait_until(lambda: server.log.count("a health check of a proxy") >= 3, "it is looked at")
            with server.through() as bob:
                bob.sees_bytes(PROMPT)
        assert "WARNING" not in server.log


def test_haproxy_with_version_2_of_the_header_and_its_health_checks(tmp_path: Path) -> None:
    need("haproxy")
    port = free_port()
    with Behind(server_trusted_proxies="127.0.0.2", log_level="debug") as server:
        server.proxy_port = port
        path = tmp_path / "haproxy.cfg"
        path.write_text(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 1d
    timeout server 1d
frontend chat
    bind 127.0.0.1:{port}
    default_backend gchat
backend gchat
    server gchat 127.0.0.1:{server.port} source 127.0.0.2 send-proxy-v2 check check-send-proxy inter 100ms
""")
        with running(port, need("haproxy"), "-f", str(path)), server.join() as alice:
            with server.through() as bob:
                bob.sees_bytes(PROMPT)
                bob.says("hello")
                alice.sees(f"[{bob.name}] hello")
                assert bob.name.startswith("127.0.0.7:")
            wait_until(lambda: server.log.count("a health check of a proxy") >= 3, "it is looked at")
        assert "WARNING" not in server.log
        assert server.log.count("opened ") == 2


def test_haproxy_takes_the_file_of_the_cluster() -> None:
    subprocess.run([need("haproxy"), "-c", "-q", "-f", str(CONFIG / "haproxy.cfg")], check=True, capture_output=True)


@contextmanager
def behind_haproxy(directory: Path, *servers: Server) -> Iterator[tuple[int, int]]:
    """Run HAProxy by the file of the cluster before these servers; yield its ports for users and for the operator."""
    chat_port, admin_port = free_port(), free_port()
    chats, admins = [], []
    for number, server in enumerate(servers):
        place = Operator(server).at
        checked = f"source 127.0.0.2 port {place.rpartition(':')[2]} inter 100ms"
        chats.append(f"    server node{number} 127.0.0.1:{server.port} {checked}")
        admins.append(f"    server admin{number} {place} source 127.0.0.2 inter 100ms")
    text = written(
        directory / "haproxy.cfg",
        "haproxy.cfg",
        **{
            "bind :8888": f"bind 127.0.0.1:{chat_port}",
            "bind :8889": f"bind 127.0.0.1:{admin_port}",
            "    server-template gchat 8 gchat:8888 resolvers docker init-addr none": "\n".join(chats),
            "    server-template admin 8 gchat:8889 resolvers docker init-addr none": "\n".join(admins),
        },
    )
    assert text
    with running(chat_port, need("haproxy"), "-f", str(directory / "haproxy.cfg")):
        yield chat_port, admin_port


def test_haproxy_sends_everybody_to_the_node_that_does_not_drain(tmp_path: Path) -> None:
    need("haproxy")
    nodes = [open_behind(), open_behind()]
    with nodes[0] as one, nodes[1] as other, behind_haproxy(tmp_path, one, other) as (port, admin_port):
        for node in nodes:
            node.proxy_port = port
        wait_until(lambda: _ready(admin_port), "a node is ready")
        with one.through() as alice, one.through("127.0.0.8") as bob:  # one connection each: leastconn
            for user in (alice, bob):
                user.sees_bytes(b"(1 user online)\n")
            assert {user.name.partition(":")[0] for user in (alice, bob)} == {"127.0.0.7", "127.0.0.8"}
            alice.says("/who")
            alice.sees_bytes(alice.name.encode())  # who she is, the node knows from the header
            Operator(one).asks("POST", "/drain", over_s=60)
            with RichUser(_at(other, port), nick="robot") as robot:
                robot.sees("welcome")
                assert any(user["nick"] == "robot" for user in Operator(other).asks("GET", "/users")["users"])
            for _ in range(5):  # nobody meets the one that drains, before the check finds it or after
                with other.through() as late:
                    late.sees_bytes(PROMPT)
                    assert any(user["address"] == late.name for user in Operator(other).asks("GET", "/users")["users"])
            for user in (alice, bob):  # who was there stays
                user.says("/ping 1")
                user.sees_bytes(b"> pong 1\n")


def open_behind() -> Behind:
    settings = {"server_trusted_proxies": "127.0.0.2", "admin_enabled": "true", "admin_port": 0}
    return Behind("127.0.0.1", "--memory", **settings)  # type: ignore[arg-type]


def _ready(port: int) -> bool:
    try:
        return _ask(f"http://127.0.0.1:{port}/readyz", Host="localhost")[0] == 200
    except OSError:
        return False


def _at(server: Behind, port: int) -> Behind:
    """Return a server that is reached through another port."""
    found = copy(server)
    found.port = port
    return found
