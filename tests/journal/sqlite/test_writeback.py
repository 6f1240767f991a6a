"""What was copied into the database file is on its way to the disk before SQLite asks for it, a little at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gchat.journal.sqlite import writeback
from gchat.journal.sqlite.writeback import OLD_PARTS, PART_BYTES, Writeback, parts

GIB = 1 << 30


@pytest.mark.parametrize(
    ("old", "size"), [(0, 0), (0, 1), (0, 9 * PART_BYTES + 1), (PART_BYTES + 5, 3 * PART_BYTES), (9, 5)]
)
def test_every_byte_is_in_one_part(old: int, size: int) -> None:
    end = 0
    for offset, length in parts(old, size):
        assert (offset, 0 < length <= PART_BYTES) == (end, True)
        end += length
    assert end == size


def test_what_is_new_is_given_to_the_disk_a_little_at_a_time_and_a_large_file_is_not_looked_at_piece_by_piece() -> None:
    found = [*parts(100 * GIB, 100 * GIB + 10 * PART_BYTES)]

    assert [length for _, length in found] == [100 * GIB // OLD_PARTS] * OLD_PARTS + [PART_BYTES] * 10


def test_each_call_begins_with_the_size_that_the_file_had_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    monkeypatch.setattr(writeback, "_of_the_kernel", lambda: lambda _descriptor, *part: written.append(part))
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file:
        write_back = Writeback(file.fileno())
        for size in (3, 3 * PART_BYTES, 2 * PART_BYTES):
            os.truncate(path, size)
            written.clear()
            write_back()
            assert written == [*parts({3: 0, 3 * PART_BYTES: 3}.get(size, 3 * PART_BYTES), size)]


def test_a_large_file_of_an_earlier_run_is_not_looked_at_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    monkeypatch.setattr(writeback, "_of_the_kernel", lambda: lambda _descriptor, *part: written.append(part))
    with (tmp_path / "file").open("wb") as file:
        file.truncate(GIB)
        Writeback(file.fileno())()
    assert len(written) == OLD_PARTS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the call")
def test_the_kernel_writes_a_part_of_a_file_and_says_what_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 9)
    write_part = writeback._of_the_kernel()
    with (tmp_path / "file").open("rb") as file:
        assert [write_part(file.fileno(), offset, 5) for offset in (0, 4, GIB)] == [0, 0, 0]
    reading, writing = os.pipe()
    assert write_part(reading, 0, 5) == -1
    os.close(reading)
    os.close(writing)


def test_where_there_is_no_such_call_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        Writeback(file.fileno())()
