"""One process of a supervisor: started, started again after a pause that grows, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gchat.server.workers.child import MAX_PAUSE_S, MIN_PAUSE_S, Child, described


def ended(child: Child) -> str:
    _, status = os.waitpid(child.pid, 0)
    return described(status)


def killed() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_its_value_is_its_exit_code_and_how_it_ended_is_said() -> None:
    for run, how in ((lambda: 3, "ended with exit code 3"), (killed, "was killed by SIGKILL")):
        child = Child("one", run, orphan_signal=signal.SIGTERM)
        child.start()
        assert child.pid
        assert ended(child) == how


def test_the_pause_grows_to_a_bound() -> None:
    child = Child("one", lambda: 0, orphan_signal=signal.SIGTERM)

    pauses = [child.ended() for _ in range(12)]

    assert pauses[:3] == [MIN_PAUSE_S, MIN_PAUSE_S * 2, MIN_PAUSE_S * 4]
    assert pauses[-1] == MAX_PAUSE_S


def test_what_does_not_run_gets_no_signal() -> None:
    Child("one", lambda: 0, orphan_signal=signal.SIGTERM).send(signal.SIGKILL)  # or this test would end here


@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_it_ends_with_its_supervisor(how: str) -> None:
    code = (
        "import os, signal, time; from gchat.server.workers.child import Child; "
        f"child = Child('one', lambda: time.sleep(60) or 0, orphan_signal=signal.SIGTERM); child.start(); {how}"
    )
    # It has our end of the pipe, so the pipe ends when it does.
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.communicate(timeout=20)[0] == b""
