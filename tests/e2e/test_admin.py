"""The admin endpoint of a real server: who is online, as curl sees it, and actions, as users feel them."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gchat.client import ConnectFailed, connect
from tests.e2e import clustered
from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import DEADLINE_S, Server, wait_until
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.tools import need

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


@pytest.fixture
def server() -> Iterator[Server]:
    with open_to_the_operator(limits_messages_per_s=0) as server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        yield server


@pytest.fixture
def operator(server: Server) -> Operator:
    return Operator(server)


# --- Seeing ----------------------------------------------------------------------------------------------------------


def test_the_status_tells_who_is_online_and_how_they_are(server: Server, operator: Operator) -> None:
    with server.join("alice") as alice, joins(server, "bob", room="dev") as bob, joins(server, "carol") as carol:
        alice.says("hello")
        carol.sees("said")
        carol.user.resets()
        bob.asks({"type": "topic", "id": "t", "text": "bugs"})
        bob.sees("ack", id="t")
        wait_until(
            lambda: any(user["disconnected"] for user in operator.asks("GET", "/users")["users"]),
            "carol is disconnected",
        )
        status = operator.asks("GET", "/status")

        users = {user["nick"]: user for user in status["users"]}
        assert set(users) == {"alice", "bob", "carol"}
        assert (users["alice"]["dialect"], users["alice"]["room"], users["alice"]["messages"]) == ("plain", "lobby", 1)
        assert (users["bob"]["dialect"], users["bob"]["room"]) == ("rich", "dev")
        assert users["alice"]["address"].startswith("127.0.0.1:")
        rooms = {room["name"]: room for room in status["rooms"]}
        assert (rooms["dev"]["topic"], rooms["dev"]["seq"], rooms["lobby"]["members"]) == ("bugs", 1, 2)
        assert (status["online"], status["server"]["messages"]) == (3, 2)
        store, sync = ("valkey", "full") if clustered.MODE else ("sqlite", "full")
        assert status["history"] == {"store": store, "state": "ok", "sync": sync}
        messages = operator.asks("GET", "/rooms/lobby/messages?after=0&limit=10")
        assert [(message["from"], message["text"]) for message in messages["messages"]] == [("alice", "hello")]


def test_a_slow_reader_is_seen_with_what_it_lags_behind_and_has_missed(operator: Operator, server: Server) -> None:
    with server.connect(receive_buffer=2048) as slow, server.join("loud") as loud:
        loud.says(*("x" * 4000 for _ in range(600)))
        loud.does_not_see(b"nothing")

        def slow_user() -> dict[str, Any]:
            users = operator.asks("GET", "/users")["users"]
            return next(user for user in users if user["nick"] != "loud")

        wait_until(lambda: slow_user()["lag_bytes"] > 100_000, "it lags behind")
        assert operator.asks("GET", "/status")["server"]["slow_readers"] == 1
        while slow_user()["skipped"] == 0:
            assert slow.sock.recv(1 << 20)
        metrics = operator.asks("GET", "/metrics")
        assert float(re.search(r"^gchat_skipped_messages_total (\S+)", metrics, re.MULTILINE)[1]) > 0  # type: ignore[index]


# In https://github.com/thingsboard/thingsboard/issues/15673 fields that the description calls numbers were null, and
# https://github.com/MarquezProject/marquez/issues/421 had fields that it did not say are always there.
@pytest.mark.parametrize("is_known", [True, False])
def test_each_document_has_the_fields_of_its_description_and_no_others(
    operator: Operator, server: Server, *, is_known: bool
) -> None:
    with server.join("alice") as alice, server.join() as bob, joins(server, "carol"):
        alice.says("hello", "/topic tea", "/me waves")
        bob.sees("* alice waves")
        operator.asks("POST", "/bans", kind="nick", value="mallory", for_s=60)
        description = operator.asks("GET", "/openapi.json")
        described = 0
        for path, item in description["paths"].items():
            content = item["get"]["responses"]["200"]["content"] if "get" in item else {}
            if "schema" not in content.get("application/json", {}) or (
                not is_known and {} not in item["get"]["security"]
            ):
                continue
            document = operator.shows(operator.token if is_known else "").asks("GET", path.replace("{room}", "lobby"))
            schema = content["application/json"]["schema"] | {"components": strict(description["components"])}
            jsonschema_rs.validate(schema, document)
            described += 1
    assert described == (13 if is_known else 5)


def strict(schema: Any) -> Any:
    """Return the schema without what it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return {name: strict(part) for name, part in schema.items()} | closed


