"""The operator of any node of a cluster sees all of it, and acts on all of it."""

from __future__ import annotations

import http.server
import itertools
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Self

import pytest

from tests.cluster.engines import EngineProcess
from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, User, free_port, wait_until
from tests.e2e.nodes import SHORT_LEASE, Pair, node


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair(limits_exempt="") as pair:
        yield pair


@pytest.fixture(scope="module")
def one(pair: Pair) -> Operator:
    return Operator(pair.one)


@pytest.fixture(scope="module")
def two(pair: Pair) -> Operator:
    return Operator(pair.two)


_rooms = itertools.count(1)


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"room{next(_rooms)}"


@pytest.fixture
def ann(pair: Pair, room: str) -> Iterator[User]:
    with pair.one.join(f"ann-{room}", room) as user:
        yield user


@pytest.fixture
def ben(pair: Pair, room: str, ann: User) -> Iterator[User]:
    with pair.two.join(f"ben-{room}", room) as user:
        ann.sees(f"> New user {user.name} entered")
        yield user


def user_of(operator: Operator, nick: str) -> dict[str, Any]:
    """Return a user as the operator sees it, as soon as it does."""

    def found() -> dict[str, Any] | None:
        return next((user for user in operator.asks("GET", "/users")["users"] if user["nick"] == nick), None)

    wait_until(found, f"{nick} is there")
    user = found()
    assert user is not None
    return user


def test_what_only_the_node_of_a_connection_knows_of_it_is_null_at_the_others(
    one: Operator, two: Operator, ann: User, ben: User
) -> None:
    only_there = ("dialect", "connected_s", "idle_s", "messages", "lag_bytes", "skipped", "tls")
    for here, there in ((one, two), (two, one)):
        for user in (ann, ben):
            assert (user_of(here, user.name)["dialect"] is None) == (user_of(there, user.name)["dialect"] is not None)
    seen = user_of(two, ann.name)
    assert [seen[name] for name in only_there] == [None] * len(only_there)
    assert seen["node"] == "one"
    assert user_of(one, ann.name)["messages"] is not None


def test_the_state_of_the_cluster_has_each_node_and_the_sums(
    one: Operator, two: Operator, ann: User, ben: User
) -> None:
    for operator, name in ((one, "one"), (two, "two")):

        def is_up_to_date(operator: Operator = operator) -> bool:
            status = operator.asks("GET", "/status")
            each = [node["connections"] for node in status["nodes"]]
            return len(each) == 2 and status["all"]["connections"] == sum(each) >= 2 and all(each)

        wait_until(is_up_to_date, "both tell of their connections")
        status = operator.asks("GET", "/status")
        assert status["server"]["node"] == name
        assert {node["name"]: node["here"] for node in status["nodes"]} == {"one": name == "one", "two": name == "two"}
        assert all(node["lag_s"] < 5 for node in status["nodes"])
        assert all(node["since"].endswith("Z") for node in status["nodes"])
        assert status["all"]["online"] == status["online"] == len(status["users"])


def test_the_metrics_of_a_node_tell_how_it_stands_with_the_engine(one: Operator, ann: User, ben: User) -> None:
    metrics = one.asks("GET", "/metrics")
    for line in ("gchat_engine_up 1.0", "gchat_nodes 2.0"):
        assert f"\n{line}\n" in metrics
    for name in ("gchat_engine_term", "gchat_feed_lag_seconds", "gchat_unanswered", "gchat_feed_entries_total"):
        assert f"\n{name} " in metrics
    assert "\ngchat_put_seconds_bucket{" in metrics
    ann.says("hello")
    ben.sees(f"[{ann.name}] hello")


# --- What happens ----------------------------------------------------------------------------------------------------


@contextmanager
def events(operator: Operator) -> Iterator[list[dict[str, Any]]]:
    """Have what a node's stream tells, from now on."""
    request = urllib.request.Request(f"http://{operator.at}/events")
    request.add_header("Authorization", f"Bearer {operator.token}")
    told: list[dict[str, Any]] = []
    with closing(urllib.request.urlopen(request, timeout=DEADLINE_S)) as stream:

        def listen() -> None:
            kind = ""
            try:
                for line in stream:
                    word, _, value = line.decode().rstrip().partition(": ")
                    if word == "event":
                        kind = value
                    elif word == "data":
                        told.append({"event": kind, **json.loads(value)})
            except (OSError, ValueError, AttributeError):
                pass  # closed under it

        threading.Thread(target=listen, daemon=True).start()
        wait_until(lambda: told, "the stream has begun")
        yield told


def has(told: list[dict[str, Any]], event: str, nick: str) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [found for found in told if found["event"] == event and found.get("nick") == nick]


