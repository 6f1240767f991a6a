"""The upkeep alone, on a database that only notes what it is asked: what is done when, and how much at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from gchat.journal.sqlite.database_threads import DatabaseThreads
from gchat.journal.sqlite.loaded_room import LoadedRoom
from gchat.journal.sqlite.retention import RetentionLimits
from gchat.journal.sqlite.upkeep import (
    CHECK_S,
    CHECKPOINT_AFTER,
    CHECKPOINT_S,
    PRUNE_S,
    RESTART_AFTER,
    RESTART_PAGES,
    RESTART_TRIES,
    STEP,
    Upkeep,
)
from gchat.journal.sqlite.wall_clock import DAY_S, Grant
from gchat.model.messages import Record, Said

NOW = 1_700_000_000.0


class Disk:
    """Stands for the threads, the database and what it can be asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        self.is_read_by_others = False
        self.pages = 1  # of the log
        self.meanwhile: Callable[[], None] = lambda: None  # what happens while the log is copied
        self.indexed = 0
        self.oldest: float | None = NOW
        self.found: Iterator[tuple[int, str, int, bool] | None] = iter(())
        path = "gchat.journal.sqlite.upkeep"
        monkeypatch.setattr(f"{path}.Database.check", lambda _database: self.notes("check"))
        monkeypatch.setattr(f"{path}.Database.set_mark", lambda _database: self.notes("set_mark"))
        monkeypatch.setattr(f"{path}.Database.restart_log", lambda _database: self.notes("restart_log"))
        monkeypatch.setattr(f"{path}.Queries.oldest", lambda _reader: self.oldest)

    def notes(self, what: str) -> None:
        self.asked.append(what)

    def copy_log(self) -> int | None:
        self.notes("copy_log")
        self.meanwhile()
        return None if self.is_read_by_others else self.pages

    def write(self, question: Callable[[Any], Any]) -> Any:
        return question(self)

    read = load = write

    def index(self, room: int, last: int, most: int) -> int:
        self.asked.append(("index", room, last))
        self.indexed = min(last, self.indexed + most)
        return self.indexed

    def prune(self, after: int, limits: RetentionLimits) -> tuple[int, str, int, bool] | None:
        self.asked.append(("prune", after, limits.keep, limits.since))
        return next(self.found)

    def set_grant(self, grant: Grant | None) -> None:
        self.asked.append(("grant", grant))

    def take(self) -> list[Any]:
        taken, self.asked = self.asked, []
        return taken


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def upkeep(disk: Disk, rooms: dict[str, LoadedRoom] | None = None, grant: Grant | None = None) -> Upkeep:
    made = Upkeep(cast("DatabaseThreads", disk), rooms or {}, grant)
    made.look(NOW, 0.0)
    return made


def room(number: int, messages: int) -> LoadedRoom:
    made = LoadedRoom(number, None)
    for seq in range(1, messages + 1):
        made.recent.keep(Record(seq, NOW, Said("ann", ("x",))), 1 << 20)
    return made


def test_that_the_file_is_where_it_was_is_checked_now_and_then(disk: Disk) -> None:
    made = upkeep(disk)
    asked = []
    for steady in (0.0, CHECK_S - 0.1, CHECK_S, CHECK_S + 1):
        assert made.go_on(NOW, steady) is False
        asked.append(disk.take())
    assert asked == [["check"], [], ["check"], []]


def test_the_log_is_copied_when_some_time_or_many_commits_have_passed(disk: Disk) -> None:
    made = upkeep(disk)
    made.go_on(NOW, 0.0)
    made.go_on(NOW, CHECKPOINT_S)
    assert "copy_log" not in disk.take()  # there was no commit
    made.committed(1, 80)
    made.go_on(NOW, CHECKPOINT_S + 1)
    assert [what for what in disk.take() if what != "check"] == ["set_mark", "copy_log"]
    made.committed(1, 80)
    made.go_on(NOW, 2 * CHECKPOINT_S)
    assert "copy_log" not in disk.take()
    made.go_on(NOW, 2 * CHECKPOINT_S + 1)
    assert "copy_log" in disk.take()
    for _ in range(CHECKPOINT_AFTER - 1):
        made.committed(1, 80)
    made.go_on(NOW, 2 * CHECKPOINT_S + 1)
    assert "copy_log" not in disk.take()
    made.committed(1, 80)
    made.go_on(NOW, 2 * CHECKPOINT_S + 1)
    assert "copy_log" in disk.take()
    for messages, size in ((20 * CHECKPOINT_AFTER, 0), (1, CHECKPOINT_AFTER << 15)):
        made.committed(messages, size)
        made.go_on(NOW, 2 * CHECKPOINT_S + 1)
        assert disk.take() == ["copy_log"]  # the mark is not set each time


def test_a_long_log_begins_anew_and_commits_wait_only_for_the_last_of_it(disk: Disk) -> None:
    made, disk.pages = upkeep(disk), RESTART_PAGES + 1

    def asked(meanwhile: Callable[[], None]) -> list[str]:
        """Return what the disk is asked when so much was said, and `meanwhile` happens while the log is copied."""
        disk.meanwhile = meanwhile
        made.committed(20 * CHECKPOINT_AFTER, 0)
        made.go_on(NOW, 0.0)
        return [what for what in disk.take() if what not in ("check", "set_mark")]

    def much() -> None:
        made.committed(20 * RESTART_AFTER, 0)

    assert asked(lambda: None) == ["copy_log", "restart_log"]
    messages = iter([20 * RESTART_AFTER, 1])
    assert asked(lambda: made.committed(next(messages), 0)) == ["copy_log", "copy_log", "restart_log"]
    assert asked(much) == ["copy_log", *["copy_log"] * RESTART_TRIES, "restart_log"]


