"""People who keep order, as everybody sees it: with nc, with the rich dialect, and over HTTP (T80, T83)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gchat.client import ConnectFailed, connect
from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, User, free_port, wait_until
from tests.e2e.rich_user import RichUser
from tests.e2e.tools import need

SECRET = "correct-horse-battery"


@contextmanager
def kept_by_alice() -> Iterator[Server]:
    """Run a server on which alice keeps order, once her account is made."""
    # Loopback is exempt otherwise, and addresses that many share are not banned with a user.
    settings = {"admin_enabled": "true", "admin_port": 0, "limits_exempt": "", "auth_operators": "alice"}
    with Server(**settings) as server:  # type: ignore[arg-type]
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        yield server


@pytest.fixture
def server() -> Iterator[Server]:
    with kept_by_alice() as server:
        yield server


@pytest.fixture
def alice(server: Server) -> Iterator[User]:
    """The operator, from 127.0.0.1."""
    with operator_joins(server) as alice:
        yield alice


def operator_joins(server: Server, name: str = "alice") -> User:
    Operator(server).asks("POST", "/accounts", name=name, secret=SECRET)
    user = server.join()
    user.says(f"/login {name} {SECRET}")
    user.sees(f"> You are now {name}")
    return user


def comes(server: Server, source: str, nick: str = "") -> User:
    user = server.connect(source=source)
    user.sees_bytes(b"[You] ")
    if nick:
        user.says(f"/nick {nick}")
        user.sees(f"> You are now {nick}")
    return user


def test_an_operator_bans_a_user_who_reads_why_and_until_when_and_cannot_come_back(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory:
        alice.says("/ban mallory 10m spam")
        alice.sees("> Banned until ")
        mallory.sees("> You are banned from this server until ")
        mallory.sees_end()
        alice.sees("< The user mallory left")
    with server.connect(source="127.0.0.9") as again:
        assert again.sees("> You are banned from this server until ").endswith("UTC: spam")
        again.sees_end()
    with comes(server, "127.0.0.10") as other:
        other.says("/nick maIlory")
        other.sees("> The nick maIlory is banned from this server until ")
    alice.says("/bans")
    assert "mallory, 127.0.0.9 (by alice): spam" in alice.sees("> 1 banned until ")
    alice.says("/unban 1")
    alice.sees("> Lifted: mallory, 127.0.0.9")
    with comes(server, "127.0.0.9", "mallory"):
        pass


def test_a_banned_client_is_told_in_its_own_dialect(server: Server, alice: User) -> None:
    alice.says("/ban 127.0.0.1 force")
    alice.sees_end()
    with RichUser(server, nick="bob") as bob:
        closing = bob.sees("closing", code="banned")
        assert closing["reason"] == "You are banned from this server permanently"
        bob.sees_end()
    with pytest.raises(ConnectFailed, match="You are banned from this server"):
        connect("127.0.0.1", server.port)


def test_a_muted_user_reads_and_says_nothing_however_they_come_back(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory:
        alice.says("/mute mallory 10m spam")
        mallory.sees("> You are muted until ")
        for line in ("I say", "/me says", "/msg alice I say", "/topic I say", "/away I say"):
            mallory.says(line)
            assert mallory.sees("> Not sent: you are muted until ").endswith("UTC: spam")
        mallory.says("/nick I_say")
        mallory.sees("> You keep your name while you are muted until ")
        alice.says("reads")
        mallory.sees("[alice] reads")
        mallory.says("/quit")
        mallory.sees_end()
    for nick in ("mallory", "other"):
        with comes(server, "127.0.0.9") as again:
            again.says(f"/nick {nick}")
            again.says("I say")
            assert again.sees("> Not sent: you are muted until ").endswith("UTC: spam")
    alice.says("/unmute mallory")
    alice.sees("> Lifted: mallory, 127.0.0.9")
    alice.does_not_see(b"I say")
    with comes(server, "127.0.0.9", "mallory") as mallory:
        mallory.says("I say")
        alice.sees("[mallory] I say")


def test_a_muted_token_is_muted_from_elsewhere_and_after_a_restart(tmp_path: Path) -> None:
    settings = {"admin_enabled": "true", "admin_port": 0, "auth_operators": "alice"}
    state = {"XDG_STATE_HOME": str(tmp_path)}
    port = free_port()
    with (
        Server(port=port, environment=state, **settings) as server,  # type: ignore[arg-type]
        operator_joins(server) as alice,
        RichUser(server, nick="mallory") as mallory,
    ):
        token = mallory.sees("welcome")["token"]
        alice.says("/mute mallory 1h spam")
        assert mallory.sees("done")["message"].endswith("The reason: spam")
        mallory.asks({"type": "say", "id": "1", "text": "hi"})
        assert mallory.sees("refused", id="1")["code"] == "muted"
    with Server(port=port, environment=state, **settings) as server:  # type: ignore[arg-type]
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        with RichUser(server, nick="mallory", token=token) as mallory:
            mallory.asks({"type": "say", "id": "2", "text": "hi"})
            assert mallory.sees("refused", id="2")["code"] == "muted"
        operator = Operator(server)
        (row,) = operator.asks("GET", "/audit?limit=1")["audit"]
        assert (row["actor"], row["via"], row["action"], row["target"]) == ("alice", "chat", "mute", "mallory")
        assert row["reason"] == "spam"
        assert row["time"] < row["until"]
        (mute,) = operator.asks("GET", "/mutes")["mutes"]
        operator.asks("DELETE", f"/mutes/{mute['id']}")


def test_operators_are_made_over_http_and_outlive_a_restart(tmp_path: Path) -> None:
    settings = {"admin_enabled": "true", "admin_port": 0}
    state, port = {"XDG_STATE_HOME": str(tmp_path)}, free_port()
    with Server(port=port, environment=state, **settings) as server:  # type: ignore[arg-type]
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        operator = Operator(server)
        with operator_joins(server, "bob") as bob:
            bob.says("/announce Back soon")
            bob.sees("> Only operators of the server can do that")
            assert operator.asks("PUT", "/operators/bob") == {"account": "bob", "configured": False}
            bob.sees("> You are an operator of this server now")
            bob.says("/announce Back soon")
            bob.sees("> Announcement: Back soon")
    with Server(port=port, environment=state, **settings) as server:  # type: ignore[arg-type]
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        operator = Operator(server)
        assert operator.asks("GET", "/operators")["operators"] == [{"account": "bob", "configured": False}]
        operator.asks("DELETE", "/operators/bob")
        assert operator.is_refused(404, "DELETE", "/operators/bob") == "bob is no operator"
        actions = [(row["actor"], row["action"]) for row in operator.asks("GET", "/audit")["audit"]]
        assert actions == [("admin", "deoperator"), ("bob", "announce"), ("admin", "operator"), ("admin", "account")]


def test_what_is_answered_over_http_is_done_and_in_the_audit(server: Server) -> None:
    operator = Operator(server)
    for number in range(20):
        operator.asks("PUT", f"/operators/bob{number}")
        operator.asks("DELETE", f"/operators/bob{number}")
        row = operator.asks("GET", "/audit?limit=1")["audit"][0]
        assert (row["action"], row["target"]) == ("deoperator", f"bob{number}")


def test_kick_is_of_the_room_and_kill_of_the_server(server: Server, alice: User) -> None:
    with comes(server, "127.0.0.9", "mallory") as mallory:
        alice.says("/kick mallory too loud")
        mallory.sees("> alice put you out of lobby: too loud")
        mallory.says("/join lobby")
        mallory.sees("> You are now in lobby")
        alice.says("/kill mallory wake up")
        mallory.sees("> An operator has closed your connection: wake up")
        mallory.sees_end()


def test_what_is_done_over_http_is_done_to_the_user_and_has_the_name_of_the_token(server: Server) -> None:
    operator = Operator(server)
    made = operator.asks("POST", "/tokens", name="keeper", scope="moderate")
    keeper = operator.shows(made["token"])
    with comes(server, "127.0.0.9", "mallory") as mallory:
        (user,) = keeper.asks("GET", "/users")["users"]
        mute = keeper.asks("POST", f"/users/{user['id']}/mute", reason="spam", for_s=600)
        assert (mute["value"], mute["also"], mute["by"]) == ("mallory", ["127.0.0.9"], "keeper")
        mallory.sees("> You are muted until ")
        keeper.asks("DELETE", f"/users/{user['id']}/mute")
        mallory.sees("> You may speak again")
        keeper.is_refused(404, "DELETE", f"/users/{user['id']}/mute")
        keeper.asks("POST", f"/users/{user['id']}/ban", reason="enough", for_s=600)
        mallory.sees("> You are banned from this server until ")
        mallory.sees_end()
    assert "needs a token with the scope all" in keeper.is_refused(403, "PUT", "/operators/x")
    assert "needs a token with the scope all" in keeper.is_refused(403, "GET", "/tokens")
    rows = keeper.asks("GET", "/audit")["audit"]
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("keeper", "ban"),
        ("keeper", "unmute"),
        ("keeper", "mute"),
        ("admin", "token"),
    ]
    assert keeper.asks("GET", f"/audit?limit=2&before={rows[0]['id']}")["audit"] == rows[1:3]
    operator.shows("").is_refused(401, "GET", "/audit")
    operator.asks("DELETE", "/tokens/keeper")
    keeper.is_refused(401, "GET", "/audit")
    assert "ban by keeper (http): mallory, 127.0.0.9; until: 20" in server.log


def test_a_large_ban_over_http_needs_force(server: Server) -> None:
    operator = Operator(server)
    why = operator.is_refused(409, "POST", "/bans", kind="network", value="10.0.0.0/8")
    assert why.startswith("Not banned: 10.0.0.0/8 is very large.")
    assert operator.asks("POST", "/bans", kind="network", value="10.0.0.0/8", force=True)["id"] == 1


# --- Tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_that_speaks_in_one_room_does_that_with_curl_and_nothing_else(server: Server) -> None:
    operator = Operator(server)
    with server.join("bob", "ci") as bob, server.join("carol", "dev"):
        token = operator.asks("POST", "/tokens", name="ci", scope="say:ci")["token"]

        def curl(*arguments: str) -> int:
            command = [
                need("curl"),
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-H",
                f"Authorization: Bearer {token}",
            ]
            done = subprocess.run(
                [*command, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=True
            )
            return int(done.stdout)

        at = f"http://{operator.at}"
        assert curl("-d", "deploy done", f"{at}/rooms/ci/messages") == 201
        bob.sees("[ci (http)] deploy done")
        assert curl("-H", "Content-Type: text/plain", "-d", "and again", f"{at}/rooms/ci/messages") == 201
        bob.sees("[ci (http)] and again")
        assert curl("-d", "x", f"{at}/rooms/dev/messages") == 403
        assert curl(f"{at}/rooms/ci/messages") == 403
        assert curl("-H", "Content-Type: application/json", "-d", '{"text":"x"}', f"{at}/announce") == 403
        assert curl("-X", "DELETE", f"{at}/bans/1") == 403
        assert curl(f"{at}/audit") == 403


def runs(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**server.environment, "GEVENT_MONITOR_THREAD_ENABLE": "false"}
    command = [*server.command, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def test_a_token_is_made_by_command_whether_the_server_runs_or_not(tmp_path: Path) -> None:
    settings = {"admin_enabled": "true", "admin_port": free_port()}
    server = Server(port=free_port(), environment={"XDG_STATE_HOME": str(tmp_path)}, **settings)  # type: ignore[arg-type]
    before = runs(server, "--make-token", "before", "read").stdout.strip()
    with server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        during = runs(server, "--make-token", "during", "moderate").stdout.strip()
        operator = Operator(server)
        assert operator.shows(before).asks("GET", "/audit")["audit"][0]["action"] == "token"
        assert operator.shows(before).asks("GET", "/status")["access"]["scope"] == "read"
        assert operator.shows(during).asks("GET", "/status")["access"]["scope"] == "moderate"
        (file,) = tmp_path.glob("gchat/admin-tokens-*")
        assert before not in file.read_text()
        assert during not in file.read_text()
        assert [(json.loads(line)["name"]) for line in file.read_text().splitlines()] == ["before", "during"]
        for name, scope, why in (
            ("during", "all", "There is a token during already"),
            ("x", "write", 'Unknown scope "write"; expected read, say:ROOM, moderate or all'),
            ("admin", "all", "another file"),
        ):
            done = runs(server, "--make-token", name, scope)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
            assert why in done.stderr
        assert during not in server.log
    assert "There is a token during already" in runs(server, "--make-token", "during", "all").stderr


def test_a_file_of_tokens_that_others_can_change_stops_the_start_with_one_line(tmp_path: Path) -> None:
    settings = {"admin_enabled": "true", "admin_port": free_port(), "admin_tokens_file": str(tmp_path / "tokens")}
    server = Server(port=free_port(), environment={"XDG_STATE_HOME": str(tmp_path)}, **settings)  # type: ignore[arg-type]
    with server:
        wait_until(lambda: "admin page" in server.log, "the admin endpoint is up")
        assert runs(server, "--make-token", "ci", "read").returncode == 0
    (tmp_path / "tokens").chmod(0o666)
    done = runs(server, "--memory")
    assert done.returncode == 1
    assert f"chmod 600 {tmp_path / 'tokens'}" in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_makes_themselves_the_account_of_an_operator(server: Server) -> None:
    with server.join("alice") as impostor:
        impostor.says(f"/register {SECRET}")
        assert "gchat-server --add-account alice" in impostor.sees("> alice is an operator of this server")
        for nick in ("aIice", "álice"):
            impostor.says(f"/nick {nick}", f"/register {SECRET}")
            impostor.sees(f"> The nick {nick} looks like alice's, an operator of this server; choose another")
        impostor.says("/bans")
        impostor.sees("> Only operators of the server can do that")