def test_users_of_all_nodes_are_seen_to_come_and_go_on_each_once(
    pair: Pair, one: Operator, two: Operator, room: str
) -> None:
    with events(one) as at_one, events(two) as at_two:
        for server, node in ((pair.one, "one"), (pair.two, "two")):
            with server.join(room=room) as user:
                user.says("/quit")
                user.sees_end()
            for told in (at_one, at_two):
                wait_until(has(told, "left", user.name), "the user's end is told")
                (came,) = has(told, "joined", user.name)()
                (went,) = has(told, "left", user.name)()
                assert came["node"] == node
                assert came["user"] == went["user"]
                assert went["reason"] == "quit"


# https://github.com/emqx/emqx/issues/1428: a client of another node was found, and could not be kicked.
def test_a_user_who_is_kicked_from_the_other_node_is_seen_to_go(one: Operator, two: Operator, ben: User) -> None:
    with events(one) as at_one, events(two) as at_two:
        one.asks("POST", f"/users/{user_of(one, ben.name)['id']}/kick", reason="enough")
        ben.sees_end()
        for told in (at_one, at_two):
            wait_until(has(told, "left", ben.name), "the user's end is told")
            assert [found["reason"] for found in has(told, "left", ben.name)()] == ["kicked"]


# --- What is made and done -------------------------------------------------------------------------------------------