def test_refusals_are_counted_by_their_codes(operator: Operator, server: Server) -> None:
    def refused(code: str) -> int:
        families = text_string_to_metric_families(operator.asks("GET", "/metrics"))
        (refusals,) = (family for family in families if family.name == "gchat_refusals")
        return int(next(sample.value for sample in refusals.samples if sample.labels["code"] == code))

    before = refused("bad_name"), refused("bad_command")
    with server.join("alice") as alice:
        alice.says("/nick <>", "/frobnicate", "/frobnicate", "/ping")
        alice.sees("> pong")
    assert (refused("bad_name"), refused("bad_command")) == (before[0] + 1, before[1] + 2)


def test_curl_needs_no_more_than_the_address(server: Server, operator: Operator) -> None:
    with server.join("alice"):
        done = subprocess.run(
            [need("curl"), "-s", f"{operator.at}/status"],
            capture_output=True,
            text=True,
            check=True,
            timeout=DEADLINE_S,
        )
        assert '"nick":"alice"' in done.stdout
        assert json.loads(done.stdout)["online"] == 1


def test_events_tell_who_comes_speaks_and_goes(server: Server, operator: Operator) -> None:
    request = urllib.request.Request(f"http://{operator.at}/events")
    request.add_header("Authorization", f"Bearer {operator.token}")
    heard: list[str] = []
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as stream:

        def listen() -> None:
            for line in stream:
                heard.append(line.decode())
                if "event: left" in line.decode():
                    break

        listening = threading.Thread(target=listen)
        listening.start()
        with server.join() as alice:
            alice.says("hello there")
            wait_until(lambda: any("hello there" in line for line in heard), "it is told")
        listening.join(DEADLINE_S)
    assert not listening.is_alive()
    assert any("event: joined" in line for line in heard)
    assert any("event: message" in line for line in heard)


def test_without_a_token_nothing_private_is_told_as_through_a_proxy(server: Server, operator: Operator) -> None:
    """nginx with `proxy_pass http://127.0.0.1:8889;` comes from this machine, whoever is behind it."""
    anybody = operator.shows("")
    operator.asks("POST", "/bans", kind="address", value="192.0.2.77", reason="")
    with server.join("alice") as alice, joins(server, "bob") as bob, server.connect() as nameless:
        alice.says("a confidence")
        bob.sees("said")
        nameless.says("hello")
        nameless.sees_bytes(b"[alice] a confidence")
        addresses = {user["nick"]: user["address"] for user in operator.asks("GET", "/users")["users"]}
        for path in ("/status", "/users", "/rooms", "/metrics", "/openapi.json"):
            told = json.dumps(anybody.asks("GET", path))
            assert "a confidence" not in told
            assert "192.0.2.77" not in told
            assert addresses["alice"] not in told
            assert addresses["bob"] not in told
        users = {user["nick"]: user for user in anybody.asks("GET", "/users")["users"]}
        assert set(users) == set(addresses)
        assert (users["alice"]["address"], users["alice"]["dialect"], users["bob"]["dialect"]) == ("", "plain", "rich")
        for path in ("/rooms/lobby/messages", "/bans"):
            assert "needs a token" in anybody.is_refused(401, "GET", path)


def test_the_read_only_token_opens_everything_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "read-token"
    with open_to_the_operator(admin_read_token_file=path) as server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        assert f"created the read-only token in {path}" in server.log
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        operator = Operator(server)
        reader = operator.shows(path.read_text().strip())
        assert reader.token not in server.log
        with server.join("alice") as alice:
            alice.says("hello", "/ping")
            alice.sees("> pong")
            (user,) = reader.asks("GET", "/users")["users"]
            assert user["address"].startswith("127.0.0.1:")
            assert reader.asks("GET", "/rooms/lobby/messages")["messages"][0]["text"] == "hello"
            assert reader.asks("GET", "/bans") == {"bans": []}
            assert reader.asks("GET", "/status")["access"]["scope"] == "read"
            for method, change in (("POST", "/announce"), ("POST", f"/users/{user['id']}/kick"), ("DELETE", "/bans/1")):
                assert "the token read has read" in reader.is_refused(403, method, change)
            assert operator.asks("POST", "/announce", text="still here")["told"] == 1
            for _ in range(6):
                reader.shows("wrong").is_refused(401 if _ < 5 else 429, "GET", "/status")
            assert operator.asks("GET", "/status")["access"]["scope"] == "all"


