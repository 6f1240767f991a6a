"""Hooks of a real server, with curl: what machines post, people read."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import DEADLINE_S, Server, free_port, wait_until
from tests.e2e.restarted import Restarted, stored_bytes
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.tools import need

BODIES = Path(__file__).parent.parent / "hooks" / "bodies"


@pytest.fixture
def server() -> Iterator[Server]:
    with open_to_the_operator() as server:
        yield server


@pytest.fixture
def operator(server: Server) -> Operator:
    return Operator(server)


def curl(*arguments: str, check: bool = True) -> str:
    """Return the status and the body of an answer."""
    need("curl")
    command = ["curl", "-sS", "-w", "%{stderr}%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=check, timeout=DEADLINE_S)
    return f"{done.stderr} {done.stdout}".rstrip()


def hook(operator: Operator, room: str = "ops", name: str = "Grafana Cloud") -> str:
    """Make a hook, and return its URL."""
    return f"http://{operator.at}/hooks/{operator.asks('POST', '/hooks', room=room, name=name)['secret']}"


def test_what_curl_posts_is_said_in_the_room_which_is_made(server: Server, operator: Operator) -> None:
    url = hook(operator)
    assert curl("-d", "deploy done: a=b", url) == "200 ok"
    with server.join("alice", room="ops") as alice:
        alice.sees_bytes(b"[Grafana Cloud (http)] deploy done: a=b")
        assert curl("-d", '{"text":"<https://example.org|build 7> is green","username":"CI [bob]"}', url) == "200 ok"
        alice.sees("[CI bob (http)] build 7 (https://example.org) is green")
        assert curl("--data-urlencode", 'payload={"text":"two\\nlines"}', url) == "200 ok"
        alice.sees_bytes(b"[Grafana Cloud (http)] two\n")
        alice.sees_bytes(b"lines\n")
        alert = f"@{BODIES / 'alertmanager.firing-and-resolved.json'}"
        assert curl("-H", "Content-Type: application/json", "-d", alert, url) == "200 ok"
        alice.sees("[Grafana Cloud (http)] FIRING: HighLatency (critical, web1:9100): p99 of requests is above 1 s")
        push = f"@{BODIES / 'github.push.two-commits.json'}"
        assert curl("-H", "X-GitHub-Event: push", "--data-binary", push, url) == "200 ok"
        alice.sees("[Grafana Cloud (http)] example/hello-world: alice pushed 2 commits to main")
        assert curl("-H", "X-GitHub-Event: star", "-d", "{}", url) == "204"
        assert curl("-d", "x", url + "0").startswith("404 ")


def test_what_a_program_says_bit_by_bit_is_said_when_it_ends(server: Server, operator: Operator) -> None:
    with server.join(room="ops") as alice:
        command = f"(echo backup; sleep 0.2; printf done) | {need('curl')} -sS -X POST -T - {hook(operator)}"
        done = subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=DEADLINE_S)
        assert done.stdout == b"ok"
        alice.sees("[Grafana Cloud (http)] backup")
        alice.sees("    | done")


def test_several_lines_stay_one_message(server: Server, operator: Operator) -> None:
    with joins(server, "bob", room="ops") as bob:
        curl("--data-binary", "one\ntwo\r\nthree\n", hook(operator))
        assert bob.sees("said", seq=1)["text"] == "one\ntwo\nthree"


def test_a_text_that_is_too_long_is_cut_with_a_mark(server: Server, operator: Operator, tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_text("x" * 20_000)
    with joins(server, "bob", room="ops") as bob:
        assert curl("--data-binary", f"@{long}", hook(operator)) == "200 ok"
        text = bob.sees("said", seq=1)["text"]
        assert (len(text.encode()), text[-8:]) == (8192, " … (cut)")


def test_what_a_hook_says_does_nothing_to_a_terminal(server: Server, operator: Operator) -> None:
    with server.join("alice", room="ops") as alice:
        curl("-d", "\x1b[2J\x1b]0;x\x07", hook(operator))
        alice.sees("[Grafana Cloud (http)] \\x1b[2J\\x1b]0;x\\x07")


def test_a_hook_may_say_as_much_as_a_user() -> None:
    with open_to_the_operator(limits_messages_per_s=0.01, limits_burst=3) as server:
        operator = Operator(server)
        url = hook(operator)
        assert [curl("-o", "/dev/null", "-d", f"line {n}", url) for n in range(5)] == [*["200"] * 3, "429", "429"]
        told = re.search(r"retry-after: (\d+)", curl("-D-", "-d", "x", url))
        assert told
        assert 90 <= int(told[1]) <= 100
        assert curl("-d", "x", hook(operator, name="another")) == "200 ok"
        assert [each["messages"] for each in operator.asks("GET", "/hooks")["hooks"]] == [3, 1]
        assert "gchat_hook_messages_total 4" in operator.asks("GET", "/metrics")


def test_hooks_outlive_the_server(restarted: Restarted) -> None:
    with restarted.runs(admin_enabled="true", admin_port=0) as server:
        operator = Operator(server)
        kept, gone = (hook(operator, name=name).rpartition("/")[2] for name in ("ci", "old"))
        operator.asks("DELETE", "/hooks/2")
    with restarted.runs(admin_enabled="true", admin_port=0) as server:
        operator = Operator(server)
        assert [(each["name"], each["messages"]) for each in operator.asks("GET", "/hooks")["hooks"]] == [
            ("ci (http)", 0)
        ]
        assert curl("-d", "x", f"http://{operator.at}/hooks/{kept}") == "200 ok"
        assert curl("-d", "x", f"http://{operator.at}/hooks/{gone}").startswith("404")


def runs(server: Server, *arguments: str) -> str:
    """Run the command on the same configuration as a server, and return what it prints."""
    command = [*server.command, *arguments]
    environment = {**server.environment, "GEVENT_MONITOR_THREAD_ENABLE": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout or f"{done.returncode} {done.stderr}"


def test_a_hook_is_made_by_command_whether_the_server_runs_or_not(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    settings = {"admin_enabled": "true", "admin_port": free_port()}
    server = Server(port=free_port(), environment=environment, **settings)  # type: ignore[arg-type]
    before = runs(server, "--make-hook", "ops", "Before")
    with server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        during = runs(server, "--make-hook", "ops", "During")
        with RichUser(server, nick="bob", room="ops") as bob:
            for url, name in ((before, "Before"), (during, "During")):
                assert url.startswith(f"http://127.0.0.1:{settings['admin_port']}/hooks/")
                assert curl("-d", "hello", url.strip()) == "200 ok"
                assert bob.sees("said", text="hello")["from"] == f"{name} (http)"
        assert "There is a hook Before (http) for ops already" in runs(server, "--make-hook", "ops", "Before")
        refused = runs(server, "--make-hook", "o p", "x")
        assert refused.startswith("1 gchat-server: ")
        assert refused.count("\n") == 1
    assert runs(server, "--make-hook", "ops", "Before").startswith("1 gchat-server: There is a hook Before (http)")
    assert "exclude each other" in runs(server, "--make-hook", "ops", "x", "--check-config")
    assert "in memory only" in runs(server, "--memory", "--make-hook", "ops", "x")


def test_no_secret_is_in_the_log_or_the_database(operator: Operator, server: Server) -> None:
    secret = hook(operator).rpartition("/")[2]
    curl("-d", "x", f"http://{operator.at}/hooks/{secret}")
    assert "made the hook 1 Grafana Cloud (http) for ops" in server.log
    assert secret not in server.log
    state = Path(server.environment["XDG_STATE_HOME"])
    wait_until(lambda: b"secret_hash" in stored_bytes(state), "the hook is stored")
    stored = stored_bytes(state)
    assert secret.encode() not in stored
    assert secret not in json.dumps(operator.asks("GET", "/hooks"))


def test_a_script_speaks_with_curl_as_it_does_with_ntfy(server: Server, operator: Operator) -> None:
    with server.join("alice") as alice:
        token = ("-H", f"Authorization: Bearer {operator.token}")
        url = f"http://{operator.at}/rooms/lobby/messages"

        def says(*arguments: str, where: str = url) -> str:
            return curl("-o", "/dev/null", *token, *arguments, where)

        assert says("-d", "backup done: 3 of 3 & no errors") == "201"
        alice.sees("[admin (http)] backup done: 3 of 3 & no errors")
        assert says("-d", "a=b", where=f"{url}?from=Nightly%20backup") == "201"
        alice.sees("[Nightly backup (http)] a=b")
        assert says("-H", "Title: Backup ✓", "-H", "Content-Type: text/plain", "-d", "done") == "201"
        alice.sees("[admin (http)] Backup ✓: done")
        assert says("-H", "Content-Type: application/json", "-d", '{"from":"ci","text":"json"}') == "201"
        alice.sees("[ci (http)] json")
        assert says("-d", '{"from":"ci","text":"json without its type"}') == "201"
        alice.sees("[ci (http)] json without its type")
        # https://github.com/binwiederhier/ntfy/issues/517: how are several lines sent?
        assert says("--data-binary", "one\ntwo\n") == "201"
        alice.sees_bytes(b"[admin (http)] one\n")
        assert says("-d", " ") == "422"
        assert says("-d", "x", where=f"{url}?form=x") == "400"
        assert curl("-o", "/dev/null", "-d", "x", url) == "401"


def test_a_script_follows_a_room_and_resumes(server: Server, operator: Operator) -> None:
    token = ("-H", f"Authorization: Bearer {operator.token}", "-H", "Accept: application/x-ndjson")
    with server.join("alice") as alice, server.join("bob") as bob:
        alice.says("one", "two")
        bob.sees("[alice] two")
        url = f"http://{operator.at}/rooms/lobby/events?after=1"
        command = ["curl", "-sSN", *token, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout
            opened = json.loads(reader.stdout.readline())
            assert (opened["type"], opened["seq"]) == ("opened", 2)
            assert json.loads(reader.stdout.readline())["text"] == "two"
            alice.says("/me waves")
            event = json.loads(reader.stdout.readline())
            assert (event["type"], event["from"], event["text"], event["seq"]) == ("acted", "alice", "waves", 3)
            reader.kill()
    with server.join("carol") as carol:
        carol.says("three")
        last = f"Last-Event-ID: {opened['epoch']}:3"
        shown = curl("-N", "--max-time", "1", *token[:2], "-H", last, f"{url.partition('?')[0]}", check=False)
        assert f"id: {opened['epoch']}:4\nevent: said\n" in shown


class Program(http.server.BaseHTTPRequestHandler):
    """A program that is posted to: it answers with a text, and posts another to a hook."""

    posted: ClassVar[list[dict[str, str]]] = []
    hook: ClassVar[str] = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append(json.loads(body))
        if self.hook:
            urllib.request.urlopen(urllib.request.Request(self.hook, b"!posted back"), timeout=DEADLINE_S).close()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"text":"!answered"}')

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def test_what_is_said_is_posted_and_a_program_that_answers_makes_no_loop() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Program) as program:
        threading.Thread(target=program.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{program.server_port}/in"
        tables = json.dumps([{"url": url, "room": "ops", "prefix": "!", "name": "Deployer"}])
        with open_to_the_operator(hooks_outgoing=tables) as server, server.join("alice", room="ops") as alice:
            operator = Operator(server)
            Program.hook = hook(operator)
            alice.says("not this", "!deploy 7")
            alice.sees("[Grafana Cloud (http)] !posted back")
            alice.sees("[Deployer (http)] !answered")
            alice.says("!again")
            wait_until(lambda: len(Program.posted) == 2, "the next is posted")
            assert [(each["from"], each["text"]) for each in Program.posted] == [
                ("alice", "!deploy 7"),
                ("alice", "!again"),
            ]
            delivered = 'gchat_outgoing_posts_total{result="delivered"} 2'
            wait_until(lambda: delivered in operator.asks("GET", "/metrics"), "both are counted")
        program.shutdown()
