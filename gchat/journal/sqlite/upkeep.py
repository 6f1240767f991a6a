"""Upkeep of the SQLite journal, a little at a time between messages: the index of words, checkpoints, old messages."""

from __future__ import annotations

from collections.abc import Mapping

from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.database_threads import DatabaseThreads
from gchat.journal.sqlite.loaded_room import LoadedRoom
from gchat.journal.sqlite.queries import Queries
from gchat.journal.sqlite.retention import RetentionLimits
from gchat.journal.sqlite.wall_clock import Grant, WallClock

#: Messages in one step: 3 ms.
STEP = 100

#: Before a search, so many steps are made at most to have the newest words in the index.
STEPS_BEFORE_SEARCH = 50

#: How often all rooms are looked through for messages to delete.
PRUNE_S = 60.0

#: The write-ahead log is copied into the file after so many commits, or 20 times as many messages, or so many times 32
#: KiB of text: far below the size at which a commit itself would have to copy it (database.MAX_LOG_PAGES), and so few
#: that to copy them takes the loop's core for 2 ms, not for 6. And after so many seconds, so that a copy of the file
#: alone is hardly older.
CHECKPOINT_AFTER, CHECKPOINT_S = 100, 5.0

#: A log of so many pages is to begin anew: 12 MiB. It does so with the next commit when all of it has been copied, so
#: the last of it is copied while commits wait: 1 to 2 ms. That is after at most so many commits since the rest was;
#: where the disk is slow and there are more, they are copied like the rest first, so many times at most.
RESTART_PAGES, RESTART_AFTER, RESTART_TRIES = 3072, 30, 3

#: How often it is checked that the file is where it was, when nothing is written.
CHECK_S = 2.0


class Upkeep:
    """The work that is not urgent. All calls may wait, and raise JournalError. `steady` is a clock that nobody sets."""

    def __init__(self, disk: DatabaseThreads, rooms: Mapping[str, LoadedRoom], grant: Grant | None) -> None:
        self.caution = ""  # why old messages are not deleted yet
        self.unindexed: dict[str, None] = {}  # rooms with messages whose words are not in the index
        self._disk = disk
        self._rooms = rooms
        self._keep_s = 0.0
        self._keep_messages = 0
        self._unchecked = 0  # commits since the log was copied into the file
        self._mark_at = 0.0  # these are times of the steady clock
        self._check_at = 0.0
        self._prune_at = 0.0
        self._pruned = 0  # the room that was looked at last
        self._clock = WallClock(grant)
        self._stored_grant = grant

    def limit(self, keep_s: float, keep_messages: int) -> None:
        """See Retention.limit."""
        self._keep_s, self._keep_messages, self._prune_at = keep_s, keep_messages, 0.0

    def committed(self, messages: int, size: int) -> None:
        """Count a commit with so many messages, and so much text."""
        self._unchecked += 1 + messages // 20 + (size >> 15)

    def look(self, now: float, steady: float) -> None:
        """Compare the two clocks."""
        self._clock.look(now, steady)

    def go_on(self, now: float, steady: float) -> bool:
        """Do a little of everything; return whether there is more."""
        if steady >= self._check_at:
            self._check_at = steady + CHECK_S
            self._disk.write(Database.check)
        self._checkpoint(steady)
        if self.unindexed:
            self.index(next(iter(self.unindexed)))
        return self._prune(now, steady) or bool(self.unindexed)

    def give_up(self, steady: float) -> None:
        """Stop indexing, and deleting for PRUNE_S, because the file is damaged there."""
        self.unindexed.clear()
        self._prune_at = steady + PRUNE_S

    def index(self, name: str) -> None:
        """Put a few more messages of a room into the index of words."""
        room = self._rooms.get(name)
        if room is None:  # the rest follows when it is loaded again
            self.unindexed.pop(name, None)
            return
        last = room.recent.next_seq - 1
        indexed = self._disk.write(lambda database: database.index(room.id, last, STEP))
        self._unchecked += 1
        if indexed >= room.recent.next_seq - 1:
            self.unindexed.pop(name, None)

    def _checkpoint(self, steady: float) -> None:
        """Copy the write-ahead log into the file if it is time."""
        is_due = steady >= self._mark_at
        if not self._unchecked or (self._unchecked < CHECKPOINT_AFTER and not is_due):
            return
        self._unchecked = 0
        if is_due:
            self._mark_at = steady + CHECKPOINT_S
            self._disk.write(Database.set_mark)
        pages = self._disk.copy_log()
        if pages is None:
            self._unchecked = 1  # another program reads what was there before: again in a while
        elif pages > RESTART_PAGES:
            self._restart_log()

    def _restart_log(self) -> None:
        """Copy what was committed while all else was copied, the last of it while nothing is committed."""
        for _ in range(RESTART_TRIES):
            if self._unchecked <= RESTART_AFTER:
                break
            self._unchecked = 0
            self._disk.copy_log()
        self._disk.write(Database.restart_log)

    def _prune(self, now: float, steady: float) -> bool:
        """Delete a few messages that are too old or too many; return whether there is more to look at."""
        if steady < self._prune_at or not (self._keep_s or self._keep_messages):
            return False
        since = 0.0
        if self._keep_s:
            wanted = now - self._keep_s
            since = self._clock.allows(wanted, lambda: self._disk.read(Queries.oldest))
            self.caution = self._clock.caution(wanted, since)
            self._store_grant()
        after, limits = self._pruned, RetentionLimits(self._keep_messages, since, now, STEP)
        found = self._disk.write(lambda database: database.prune(after, limits))
        if found is None:
            self._pruned, self._prune_at = 0, steady + PRUNE_S
            return False
        self._unchecked += 1
        id_, name, first_seq, more = found
        if (room := self._rooms.get(name)) is not None:
            room.first_seq = first_seq
            room.recent.drop_before(first_seq)
        if not more:
            self._pruned = id_
        return True

    def _store_grant(self) -> None:
        """Store the clock's grant before anything is deleted because of it, and how much time has passed, roughly."""
        new, old = self._clock.grant, self._stored_grant
        if new == old or (new and old and new.oldest == old.oldest and new.passed_s < old.passed_s + PRUNE_S):
            return
        self._disk.write(lambda database: database.set_grant(new))
        self._stored_grant = new