def test_rooms_with_a_history_are_listed_read_and_spoken_in_after_a_restart(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with (
        open_to_the_operator(environment=state) as server,
        joins(server, "bob", room="dev") as bob,
        joins(server, "carol", room="ops") as carol,
    ):
        for user in (bob, carol):
            user.asks({"type": "topic", "id": "t", "text": "bugs"})
            user.sees("ack", id="t")
        bob.asks({"type": "quit"})
        bob.sees("closing")
        port = server.port
    with open_to_the_operator(environment=state, port=port) as server, server.join("alice"):
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        operator = Operator(server)
        dev = {"name": "dev", "members": 0, "seq": 1, "topic": "bugs", "modes": "+n"}
        for path in ("/rooms", "/status"):
            rooms = operator.asks("GET", path)["rooms"]
            ops = {
                "name": "ops",
                "members": 1,
                "seq": 1,
                "topic": "bugs",
                "modes": "+n",
            }  # carol is disconnected, and may come back
            assert rooms == [{"name": "lobby", "members": 1, "seq": 0, "topic": "", "modes": "+n"}, ops, dev]
        (message,) = operator.asks("GET", "/rooms/dev/messages")["messages"]
        assert (message["kind"], message["from"], message["text"]) == ("topic", "bob", "bugs")
        assert operator.asks("GET", "/rooms/lobby/messages")["messages"] == []
        assert "No such room: nowhere" in operator.is_refused(404, "GET", "/rooms/nowhere/messages")
        assert operator.asks("POST", "/announce", text="nobody hears it", room="dev") == {"told": 0}
        said = operator.asks("POST", "/rooms/dev/messages", **{"from": "ci", "text": "deploy done"})
        assert said == {"room": "dev", "seq": 2}
        operator.is_refused(404, "POST", "/rooms/nowhere/messages", **{"from": "ci", "text": "x"})
        with RichUser(server, nick="dave", room="dev", replay=9) as dave:
            assert dave.sees("said", seq=2)["from"] == "ci (http)"
            assert operator.asks("GET", "/rooms")["rooms"][0] == dev | {"members": 1, "seq": 2}


# --- Acting ----------------------------------------------------------------------------------------------------------


def test_an_announcement_reaches_a_room_or_everybody(server: Server, operator: Operator) -> None:
    with server.join("alice") as alice, joins(server, "bob", room="dev") as bob:
        assert operator.asks("POST", "/announce", text="Tea at five")["told"] == 2
        alice.sees("> Announcement: Tea at five")
        bob.sees("announced", room="dev", text="Tea at five")
        assert operator.asks("POST", "/announce", text="In dev only", room="dev")["told"] == 1
        bob.sees("announced", text="In dev only")
        alice.does_not_see(b"In dev only")
        operator.is_refused(404, "POST", "/announce", text="x", room="nowhere")
        for blank in (" ", "\u200b", "\u2800\u3164"):
            assert "blank" in operator.is_refused(422, "POST", "/announce", text=blank)
            assert "blank" in operator.is_refused(422, "POST", "/rooms/lobby/messages", **{"from": "ci", "text": blank})


def test_a_script_speaks_under_a_name_that_no_user_can_have(server: Server, operator: Operator) -> None:
    with server.join("alice") as alice, joins(server, "bob") as bob:
        alice.says("first")
        bob.sees("said")
        answer = {"from": "ci", "text": "deploy \x1b[31mdone"}
        assert operator.asks("POST", "/rooms/lobby/messages", **answer)["seq"] == 2
        assert alice.sees("[ci (http)]") == "[ci (http)] deploy \\x1b[31mdone"
        assert bob.sees("said", seq=2)["from"] == "ci (http)"
        alice.says("/nick ci (http)")
        alice.sees("> A nick cannot contain a space")
        with server.connect() as late:
            late.sees_bytes(b"[ci (http)] deploy")


def test_who_is_kicked_is_told_why_and_the_others_that_they_left(server: Server, operator: Operator) -> None:
    with server.join("alice") as alice, server.join("bob") as bob:
        users = {user["nick"]: user["id"] for user in operator.asks("GET", "/users")["users"]}
        operator.asks("POST", f"/users/{users['alice']}/kick", reason="rude")
        alice.sees("> An operator has closed your connection: rude")
        alice.sees_end()
        bob.sees("< The user alice left (1 user online)")
        assert "999" in operator.is_refused(404, "POST", "/users/999/kick", reason="x")
        assert "kill by admin (http): alice; until: -; reason: rude" in server.log


def test_a_client_that_was_kicked_does_not_come_back_by_itself(server: Server, operator: Operator) -> None:
    with connect("127.0.0.1", server.port, nick="alice") as chat:
        (user,) = operator.asks("GET", "/users")["users"]
        operator.asks("POST", f"/users/{user['id']}/kick", reason="")
        *_, last = chat
        assert getattr(last, "reason", "") == "An operator has closed your connection"


def test_bans_hold_for_both_dialects_and_outlive_a_restart(tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with open_to_the_operator(environment=state) as server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        operator = Operator(server)
        with server.join("mallory") as mallory, joins(server, "alice") as alice:
            operator.asks("POST", "/bans", kind="nick", value="Mallory", reason="rude")
            mallory.sees("> You are banned from this server permanently: rude")
            mallory.sees_end()
            alice.asks({"type": "nick", "id": "n", "nick": "mallory"})
            assert alice.sees("refused", id="n")["code"] == "banned"
            with RichUser(server, nick="mallory") as again:
                assert again.sees("welcome")["nick"] != "mallory"
                again.sees("refused", code="banned")
            operator.asks("POST", "/bans", kind="network", value="127.0.0.0/9", reason="all of you", force=True)
            alice.sees("closing", code="banned")
            with server.connect() as nobody:
                nobody.sees("> You are banned from this server permanently: all of you")
                nobody.sees_end()
        with pytest.raises(ConnectFailed, match="You are banned from this server"):
            connect("127.0.0.1", server.port)
        port = server.port
    with open_to_the_operator(environment=state, port=port) as server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        operator = Operator(server)
        with server.connect() as nobody:
            nobody.sees("> You are banned from this server permanently: all of you")
        bans = operator.asks("GET", "/bans")["bans"]
        assert {(each["kind"], each["value"]) for each in bans} == {("nick", "Mallory"), ("network", "127.0.0.0/9")}
        for each in bans:
            operator.asks("DELETE", f"/bans/{each['id']}")
        assert operator.asks("GET", "/bans")["bans"] == []
        with server.join("mallory"):
            pass


def test_a_ban_of_one_address_leaves_the_others_alone(server: Server, operator: Operator) -> None:
    with server.connect(source="127.0.0.7") as bad, server.join("alice") as alice:
        bad.sees_bytes(b"[You] ")
        operator.asks("POST", "/bans", kind="address", value="127.0.0.7", reason="", for_s=1)
        bad.sees("> You are banned from this server")
        alice.says("/ping still here")
        alice.sees("> pong still here")
        wait_until(lambda: operator.asks("GET", "/bans")["bans"] == [], "the ban ends")
        with server.connect(source="127.0.0.7") as good:
            good.sees_bytes(b"[You] ")


# In https://github.com/brazilofmux/tinymux/issues/800 a peer whose IPv4 address was banned came in on a socket of both
# families, where its address is written otherwise; in https://github.com/ZcashFoundation/zebra/issues/10695 it also got
# around the limit of an address.
def test_on_a_socket_of_both_families_a_ban_holds_however_its_address_is_written() -> None:
    with (
        Server("::", admin_enabled="true", admin_port=0, limits_exempt="", limits_connections_per_ip=2) as server,
        server.connect(source="127.0.0.5") as first,
        server.connect(source="127.0.0.5") as second,
        server.connect(source="127.0.0.6") as other,
    ):
        operator = Operator(server)
        for user in (first, second, other):
            user.sees_bytes(b"[You] ")
        with server.connect(source="127.0.0.5") as third:
            third.sees("> Too many connections from your address")
        operator.asks("POST", "/bans", kind="address", value="::ffff:127.0.0.5", reason="")
        first.sees("> You are banned from this server")
        second.sees("> You are banned from this server")
        operator.asks("POST", "/bans", kind="network", value="::ffff:127.0.0.0/120", reason="", force=True)
        other.sees("> You are banned from this server")
        with server.connect(source="127.0.0.7") as newcomer:
            newcomer.sees("> You are banned from this server")
        assert [each["value"] for each in operator.asks("GET", "/bans")["bans"]] == ["127.0.0.5", "127.0.0.0/24"]


def test_the_commands_of_the_readme_do_what_it_says(server: Server, operator: Operator) -> None:
    need("curl")
    block = README[README.index("token=$(cat") :].partition("```")[0]
    script = re.sub(r"token=\S+ \S+\)", f"token={operator.token}", block.replace("127.0.0.1:8889", operator.at))
    with server.join("alice") as alice:
        subprocess.run([need("bash"), "-c", script], check=True, capture_output=True, timeout=DEADLINE_S)
        alice.sees("[ci (http)] deploy done")
        alice.sees("> Announcement: Back in five minutes")
        assert operator.asks("GET", "/bans")["bans"] == []


# --- The token, and starting -----------------------------------------------------------------------------------------


def test_the_token_is_made_once_for_its_owner_only_and_never_logged(server: Server, operator: Operator) -> None:
    assert stat.S_IMODE(operator.token_path.stat().st_mode) == 0o600
    assert str(operator.token_path) in server.log
    assert operator.token not in server.log
    assert len(operator.token) >= 43


def starts(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected not to start."""
    server = Server()
    command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", "0", *arguments]
    kept = {name: value for name, value in server.environment.items() if not name.startswith("GCHAT_ADMIN")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env={**kept, **environment}
    )
    server._directory.cleanup()
    return done


def test_an_admin_port_in_use_is_one_clear_line(operator: Operator) -> None:
    done = starts("--admin", operator.at)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"gchat-server: the admin endpoint cannot listen on {operator.at}: the port is in use; stop the program that "
        "uses it, or choose another port; --admin HOST:PORT moves it, --no-admin turns it off"
    )


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", "/dev/null"])
@pytest.mark.parametrize("key", ["TOKEN_FILE", "READ_TOKEN_FILE"])
def test_another_file_is_not_a_token_file_and_no_advice_would_harm_it(key: str, path: str) -> None:
    done = starts("--admin", "127.0.0.1:0", **{f"GCHAT_ADMIN_{key}": path})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"gchat-server: {path} is not a token file: ")
    assert "chmod" not in last


def test_one_file_is_not_both_tokens(tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    done = starts("--admin", "127.0.0.1:0", GCHAT_ADMIN_TOKEN_FILE=path, GCHAT_ADMIN_READ_TOKEN_FILE=path)
    assert done.returncode == 1
    assert "admin.read_token_file has the admin token" in done.stderr


def test_an_admin_endpoint_that_is_open_to_a_network_is_refused_unless_one_insists() -> None:
    done = starts("--admin", "0.0.0.0:0")
    assert done.returncode == 1
    assert "admin.insecure = true" in done.stderr
    with open_to_the_operator(admin_host="0.0.0.0", admin_insecure="true") as server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--admin", "8889"], "expected HOST:PORT"),
        (["--admin", "127.0.0.1:"], "expected HOST:PORT"),
        (["--admin", "127.0.0.1:x"], "expected a whole number"),
        (["--admin", "127.0.0.1:1", "--no-admin"], "exclude each other"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(arguments: list[str], complaint: str) -> None:
    done = starts(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_can_be_a_unix_socket_and_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "admin"
    with open_to_the_operator(admin_host=path) as server, server.join("alice"):
        done = subprocess.run(
            [need("curl"), "-s", "--unix-socket", str(path), "http://localhost/status"],
            capture_output=True,
            check=True,
            timeout=DEADLINE_S,
        )
        assert json.loads(done.stdout)["online"] == 1
    with Server("127.0.0.1", "--no-admin") as server:
        assert "admin page" not in server.log


# --- Apart from the chat ---------------------------------------------------------------------------------------------


def test_nothing_that_is_done_to_it_is_felt_in_the_chat(server: Server, operator: Operator) -> None:
    """Requests without a pause, of all kinds, from several threads; the log must not tell of a blocked hub either."""
    stopped = threading.Event()
    answered: list[str] = []

    def ask() -> None:
        while not stopped.is_set():
            for path in ("/status", "/metrics", "/users", "/rooms", "/healthz", "/"):
                operator.asks("GET", path)
                answered.append(path)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    with server.join("alice") as alice, server.join("bob") as bob:
        for thread in threads:
            thread.start()
        try:
            ends_at = time.monotonic() + 3
            said = 0
            while time.monotonic() < ends_at:
                said += 1
                alice.says(f"line {said}")
                bob.sees(f"[alice] line {said}")
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
    assert said > 50
    assert len(answered) > 100


def test_a_reverse_proxy_that_passes_its_own_name_on_reaches_the_page_and_its_actions() -> None:
    with open_to_the_operator(admin_public_url="https://chat.example/admin") as server:
        operator = Operator(server)
        for host in ("chat.example", operator.at):
            done = subprocess.run(
                [
                    *(need("curl"), "-s", "-w", "%{http_code}", "-d", '{"text": "hello"}'),
                    *("-H", f"Host: {host}", "-H", "Origin: https://chat.example", "-H", "Sec-Fetch-Site: same-origin"),
                    *("-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {operator.token}"),
                    f"http://{operator.at}/announce",
                ],
                capture_output=True,
                text=True,
                check=True,
                timeout=DEADLINE_S,
            )
            assert done.stdout.endswith("200")