def posts(operator: Operator, secret: str, text: str) -> int:
    """Post to a hook; return the status."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"http://{operator.at}/hooks/{secret}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_a_hook_that_is_made_at_one_node_speaks_at_all_until_it_is_revoked_at_any(
    one: Operator, two: Operator, room: str, ann: User, ben: User
) -> None:
    made = one.asks("POST", "/hooks", room=room, name="ci")
    wait_until(lambda: posts(two, made["secret"], "by two") < 300, "the other node has it")
    assert posts(one, made["secret"], "by one") < 300
    for user in (ann, ben):
        user.sees("[ci (http)] by two")
        user.sees("[ci (http)] by one")
    assert "already" in two.is_refused(409, "POST", "/hooks", room=room, name="ci")
    assert two.asks("POST", "/hooks", room=room, name="other")["id"] != made["id"]
    two.asks("DELETE", f"/hooks/{made['id']}")
    for operator in (one, two):
        wait_until(lambda node=operator: posts(node, made["secret"], "too late") == 404, "it is revoked")  # type: ignore[misc]
        assert made["id"] not in [hook["id"] for hook in operator.asks("GET", "/hooks")["hooks"]]


def test_hooks_that_are_made_at_once_at_both_nodes_are_all_there(one: Operator, two: Operator, room: str) -> None:
    made: list[dict[str, Any]] = []

    def makes(operator: Operator, name: str) -> None:
        made.extend(operator.asks("POST", "/hooks", room=room, name=f"{name}{at}") for at in range(8))

    threads = [threading.Thread(target=makes, args=each) for each in ((one, "a"), (two, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [hook["id"] for hook in made]
    assert len(set(ids)) == 16
    wait_until(
        lambda: len(one.asks("GET", "/hooks")["hooks"]) == len(two.asks("GET", "/hooks")["hooks"]), "both know all"
    )
    for operator in (one, two):
        assert {hook["id"] for hook in operator.asks("GET", "/hooks")["hooks"]} >= set(ids)


# https://github.com/wazuh/wazuh/pull/38616 and https://github.com/open-metadata/OpenMetadata/pull/32872: a token that
# was revoked was accepted elsewhere until a cache had run out.
def test_a_token_that_is_made_at_one_node_is_accepted_at_all_until_it_is_revoked_at_any(
    one: Operator, two: Operator, room: str
) -> None:
    made = one.asks("POST", "/tokens", name=f"ci-{room}", scope="moderate")
    wait_until(lambda: made["name"] in tokens(two), "the other node has it")
    assert two.shows(made["token"]).asks("GET", "/bans")
    assert "already" in two.is_refused(409, "POST", "/tokens", name=f"ci-{room}", scope="read")
    two.asks("DELETE", f"/tokens/ci-{room}")
    wait_until(lambda: made["name"] not in tokens(one), "it is revoked")
    for operator in (one, two):
        operator.shows(made["token"]).is_refused(401, "GET", "/bans")


def tokens(operator: Operator) -> list[str]:
    return [token["name"] for token in operator.asks("GET", "/tokens")["tokens"]]


def test_hooks_and_tokens_are_there_for_a_node_that_comes_later(pair: Pair, one: Operator, room: str) -> None:
    hook = one.asks("POST", "/hooks", room=room, name="later")
    token = one.asks("POST", "/tokens", name=f"later-{room}", scope="read")
    with pair.node("three") as node:
        three = Operator(node)
        assert posts(three, hook["secret"], "hello") < 300
        assert three.shows(token["token"]).asks("GET", "/bans")
        assert one.asks("GET", "/audit") == three.asks("GET", "/audit")


def test_the_audit_is_one_for_all_nodes(one: Operator, two: Operator, room: str) -> None:
    def acts(operator: Operator, name: str) -> None:
        for at in range(10):
            ban = operator.asks("POST", "/bans", kind="nick", value=f"{name}{at}-{room}")
            operator.asks("DELETE", f"/bans/{ban['id']}")

    threads = [threading.Thread(target=acts, args=each) for each in ((one, "a"), (two, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def audits() -> list[list[dict[str, Any]]]:
        return [operator.asks("GET", "/audit?limit=100")["audit"] for operator in (one, two)]

    wait_until(lambda: audits()[0] == audits()[1], "both have the same audit")
    of_these = [entry for entry in audits()[0] if room in entry["target"]]
    assert len(of_these) == 40
    ids = [entry["id"] for entry in of_these]
    assert ids == sorted(set(ids), reverse=True)
    for name in ("a", "b"):
        actions = [
            entry["action"] for entry in reversed(of_these) if f" {name}" in f" {entry['target']}".replace(":", " ")
        ]
        assert actions == ["ban", "unban"] * 10


def test_users_of_the_other_node_are_muted_banned_and_let_in_again(
    pair: Pair, one: Operator, two: Operator, ann: User, ben: User
) -> None:
    one.asks("POST", f"/users/{user_of(one, ben.name)['id']}/mute", reason="loud")
    ben.sees("> You are muted")
    ben.says("hm")
    ben.sees("> Not sent: ")
    wait_until(lambda: two.asks("GET", "/mutes")["mutes"], "the other node has it")
    two.asks("DELETE", f"/users/{user_of(two, ben.name)['id']}/mute")
    ben.says("thanks")
    ann.sees(f"[{ben.name}] thanks")
    ban = two.asks("POST", "/bans", kind="nick", value=ben.name, reason="enough")
    ben.sees_end()
    with pair.one.connect() as again:
        again.says(f"/nick {ben.name}")
        again.sees("> ")
    wait_until(lambda: ban["id"] in [found["id"] for found in one.asks("GET", "/bans")["bans"]], "both have it")
    one.asks("DELETE", f"/bans/{ban['id']}")


def test_an_account_that_is_made_at_one_node_is_known_at_the_other(
    pair: Pair, one: Operator, two: Operator, room: str
) -> None:
    one.asks("POST", "/accounts", name=f"dora-{room}", secret="correct-horse-battery")

    def accounts(operator: Operator) -> list[str]:
        return [account["name"] for account in operator.asks("GET", "/accounts")["accounts"]]

    wait_until(lambda: f"dora-{room}" in accounts(two), "the other node has it")
    with pair.two.join() as user:
        user.says(f"/login dora-{room} correct-horse-battery")
        user.sees(f"> You are now dora-{room}")
    two.asks("DELETE", f"/accounts/dora-{room}")
    wait_until(lambda: f"dora-{room}" not in accounts(one), "the other node has learnt that")
    one.is_refused(404, "DELETE", f"/accounts/dora-{room}")


class Receiver:
    """What is posted to a URL of ours."""

    def __init__(self) -> None:
        self.texts = texts = list[str]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


# https://github.com/soketi/soketi/pull/438: webhooks were called as often as there were nodes.
def test_what_is_said_is_posted_to_a_url_once() -> None:
    with Receiver() as receiver:
        tables = json.dumps([{"room": "ops", "url": receiver.url}])
        with Pair(hooks_outgoing=tables) as pair, pair.one.join(room="ops") as ann, pair.two.join(room="ops") as ben:
            ann.sees("> New user")
            ann.says("from one")
            ben.sees_bytes(b"from one")
            ben.says("from two")
            ann.sees_bytes(b"from two")
            ann.says("last")
            wait_until(lambda: "last" in receiver.texts, "all is posted")
            assert sorted(receiver.texts) == ["from one", "from two", "last"]


def test_commands_make_things_in_the_running_node_that_they_name_and_all_have_them() -> None:
    with EngineProcess() as engine, node(engine.url, "two") as other:
        with node(engine.url, "one", port=free_port(), admin_port=free_port()) as server:
            two = Operator(other)
            url = runs(server, "--make-hook", "ops", "CI").strip()
            wait_until(lambda: posts(two, url.rpartition("/")[2], "hello") < 300, "the other node has it")
            token = runs(server, "--make-token", "ci", "read").strip()
            wait_until(lambda: "ci" in tokens(two), "the other node has it")
            assert two.shows(token).asks("GET", "/bans")
            assert "made the account dora" in runs(server, "--add-account", "dora", says="correct-horse-battery\n")
            assert "already" in runs(server, "--make-token", "ci", "read")
            with other.join() as user:
                user.says("/login dora correct-horse-battery")
                user.sees("> You are now dora")
        refused = runs(server, "--make-hook", "ops", "CI")
        assert "no server answers at" in refused
        assert "in the engine; start it first" in refused


def runs(server: Server, *arguments: str, says: str = "") -> str:
    """Run the command on the same configuration as a server, and return what it prints."""
    environment = {**server.environment, "GEVENT_MONITOR_THREAD_ENABLE": "false"}
    done = subprocess.run(
        [*server.command, *arguments],
        env=environment,
        input=says,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def test_a_node_is_not_ready_while_its_engine_does_not_answer_and_goes_on_showing_what_it_knows() -> None:
    with Pair() as pair, pair.one.join() as ann:
        one = Operator(pair.one)
        one.asks("GET", "/readyz")
        wait_until(lambda: len(one.asks("GET", "/status")["nodes"]) == 2, "both are known")
        pair.engine.stop()
        try:

            def why() -> str:
                try:
                    one.asks("GET", "/readyz")
                except urllib.error.HTTPError as error:
                    with error:
                        return str(json.loads(error.read())["detail"])
                return ""

            wait_until(why, "it is not ready")
            assert why().startswith("Messages cannot be stored: ")
            assert user_of(one, ann.name)["node"] == "one"
            assert one.asks("GET", "/audit")["audit"] == []
            assert [found["name"] for found in one.asks("GET", "/status")["nodes"]] == ["one", "two"]
            assert "gchat_engine_up 0.0" in one.asks("GET", "/metrics")
            one.is_refused(503, "POST", "/bans", kind="nick", value="spam")
            one.is_refused(503, "POST", "/tokens", name="ci", scope="read")
            one.is_refused(503, "POST", "/hooks", room="ops", name="ci")
        finally:
            pair.engine.go_on()
        wait_until(lambda: not why(), "it is ready again")
        one.asks("POST", "/tokens", name="ci", scope="read")


# --- Limits ----------------------------------------------------------------------------------------------------------


# https://github.com/Gronglegrowth/Data-Essence/issues/28: a limit of connections counted only those of one node.
def test_connections_of_one_network_are_counted_over_all_nodes() -> None:
    with Pair(limits_exempt="", limits_connections_per_ip=3, limits_announce_after_s=0) as pair:
        with pair.one.join() as first, pair.one.join(), pair.two.join() as third:
            third.says("/who")
            third.sees("> In lobby (3 users online)")
            for node in pair.both:
                with node.connect() as refused:
                    refused.sees("> Too many connections from your address: the limit is 3 connections")
                    refused.sees_end()
            first.says("/quit")
            first.sees_end()
            third.sees(f"< The user {first.name} left")
        wait_until(lambda: can_join(pair.two), "there is a place again")


# https://github.com/elastic/elasticsearch/issues/16719 and https://github.com/cockroachdb/cockroach/issues/61562: nodes
# that were started again were listed once more each time, beside what they had been.
def test_a_node_that_is_killed_is_gone_with_its_users_and_one_that_is_started_again_is_there_once() -> None:
    with Pair(SHORT_LEASE, limits_exempt="", limits_connections_per_ip=3, limits_announce_after_s=0) as pair:
        one = Operator(pair.one)

        def names() -> list[str]:
            return [found["name"] for found in one.asks("GET", "/status")["nodes"]]

        with pair.one.join() as ann, pair.two.join() as ben, pair.two.join(), events(one) as told:
            wait_until(lambda: names() == ["one", "two"], "both are known")
            assert not can_join(pair.one)
            pair.two.kill()
            wait_until(has(told, "left", ben.name), "the user's end is told")
            wait_until(lambda: names() == ["one"], "the node is gone")
            wait_until(lambda: can_join(pair.one), "its users do not count any more")
            for _ in range(2):
                with pair.node("two"):
                    wait_until(lambda: names() == ["one", "two"], "it is there again, once")
                wait_until(lambda: names() == ["one"], "it has left")
            ann.says("/who")
            ann.sees("> In lobby (1 user online)")


def can_join(server: Server) -> bool:
    with server.connect() as user:
        user.says("/ping x")
        wait_until(lambda: user.has_received(b"pong x") or user.has_received(b"> Too many"), "an answer")
        return user.has_received(b"pong x")
