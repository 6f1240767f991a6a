"""The token file: made once, for its owner only; and what is said of one that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchat.admin.token import TokenError, load_or_make


def complaint(path: Path) -> str:
    with pytest.raises(TokenError) as error:
        load_or_make(str(path))
    text = str(error.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_first_start_makes_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "token"
    token, made = load_or_make(str(path))
    assert made
    assert len(token) >= 43
    assert path.read_text() == f"{token}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["token"]


def test_the_next_start_uses_it(tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    assert load_or_make(path)[0] == load_or_make(path)[0]
    assert load_or_make(path)[1] is False


def test_two_servers_have_two_tokens(tmp_path: Path) -> None:
    assert load_or_make(str(tmp_path / "one")) != load_or_make(str(tmp_path / "two"))


def test_an_empty_file_is_no_token_and_stays_empty(tmp_path: Path) -> None:
    assert load_or_make(str(write(tmp_path / "token", b" \n"))) == ("", False)
    assert load_or_make(str(write(tmp_path / "token", b""))) == ("", False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    assert "chmod 600" in complaint(write(tmp_path / "token", b"x" * 40, mode))


def test_what_is_no_token_is_refused_and_not_shown(tmp_path: Path) -> None:
    assert "can be guessed" in complaint(write(tmp_path / "token", b"secret"))
    assert "secret" not in complaint(write(tmp_path / "token", b"secret"))
    for content in (b"two words are not one token", "tökentökentökentöken".encode(), b"x" * 5000):
        assert "one word" in complaint(write(tmp_path / "token", content))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    assert "directory" in complaint(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a file" in complaint(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "symbolic links" in complaint(tmp_path / "loop")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    assert "cannot use the token file" in complaint(tmp_path / "file" / "token")
