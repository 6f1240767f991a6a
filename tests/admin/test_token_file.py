"""The token file: made once, for its owner only; and what is said of one that cannot be used."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from gchat.admin.token_file import TokenError, load_or_make


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
    assert "at least 22 characters, not 6" in complaint(write(tmp_path / "token", b"secret"))
    assert "secret" not in complaint(write(tmp_path / "token", b"secret"))
    for content in (b"two words are not one token", "tökentökentökentöken".encode(), b"x" * 5000):
        assert "is not a token file" in complaint(write(tmp_path / "token", content))


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
@pytest.mark.parametrize(
    "content", [b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/bin/sh\n", b"myhost\n", b"\x7fELF\0", b"x" * 5000]
)
def test_the_advice_for_a_token_file_is_not_given_for_another_file(tmp_path: Path, content: bytes, mode: int) -> None:
    text = complaint(write(tmp_path / "passwd", content, mode))
    assert "is not a token file" in text
    assert "chmod" not in text
    assert "remove" not in text


@pytest.mark.parametrize("content", [b"%s\n", b"%s\r\n", b" %s  \n\n", b"\xef\xbb\xbf%s\r\n", b"%s"])
def test_what_an_editor_puts_around_the_token_is_not_part_of_it(tmp_path: Path, content: bytes) -> None:
    assert load_or_make(str(write(tmp_path / "token", content % (b"x" * 40)))) == ("x" * 40, False)


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", "/dev/null", "/proc/self/cmdline"])
def test_a_file_of_the_system_is_not_a_token_file(path: str) -> None:
    assert "chmod" not in complaint(Path(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_of_another_user_is_not_a_token_file(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "token", b"x" * 40, mode)
    os.chown(path, 1234, -1)
    assert "is not a token file: it belongs to another user" in complaint(path)


def test_the_advice_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path / "my token", b"x" * 40, 0o644)
    advice = re.search("type (chmod .*), and", complaint(path))
    assert advice
    subprocess.run(["/bin/sh", "-c", advice[1]], check=True)
    assert load_or_make(str(path)) == ("x" * 40, False)


def test_no_repr_shows_a_token(tmp_path: Path) -> None:
    token, made = load_or_make(str(tmp_path / "token"))
    assert repr((token, made)) == "('…', True)"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    assert "directory" in complaint(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in complaint(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "symbolic links" in complaint(tmp_path / "loop")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    assert "cannot use the token file" in complaint(tmp_path / "file" / "token")
