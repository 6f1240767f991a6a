"""What is deleted because it is too old or too much, a step at a time, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.journal.sqlite.database import Changes, Database
from gchat.journal.sqlite.queries import Queries
from gchat.journal.sqlite.retention import RetentionLimits
from gchat.journal.sqlite.rows import rows_of
from gchat.journal.used_ids import IDS_S
from gchat.model.messages import Record, Said

NOW = 1_700_000_000.0


class File:
    """A database with rooms of one message a second, the last of them said at NOW."""

    def __init__(self, path: Path) -> None:
        self.database = Database(str(path), "normal", "epoch", "boot")
        self._rooms: list[str] = []

    def has(self, room: str, *times: float, ids: bool = False) -> None:
        self._rooms.append(room)
        number = len(self._rooms)
        rows = [
            row
            for seq, time in enumerate(times, 1)
            for row in rows_of(
                number, Record(seq, time, Said("ann", (f"word{seq}",), (f"i{seq}",) if ids else ())), "anns"
            )
        ]
        self.database.commit(Changes([(number, room)], rows, (), ()))

    def damages_time(self, room: str, seq: int) -> None:
        key = (self._rooms.index(room) + 1) << 36 | seq
        self.database._writer.execute("UPDATE messages SET time = 'x' WHERE key = ?", (key,))

    def left(self, room: str) -> list[int]:
        number = self._rooms.index(room) + 1
        rows = self.database._writer.execute("SELECT key FROM messages ORDER BY key").fetchall()
        return [key & ((1 << 36) - 1) for (key,) in rows if key >> 36 == number]

    def prune(
        self, after: int = 0, *, keep: int = 0, since: float = 0.0, now: float = NOW, at_once: int = 100
    ) -> tuple[int, str, int, bool] | None:
        return self.database.prune(after, RetentionLimits(keep, since, now, at_once))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "history.db")
    yield made
    for reader in made.database.readers:
        reader.close()
    made.database.close()


def test_of_too_many_the_last_stay(file: File) -> None:
    file.has("lobby", *(NOW for _ in range(10)))
    assert file.prune(keep=3) == (1, "lobby", 8, False)
    assert file.left("lobby") == [8, 9, 10]
    assert file.prune(keep=3) == (1, "lobby", 8, False)
    assert file.prune(keep=99) == (1, "lobby", 8, False)
    assert file.left("lobby") == [8, 9, 10]


def test_of_the_old_those_before_the_first_that_is_not_old_go(file: File) -> None:
    file.has("lobby", *(NOW - 10 + second for second in range(10)))
    assert file.prune(since=NOW - 6) == (1, "lobby", 5, False)
    assert file.left("lobby") == [5, 6, 7, 8, 9, 10]


def test_both_limits_hold(file: File) -> None:
    file.has("lobby", *(NOW - 10 + second for second in range(10)))
    assert file.prune(since=NOW - 6, keep=2) == (1, "lobby", 9, False)
    assert file.left("lobby") == [9, 10]


def test_without_limits_nothing_goes(file: File) -> None:
    file.has("lobby", 1.0, NOW)
    assert file.prune() == (1, "lobby", 1, False)
    assert file.left("lobby") == [1, 2]


def test_where_nothing_is_old_nothing_goes(file: File) -> None:
    file.has("lobby", NOW - 1, NOW)
    file.has("empty")
    assert file.prune(since=NOW - 5) == (1, "lobby", 1, False)
    assert file.prune(1, since=NOW - 5) == (2, "empty", 1, False)
    assert file.left("lobby") == [1, 2]


@pytest.mark.parametrize("limits", [{"keep": 2}, {"since": NOW - 1.5}])
def test_much_goes_in_steps(file: File, limits: dict[str, float]) -> None:
    file.has("lobby", *(NOW - 9 + second for second in range(10)))
    steps = []
    while True:
        step = file.prune(at_once=3, **limits)  # type: ignore[arg-type]
        assert step is not None
        steps.append(step[2:])
        if not step[3]:
            break
    assert steps == [(4, True), (7, True), (9, False)]
    assert file.left("lobby") == [9, 10]


def test_the_rooms_take_turns_and_then_there_is_none(file: File) -> None:
    file.has("a", NOW, NOW)
    file.has("b", NOW, NOW, NOW)
    assert file.prune(keep=1) == (1, "a", 2, False)
    assert file.prune(1, keep=1) == (2, "b", 3, False)
    assert file.prune(2, keep=1) is None
    assert (file.left("a"), file.left("b")) == ([2], [3])


def test_a_message_from_the_future_is_as_old_as_those_behind_it(file: File) -> None:
    file.has("lobby", NOW - 9, NOW + 1e6, NOW - 8, NOW)
    assert file.prune(since=NOW - 5) == (1, "lobby", 4, False)
    assert file.left("lobby") == [4]


def test_a_message_from_the_future_at_the_end_stays(file: File) -> None:
    file.has("lobby", NOW - 9, NOW + 1e6)
    assert file.prune(since=NOW - 5) == (1, "lobby", 2, False)
    assert file.left("lobby") == [2]


def test_a_damaged_time_is_old(file: File) -> None:
    file.has("lobby", NOW - 9, NOW, NOW)
    file.damages_time("lobby", 2)
    assert file.prune(since=NOW - 5) == (1, "lobby", 3, False)


def test_what_is_deleted_is_not_found_by_its_words_and_what_is_left_is(file: File) -> None:
    file.has("lobby", *(NOW for _ in range(5)))
    file.database.index(1, 5, 100)
    file.prune(keep=2)
    words = file.database._writer.execute("SELECT rowid FROM words WHERE words MATCH 'word3 OR word4'").fetchall()
    assert [key & ((1 << 36) - 1) for (key,) in words] == [4]
    assert file.database.index(1, 5, 100) == 5
    file.database._writer.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def test_what_is_deleted_before_its_words_are_in_the_index_is_not_looked_for_there(file: File) -> None:
    file.has("lobby", *(NOW for _ in range(5)))
    file.database.index(1, 2, 100)
    file.prune(keep=1)
    assert file.database.index(1, 5, 100) == 5
    file.database._writer.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


def test_the_ids_of_what_was_deleted_are_remembered_for_as_long_as_any(file: File) -> None:
    file.has("lobby", NOW - IDS_S - 1, NOW - IDS_S, NOW - 1, NOW, ids=True)
    file.prune(keep=1)
    ids = {id_ for (id_,) in file.database._writer.execute("SELECT id FROM deleted")}
    assert ids == {"i2", "i3"}
    file.prune(keep=0, since=NOW + 1e5, now=NOW + IDS_S - 1)
    assert {id_ for (id_,) in file.database._writer.execute("SELECT id FROM deleted")} == {"i3", "i4"}


def test_the_oldest_is_that_of_all_rooms_whatever_was_said_before_it(file: File) -> None:
    assert Queries.oldest(file.database.reader) is None
    file.has("a", NOW + 1e6, NOW - 5)
    file.has("b", NOW - 4)
    assert Queries.oldest(file.database.reader) == NOW - 5
    file.damages_time("a", 2)
    assert Queries.oldest(file.database.reader) == NOW - 4
