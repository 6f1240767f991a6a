"""The operator of any node of a cluster sees all of it, and acts on all of it."""

from __future__ import annotations

import itertools
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.nodes import Pair, needs_cluster

pytestmark = needs_cluster


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


# --- What happens -----------------------------------------------------------------------------------------------------


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


def test_a_user_who_is_kicked_from_the_other_node_is_seen_to_go(one: Operator, two: Operator, ben: User) -> None:
    with events(one) as at_one, events(two) as at_two:
        one.asks("POST", f"/users/{user_of(one, ben.name)['id']}/kick", reason="enough")
        ben.sees_end()
        for told in (at_one, at_two):
            wait_until(has(told, "left", ben.name), "the user's end is told")
            assert [found["reason"] for found in has(told, "left", ben.name)()] == ["kicked"]


# --- Limits -----------------------------------------------------------------------------------------------------------


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


def can_join(server: Server) -> bool:
    with server.connect() as user:
        user.says("/ping x")
        wait_until(lambda: user.has_received(b"pong x") or user.has_received(b"> Too many"), "an answer")
        return user.has_received(b"pong x")
