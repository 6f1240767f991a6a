"""The file that keeps a token: one user at a time, whole or not at all, and found again."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gchat.client.files.token_file import TokenFile, own_token_file

TOKEN = "0123456789abcdef-XYZ"


def test_a_token_is_there_the_next_time_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "token"
    first = TokenFile(str(path))
    assert first.load() == ""
    first.store(TOKEN)
    first.release()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(path.parent)) == ["token", "token.lock"]
    second = TokenFile(str(path))
    assert second.load() == TOKEN
    second.forget()
    assert second.load() == ""
    second.release()


def test_a_file_in_use_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    first, second = TokenFile(path), TokenFile(path)
    first.load()
    first.store(TOKEN)
    assert second.load() == ""
    second.store("another-token-0123456")
    second.forget()
    assert first.load() == TOKEN
    first.release()
    assert second.load() == TOKEN
    second.release()


def test_a_program_that_is_killed_leaves_the_file_free(tmp_path: Path) -> None:
    path = str(tmp_path / "token")
    script = "import os, sys, signal; from gchat.client.files.token_file import TokenFile; "
    script += f"f = TokenFile(sys.argv[1]); f.load(); f.store({TOKEN!r}); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", script, path], check=False)
    file = TokenFile(path)
    assert file.load() == TOKEN
    file.release()


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 20, b"x" * 65, b"two words 0123456789", b"\0" * 200])
def test_what_is_no_token_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    file = TokenFile(str(path))
    assert file.load() == ""
    file.store(TOKEN)
    assert path.read_text() == f"{TOKEN}\n"
    file.release()


def test_what_cannot_be_read_or_locked_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "token"):
        file = TokenFile(str(path))
        with pytest.raises(OSError, match=r"directory|exists"):
            file.load()
        file.release()


def test_a_pipe_in_its_place_does_not_hold_anybody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    file = TokenFile(str(tmp_path / "token"))
    assert file.load() == ""
    file.release()


def test_servers_and_nicks_have_files_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    users = [
        ("127.0.0.1:8888", ""),
        ("127.0.0.1:8888", "alice"),
        ("127.0.0.1:8888", "Alice"),
        ("127.0.0.1:8888-alice", ""),
        ("127.0.0.1:8889", ""),
        ("[::1]:8888", ""),
        ("/tmp/a/chat.sock", ""),
        ("/tmp/b/chat.sock", ""),
        ("./chat.sock", ""),
        ("x" * 300, "天" * 100),
        ("h", "a/../../b"),
    ]
    paths = [own_token_file(*user).path for user in users]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert Path(path).parent == tmp_path / "gchat"
        assert len(Path(path).name) <= 200
    assert own_token_file("./chat.sock", "").path == own_token_file(f"{tmp_path}/chat.sock", "").path
    assert own_token_file("LOCALHOST:8888", "").path == own_token_file("localhost:8888", "").path


@pytest.mark.parametrize(
    ("state", "home", "expected"),
    [
        ("/state", "/home/a", "/state/gchat"),
        ("", "/home/a", "/home/a/.local/state/gchat"),
        ("relative", "/home/a", "/home/a/.local/state/gchat"),
        ("~/state", "/home/a", "/home/a/.local/state/gchat"),
    ],
)
def test_the_state_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, state: str, home: str, expected: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", home)
    assert os.path.dirname(own_token_file("h:1", "").path) == expected


@pytest.mark.parametrize("home", ["", "relative", None])
def test_without_a_home_the_password_database_has_it(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    assert os.path.isabs(own_token_file("h:1", "").path)
    assert "~" not in own_token_file("h:1", "").path
