"""What many users say at once is shown in many turns, so that nobody else waits for all of it."""

from __future__ import annotations

import re
import signal

from tests.e2e.admin_client import Operator, open_to_the_operator
from tests.e2e.crowd import Crowd

SPEAKERS, LINES = 40, 40


def commits(operator: Operator) -> int:
    found = re.search(r"^gchat_commit_seconds_count (\d+)", operator.asks("GET", "/metrics"), re.MULTILINE)
    assert found
    return int(found[1])


def test_what_many_say_at_once_is_shown_in_many_turns() -> None:
    with (
        open_to_the_operator() as server,
        server.join("carol") as carol,
        Crowd([server.join() for _ in range(SPEAKERS)]) as crowd,
    ):
        operator = Operator(server)
        before = commits(operator)
        server.process.send_signal(signal.SIGSTOP)
        for user in crowd.users:
            user.sends(b"flood\n" * LINES)
        server.process.send_signal(signal.SIGCONT)
        crowd.resume(carol)
        crowd.until(lambda: carol.received.count(b"] flood\n") == SPEAKERS * LINES, "carol hears all of it")

        assert commits(operator) - before >= 6, "192 lines, and what one user says, are a turn"
