"""The file of a user's own settings, ~/.config/gchat/client.toml. It is read strictly: a wrong word starts nothing."""

from __future__ import annotations

import codecs
import os
import stat
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from gchat.cli import UsageError
from gchat.client.attention import BellAt, NotifyBy
from gchat.model.text import printable
from gchat.state_directory import home

#: A larger file is no such file.
MAX_BYTES = 100_000


class ClientSettings(Struct):
    """What a user has chosen. All but the server is for terminals: a script does not change with its user's taste.

    There is no key for --insecure: what is dangerous is to be asked for each time.
    """

    host: str = ""  # HOST, HOST:PORT, gchats://HOST:PORT or the path of a Unix socket
    tls: bool = False  # whether to speak TLS with that host
    ca: str = ""  # with TLS: the file of certificates to trust; a relative path is one beside this file
    nick: str = ""
    rooms: tuple[str, ...] = ()  # all are entered, the client begins in the first
    bell: BellAt = BellAt.MENTION
    notify: NotifyBy = NotifyBy.OFF
    title: bool = True  # whether the window's title tells the room and what is unread
    presence: bool = True  # whether it is shown who enters and leaves
    color: bool = True
    vi: bool = False

    @property
    def ca_path(self) -> str:
        """The path of `ca`, "" if there is none."""
        if not self.ca:
            return ""
        return os.path.join(os.path.dirname(settings_path()), os.path.expanduser(self.ca))


_EXPECTED: dict[Any, str] = {
    str: 'a text, such as "alice"',
    bool: "true or false",
    tuple[str, ...]: 'a list of texts, such as ["lobby", "dev"]',
    BellAt: f"one of {', '.join(BellAt)}",
    NotifyBy: f"one of {', '.join(NotifyBy)}",
}


def settings_path() -> str:
    """Return the path of the file, which need not be there. By the XDG rules a relative directory is ignored.

    Raises FileNotFoundError if the user has no home.
    """
    directory = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(directory):
        directory = os.path.join(home(), ".config")
    return os.path.join(directory, "gchat", "client.toml")


def load_settings() -> ClientSettings:
    """Return the settings in the file, the usual ones if there is none.

    Raises UsageError, in one line, for what is wrong in it; OSError, with the path, if it cannot be read.
    """
    try:
        path = settings_path()
        data = _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return ClientSettings()
    import tomllib  # noqa: PLC0415  # most users have no file

    try:
        table = tomllib.loads(data.removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start + 1}; save the file as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {str(error)[:100]}") from None
    return ClientSettings(**{key: _checked(path, key, value) for key, value in table.items()})


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may be a pipe
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{path}: expected a file")
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: expected at most {MAX_BYTES:,} bytes")
    return data


def _checked(path: str, key: str, value: object) -> Any:
    """Return a value as the type that the key has. Raises UsageError."""
    kinds = get_type_hints(ClientSettings)
    if key not in kinds:
        from difflib import get_close_matches  # noqa: PLC0415  # most files have no such key

        meant = get_close_matches(key, kinds, 1)
        hint = f"did you mean {meant[0]}?" if meant else f"expected one of {', '.join(kinds)}"
        raise UsageError(f"{path}: unknown key {_shown(key)}; {hint}")
    try:
        checked = msgspec.convert(value, kinds[key])
    except msgspec.ValidationError:
        raise UsageError(f"{path}: {key} is {_shown(value)}; expected {_EXPECTED[kinds[key]]}") from None
    if "" in (checked if isinstance(checked, tuple) else (checked,)):
        raise UsageError(f"{path}: {key} is {_shown(value)}; expected no empty text")
    return checked


def _shown(value: object) -> str:
    text = printable(value if isinstance(value, str) else repr(value))
    return f'"{text[:60]}"' if isinstance(value, str) else text[:60]
