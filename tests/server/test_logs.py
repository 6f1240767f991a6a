"""The log for programs: each event is one JSON object, and what varies in it has a field of its own."""

from __future__ import annotations

import ast
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from gchat.server import logs
from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import Server, wait_until

CALLS = {"debug", "info", "warning", "error", "exception", "log", "tell", "crashed"}


def formats(path: Path) -> list[str]:
    """Return the format strings of all calls that log, in one module."""
    calls = [
        each
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in CALLS
    ]
    values = [argument.value for each in calls for argument in each.args[:2] if isinstance(argument, ast.Constant)]
    return [value for value in values if isinstance(value, str)]


def test_every_value_in_the_log_has_a_name() -> None:
    found = {str(path): formats(path) for part in ("server", "admin") for path in Path("gchat", part).glob("*.py")}
    assert sum(map(len, found.values())) > 30
    nameless = {path: [each for each in texts if re.search(r"%[^(%]", each)] for path, texts in found.items()}
    nameless["gchat/admin/http_server.py"].remove("admin: %s")  # pywsgi's own sentences, at debug
    assert not {path: texts for path, texts in nameless.items() if texts}


def events(log: str) -> list[dict[str, Any]]:
    *lines, _ = log.split("\n")  # the last one may not have its end yet
    return [json.loads(line) for line in lines if line.startswith("{")]  # gevent's monitor has a word too


def test_what_happens_is_told_in_fields() -> None:
    with open_to_the_operator(
        log_format="json", log_level="debug", limits_connections_per_ip=2, limits_exempt=""
    ) as server:

        def has(text: str, **fields: object) -> None:
            def found() -> bool:
                return any(
                    each["message"].startswith(text) and fields.items() <= each.items() for each in events(server.log)
                )

            wait_until(found, f"the log has {text!r} with {fields}")

        has("admin page: ")
        operator = Operator(server)
        operator.at = operator.at.partition("/")[0]
        has("created the admin token in", path=str(operator.token_path))
        with server.join("alice") as alice, server.join() as other:
            address = alice.sock.getsockname()
            with server.connect() as third:
                third.sees_bytes(b"Too many connections")
            has("opened 1 ", session=1, address=f"{address[0]}:{address[1]}")
            has("turned away ", reason="too_many")
            operator.asks("POST", "/announce", text="hi", room="lobby")
            has("announce by admin", actor="admin", via="http", action="announce", target="lobby", reason="hi")
            ban = operator.asks("POST", "/bans", kind="nick", value="mallory")
            has("ban by admin", action="ban", target="mallory", until="-")
            operator.asks("DELETE", f"/bans/{ban['id']}")
            has("unban by admin", action="unban", target="mallory")
            operator.asks("POST", "/users/1/kick", reason="rude")
            has("kill by admin", action="kill", target="alice", reason="rude")
            has("closed 1 ", session=1, nick="alice", reason="kicked", messages=0)
            other.closes()
        assert server.stop() == 0
        has("stopping: users online: ")
        has("stopped: messages: 0; ", messages=0, crashes=0)


def test_a_reload_that_changes_nothing_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gchat.toml"
    path.write_text("[limits]\nburst = 7\n")
    with Server("127.0.0.1", "--config", str(path)) as server:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded: nothing has changed" in server.log, "it says so")
        path.write_text("[limits]\nburst = 8\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "configuration reloaded: limits.burst is now 8" in server.log, "it says what")
        assert server.log.count("nothing has changed") == 1


@pytest.mark.parametrize("users", [1, 2])
def test_no_line_of_the_log_has_one_of_something_in_the_plural(users: int) -> None:
    with Server(server_max_connections=users) as server:
        joined = [server.join() for _ in range(users)]
        joined[0].says("hello")
        joined[0].does_not_see(b"refused")
        assert server.stop() == 0
        for user in joined:
            user.sock.close()
        assert f"(max_connections = {users})" in server.log
        assert f"stopping: users online: {users}" in server.log
        assert not re.search(r"\b1 (users|messages|connections|seconds)", server.log)


def test_the_name_of_a_node_stands_before_what_journald_gets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lines(list[bytes]):
        write = list.append

    lines = Lines()
    for name in ("handlers", "propagate", "level"):
        monkeypatch.setattr(logs.logger, name, getattr(logs.logger, name))
    monkeypatch.setattr(logs.logger, "handlers", [])
    monkeypatch.setattr(logs, "_is_journal", lambda _descriptor: True)
    for node in ("web1-2", ""):
        logs.start(lines, "info", "text", node)
        logs.logger.warning("few %(what)s", {"what": "places\n"})
    assert lines == [b"<4>web1-2: few places\\x0a\n", b"<4>few places\\x0a\n"]
