"""gchat-server with faults that users can ask for.

`/ping crash` raises in its handler, `/ping curse` makes every later send to who asks raise, `/ping curse-later` those
from the write watcher only: when who asks is behind and reads again.
"""

from __future__ import annotations

from gchat.chat import handlers
from gchat.chat.effects import Effect
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands
from gchat.roomlog.reader import LogReader
from gchat.server.main import main

ping = handlers.HANDLERS[commands.Ping]
peek = LogReader.peek
cursed: dict[int, str] = {}


def ping_or_crash(registry: Registry, session: Session, command: commands.Ping, now: float) -> list[Effect]:
    if command.text == "crash":
        raise RuntimeError("a fault that was asked for")
    if command.text.startswith("curse"):
        cursed[session.id] = command.text
    return ping(registry, session, command, now)


def peek_or_crash(reader: LogReader, limit: int) -> bytes:
    how = cursed.get(reader.session)
    if how == "curse" or (how and any(cursor in cursor.log.behind for cursor in reader.cursors)):
        raise RuntimeError("a fault that was asked for")
    return peek(reader, limit)


handlers.HANDLERS[commands.Ping] = ping_or_crash
LogReader.peek = peek_or_crash  # type: ignore[method-assign, assignment]

main()
