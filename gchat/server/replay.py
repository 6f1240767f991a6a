"""Replay: pages of old messages from the journal, for who enters a room, comes back to it, or asks.

Who enters reads page by page, the next when the kernel has taken the one before, and delays nobody. Where the pages end
the room log begins, in one step of the pump: no message is between them, and none in both.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import structs

from gchat.chat.effects import CloseReason, Enter, Recall
from gchat.journal.base import Journal
from gchat.protocol.events import Page, Record, Skipped
from gchat.server.connection import CatchUp, Connection
from gchat.server.log import logger

if TYPE_CHECKING:
    from gchat.server.pump import Pump

#: Text in one page: more is asked for with the next, or comes with it.
PAGE_BYTES = 16384

#: Messages in one page for who catches up.
PAGE_MESSAGES = 200


class Replay:
    """The part of the pump that reads the journal."""

    def __init__(self, pump: Pump, journal: Journal) -> None:
        self._pump = pump
        self._journal = journal
        self.hungry: dict[Connection, None] = {}  # who catches up, and has read the page before

    def enter(self, connection: Connection, effect: Enter) -> None:
        """Greet who has entered a room, and begin with what it missed there."""
        room = effect.room
        head, epoch, after = self._pump.head(room), self._journal.epoch(room), effect.after
        self._pump.tell(connection, structs.replace(effect.greeting, epoch=epoch, seq=head - 1))
        if effect.topic is not None:
            self._pump.tell(connection, effect.topic)
        if after is not None and after.epoch == epoch and after.seq < head:
            start = after.seq + 1
        else:
            start = max(self._journal.first_seq(room), head - effect.replay)
        connection.catch_up = CatchUp(start, effect.ready)
        self._give_page(connection)

    def feed(self, until: float) -> None:
        """Give those who catch up their next pages, until then: the others are many, and wait for the turn to end."""
        while self.hungry and time.monotonic() <= until:
            connection = next(iter(self.hungry))
            del self.hungry[connection]
            if connection.session.id in self._pump.connections:
                try:
                    self._give_page(connection)
                except Exception:
                    logger.exception("connection %d crashed; it alone is closed", connection.session.id)
                    connection.abort(CloseReason.CRASHED)

    def go_on(self, connection: Connection) -> None:
        """Give who catches up the next page, soon: it has read the one before."""
        self.hungry[connection] = None
        self._pump.wake()

    def recall(self, connection: Connection, effect: Recall) -> None:
        """Give one page of what was asked for."""
        # What this turn says later stands in the journal already, and comes with the room's stream.
        room, limit = effect.room, effect.limit
        head, first = self._pump.head(room), self._journal.first_seq(room)
        if effect.before:
            stop = min(effect.start or head, head)
            start = max(first, stop - limit)
        else:
            start = max(1, effect.start if effect.start >= 0 else head + effect.start)
            stop = min(start + limit, head)
        records = self._journal.read(room, start, stop - start) if stop > start else []
        if effect.before:
            records = _last_page(records, PAGE_BYTES)
            following, end = None, not records or records[0].seq <= first
        else:
            records, last = _page(records, PAGE_BYTES)
            end = not records or last >= head
            following = None if end else last
        self._pump.tell(connection, Page(tuple(records), following, time.time(), asked=True, id=effect.id, end=end))

    def _give_page(self, connection: Connection) -> None:
        """Give who catches up one page; who has them all is live from here on, without a seam."""
        catch_up, room = connection.catch_up, connection.room
        if catch_up is None:
            return
        head = self._pump.head(room)
        if catch_up.next < head:
            first = self._journal.first_seq(room)
            if first > catch_up.next:
                self._pump.tell(connection, Skipped(catch_up.next, first - 1))
                catch_up.next = first
            limit = min(PAGE_MESSAGES, head - catch_up.next)
            records, end = _page(self._journal.read(room, catch_up.next, limit), PAGE_BYTES)
            catch_up.next = end if records else head
            self._pump.tell(connection, Page(tuple(records), None, time.time(), asked=False))
        if catch_up.next >= head:
            connection.catch_up = None
            connection.cursor.follow(self._pump.fan_out.log(room, connection.dialect, head))
            if catch_up.ready is not None:
                self._pump.tell(connection, structs.replace(catch_up.ready, seq=head - 1))


def _page(records: list[Record], max_bytes: int) -> tuple[list[Record], int]:
    """Return the first of `records`, up to about `max_bytes` of text, and the number after them."""
    size, end = 0, 0
    for count, record in enumerate(records):
        if size > max_bytes:
            return records[:count], end
        size += record.message.size
        end = record.seq + record.message.count
    return records, end


def _last_page(records: list[Record], max_bytes: int) -> list[Record]:
    """Return the last of `records`, up to about `max_bytes` of text."""
    size = 0
    for count, record in enumerate(reversed(records)):
        if size > max_bytes:
            return records[-count:]
        size += record.message.size
    return records
