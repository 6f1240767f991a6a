"""Time that does not pass evenly: a clock that is set, and a server that stood still (T30)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e import clustered
from tests.e2e.harness import Server, wait_until
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.tools import need

HERE = Path(__file__).parent

HOUR_S, YEAR_S = 3600, 365 * 86400


class Clock:
    """The wall clock of a server, set while it runs; how much time has passed it does not change."""

    def __init__(self, directory: Path) -> None:
        need("faketime")
        library = next(Path("/usr").glob("lib*/**/faketime/libfaketime.so.1"), None)
        if library is None:
            pytest.skip("faketime's library is not where it usually is")
        self._file = directory / "clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "GEVENT_MONITOR_THREAD_ENABLE": "false",  # its sleeps do not stand it
        }
        self.goes(0)

    def goes(self, by_s: int) -> None:
        """Set it, by so many seconds beside the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{by_s:+d}")
        new.rename(self._file)


@pytest.mark.parametrize("store", [(), ("--memory",)])
def test_a_clock_that_is_set_disturbs_nobody(tmp_path: Path, store: tuple[str, ...]) -> None:
    clock = Clock(tmp_path)
    with (
        Server("127.0.0.1", *store, environment=clock.environment, limits_messages_per_s=50) as server,
        joins(server, "alice") as alice,
        joins(server, "bob") as bob,
        server.join("carol") as carol,
    ):
        times = []
        jumps = (HOUR_S, -HOUR_S, 0, YEAR_S, -YEAR_S, 20 * YEAR_S)  # the last is after 2038
        for number, by_s in enumerate(jumps, 1):
            clock.goes(by_s)
            alice.says(f"line {number}", f"m{number}")
            assert alice.sees("ack", id=f"m{number}")["seq"] == number
            alice.says(f"line {number}", f"m{number}")
            assert alice.sees("ack", id=f"m{number}")["seq"] == number
            said = bob.sees("said", text=f"line {number}")
            assert said["seq"] == number
            times.append(said["time"][:4])
            carol.sees(f"[alice] line {number}")
            carol.says("/ping x")
            carol.sees("> pong x")
        # So the clock was set; nodes of a cluster go by that of their engine.
        assert int(times[-1]) >= int(times[2]) + (0 if clustered.MODE else 19)
        with RichUser(server, token=bob.events[0]["token"], after={"epoch": bob.events[0]["epoch"], "seq": 0}) as again:
            assert [event["text"] for event in again.sees_up_to("live") if event["type"] == "said"] == [
                f"line {number}" for number in range(1, len(jumps) + 1)
            ]
        assert not [event for event in alice.events if event["type"] in ("left", "closing", "gap")]


def test_who_comes_back_while_the_server_stands_still_was_never_gone() -> None:
    with (
        Server(script=HERE / "server_grace_3s.py") as server,
        joins(server, "alice") as alice,
        joins(server, "bob") as bob,
    ):
        alice.user.resets()
        wait_until(lambda: "alice: reset" in server.log, "the server knows that alice's connection is gone")
        for node in server.with_twin:
            os.kill(node.pid, signal.SIGSTOP)
        try:
            time.sleep(4)  # there is nothing to wait for but time: who is away is waited for for 3 s
            back = RichUser(server, token=alice.events[0]["token"])
        finally:
            for node in server.with_twin:
                os.kill(node.pid, signal.SIGCONT)
        with back as alice:
            assert alice.sees("welcome")["nick"] == "alice"
            alice.sees("live")
            alice.says("back", "1")
            assert [event["type"] for event in bob.sees_up_to("said")] == []
