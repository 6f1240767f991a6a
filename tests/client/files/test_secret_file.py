"""The file with the secret of an account: for its owner, for one window at a time, and for links that are as safe."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gchat.client.files.safety import Safety
from gchat.client.files.secret_file import SecretFile, own_secret_file


def test_a_secret_is_there_the_next_time_until_it_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.secret"
    first = SecretFile(str(path), Safety.CHECKED)
    assert first.load() is None
    first.keep("alice", "hunter2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first.release()
    second = SecretFile(str(path), Safety.CHECKED)
    found = second.load()
    assert found
    assert (found.account, found.secret) == ("alice", "hunter2")
    assert "hunter2" not in repr(found)
    second.forget()
    assert second.load() is None
    second.release()


def test_a_second_window_has_none(tmp_path: Path) -> None:
    path = str(tmp_path / "x.secret")
    first, second = SecretFile(path, Safety.PLAIN), SecretFile(path, Safety.PLAIN)
    first.keep("alice", "hunter2")
    assert second.load() is None
    first.release()
    assert second.load()
    second.release()


@pytest.mark.parametrize("kept_on", Safety)
@pytest.mark.parametrize("used_on", Safety)
def test_it_is_for_links_that_are_as_safe(tmp_path: Path, kept_on: Safety, used_on: Safety) -> None:
    path = str(tmp_path / "x.secret")
    first = SecretFile(path, kept_on)
    first.keep("alice", "hunter2")
    first.release()
    second = SecretFile(path, used_on)
    found = second.load()
    assert found
    assert second.is_for(found) is (used_on >= kept_on)
    second.release()


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b'{"account":1,"secret":"x"}', b"\xff", b'{"account":"a"'])
def test_what_is_damaged_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.secret"
    path.write_bytes(content)
    file = SecretFile(str(path), Safety.PLAIN)
    assert file.load() is None
    file.release()


def test_each_server_has_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = {own_secret_file(address, Safety.PLAIN).path for address in ("h:1", "h:2", "i:1", "/run/chat.sock")}
    assert len(paths) == 4
    assert {Path(path).parent for path in paths} == {tmp_path / "gchat"}
