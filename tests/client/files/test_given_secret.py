"""Files with one secret, which the user names: what is taken, and what is said of all else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchat.client.files.given_secret import SecretUnusable, given_secret


def file(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("content", [b"open sesame", b"open sesame\n", b"\xef\xbb\xbfopen sesame\r\n"])
def test_a_line_is_the_secret(tmp_path: Path, content: bytes) -> None:
    assert given_secret(file(tmp_path / "x", content), "password") == "open sesame"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (b"", 0o600, "expected one line of text, the password"),
        (b"two\nlines\n", 0o600, "expected one line"),
        (b"\xff\xfe", 0o600, "expected one line"),
        (b"x" * 2000, 0o600, "expected one line"),
        (b"open sesame", 0o644, "type chmod 600"),
        (b"open sesame", 0o660, "type chmod 600"),
    ],
)
def test_anything_else_is_told(tmp_path: Path, content: bytes, mode: int, problem: str) -> None:
    with pytest.raises(SecretUnusable, match=problem) as refused:
        given_secret(file(tmp_path / "x", content, mode), "password")
    assert "sesame" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_path_without_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretUnusable, match="no such file"):
        given_secret(str(tmp_path / "x"), "password")
    with pytest.raises(SecretUnusable, match="is a directory"):
        given_secret(str(tmp_path), "password")
