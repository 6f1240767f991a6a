"""Bits that a disk has flipped (T29): nobody's words change, nothing is lost in silence, and nothing crashes."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gchat.dialects import plain, rich
from gchat.journal.journal import JournalError, Posting
from gchat.journal.sqlite.backup import exported, salvage
from gchat.journal.sqlite.database import Database
from gchat.journal.sqlite.file import text
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.journal.sqlite.rows import COLUMNS, LOST, record_of, rows_of
from gchat.model.events import Page
from gchat.model.messages import Acted, Record, Said, TopicSet
from tests.journal.sqlite.test_journal import NOW, at_once

ROOMS, MESSAGES = ("lobby", "dev"), 150  # more than are in memory
FLIPS = 300
OVERWRITTEN, HIDDEN = 3, 2


def opened(path: Path) -> SqliteJournal:
    journal = SqliteJournal(Database(str(path), "normal", "epoch", ""), lambda _urgency: at_once)
    try:
        journal.open(ROOMS)
    except JournalError:
        journal.close()
        raise
    return journal


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "history.db"
    journal = opened(path)
    for number in range(1, MESSAGES + 1):
        journal.append([Posting(room, Said("alice", (f"number {number} of {room}",))) for room in ROOMS], NOW)
    journal.close()
    return path


def flipped(whole: Path, path: Path, rng: random.Random) -> None:
    """Have a copy of the file with one other bit somewhere among its messages."""
    content = bytearray(whole.read_bytes())
    pages = [at for at in range(0, len(content), 4096) if b" of lobby" in content[at : at + 4096]]
    content[rng.choice(pages) + rng.randrange(4096)] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def intact(path: Path) -> set[tuple[int, str]]:
    """Return the keys and texts of all messages that are as they were written, and can be reached from an end."""
    found = set()
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = text
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for row in connection.execute(f"SELECT {COLUMNS} FROM messages ORDER BY key {order}"):
                    if record_of(row).message is not LOST:
                        found.add((row[0], row[4]))
    return found


def is_shown(records: list[Record]) -> None:
    """Fail if these records cannot be shown to everybody."""
    page = Page(tuple(records), None, NOW, asked=False)
    assert plain.encode(page)
    assert rich.encode(page)


@pytest.mark.parametrize("seed", range(FLIPS // 100))
def test_a_flipped_bit_is_one_lost_message_or_said_to_be_damage(whole: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "history.db"
    shorter = 0
    for _ in range(100):
        flipped(whole, path, rng)
        before = intact(path)
        try:
            journal = opened(path)
        except JournalError:
            continue
        for room in ROOMS:
            seen: list[Record] = []
            try:
                while page := journal.read(room, len(seen) + 1, 40):
                    seen += page
            except JournalError:
                continue
            assert [record.seq for record in seen] == list(range(1, len(seen) + 1))
            shorter += len(seen) < MESSAGES
            for record in seen:
                assert record.message in (LOST, Said("alice", (f"number {record.seq} of {room}",)))
            assert sum(record.message is LOST for record in seen) <= 1
            is_shown(seen)
        (kept,) = journal.append([Posting("lobby", Said("bob", ("new",)))], NOW)
        assert kept.why_not or kept.record
        journal.limit(3600.0, 0)
        journal.tidy(NOW, 0.0)
        journal.close()
        # SQLite has written into the damaged page, perhaps, and over a message there.
        assert len(before - intact(path)) <= OVERWRITTEN
    # A last page that says that it has fewer rows than it has: nothing in the file contradicts it.
    assert shorter <= HIDDEN


@pytest.mark.parametrize("seed", range(FLIPS // 100))
def test_what_is_saved_of_a_file_has_no_holes_and_nothing_twice(whole: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path, copy = tmp_path / "history.db", tmp_path / "copy.db"
    for _ in range(100):
        flipped(whole, path, rng)
        copy.unlink(missing_ok=True)
        salvage(str(path), str(copy))
        for room in ROOMS:
            found = list(exported(str(copy), room))
            is_shown(found)
            assert [record.seq for record in found] == list(range(1, len(found) + 1))
            texts = [record.message.texts[0] for record in found if isinstance(record.message, Said)]
            said = [text for text in texts if text[0] != "…"]
            every = [f"number {number} of {room}" for number in range(1, MESSAGES + 1)]
            assert said == [text for text in every if text in said]
            assert len(said) == MESSAGES or len(found) > len(said), "what is missing is said"


def test_where_two_rooms_meet_both_say_that_something_is_missing(whole: Path, tmp_path: Path) -> None:
    path, copy = tmp_path / "history.db", tmp_path / "copy.db"
    shutil.copy(whole, path)
    content = bytearray(path.read_bytes())
    leaves = {at: content[at : at + 4096] for at in range(0, len(content), 4096)}
    (page,) = (at for at, leaf in leaves.items() if b" of lobby" in leaf and b" of dev" in leaf)
    content[page : page + 100] = b"\xff" * 100
    path.write_bytes(content)

    count = salvage(str(path), str(copy))

    texts = {room: [record.message.texts[0] for record in exported(str(copy), room)] for room in ROOMS}  # type: ignore[union-attr]
    assert texts["lobby"][-1] == "… what may have been here cannot be read"
    assert texts["dev"][0].startswith("… ")
    assert count == sum(text[0] != "…" for room in ROOMS for text in texts[room]) < 2 * MESSAGES


@pytest.mark.parametrize(
    "message", [Said("alice", ("a", "b"), ("1", "")), Acted("alice", "waves", "1"), TopicSet("alice", "tea", "")]
)
def test_a_row_is_read_as_it_was_written(message: Said | Acted | TopicSet) -> None:
    rows = rows_of(3, Record(7, 5, message), "lineage")
    found = [record_of((*row[:5], row[6], row[7])) for row in rows]

    assert [record.seq for record in found] == [7, 8][: len(rows)]
    assert all(record.message is not LOST for record in found)
    others = [(0, 1), (1, 6.0), (1, 1e28), (1, None), (2, 7), (3, "mallory"), (4, "x")]
    for row in rows:
        for at, other in others:
            changed = [*row[:5], row[6], row[7]]
            changed[at] = other
            assert record_of(tuple(changed)).message is LOST
            is_shown([record_of(tuple(changed))])
