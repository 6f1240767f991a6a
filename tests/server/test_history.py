"""The journal that is configured, what is said of a file that cannot be used, and the greenlet that looks after it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gevent
import pytest

from gchat.journal.journal import Journal, Posting
from gchat.journal.memory import MemoryJournal
from gchat.journal.parts import Lacking, Parts, parts_of
from gchat.journal.sqlite.errors import Damaged
from gchat.journal.sqlite.journal import SqliteJournal
from gchat.model.messages import Said
from gchat.server import history
from gchat.server.history import HistoryError, open_journal, tidy, unusable
from gchat.server.reader import RECEIVED_BYTES
from gchat.server.settings import Config


def config(store: str = "sqlite") -> Config:
    found = Config()
    found.history.store = store  # type: ignore[assignment]
    return found


@contextmanager
def opened(of: Config, path: Path | str) -> Iterator[Journal]:
    journal = open_journal(of, str(path))
    try:
        yield journal
    finally:
        journal.close()


def complaint(path: Path) -> str:
    with pytest.raises(HistoryError) as refused:
        open_journal(config(), str(path))
    return str(refused.value)


def says(journal: Journal, *texts: str) -> None:
    journal.open(["lobby"])
    journal.append([Posting("lobby", Said("ann", texts))], 1.7e9)


# --- Opening ---------------------------------------------------------------------------------------------------------


def test_the_store_decides_and_a_path_of_memory_too(tmp_path: Path) -> None:
    with opened(config("memory"), tmp_path / "h.db") as one, opened(config(), ":memory:") as two:
        assert isinstance(one, MemoryJournal)
        assert isinstance(two, MemoryJournal)
        assert one.epoch("lobby") != two.epoch("lobby")
    assert list(tmp_path.iterdir()) == []
    with opened(config(), tmp_path / "h.db") as journal:
        assert isinstance(journal, SqliteJournal)
    assert (tmp_path / "h.db").exists()


def test_a_file_is_opened_again_as_it_was_and_another_in_its_place_has_another_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, copy = tmp_path / "h.db", tmp_path / "copy.db"
    with opened(config(), path) as journal:
        says(journal, "one")
        epoch = journal.epoch("lobby")
    copy.write_bytes(path.read_bytes())
    with opened(config(), path) as journal:
        says(journal, "two")
        assert journal.epoch("lobby") == epoch
    assert caplog.text == ""
    copy.replace(path)
    with opened(config(), path) as journal:
        assert journal.epoch("lobby") != epoch
    assert "gets a new epoch: it is an older copy, or another file" in caplog.text


def test_a_file_that_cannot_be_used_is_said_to_be_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(b"root:x:0:0:root:/root:/bin/bash\n" * 200)
    said = complaint(path)
    assert said.startswith(f"cannot store the history in {path}: ")
    assert said.endswith("; use --db FILE to store it elsewhere, or --memory not to store it")
    assert list(tmp_path.iterdir()) == [path]


def test_what_can_be_read_of_a_damaged_file_is_put_beside_it_once(tmp_path: Path) -> None:
    path, salvaged = tmp_path / "h.db", tmp_path / "h.db.salvaged"
    with opened(config(), path) as journal:
        says(journal, *(f"line {number}" for number in range(300)))
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rooms'").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * page : (root - 1) * page + 200] = b"\xa5" * 200
    path.write_bytes(data)

    said = complaint(path)
    what = f"cannot store the history in {path}: the file is damaged"
    assert said.startswith(f"{what} (database disk image is malformed); recovered 300 messages into {salvaged}: ")
    advice = f"move that to {path}, or move both away"
    assert said.endswith(advice)
    again = unusable(str(path), Damaged("the file is damaged"))  # at the next start it is there already
    assert str(again) == f"{what}; its readable messages are in {salvaged}: {advice}"
    with opened(config(), salvaged) as journal:
        (room,) = parts_of(journal).catalogue.rooms(10)  # its name is lost with the page
        assert room.last_seq >= 300


# --- Looking after it ------------------------------------------------------------------------------------------------


class Maintained(MemoryJournal):
    """A journal whose trouble the test makes."""

    def __init__(self) -> None:
        super().__init__(1 << 20, "epoch", lambda function: function())
        self.trouble = ""
        self.caution = ""
        self.damage: list[str] = []
        self.tidied = 0
        self.before: Callable[[], None] = lambda: None
        self.is_more = False

    def limit(self, keep_s: float, keep_messages: int) -> None:
        pass

    def tidy(self, now: float, steady: float) -> bool:
        assert now > 1e9
        assert steady < now
        self.tidied += 1
        self.before()
        return self.is_more


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Maintained]:
    monkeypatch.setattr(history, "TIDY_S", 0.001)
    monkeypatch.setattr(history, "IDLE_S", 0.001)
    made = Maintained()
    parts = parts_of(made)
    assert isinstance(parts, Parts)
    assert not isinstance(parts.maintenance, Lacking)
    with caplog.at_level(logging.INFO, "gchat"):
        greenlet = gevent.spawn(tidy, parts)
        yield made
        greenlet.kill()


def tidied(journal: Maintained, times: int = 3) -> None:
    until = journal.tidied + times
    with gevent.Timeout(20):
        while journal.tidied < until:
            gevent.sleep(0.001)


def test_while_users_send_something_the_upkeep_makes_longer_pauses(
    journal: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "REST", 0)
    monkeypatch.setattr(history, "BUSY_REST", 1e12)
    monkeypatch.setattr(history, "TIDY_S", 20.0)
    journal.is_more = True
    tidied(journal, 10)

    def sends() -> None:
        RECEIVED_BYTES.value += 1

    journal.before = sends
    tidied(journal, 1)
    until = journal.tidied
    gevent.sleep(0.05)
    assert journal.tidied <= until + 1


def test_after_what_took_long_the_pause_is_no_longer_than_where_there_is_no_more_to_do(
    journal: Maintained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users send on meanwhile: the longer the pause, the more of the database's log there is to copy after it."""
    monkeypatch.setattr(history, "REST", 1e12)
    monkeypatch.setattr(history, "BUSY_REST", 1e12)
    journal.is_more = True
    tidied(journal, 10)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(record.levelname, record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def test_trouble_is_logged_when_it_comes_when_it_changes_and_when_it_is_over(
    journal: Maintained, caplog: pytest.LogCaptureFixture
) -> None:
    tidied(journal)
    assert said(caplog) == []
    for trouble in ("the disk is full", "the disk is full", "the disk has failed"):
        journal.trouble = trouble
        tidied(journal)
    assert said(caplog) == [
        ("ERROR", f"messages cannot be stored and are refused: {trouble}")
        for trouble in ("the disk is full", "the disk has failed")
    ]
    journal.trouble = ""
    tidied(journal)
    assert said(caplog) == [("WARNING", "messages are stored again")]


def test_each_damage_and_each_caution_is_logged_once(journal: Maintained, caplog: pytest.LogCaptureFixture) -> None:
    journal.damage.append("message 2 of dev")
    tidied(journal)
    journal.damage.append("message 3 of dev")
    journal.caution = "the clock is wrong"
    tidied(journal)
    assert said(caplog) == [
        ("ERROR", "the history is damaged: message 2 of dev"),
        ("ERROR", "the history is damaged: message 3 of dev"),
        ("WARNING", "not deleting all old messages yet: the clock is wrong"),
    ]
    journal.caution = ""
    tidied(journal)
    journal.caution = "the clock is wrong"
    tidied(journal)
    assert said(caplog) == [("WARNING", "not deleting all old messages yet: the clock is wrong")]


def test_a_fault_of_the_upkeep_is_logged_once_and_it_goes_on(
    journal: Maintained, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ValueError("a fault that was asked for")

    journal.before = fails
    tidied(journal)
    (level, text) = said(caplog)[0]
    assert level == "ERROR"
    assert text.startswith("maintenance of the history crashed; the server goes on and will not log this again")
    tidied(journal)
    assert said(caplog) == []
