from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from gchat.journal.journal import JournalError, Outcome, Posting, Whisper
from gchat.journal.native_thread import NativeThread, Urgency
from gchat.journal.parts import TooMuch
from gchat.journal.sqlite import schema
from gchat.journal.sqlite.database import Changes, Database, Doubt
from gchat.journal.sqlite.journal import RECENT_MESSAGES, SqliteJournal
from gchat.journal.sqlite.rows import rows_of
from gchat.model.events import TopicIs
from gchat.model.messages import Acted, Message, Numbered, Record, Said, TopicSet

T = TypeVar("T")

NOW = 1_700_000_000.0
DAY = 86400.0


def at_once(function: Callable[[], T], /) -> T:
    return function()


class FaultyDatabase(Database):
    """One whose disk fails when it is told to."""

    fails_before = ""  # the name of an SQLite error: nothing is written
    fails_after = ""  # the transaction is in the log, and its sync fails

    def commit(self, changes: Changes) -> None:
        _fail(self.fails_before)
        super().commit(changes)
        _fail(self.fails_after)

    def index(self, room: int, last: int, most: int) -> int:
        _fail(self.fails_before)
        return super().index(room, last, most)

    def repair(self, doubts: list[Doubt]) -> None:  # type: ignore[override]
        _fail(self.fails_before)
        super().repair(doubts)


def _fail(name: str) -> None:
    if name:
        error = sqlite3.OperationalError(name)
        error.sqlite_errorname = name
        raise error


