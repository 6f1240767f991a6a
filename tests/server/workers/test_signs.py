"""What nodes tell their supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gchat.server.workers.signs import Signs


def test_what_a_process_tells_comes_with_its_number(tmp_path: Path) -> None:
    signs = Signs(str(tmp_path))
    assert list(signs.heard()) == []
    code = "from gchat.server.systemd import notify; notify('READY=1', 'STATUS=here')"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "NOTIFY_SOCKET": signs.path})
    assert process.wait(20) == 0

    assert list(signs.heard()) == [(process.pid, ["READY=1", "STATUS=here"])]
    signs.close()
    assert not list(tmp_path.iterdir())


def test_the_socket_of_a_supervisor_that_was_killed_is_replaced(tmp_path: Path) -> None:
    killed = Signs(str(tmp_path))

    Signs(str(tmp_path)).close()
    killed._sock.close()
