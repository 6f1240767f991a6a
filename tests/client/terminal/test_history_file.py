"""The file of what was typed: bounded, private, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gchat.client.terminal.history_file import KEPT_ENTRIES, MAX_ENTRY_CHARS, SLACK_ENTRIES, BoundedHistory, history


def loaded(path: Path) -> list[str]:
    return list(BoundedHistory(path).load_history_strings())


def test_the_newest_entries_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "history"
    store = BoundedHistory(path)
    total = KEPT_ENTRIES + SLACK_ENTRIES + 50
    for number in range(total):
        store.store_string(f"entry {number}\nof two lines")
    assert path.read_text().count("+entry") in range(KEPT_ENTRIES, KEPT_ENTRIES + SLACK_ENTRIES + 1)
    found = loaded(path)
    assert found[0] == f"entry {total - 1}\nof two lines"
    assert len(found) == KEPT_ENTRIES
    assert path.read_text().count("+entry") == KEPT_ENTRIES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_long_entry_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "history"
    store = BoundedHistory(path)
    store.store_string("x" * (MAX_ENTRY_CHARS + 1))
    store.store_string("short")
    assert loaded(path) == ["short"]


def test_a_file_that_cannot_be_replaced_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"\n# then\n+old {number}\n" for number in range(2 * KEPT_ENTRIES)))
    before = path.read_text()

    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "replace", fail)
    assert loaded(path)[0] == f"old {2 * KEPT_ENTRIES - 1}"
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    history().append_string("hello")
    assert loaded(tmp_path / "gchat" / "history") == ["hello"]