class File:
    """A database file, and the journals that open it, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.database: FaultyDatabase
        self.journal: SqliteJournal
        self.opens()

    def opens(self, sync: str = "full", epoch: str = "new", boot: str = "boot") -> SqliteJournal:
        self.database = FaultyDatabase(self.path, sync, epoch, boot)
        self.journal = SqliteJournal(self.database, lambda _urgency: at_once)
        self.journal.open(["lobby", "dev"])
        return self.journal

    def crashes(self, **how: str) -> SqliteJournal:
        """Open what a killed server leaves: the lock goes with the process, nothing else happens."""
        self.database._writer.interrupt()
        os.close(self.database._lock)
        return self.opens(**how)

    def stops(self, **how: str) -> SqliteJournal:
        self.journal.close()
        return self.opens(**how)

    def says(self, *texts: str, room: str = "lobby", time: float = NOW) -> list[Record]:
        kept = self.journal.append([Posting(room, Said("alice", (text,))) for text in texts], time)
        return [outcome.record for outcome in kept if outcome.record]

    def keeps(self, message: Message, lineage: str = "") -> tuple[Record | None, tuple[Numbered, ...]]:
        outcome = self.journal.append([Posting("lobby", message, lineage)], NOW)[0]
        return outcome.record, outcome.numbers

    def refuses(self, message: Message, lineage: str = "") -> str:
        outcome = self.journal.append([Posting("lobby", message, lineage)], NOW)[0]
        assert outcome.record is None
        return outcome.why_not

    def finds(self, room: str, text: str, limit: int = 100) -> list[int]:
        return [record.seq for record in self.journal.search(room, text, limit, lambda: 0.0)[0]]

    def tidies(self, now: float = NOW, steady: float = 0.0) -> None:
        while self.journal.tidy(now, steady):
            pass

    def texts(self, room: str = "lobby", start: int = 1, limit: int = 10_000) -> list[str]:
        return [text for record in self.journal.read(room, start, limit) for text in _texts(record)]


def _texts(record: Record) -> tuple[str, ...]:
    return record.message.texts if isinstance(record.message, Said) else (record.message.text,)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "state" / "history.db")
    yield made
    made.journal.close()


# --- Keeping ---------------------------------------------------------------------------------------------------------


def test_what_was_kept_is_there_after_a_crash_and_the_numbers_go_on(file: File) -> None:
    file.says("one", "two")
    file.says("elsewhere", room="dev")
    epoch = file.journal.epoch("lobby")

    file.crashes(epoch="another")

    assert file.texts() == ["one", "two"]
    assert file.texts("dev") == ["elsewhere"]
    assert file.journal.epoch("lobby") == epoch
    assert [record.seq for record in file.says("three")] == [3]


def test_every_kind_of_message_comes_back_as_it_was(file: File) -> None:
    said: list[Message] = [
        Said("al\u200dice", ("é👩\u200d👩\u200d👧",), ("1",)),
        Acted("bob", "waves", "2"),
        TopicSet("bob", "tea"),
    ]
    records = [file.keeps(message, "lineage")[0] for message in said]

    file.stops()

    assert file.journal.read("lobby", 1, 10) == records
    assert file.journal.topic("lobby") == TopicIs("tea", "bob")


@pytest.mark.parametrize("ids", [(), ("1", "", "3")])
def test_lines_that_were_said_together_come_back_as_they_were(file: File, ids: tuple[str, ...]) -> None:
    file.keeps(Said("alice", ("one", "two  three", "é\u2028"), ids), "alice")
    file.crashes()

    assert file.texts() == ["one", "two  three", "é\u2028"]
    assert not file.journal.damage


def test_what_is_said_again_after_a_restart_has_its_old_number(file: File) -> None:
    said = Said("alice", ("a", "b"), ("1", "2"))
    _, numbers = file.keeps(said, "alices")

    file.crashes()

    assert file.keeps(said, "alices") == (None, numbers)
    record, numbers = file.keeps(Said("bob", ("a",), ("1",)), "bobs")
    assert record is not None
    assert numbers == (Numbered("1", "lobby", 3),)
    assert file.texts() == ["a", "b", "a"]


@pytest.mark.parametrize(
    "posting",
    [
        Posting("lobby", Said("alice", ("b",), ("1",)), "alices"),
        Posting("dev", Said("alice", ("a",), ("1",)), "alices"),
        Posting("lobby", Acted("alice", "a", "1"), "alices"),
        Posting("lobby", TopicSet("alice", "a", "1"), "alices"),
        Whisper("bob", "a", "1", "alices"),
    ],
)
def test_an_id_is_not_used_for_something_else_after_a_restart(file: File, posting: Posting | Whisper) -> None:
    file.keeps(Said("alice", ("a",), ("1",)), "alices")

    file.crashes()
    (kept,) = file.journal.append([posting], NOW)

    assert kept == Outcome(None, reused=("1",))
    assert file.texts() == ["a"]
    assert file.texts("dev") == []


@pytest.mark.parametrize("message", [Acted("alice", "a", "1"), TopicSet("alice", "a", "1")])
def test_an_action_and_a_topic_are_repeated_after_a_restart(file: File, message: Message) -> None:
    _, numbers = file.keeps(message, "alices")

    file.crashes()

    assert file.keeps(message, "alices") == (None, numbers)


def test_an_id_keeps_its_meaning_when_its_message_was_deleted(file: File) -> None:
    _, numbers = file.keeps(Said("alice", ("a",), ("1",)), "alices")
    file.says(*map(str, range(20)))
    file.journal.limit(0, 10)
    file.tidies()
    assert file.journal.first_seq("lobby") == 12

    for _ in range(2):
        assert file.keeps(Said("alice", ("a",), ("1",)), "alices") == (None, numbers)
        (kept,) = file.journal.append([Posting("lobby", Said("alice", ("b",), ("1",)), "alices")], NOW)
        assert kept.reused == ("1",)
        file.crashes()
    file.says("later", time=NOW + 700)
    file.journal.limit(0, 10)
    file.tidies(NOW + 700)
    assert file.database._writer.execute("SELECT count(*) FROM deleted").fetchone() == (0,)


def test_a_private_message_is_sent_while_the_disk_is_full_and_its_id_is_used(file: File) -> None:
    file.keeps(Said("alice", ("a",), ("0",)), "alices")
    file.database.fails_before = "SQLITE_FULL"
    said = Posting("lobby", Said("alice", ("b",), ("1",)), "alices")
    told = Whisper("bob", "psst", "2", "alices")

    refused, sent = file.journal.append([said, told], NOW)

    assert refused.why_not == "the disk is full"
    assert sent.is_first
    assert not file.journal.append([told], NOW)[0].is_first
    file.database.fails_before = ""
    file.tidies()
    (kept,) = file.journal.append([Posting("lobby", Said("alice", ("c",), ("2",)), "alices")], NOW)
    assert kept.reused == ("2",)


def test_ids_are_known_for_ten_minutes(file: File) -> None:
    posting = Posting("lobby", Said("alice", ("a",), ("1",)), "alices")
    file.journal.append([posting], NOW)

    file.crashes()

    assert file.journal.append([posting], NOW + 601)[0].numbers == (Numbered("1", "lobby", 2),)


def test_the_same_id_twice_in_one_batch_is_kept_once(file: File) -> None:
    posting = Posting("lobby", Said("alice", ("a",), ("1",)), "alices")
    first, second = file.journal.append([posting, posting], NOW)

    assert first.record is not None
    assert second.record is None
    assert first.numbers == second.numbers


def test_a_long_history_is_read_from_the_file_and_from_memory_with_no_seam(file: File) -> None:
    file.says(*map(str, range(1, 301)))
    file.crashes()
    file.says("301")
    at_hand = file.journal.at_hand("lobby")

    assert at_hand == 301 - RECENT_MESSAGES
    assert file.texts() == [str(number) for number in range(1, 302)]
    for start in (1, at_hand - 1, at_hand, at_hand + 1, 301):
        assert file.texts(start=start, limit=1) == [str(start)]
    assert file.texts(start=302) == []


def test_a_room_that_is_forgotten_is_on_disk_all_the_same(file: File) -> None:
    file.says("here", room="dev")
    file.journal.forget("dev")
    file.journal.open(["dev"])

    assert file.texts("dev") == ["here"]
    assert [record.seq for record in file.says("again", room="dev")] == [2]


def test_notes_are_there_in_the_next_run(file: File) -> None:
    file.journal.note("ban", "1", b"x")
    file.journal.note("ban", "2", b"y")
    file.tidies()
    file.journal.note("ban", "1", b"")
    file.says("hello")

    file.crashes()

    assert file.journal.notes("ban") == {"2": b"y"}


# --- The file --------------------------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_only(file: File) -> None:
    file.says("secret")

    for name in os.listdir(os.path.dirname(file.path)):
        path = os.path.join(os.path.dirname(file.path), name)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name


def test_a_second_server_is_kept_out(file: File) -> None:
    with pytest.raises(JournalError, match="another server is using it"):
        Database(file.path, "full", "e", "b")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"this is no database " * 500, "it is not a gchat database"), (b"", "")],
)
def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    if why:
        with pytest.raises(JournalError, match=why):
            Database(str(path), "full", "e", "b")
        assert path.read_bytes() == content
    else:
        Database(str(path), "full", "e", "b").close()


def test_a_database_of_another_program_or_of_a_newer_gchat_is_not_touched(tmp_path: Path) -> None:
    other, newer = tmp_path / "other.db", tmp_path / "newer.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    Database(str(newer), "full", "e", "b").close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(JournalError, match="it is not a gchat database"):
        Database(str(other), "full", "e", "b")
    with pytest.raises(JournalError, match="newer gchat"):
        Database(str(newer), "full", "e", "b")


@pytest.mark.parametrize(
    ("sync", "boot", "same"), [("full", "another", True), ("normal", "boot", True), ("normal", "another", False)]
)
def test_what_a_power_cut_may_have_taken_makes_another_log(file: File, sync: str, boot: str, same: bool) -> None:
    file.stops(sync=sync)
    file.says("one")
    epoch = file.journal.epoch("lobby")

    file.crashes(sync=sync, epoch="after the cut", boot=boot)

    assert (file.journal.epoch("lobby") == epoch) is same


def test_a_server_that_has_stopped_in_order_has_lost_nothing(file: File) -> None:
    file.stops(sync="normal")
    epoch = file.journal.epoch("lobby")

    file.stops(sync="normal", epoch="another", boot="another")

    assert file.journal.epoch("lobby") == epoch


def test_a_file_is_closed_when_what_is_being_read_has_been_read(tmp_path: Path) -> None:
    """Closed under a thread that is reading, SQLite crashes."""
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000000) SELECT x FROM n"
    database = Database(str(tmp_path / "history.db"), "full", "new", "boot")
    with ExitStack() as stack:
        pools: list[ThreadPoolExecutor] = []

        def thread(_urgency: Urgency) -> NativeThread:
            pool = stack.enter_context(ThreadPoolExecutor(1))
            pools.append(pool)
            return lambda function: pool.submit(function).result()

        journal = SqliteJournal(database, thread)
        is_reading = threading.Event()

        def read() -> int:
            is_reading.set()
            return len(database.reader._connection.execute(rows).fetchall())

        found = pools[2].submit(read)
        is_reading.wait()
        journal.close()

        assert found.done()
        assert found.result() == 1000000
        assert not journal.tidy(NOW, 0.0)
        assert not journal.trouble


# --- Failing ---------------------------------------------------------------------------------------------------------


def test_what_a_full_disk_does_not_take_is_refused_until_it_does(file: File) -> None:
    file.says("one")
    file.database.fails_before = "SQLITE_FULL"

    for _ in range(2):
        assert file.refuses(Said("alice", ("two",))) == "the disk is full"
    file.tidies()
    assert file.journal.trouble == "the disk is full"
    assert file.texts() == ["one"]

    file.database.fails_before = ""
    file.tidies()
    assert not file.journal.trouble
    assert [record.seq for record in file.says("three")] == [2]
    file.crashes()
    assert file.texts() == ["one", "three"]


def test_what_was_refused_for_a_failed_sync_is_not_in_the_file(file: File) -> None:
    file.keeps(TopicSet("alice", "tea"))
    file.database.fails_after = "SQLITE_IOERR_FSYNC"

    assert "disk error" in file.refuses(TopicSet("bob", "coffee"))
    file.database.fails_after = ""
    file.crashes()

    assert file.texts() == ["tea"]
    assert file.journal.topic("lobby") == TopicIs("tea", "alice")
    assert [record.seq for record in file.says("next")] == [2]


def test_an_id_that_was_refused_can_be_used_again(file: File) -> None:
    file.database.fails_after = "SQLITE_IOERR_FSYNC"
    said = Said("alice", ("a",), ("1",))
    assert file.refuses(said, "alices")
    file.database.fails_after = ""
    file.tidies()

    record, numbers = file.keeps(said, "alices")

    assert record is not None
    assert numbers == (Numbered("1", "lobby", 1),)


@pytest.mark.parametrize("in_trouble", [False, True])
def test_what_is_stored_already_is_acknowledged_whatever_the_disk_does(file: File, in_trouble: bool) -> None:
    _, numbers = file.keeps(Said("alice", ("a",), ("1",)), "alices")
    file.database.fails_before = "SQLITE_FULL"
    if in_trouble:
        file.refuses(Said("alice", ("x",)))

    again = Posting("lobby", Said("alice", ("a",), ("1",)), "alices")
    mixed = Posting("lobby", Said("alice", ("a", "b"), ("1", "2")), "alices")
    twice = Posting("lobby", Said("alice", ("b",), ("2",)), "alices")
    stored, half, none = file.journal.append([again, mixed, twice], NOW)

    assert (stored.numbers, stored.why_not) == (numbers, "")
    assert (half.record, half.numbers, half.why_not) == (None, numbers, "the disk is full")
    assert (none.numbers, none.why_not) == ((), "the disk is full")


def test_notes_that_a_failed_commit_had_are_written_later(file: File) -> None:
    file.journal.note("ban", "1", b"x")
    file.database.fails_before = "SQLITE_FULL"
    assert file.refuses(Said("alice", ("hello",)))
    file.database.fails_before = ""
    file.tidies()
    file.tidies()

    assert file.crashes().notes("ban") == {"1": b"x"}


# --- Moved, removed, replaced ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("found_by", ["saying", "waiting"])
def test_a_file_that_is_moved_away_refuses_what_is_said_until_it_is_back(file: File, found_by: str) -> None:
    file.says("one")
    away = f"{file.path}.away"
    os.rename(file.path, away)
    why = "the database file was moved or removed"
    if found_by == "saying":
        assert file.refuses(Said("alice", ("lost",))) == why
    else:
        file.tidies(steady=100.0)
    assert file.journal.trouble == why
    file.tidies(steady=200.0)
    assert file.journal.trouble == why
    assert file.texts() == ["one"]
    assert texts_of_file_alone(away) == ["one"]

    os.rename(away, file.path)
    file.tidies(steady=300.0)
    assert file.journal.trouble == ""
    assert [record.seq for record in file.says("two")] == [2]
    file.crashes()
    assert file.texts() == ["one", "two"]


def test_another_file_in_its_place_is_not_written_to(file: File) -> None:
    file.says("one")
    os.rename(file.path, f"{file.path}.away")
    shutil.copy(f"{file.path}.away", file.path)
    before = Path(file.path).read_bytes()

    assert file.refuses(Said("alice", ("lost",))) == "the database file was replaced by another file"
    file.tidies()
    file.journal.close()

    assert Path(file.path).read_bytes() == before
    assert texts_of_file_alone(f"{file.path}.away") == ["one"]
    os.rename(f"{file.path}.away", file.path)
    os.close(file.database._lock)  # as the end of the process does
    file.opens()


@pytest.mark.parametrize("names", [("-wal",), ("-shm",), ("-wal", "-shm")])
@pytest.mark.parametrize("found_by", ["saying", "waiting"])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_log_that_is_removed_takes_nothing_with_it_and_another_is_begun(
    file: File, names: tuple[str, ...], found_by: str, replaced: bool
) -> None:
    file.says("one")
    old = {name: Path(file.path + name).read_bytes() for name in names}
    file.says(*map(str, range(100)))
    for name in names:
        os.unlink(file.path + name)
        if replaced:
            Path(file.path + name).write_bytes(old[name])
    if found_by == "saying":
        assert "was " in file.refuses(Said("alice", ("lost",)))
    file.tidies(steady=100.0)
    file.tidies(steady=100.0)
    assert file.journal.trouble == ""
    assert texts_of_file_alone(file.path) == ["one", *map(str, range(100))]
    file.says("two")
    assert file.texts()[-2:] == ["99", "two"]

    file.crashes()
    assert file.texts() == ["one", *map(str, range(100)), "two"]
    assert file.database._writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_is_said_is_in_the_file_itself_a_few_seconds_later(file: File) -> None:
    file.says("one")
    file.tidies(steady=100.0)
    file.says("two")
    file.tidies(steady=101.0)
    file.tidies(steady=106.0)

    assert texts_of_file_alone(file.path) == ["one", "two"]


def test_a_new_file_has_its_tables_at_once(tmp_path: Path) -> None:
    made = File(tmp_path / "history.db")

    assert texts_of_file_alone(made.path) == []
    made.journal.close()


def texts_of_file_alone(path: str) -> list[str]:
    """Return what a copy of the file without those beside it has."""
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copy(path, directory)
        connection = sqlite3.connect(copy)
        try:
            return [text for (text,) in connection.execute("SELECT text FROM messages ORDER BY key")]
        finally:
            connection.close()


# --- Older files -----------------------------------------------------------------------------------------------------


def test_the_index_of_an_older_file_is_made_anew_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    old = sqlite3.connect(path, isolation_level=None)
    schema.migrate(old, "epoch")
    old.execute("INSERT INTO rooms (id, name, first_seq, indexed) VALUES (1, 'lobby', 3, 500)")
    for seq in range(3, 503):
        (row,) = rows_of(1, Record(seq, NOW, Said("alice", (f"今日の天気 {seq}",))), "")
        old.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    old.execute("INSERT INTO words (rowid, text) SELECT key, text FROM messages WHERE key & 0xFFFF <= 500")
    old.close()
    monkeypatch.undo()

    file = File(path)
    assert file.journal.epoch("lobby") == "epoch"
    file.tidies()
    assert file.finds("lobby", "天気", 1000) == list(range(3, 503))
    file.journal.limit(0, 100)
    file.tidies()
    assert len(file.finds("lobby", "天気")) == 100
    file.database._writer.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    file.journal.close()


# --- Throwing away ---------------------------------------------------------------------------------------------------


def test_only_the_last_messages_of_each_room_are_kept(file: File) -> None:
    file.says(*map(str, range(1, 501)))
    file.says("here", room="dev")
    file.tidies()
    file.journal.limit(0, 10)
    file.tidies(NOW + 1)

    assert file.journal.first_seq("lobby") == 491
    assert file.texts() == [str(number) for number in range(491, 501)]
    assert file.texts("dev") == ["here"]
    assert file.finds("lobby", "5") == []
    file.crashes()
    assert file.texts() == [str(number) for number in range(491, 501)]


def test_what_is_too_old_goes_and_its_numbers_are_not_used_again(file: File) -> None:
    file.says("old", "older", time=NOW - 2 * DAY)
    file.journal.limit(DAY, 0)
    file.tidies(NOW)
    assert file.texts() == []

    file.crashes()

    assert file.journal.first_seq("lobby") == file.journal.next_seq("lobby") == 3
    assert [record.seq for record in file.says("new")] == [3]


def test_a_clock_that_is_years_ahead_deletes_a_day_s_share_and_says_so(file: File) -> None:
    for day in range(30):
        file.says(f"day {day}", time=NOW + day * DAY)
    file.journal.limit(7 * DAY, 0)

    for steady, first in ((0.0, "day 1"), (61.0, "day 2"), (3600.0, "day 2")):
        file.tidies(NOW + 3650 * DAY + steady, steady)
        assert file.texts()[0] == first  # only what was not more than a day newer than the oldest is gone
        assert "2033-11-11" in file.journal.caution
    file.tidies(NOW + 30 * DAY, 3700.0)  # the clock is corrected
    assert file.texts()[0] == "day 2"
    for steady in (3700.0 + DAY, 3700.0 + DAY + 61):
        file.tidies(NOW + 30 * DAY + steady - 3700, steady)
    assert file.texts()[0] == "day 25"
    assert file.journal.caution == ""


@pytest.mark.parametrize("is_corrected", [False, True])
def test_starts_with_a_clock_that_is_years_ahead_delete_one_day_s_share_in_all(file: File, is_corrected: bool) -> None:
    for day in range(10):
        file.says(f"day {day}", time=NOW + day * DAY)
    for start in range(9):
        file.journal.limit(9 * DAY, 0)
        file.tidies(NOW + 3650 * DAY, 1000.0 * start)
        file.tidies(NOW + 3650 * DAY + 61, 1000.0 * start + 61)
        assert file.texts()[0] == "day 2"
        assert file.journal.caution
        if is_corrected:
            file.tidies(NOW + 10 * DAY, 1000.0 * start + 200)
        file.crashes()

    file.journal.limit(9 * DAY, 0)
    for hour in range(25):
        file.tidies(NOW + 11 * DAY + hour * 3600.0, hour * 3600.0)
    assert file.texts()[0] == "day 3"
    assert file.journal.caution == ""


def test_a_clock_that_was_ahead_does_not_stop_deleting_when_it_is_right(file: File) -> None:
    file.journal.limit(DAY, 0)
    file.tidies(NOW + 3650 * DAY, 0.0)
    file.says("old", time=NOW - 2 * DAY)
    file.tidies(NOW, 61.0)

    assert file.texts() == []


def test_messages_that_were_said_while_the_clock_was_ahead_go_with_those_around_them(file: File) -> None:
    file.says(*["from the future"] * 500, time=NOW + 3650 * DAY)
    file.says("old", time=NOW - 3 * DAY)
    file.says("also from the future", time=NOW + 3650 * DAY)
    file.says("new", time=NOW - DAY / 2)
    file.journal.limit(DAY, 0)
    file.tidies(NOW)
    assert file.texts() == ["also from the future", "new"]

    file.tidies(NOW + 3650 * DAY, 100.0)  # the clock is ahead again
    assert file.texts() == ["also from the future", "new"]
    assert file.journal.caution


# --- Searching -------------------------------------------------------------------------------------------------------


def test_a_search_finds_words_in_any_case_and_accent_in_this_room_only(file: File) -> None:
    file.says("The Déploy is done🤣", "deployment tomorrow", "nothing")
    file.says("deploy elsewhere", room="dev")

    def found(text: str) -> list[int]:
        return file.finds("lobby", text)

    assert found("deploy") == [1]
    assert found("DEPLOY*") == [1, 2]
    assert found("done deploy") == [1]
    assert found("elsewhere") == []
    for odd in ("", "!?", '"', "a AND", "NEAR(", "text:deploy OR nothing", "^the", "-done", "*"):
        found(odd)  # no error
    assert found("deploy OR nothing") == []


def test_a_search_finds_what_is_in_the_index_while_the_disk_is_full(file: File) -> None:
    file.says("tea")
    file.tidies()
    file.says("more tea")
    file.database.fails_before = "SQLITE_FULL"

    assert file.finds("lobby", "tea") == [1]


def test_two_who_index_at_once_do_it_once(file: File) -> None:
    """As a search does in the middle of a step of tidying."""
    waiting = [lambda: file.finds("lobby", "tea")]

    def write(function: Callable[[], T], /) -> T:
        while waiting:
            waiting.pop()()
        return function()

    file.says(*["tea"] * 5)
    file.journal._disk._write = write
    file.tidies()

    assert len(file.finds("lobby", "tea")) == 5
    file.database._writer.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def test_the_last_that_are_found_come_oldest_first(file: File) -> None:
    file.says(*["tea"] * 20)

    assert file.finds("lobby", "tea", 3) == [18, 19, 20]


@pytest.mark.parametrize("query", ["tea", "tea*", "cake tea* tea1*", "even odd"])
def test_a_search_ends_when_it_is_late_and_the_next_is_none_the_worse(file: File, query: str) -> None:
    file.says(*(f"tea{number:x} cake {'even' if number % 2 else 'odd'}" for number in range(2000)))
    file.finds("lobby", "cake")
    clock = count(0.0, 0.1)

    with pytest.raises(TooMuch, match="Too much to search; add a word"):
        file.journal.search("lobby", query, 100, lambda: next(clock))

    assert not file.journal.trouble
    assert file.finds("lobby", "cake") == list(range(1901, 2001))


def test_what_is_found_is_bounded_by_its_text(file: File) -> None:
    file.says(*["tea " + "x" * 8000] * 5)

    found, is_more = file.journal.search("lobby", "tea", 100, lambda: 0.0)

    assert ([record.seq for record in found], is_more) == ([4, 5], True)


# --- What another program did ----------------------------------------------------------------------------------------


def test_a_message_that_another_program_stored_is_in_nobody_s_way(file: File) -> None:
    file.says("one")
    file.says("here", room="dev")
    _stores(file, 2, "by hand")

    kept = file.journal.append([Posting("lobby", Said("alice", ("two",))), Posting("dev", Said("bob", ("x",)))], NOW)

    assert [outcome.record.seq for outcome in kept if outcome.record] == [3, 2]
    assert file.journal.damage == ["message 2 of lobby was stored by another program"]
    assert not file.journal.trouble
    assert file.texts() == ["one", "by hand", "two"]
    file.crashes()
    assert file.texts() == ["one", "by hand", "two"]


def test_a_message_that_cannot_be_reached_is_named_and_other_rooms_go_on(file: File) -> None:
    file.says("one")
    _stores(file, 2, "by hand")
    _stores(file, 5, "far away")

    kept = file.journal.append([Posting("lobby", Said("alice", ("two",))), Posting("dev", Said("bob", ("x",)))], NOW)

    assert [outcome.why_not for outcome in kept] == ["the file is damaged (message 5 comes after 2)", ""]
    assert [record.seq for record in file.says("y", room="dev")] == [2]


def test_a_room_that_another_program_made_with_our_number_stays_another(file: File) -> None:
    file.database._writer.execute("INSERT INTO rooms (id, name) VALUES (1, 'other'), (2, 'more')")
    file.says("hello")
    file.says("here", room="dev")

    assert file.texts() == ["hello"]
    rows = file.database._writer.execute("SELECT id, name FROM rooms ORDER BY id").fetchall()
    assert rows == [(1, "other"), (2, "more"), (3, "lobby"), (4, "dev")]


def _stores(file: File, seq: int, text: str) -> None:
    (row,) = rows_of(1, Record(seq, NOW, Said("mallory", (text,))), "")
    file.database._writer.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


# --- An older copy ---------------------------------------------------------------------------------------------------


def test_an_older_copy_that_is_put_back_is_another_log(file: File) -> None:
    file.says("one")
    file.stops()
    shutil.copy(file.path, f"{file.path}.old")
    epoch = file.journal.epoch("lobby")
    file.says("two")
    file.journal.close()
    shutil.copy(f"{file.path}.old", file.path)
    file.opens(epoch="after the copy")

    assert file.journal.epoch("lobby") == "after the copy" != epoch
    assert file.journal.replaced == "it is an older copy, or another file, than the one that was in use here"
    assert file.texts() == ["one"]
    file.crashes(epoch="never")
    assert file.journal.epoch("lobby") == "after the copy"
    assert file.journal.replaced == ""


@pytest.mark.parametrize("mark", [None, b"", b"x", b"e \xff", b"1 2 3", b"\0" * 1000])
def test_without_a_mark_that_can_be_read_nothing_is_claimed(file: File, mark: bytes | None) -> None:
    file.journal.close()
    if mark is None:
        os.unlink(f"{file.path}-mark")
    else:
        Path(f"{file.path}-mark").write_bytes(mark)
    file.opens(epoch="another")

    assert (file.journal.epoch("lobby"), file.journal.replaced) == ("new", "")
