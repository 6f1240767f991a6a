"""The file that keeps how far each room was seen."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gchat.client.files.seen_file import MAX_ROOMS, SeenFile
from gchat.model.hello import ResumePoint


def test_places_are_there_the_next_time_and_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "seen"
    file = SeenFile(str(path))
    assert file.load() == {}
    file.store({"lobby": ResumePoint("e", 5), "dev": ResumePoint("e", 1)})
    file.store({"lobby": ResumePoint("e", 6)})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SeenFile(str(path)).load() == {"lobby": ResumePoint("e", 6), "dev": ResumePoint("e", 1)}


def test_the_rooms_of_long_ago_are_dropped(tmp_path: Path) -> None:
    file = SeenFile(str(tmp_path / "seen"))
    for number in range(MAX_ROOMS + 5):
        file.store({f"room{number}": ResumePoint("e", 1)})
    kept = SeenFile(str(tmp_path / "seen")).load()
    assert len(kept) == MAX_ROOMS
    assert "room4" not in kept
    assert "room5" in kept


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"lobby": 5}', b'{"lobby": {"epoch": "e", "seq": -1}}', b"\xff"]
)
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seen"
    path.write_bytes(content)
    assert SeenFile(str(path)).load() == {}


def test_a_file_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    file = SeenFile(str(tmp_path / "none" / "seen"))
    file.store({"lobby": ResumePoint("e", 5)})
    assert file.load() == {}
