"""A server that is held up says so: to Prometheus, and to those who ask whether it is ready."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.error
from typing import Any

import pytest

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.harness import Server, wait_until
from tests.e2e.rich_user import joins
from tests.e2e.tools import need
from tests.faults import SYNCS, NotHere, Tracer


def readiness(operator: Operator) -> str:
    """Return "ready", or why the server is not."""
    try:
        return str(operator.asks("GET", "/readyz")["status"])
    except urllib.error.HTTPError as refused:
        return f"{refused.code} {refused.read().decode()}"


def measured(operator: Operator, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", operator.asks("GET", "/metrics"), re.MULTILINE)
    assert found
    return float(found[1])


def slow_disk(server: Server) -> Tracer:
    """Have every write to the disk take two seconds."""
    need("strace")
    return Tracer(server.pid, SYNCS, delay_s=2)


def test_a_pump_that_waits_for_the_disk_is_not_ready_until_it_goes_on() -> None:
    with open_to_the_operator() as server, joins(server, "alice") as alice, server.join("bob") as bob:
        operator = Operator(server)
        assert readiness(operator) == "ready"
        assert measured(operator, "gchat_oldest_effect_seconds") < 1
        try:
            with slow_disk(server):
                alice.says("hello", "1")
                why = re.compile(r"^503 .*Messages are held up: the oldest has waited for \d", re.DOTALL)
                wait_until(lambda: why.search(readiness(operator)), "it is not ready")
                assert measured(operator, "gchat_oldest_effect_seconds") >= 1
                alice.sees("ack", id="1")
        except NotHere as reason:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(reason))
        bob.sees("[alice] hello")
        wait_until(lambda: readiness(operator) == "ready", "it is ready again")
        wait_until(lambda: measured(operator, "gchat_oldest_effect_seconds") == 0, "nothing waits")


def test_a_process_that_was_stopped_for_more_than_a_second_tells_how_long_its_loop_stood() -> None:
    with open_to_the_operator() as server, server.join("alice") as alice:
        operator = Operator(server)
        server.may_complain = True  # gevent's monitor may take it for blocked
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        server.process.send_signal(signal.SIGCONT)
        assert "The event loop was held up for" in readiness(operator)
        wait_until(lambda: readiness(operator) == "ready", "it is ready again")
        alice.says("/ping still")
        alice.sees("> pong still")


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_a_thousand_long_lines_are_read_over_http_while_others_talk(store: str) -> None:
    line = "\x1b" * 8000
    settings: dict[str, Any] = {"limits_messages_per_s": 0, "history_store": store, "limits_room_log_bytes": 1 << 24}
    with open_to_the_operator(**settings) as server, server.join("alice") as alice, server.join("bob", "dev") as bob:
        operator = Operator(server)
        alice.says(*(f"{number} {line}" for number in range(1000)))
        alice.says("/ping said")
        alice.sees("> pong said")
        seen: list[int] = []
        after, answers = 0, 0
        while after is not None:
            page = operator.asks("GET", f"/rooms/lobby/messages?limit=1000&after={after}")
            seen += [int(message["text"].partition(" ")[0]) for message in page["messages"]]
            after = page.get("next")
            answers += 1
            bob.says(f"/ping {answers}")
            bob.sees(f"> pong {answers}")
        assert seen == list(range(1000))
        assert answers > 20
    # Server() fails the test if the loop was held for long.
