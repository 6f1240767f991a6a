"""A connection that has ended is freed at once: the server collects only new garbage while anybody is there."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.e2e.crowd import Crowd, descriptors, join_many
from tests.e2e.harness import Server, User, wait_until

COUNTED = Path(__file__).parent.parent / "bench" / "counted.py"


def objects(server: Server) -> int:
    """Return how many objects the server holds that its garbage collector knows."""
    path = Path(server.environment["XDG_STATE_HOME"]) / "counts"
    path.unlink(missing_ok=True)
    server.process.send_signal(signal.SIGUSR2)
    wait_until(path.exists, "the server says what it holds")
    return int(json.loads(path.read_text())["objects"])


def leave(users: list[User]) -> None:
    for number, user in enumerate(users):
        (user.resets, user.closes, lambda user=user: user.says("/quit"))[number % 3]()


def come_and_go(server: Server, crowd: Crowd) -> None:
    time.sleep(1.5)  # the watch comes once a second at least, and takes what it sees then for old
    left = descriptors(server) - len(crowd.users)
    leave(crowd.users)
    wait_until(lambda: descriptors(server) <= left, "all are gone")
    crowd.close()


def test_of_a_connection_that_has_ended_nothing_waits_for_a_full_collection() -> None:
    with Server("127.0.0.1", "--memory", "--quiet", script=COUNTED) as server, server.join("alice") as alice:
        come_and_go(server, join_many(server, 30))  # what is made once is made
        before = objects(server)
        come_and_go(server, join_many(server, 150))
        alice.says("/who", "/ping end")
        alice.sees("> pong end")
        assert objects(server) - before < 150, "less than one for each"