def test_a_log_that_somebody_reads_is_copied_again_later(disk: Disk) -> None:
    made, disk.is_read_by_others = upkeep(disk), True
    made.committed(1, 80)
    made.go_on(NOW, 0.0)
    made.go_on(NOW, CHECKPOINT_S - 0.1)
    assert disk.take().count("copy_log") == 1
    made.go_on(NOW, CHECKPOINT_S)
    assert disk.take().count("copy_log") == 1
    disk.is_read_by_others = False
    made.go_on(NOW, 2 * CHECKPOINT_S)
    made.go_on(NOW, 3 * CHECKPOINT_S)
    assert disk.take().count("copy_log") == 1


def test_words_are_indexed_a_step_at_a_time_until_the_last_message(disk: Disk) -> None:
    made = upkeep(disk, {"dev": room(7, 2 * STEP + 1)})
    made.unindexed["dev"] = None
    more = [made.go_on(NOW, 1.0) for _ in range(4)]
    assert more == [True, True, False, False]
    assert [what for what in disk.take() if what[0] == "index"] == [("index", 7, 2 * STEP + 1)] * 3


def test_a_room_that_is_not_loaded_waits_for_the_next_time_it_is(disk: Disk) -> None:
    made = upkeep(disk)
    made.unindexed["gone"] = None
    assert made.go_on(NOW, 1.0) is False
    assert disk.take() == ["check"]


def test_rooms_are_looked_through_one_after_the_other_and_then_there_is_a_pause(disk: Disk) -> None:
    dev = room(1, 10)
    made = upkeep(disk, {"dev": dev})
    made.go_on(NOW, 0.0)
    assert disk.take() == ["check"]  # nothing is to be deleted
    made.limit(0.0, 5)
    disk.found = iter([(1, "dev", 4, True), (1, "dev", 6, False), (2, "other", 1, False), None, None])
    more = [made.go_on(NOW, 1.0) for _ in range(5)]
    assert more == [True, True, True, False, False]
    assert [what for what in disk.take() if what[0] == "prune"] == [("prune", after, 5, 0.0) for after in (0, 0, 1, 2)]
    assert (dev.first_seq, dev.recent.first_seq) == (6, 6)
    made.go_on(NOW, 1.0 + PRUNE_S)
    assert ("prune", 0, 5, 0.0) in disk.take()


def test_new_limits_are_looked_at_at_once(disk: Disk) -> None:
    made = upkeep(disk)
    made.limit(0.0, 5)
    disk.found = iter([None, None])
    made.go_on(NOW, 1.0)
    disk.take()
    made.limit(0.0, 3)
    made.go_on(NOW, 1.0)
    assert ("prune", 0, 3, 0.0) in disk.take()


def test_a_clock_in_doubt_deletes_a_day_and_says_so_and_what_it_was_granted_is_stored_before(disk: Disk) -> None:
    made, disk.oldest = upkeep(disk), NOW - 365 * DAY_S
    made.limit(7 * DAY_S, 0)
    disk.found = iter([(1, "dev", 1, False), None])
    made.go_on(NOW, 1.0)
    granted = Grant(NOW - 365 * DAY_S)
    assert disk.take() == ["check", ("grant", granted), ("prune", 0, 0, granted.until)]
    assert "deleting at most one day's worth" in made.caution
    made.go_on(NOW, 1.0)
    assert disk.take()[-1:] == [("prune", 1, 0, granted.until)]
    made.go_on(NOW, 1.0)
    assert disk.take() == []  # for a while; and what was granted is stored already


def test_a_clock_that_has_run_for_a_day_deletes_all_that_is_old(disk: Disk) -> None:
    made, disk.oldest = upkeep(disk), NOW - 365 * DAY_S
    made.limit(7 * DAY_S, 0)
    made.look(NOW + DAY_S, DAY_S)
    disk.found = iter([None])
    made.go_on(NOW + DAY_S, DAY_S)
    assert disk.take() == ["check", ("prune", 0, 0, NOW - 6 * DAY_S)]
    assert made.caution == ""


def test_a_grant_is_stored_again_when_much_time_has_passed_and_ends_with_the_doubt(disk: Disk) -> None:
    old = Grant(NOW - 365 * DAY_S)
    made = upkeep(disk, grant=old)
    made.limit(7 * DAY_S, 0)
    stored = []
    for steady in (PRUNE_S - 1, PRUNE_S, 2 * PRUNE_S, DAY_S):
        disk.found = iter([(1, "dev", 1, False)])
        made.look(NOW + steady, steady)
        made.go_on(NOW + steady, steady)
        stored += [grant for what, *(grant,) in filter(lambda asked: asked[0] == "grant", disk.take())]
    assert stored == [Grant(old.oldest, PRUNE_S), Grant(old.oldest, 2 * PRUNE_S), None]


def test_a_damaged_file_is_left_alone_for_a_while(disk: Disk) -> None:
    made = upkeep(disk, {"dev": room(1, 10)})
    made.limit(0.0, 5)
    made.unindexed["dev"] = None
    made.give_up(10.0)
    assert made.go_on(NOW, 10.0 + PRUNE_S - 1) is False
    assert disk.take() == ["check"]
    disk.found = iter([None])
    made.go_on(NOW, 10.0 + PRUNE_S)
    assert ("prune", 0, 5, 0.0) in disk.take()
