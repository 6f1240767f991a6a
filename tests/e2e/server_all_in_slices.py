"""gchat-server that takes every room for a large one, sends to one reader at a time and takes 2 ms for each.

The most that it ever gathered in an open turn is in its log, when a user asks with `/ping gathered`.
"""

from __future__ import annotations

import os
import time
from typing import Any

from gchat.chat import handlers
from gchat.chat.effects import Effect
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands
from gchat.roomlog.log import RoomLog
from gchat.roomlog.reader import LogReader
from gchat.server import fanout
from gchat.server.logs import logger
from gchat.server.main import main

WRITE_S = float(os.environ.get("TEST_WRITE_S", "0.002"))

ping = handlers.HANDLERS[commands.Ping]
append = RoomLog.append
gathered = [0]


class Slow:
    """Stands for `os` there."""

    @staticmethod
    def write(descriptor: int, data: bytes) -> int:
        time.sleep(WRITE_S)
        return os.write(descriptor, data)


def measured_append(log: RoomLog, data: bytes, count: int, speaker: LogReader | None, *rest: Any, **named: Any) -> None:
    append(log, data, count, speaker, *rest, **named)
    gathered.append(max(gathered.pop(), log.gathered))


def ping_and_log(registry: Registry, session: Session, command: commands.Ping, now: float) -> list[Effect]:
    if command.text == "gathered":
        logger.info("gathered %d bytes", gathered[0])
    return ping(registry, session, command, now)


fanout.READERS_IN_A_TURN = 0
fanout.SENDS_AT_ONCE = 1
vars(fanout)["os"] = Slow
handlers.HANDLERS[commands.Ping] = ping_and_log
RoomLog.append = measured_append  # type: ignore[method-assign, assignment]

main()
