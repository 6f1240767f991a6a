"""Replay: pages of old messages from the journal, for users that enter a room, come back to it, or ask.

A newcomer reads page by page, the next when the kernel has taken the one before, and delays nobody. Where the pages end
the room log begins, in one step of the pump: no message is between them, and none in both. Whatever the disk has to be
asked for is waited for by a greenlet of its own, never by the pump.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import gevent
from gevent.lock import BoundedSemaphore
from msgspec import structs

from gchat.chat.effects import Deliver, Effect, ReadHistory, Search
from gchat.dialects.dialect import Dialect
from gchat.journal.journal import Journal, JournalError
from gchat.journal.parts import MessageSearch, SearchRefused
from gchat.model.audience import OwnLines, Where
from gchat.model.commands import Before, From, Last
from gchat.model.errors import Code
from gchat.model.events import Answer, Found, Page, Refused, Skipped
from gchat.model.ignored_names import IgnoredNames
from gchat.model.messages import Record
from gchat.roomlog.log import RoomLog
from gchat.server.connection import Connection
from gchat.server.logs import logger
from gchat.server.writer import Awaited, CatchUp

#: Messages in one page for a reader that catches up; the journal bounds its text.
PAGE_MESSAGES = 200

#: So long a page is remembered, for others who want the same; and so many at most.
SHARED_S, MAX_SHARED = 2.0, 64

#: Searches that are under way or wait for their turn. One session has no more than one.
MAX_SEARCHES = 8

#: Between two lines of the log that say that the history cannot be read.
COMPLAINT_S = 60.0

TOO_MANY_SEARCHES = "Too many searches at once; try again in a few seconds"

_Asked = ReadHistory | Search

#: A page as it is sent, the number after it, and what is missing before it.
_Page = tuple[bytes, int, Skipped | None]


class ReplayTurn(Protocol):
    """What the replay needs of a turn of the pump."""

    @property
    def connections(self) -> Mapping[int, Connection]:
        """The connections that have a session, by its id."""

    def tell(self, connection: Connection, answer: Answer, room: str = "") -> None:
        """Give this connection an answer, after all that its rooms were told until now.

        It is about a room; without one, about that which was entered last.
        """

    def transmit(self, connection: Connection, lines: OwnLines, room: str) -> None:
        """Do the same with what is encoded already."""

    def head(self, room: str) -> int:
        """Return the number of the room's next message, where the turn stands."""

    def room_log(self, where: Where, dialect: Dialect, seq: int) -> RoomLog:
        """Return the room's log in this dialect, made if nobody reads it yet: then `seq` is the next number in it."""

    def submit(self, effects: list[Effect]) -> None:
        """Have these effects carried out, after all that were submitted before."""

    def wake(self) -> None:
        """Have a turn soon."""


