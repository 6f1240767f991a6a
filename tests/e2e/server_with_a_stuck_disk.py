"""gchat-server whose reads of what is stored get stuck: they wait for as long as a file of that name is there.

Alone, what reads the disk waits, on its native thread; of a node, what asks the engine, in its greenlet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from gchat.cluster.journal import SharedJournal
from gchat.cluster.room_streams import RoomStreams
from gchat.journal.sqlite.queries import Queries
from gchat.server.main import main

DIRECTORY = Path(os.environ["STUCK"])


def sticks(name: str, where: type, method: str, sleep: Callable[[float], None]) -> None:
    call: Callable[..., Any] = getattr(where, method)

    def waits(*arguments: Any, **options: Any) -> Any:
        while (DIRECTORY / name).exists():
            sleep(0.01)
        return call(*arguments, **options)

    setattr(where, method, waits)


if __name__ == "__main__":
    for name in ("room", "read", "search"):
        sticks(name, Queries, name, time.sleep)
    sticks("room", RoomStreams, "oldest", gevent.sleep)  # asked when a room is opened
    sticks("read", RoomStreams, "messages", gevent.sleep)
    sticks("search", SharedJournal, "search", gevent.sleep)
    main()
