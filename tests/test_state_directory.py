"""Where gchat keeps what outlives a program."""

from __future__ import annotations

import pytest

from gchat.state_directory import state_directory


@pytest.mark.parametrize(
    ("state", "home", "directory"),
    [
        ("/state", "/home/ann", "/state/gchat"),
        ("", "/home/ann", "/home/ann/.local/state/gchat"),
        ("relative", "/home/ann", "/home/ann/.local/state/gchat"),
    ],
)
def test_the_xdg_rules_hold(monkeypatch: pytest.MonkeyPatch, state: str, home: str, directory: str) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", home)

    assert state_directory() == directory


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "relative")
    monkeypatch.setattr("pwd.getpwuid", unknown)

    with pytest.raises(FileNotFoundError):
        state_directory()
