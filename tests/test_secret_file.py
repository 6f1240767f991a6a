"""A file with a secret: whose it is, who else can read it, and that it shows itself nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchat.secret_file import NotSecretFile, read


def written(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("content", [b"word", b"word\n", b" word \r\n\n", b"\xef\xbb\xbfword\r\n"])
def test_what_an_editor_puts_around_a_secret_is_not_part_of_it(tmp_path: Path, content: bytes) -> None:
    assert read(written(tmp_path / "secret", content), 100).data == b"word"


def test_no_more_is_read_than_it_takes_to_see_that_it_is_too_long(tmp_path: Path) -> None:
    assert len(read(written(tmp_path / "secret", b"x" * 5000), 100).data) == 101


@pytest.mark.parametrize(("mode", "is_exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o602, True)])
def test_other_users_must_neither_read_nor_write_it(tmp_path: Path, mode: int, *, is_exposed: bool) -> None:
    found = read(written(tmp_path / "my secret", b"word", mode), 100)

    assert found.is_exposed is is_exposed
    assert found.exposure("token").startswith(
        f"other users can read or write the token file {tmp_path}/my secret; type chmod 600 '{tmp_path}/my secret', "
        "and change the token if"
    )


def test_what_is_no_file_of_this_users_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(NotSecretFile, match="it is a directory"):
        read(str(tmp_path), 100)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(NotSecretFile, match="not a regular file"):
        read(str(tmp_path / "pipe"), 100)
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "nothing"), 100)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "secret", b"word")
    os.chown(path, 1234, -1)
    with pytest.raises(NotSecretFile, match="another user"):
        read(path, 100)


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    assert "word" not in repr(read(written(tmp_path / "secret", b"word"), 100))