class Replay:
    """The part of the pump that reads the journal."""

    def __init__(self, pump: ReplayTurn, journal: Journal, message_search: MessageSearch) -> None:
        self._pump = pump
        self._journal = journal
        self._message_search = message_search
        self._pages: dict[tuple[Dialect, Where, int, int], _Page] = {}  # by dialect, room, first, limit
        self._pages_until = 0.0
        self._complain_at = 0.0
        self._searches = 0
        self._search_turn = BoundedSemaphore(1)  # each search makes the index complete before: one at a time
        self.hungry: dict[CatchUp, Connection] = {}  # of rooms that are loaded, and of readers that took a page

    def begin(self, connection: Connection, catch_up: CatchUp) -> None:
        """Greet a user who has entered a room, which the journal has open, and begin with what was missed there."""
        effect, room = catch_up.effect, catch_up.where.room
        head, epoch, after = self._pump.head(room), self._journal.epoch(room), effect.after
        catch_up.where = where = Where(room, epoch)
        if connection.room == room:
            connection.where = where
        catch_up.wait_for(Awaited.DELIVERY)
        is_next = connection.writer.next_catch_up is catch_up
        self._pump.tell(connection, structs.replace(effect.greeting, epoch=epoch, seq=head - 1), room)
        if (topic := self._journal.topic(room)) is not None and topic.text:
            self._pump.tell(connection, topic, room)
        is_here = after is not None and after.epoch == epoch
        if after is not None and is_here and after.seq < head:
            catch_up.next = after.seq + 1
        else:
            catch_up.next = max(self._journal.first_seq(room), head - effect.replay)
        if after is not None and is_here and after.seq >= head:
            why = f"Cannot resume after message {after.seq} of {room}: its last message is number {head - 1}"
            self._pump.tell(connection, Refused(Code.NO_SUCH_PLACE, why), room)
        if is_next or catch_up.next >= head:
            self._give_page(connection, catch_up)

    def feed(self, until: float, enter: Callable[[Connection, CatchUp], None]) -> None:
        """Give readers that catch up their next pages, until then: all others wait for the turn to end.

        Those that wait for a room which is loaded now `enter` it.
        """
        now = time.monotonic()
        if now > self._pages_until:
            self._pages.clear()
            self._pages_until = now + SHARED_S
        while self.hungry and time.monotonic() <= until:
            catch_up = next(iter(self.hungry))
            connection = self.hungry.pop(catch_up)
            if connection.session.id in self._pump.connections and catch_up in connection.writer.catch_ups:
                try:
                    if catch_up.awaited is Awaited.ROOM:
                        enter(connection, catch_up)
                    elif catch_up is connection.writer.next_catch_up:
                        self._give_page(connection, catch_up)
                except Exception:
                    connection.crashed()

    def enter_soon(self, connection: Connection, catch_up: CatchUp) -> None:
        """Have a reader enter a room that was loaded."""
        self.hungry[catch_up] = connection
        self._pump.wake()

    def go_on(self, connection: Connection) -> None:
        """Give a reader that catches up the next page, soon, if it has read the one before."""
        if (catch_up := connection.writer.next_catch_up) is not None:
            self.hungry[catch_up] = connection
            self._pump.wake()

    def recall(self, connection: Connection, effect: ReadHistory) -> None:
        """Give one page of what was asked for."""
        # What this turn says later stands in the journal already, and comes with the room's stream.
        room, limit = effect.room, effect.limit
        head, first = self._pump.head(room), self._journal.first_seq(room)
        match effect.excerpt:
            case Before(seq):
                stop = head if seq is None else min(seq, head)
                start = max(first, stop - limit)
            case From(seq):
                start, stop = seq, min(seq + limit, head)
            case Last(count):
                start = max(1, head - count)
                stop = min(start + limit, head)
        is_last = isinstance(effect.excerpt, Before)

        def answer() -> Page:
            records = self._journal.read(room, start, stop - start, last=is_last) if stop > start else []
            page = _recalled(records, effect, first, head)
            return structs.replace(page, records=_heard(records, connection.session.ignored))

        if stop <= start or start >= self._journal.at_hand(room):
            self._pump.tell(connection, answer(), room)
        else:
            self._answer_later(connection, answer, effect)

    def search(self, connection: Connection, effect: Search) -> None:
        """Give what is found, when it is."""
        if self._searches >= MAX_SEARCHES:
            self._pump.tell(connection, Refused(Code.TOO_MUCH, TOO_MANY_SEARCHES, effect.id), effect.room)
            return
        self._searches += 1

        def answer() -> Found:
            try:
                with self._search_turn:
                    found, more = self._message_search.search(effect.room, effect.text, effect.limit, time.monotonic)
            finally:
                self._searches -= 1
            return Found(_heard(found, connection.session.ignored), more, time.time(), effect.id)

        self._answer_later(connection, answer, effect)

    def why_unreadable(self, error: Exception) -> str:
        """Return why the history cannot be read, and log it, unless the room was removed meanwhile."""
        if isinstance(error, KeyError):
            return "the room was removed"
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAINT_S
            crash = None if isinstance(error, JournalError) else error
            logger.error("cannot read the history: %(reason)s", {"reason": str(error)}, exc_info=crash)
        return str(error) if isinstance(error, JournalError) else "internal error"

    def _answer_later(self, connection: Connection, answer: Callable[[], Page | Found], effect: _Asked) -> None:
        """Give an answer that the disk may have to be asked for: it may be slow, so a greenlet waits for it."""
        connection.writer.awaits_answer = True
        gevent.spawn(self._answer, connection, answer, effect)

    def _answer(self, connection: Connection, answer: Callable[[], Page | Found], effect: _Asked) -> None:
        given: Page | Found | Refused
        try:
            given = answer()
        except SearchRefused as error:
            given = Refused(Code.TOO_MUCH, str(error), effect.id)
        except Exception as error:  # whatever it is: the user must not wait for ever
            why = f"Cannot read the history: {self.why_unreadable(error)}; try again later"
            given = Refused(Code.NOT_KEPT, why, effect.id)
        connection.writer.awaits_answer = False
        self._pump.submit([Deliver(connection.session.id, given, room=effect.room)])

    def _give_page(self, connection: Connection, catch_up: CatchUp) -> None:
        """Give a reader that catches up one page; after the last it is live, without a seam."""
        writer, where, room = connection.writer, catch_up.where, catch_up.where.room
        head, at_hand = self._pump.head(room), self._journal.at_hand(room)
        if catch_up.next < head:
            is_at_hand = catch_up.next >= at_hand
            stop = head if is_at_hand else at_hand
            limit = min(PAGE_MESSAGES, stop - catch_up.next)
            # Users who come back after a restart want the same pages, but for those who ignore somebody.
            key, ignored = (connection.dialect, where, catch_up.next, limit), connection.session.ignored
            page = None if ignored else self._pages.get(key)
            if page is None:
                found, catch_up.page = catch_up.page, None
                if found is None and not is_at_hand:
                    catch_up.wait_for(Awaited.PAGE)
                    gevent.spawn(self._read_page, connection, catch_up, limit)
                    return
                if found is None:
                    found = self._journal.read(room, catch_up.next, limit)
                page = self._made_page(connection.dialect, catch_up, found, stop, ignored)
                if found and not ignored and len(self._pages) < MAX_SHARED:
                    self._pages[key] = page
            catch_up.page = None
            data, catch_up.next, missed = page
            if missed is not None:
                self._pump.tell(connection, missed, room)
            self._pump.transmit(connection, OwnLines(data), room)
        if catch_up.next >= head:
            writer.drop(catch_up)
            writer.log_reader.follow(self._pump.room_log(where, connection.dialect, head))
            self._pump.tell(connection, structs.replace(catch_up.effect.ready, seq=head - 1), room)
        self.go_on(connection)  # at once, if what was told had no bytes

    def _made_page(
        self, dialect: Dialect, catch_up: CatchUp, found: list[Record], stop: int, ignored: IgnoredNames | None
    ) -> _Page:
        """Return the next page, of what was found, or up to `stop` if that is nothing."""
        # What is too old has been deleted, or the disk cannot be read.
        start = catch_up.next
        first, end = (found[0].seq, _end(found)) if found else (stop, stop)
        missed = Skipped(start, first - 1) if first > start else None
        page = Page(_heard(found, ignored), None, time.time(), asked=False)
        return dialect.encode(page, catch_up.where), end, missed

    def _read_page(self, connection: Connection, catch_up: CatchUp, limit: int) -> None:
        """Read the next page for a reader that catches up: a greenlet, because the disk may be slow."""
        if catch_up not in connection.writer.catch_ups:  # the reader has left the room meanwhile
            return
        try:
            catch_up.page = self._journal.read(catch_up.where.room, catch_up.next, limit)
        except Exception as error:  # likewise
            self.why_unreadable(error)
            catch_up.page = []
        if catch_up in connection.writer.catch_ups:
            catch_up.wait_for(Awaited.DELIVERY)
            self.go_on(connection)


def _heard(records: Sequence[Record], ignored: IgnoredNames | None) -> tuple[Record, ...]:
    """Return the records without those of users who are ignored."""
    if not ignored:
        return tuple(records)
    unheard = ignored.among(record.message.name for record in records)
    return tuple(each for each in records if each.message.name not in unheard)


def _recalled(records: list[Record], effect: ReadHistory, first: int, head: int) -> Page:
    """Return the page of what was read; the room had the numbers from `first` up to `head` then."""
    if isinstance(effect.excerpt, Before):
        following, end = None, not records or records[0].seq <= first
    else:
        end = not records or _end(records) >= head
        following = None if end else _end(records)
    return Page(tuple(records), following, time.time(), asked=True, id=effect.id, end=end)


def _end(records: list[Record]) -> int:
    """Return the number after these messages."""
    return records[-1].seq + records[-1].message.count
