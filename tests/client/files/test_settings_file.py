"""The file of a user's settings: what it may say, and what is said of what is wrong in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchat.cli import UsageError
from gchat.client.attention import BellAt, NotifyBy
from gchat.client.files.settings_file import MAX_BYTES, ClientSettings, load_settings, settings_path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "gchat" / "client.toml"
    path.parent.mkdir()
    return path


def test_every_setting_can_be_chosen(path: Path) -> None:
    path.write_text(
        """
        host = "chat.example.org:8888"
        nick = "alice"
        rooms = ["dev", "lobby"]
        bell = "all"
        notify = "osc777"
        title = false
        presence = false
        color = false
        vi = true
        """
    )
    assert load_settings() == ClientSettings(
        host="chat.example.org:8888",
        nick="alice",
        rooms=("dev", "lobby"),
        bell=BellAt.ALL,
        notify=NotifyBy.OSC777,
        title=False,
        presence=False,
        color=False,
        vi=True,
    )


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "\ufeff"])
def test_what_the_file_does_not_say_is_as_usual(path: Path, content: str | None) -> None:
    if content is not None:
        path.write_text(content)
    assert load_settings() == ClientSettings()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('nik = "x"', 'unknown key "nik"; did you mean nick?'),
        ("zzz = 1", 'unknown key "zzz"; expected one of host, tls, ca, nick, rooms, '),
        ('"\\u001b[2J" = 1', 'unknown key "\\x1b[2J"; expected '),
        ("nick = 5", 'nick is 5; expected a text, such as "alice"'),
        ('nick = ""', 'nick is ""; expected no empty text'),
        ("nick = nan", "nick is nan; expected a text"),
        ("[nick]", "nick is {}; expected a text"),
        ('rooms = "dev"', 'rooms is "dev"; expected a list of texts, such as ["lobby", "dev"]'),
        ('rooms = ["dev", ""]', "rooms is ['dev', '']; expected no empty text"),
        ('rooms = ["dev", 1]', "rooms is ['dev', 1]; expected a list"),
        ('bell = "loud"', 'bell is "loud"; expected one of off, mention, all'),
        ('notify = "\\u001b]9;x"', 'notify is "\\x1b]9;x"; expected one of off, osc9, osc777'),
        ("vi = 1", "vi is 1; expected true or false"),
        ("[x", "not TOML: "),
        ("a = " + "[" * 5000, "not TOML: "),
        ("#" * MAX_BYTES + "#", "expected at most 100,000 bytes"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(path: Path, content: str, problem: str) -> None:
    path.write_text(content)
    with pytest.raises(UsageError) as error:
        load_settings()
    assert str(error.value).startswith(f"{path}: {problem}")
    assert str(error.value).isprintable()


def test_bytes_that_are_no_text_are_told(path: Path) -> None:
    path.write_bytes(b'nick = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8 at byte 9"):
        load_settings()


def test_what_is_no_file_is_told_and_waited_for_by_nobody(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(UsageError, match="expected a file"):
        load_settings()
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="expected a file"):
        load_settings()


def test_a_file_that_cannot_be_read_is_an_error_with_its_name(path: Path) -> None:
    path.symlink_to(path.name)
    with pytest.raises(OSError, match=r"client\.toml"):
        load_settings()


def test_a_relative_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("HOME", "/home/alice")
    assert settings_path() == "/home/alice/.config/gchat/client.toml"
