"""An engine: where it is now, and how a node gets connections to it.

The primary is the only host of the address, or the one that the sentinels name. With `reads_replica`, what is read
comes from a replica that is in sync: all that it has shown is still there when it takes over from a lost primary.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from gchat.cluster.engine_connection import EngineConnection, EngineRefused
from gchat.cluster.engine_opening import CONNECT_S, EXPLAINED, opened, opened_sentinel
from gchat.cluster.engine_url import EngineUrl, Place, shown_place
from gchat.cluster.replication import Replication, has_all_of, replication
from gchat.cluster.sentinels import place_of_primary
from gchat.journal.journal import JournalError

#: Between two looks at whether what is read comes from where it should.
LOOK_S = 1.0

#: So many looks at a replica may find nothing new there.
MAX_STALLED = 3

#: So long a replica may take to get what the primary has.
SYNC_S = 1.0


class UrlEngine:
    """The engine at an address. Implements attachment.Dialler.

    `say` is told when what is to be read from a replica is not, and when it is again.
    """

    def __init__(
        self, url: EngineUrl, *, reads_replica: bool = False, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        self._url = url
        self._reads_replica = reads_replica
        self._say = say
        self._said = ""
        # All that are open read from one place: from two, what is asked could be older than what was heard.
        self._readers: list[EngineConnection] = []
        self._read_from: Place = ""

    def connect(self, *, is_for_reading: bool) -> EngineConnection:
        """See attachment.Dialler.connect."""
        if not (is_for_reading and self._reads_replica):
            return self._connect_primary()[1]
        self._readers = [reader for reader in self._readers if not reader.is_lost]
        is_first = not self._readers
        if is_first:
            self._read_from = self._place_to_read()
        reader = opened(self._url, self._read_from)
        self._readers.append(reader)
        if is_first:
            gevent.spawn(self._watch, reader)
        return reader

    def _connect_primary(self) -> tuple[Place, EngineConnection]:
        url = self._url
        if url.primary:
            place = place_of_primary(url, lambda sentinel: opened_sentinel(url, sentinel))
        else:
            place = url.path or url.hosts[0]
        connection = opened(url, place)
        try:
            is_primary = _standing(connection).is_primary
        except BaseException:
            connection.close()
            raise
        if not is_primary:
            connection.close()
            raise EngineRefused(EXPLAINED["READONLY"].format(place=shown_place(place)), "READONLY")
        return place, connection

    # --- What is read from a replica -------------------------------------------------------------------------------

    def _place_to_read(self) -> Place:
        """Return a replica that has all that the primary has by now, or the primary, if there is none in time."""
        place, connection = self._connect_primary()
        try:
            primary = _standing(connection)
        finally:
            connection.close()
        why = "it has none"
        # The one that is read from already comes first, so that nobody goes to and fro between two.
        for replica in sorted(primary.replicas, key=lambda replica: replica != self._read_from):
            try:
                if self._catches_up(replica, primary):
                    self._tell(f"reading from the replica {shown_place(replica)}")
                    return replica
                why = f"{shown_place(replica)} is not in sync"
            except JournalError as error:
                why = str(error)
        self._tell(
            f"no replica of {self._url} can be read from ({why}): until one can, a failover may lose messages that "
            "were shown"
        )
        return place

    def _catches_up(self, place: Place, primary: Replication) -> bool:
        replica = opened(self._url, place)
        try:
            until = time.monotonic() + SYNC_S
            while not (is_there := has_all_of(_standing(replica), primary)) and time.monotonic() < until:
                gevent.sleep(0.01)
            return is_there
        finally:
            replica.close()

    def _watch(self, reader: EngineConnection) -> None:
        """End all that read, once they should read elsewhere: the link then makes new ones. A greenlet."""
        began = last = None
        stalled = 0
        while True:
            gevent.sleep(LOOK_S)
            try:
                now = _standing(reader)
                began = began or now
                # The beat of each node is written, so a replica to which nothing comes does not get what is.
                stalled = stalled + 1 if last is not None and last.offset == now.offset else 0
                last = now
                if not self._should_move(began, now, stalled):
                    continue
            except JournalError:
                pass
            for each in self._readers:
                each.close()
            return

    def _should_move(self, began: Replication, now: Replication, stalled: int) -> bool:
        if not began.is_primary:
            return now.is_primary or not now.is_linked or now.history != began.history or stalled >= MAX_STALLED
        return any(self._may_be_read(replica, now) for replica in now.replicas)

    def _may_be_read(self, place: Place, primary: Replication) -> bool:
        try:
            return self._catches_up(place, primary)
        except JournalError:
            return False

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)


def _standing(connection: EngineConnection) -> Replication:
    return replication(connection.call("INFO", "replication", timeout_s=CONNECT_S))
