"""What a server keeps in files of its own: where they lie, and that nobody else reads them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gchat.chat.bans import Ban
from gchat.server.state import StateError, load_bans, path_of, save_bans

BANS = [Ban(1, "nick", "mallory", "rude", 1000.0), Ban(2, "network", "192.0.2.0/24", "", 1000.0, 2000.0)]


def test_bans_are_read_as_they_were_kept_and_nobody_else_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bans"
    save_bans(str(path), BANS)
    save_bans(str(path), BANS)

    assert load_bans(str(path)) == BANS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_no_file_is_no_bans(tmp_path: Path) -> None:
    assert load_bans(str(tmp_path / "none")) == []


@pytest.mark.parametrize("content", ["", "nope", "{}", '[{"id":1}]'])
def test_a_file_that_is_no_bans_is_said_and_not_overlooked(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bans"
    path.write_text(content)
    with pytest.raises(StateError, match="cannot read the bans in"):
        load_bans(str(path))


def test_each_server_has_files_of_its_own_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    places = ["127.0.0.1:8888", "127.0.0.1:8889", "[::1]:8888", "/run/gchat/../socket"]
    paths = {path_of("bans", place) for place in places}

    assert len(paths) == len(places)
    assert {str(Path(path).parent) for path in paths} == {"/state/gchat"}
