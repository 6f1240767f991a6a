"""The checks before a start, made without listening and without creating anything.

The start checks the machine and the places first, so that it fails before it has created anything; its files it opens,
which is the best check. `--check-config` checks the files too, although a server may be using them.
"""

from __future__ import annotations

import ipaddress
import os
import stat
import struct

from gchat.journal.base import JournalError
from gchat.journal.schema import APPLICATION_ID, MIGRATIONS
from gchat.server.config import AdminSection, Config
from gchat.server.keeping import unusable
from gchat.server.kernel import raise_descriptor_limit
from gchat.server.listener import Place, StartError

#: Descriptors: those that a server without connections has open, and some that it opens for a moment.
MIN_DESCRIPTORS = 40

#: The head of an SQLite file: its magic, user_version and application_id (sqlite.org/fileformat).
_HEAD = struct.Struct(">16s44xI4xI")


def chat_place(config: Config) -> Place:
    """Return where the chat listens."""
    server = config.server
    return Place(server.host, server.port, server.mode, server.group)


def admin_place(config: Config) -> Place:
    """Return where the admin endpoint listens."""
    admin = config.admin
    return Place(admin.host, config.admin_port, admin.mode, admin.group)


def check_places(config: Config) -> None:
    """Raise StartError if the server cannot listen; a port that is in use is for bind to find."""
    descriptors = raise_descriptor_limit()
    if descriptors < MIN_DESCRIPTORS:
        raise StartError(
            f"the limit of open files is {descriptors}, expected at least {MIN_DESCRIPTORS}; raise it (ulimit -n)"
        )
    chat_place(config).check()
    if config.admin.enabled:
        place = admin_place(config)
        check_reach(config.admin, place)
        try:
            place.check()
        except StartError as error:
            raise elsewhere(error) from None


def check_reach(section: AdminSection, place: Place) -> None:
    """Refuse a place that other machines can reach, unless admin.insecure allows it. Raises StartError."""
    if not is_own(section.host) and not section.insecure:
        raise StartError(
            f"the admin endpoint would listen on a network at {place}, where its tokens are sent unencrypted; use "
            "127.0.0.1, or set admin.insecure = true"
        )


def elsewhere(error: StartError) -> StartError:
    """Return the error of the admin endpoint's place, with what to type."""
    return StartError(f"the admin endpoint {error}; --admin HOST:PORT moves it, --no-admin turns it off")


def is_own(host: str) -> bool:
    """Return whether only programs on this machine can reach `host`."""
    if "/" in host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_files(config: Config, history_path: str, token_path: str) -> list[str]:
    """Return warnings. Raises StartError if the files keep the server from starting."""
    if config.history.store == "sqlite" and (why := _unusable_database(history_path)):
        raise StartError(str(unusable(history_path, JournalError(why))))
    if not config.admin.enabled:
        return []
    admin = config.admin
    if admin.read_token_file and (why := _unusable_token(admin.read_token_file)):
        raise StartError(why)
    why = _unusable_token(token_path)
    if why and (admin.token_file or not is_own(admin.host)):
        raise StartError(why)
    return [f"the admin endpoint has no admin token: {why}"] if why else []


def _unusable_database(path: str) -> str:
    """Return why the history cannot be stored at a path; "" if it can. The file is not opened as a database."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _unusable_directory(path)
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    if not stat.S_ISREG(found.st_mode):
        return "it is not a file"
    if not os.access(path, os.R_OK | os.W_OK):
        return "no permission to read and write the file"
    with open(path, "rb") as file:
        head = file.read(_HEAD.size)
    if not head or os.path.exists(f"{path}-wal"):  # new, or its head may still be in the write-ahead log
        return _unusable_directory(path)
    magic, version, application = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
    if magic != b"SQLite format 3\0" or application != APPLICATION_ID:
        return "it is not a gchat database"
    if version > len(MIGRATIONS):
        return f"a newer gchat has made it (version {version}; this one knows {len(MIGRATIONS)})"
    return _unusable_directory(path)


def _unusable_token(path: str) -> str:
    if not os.path.lexists(path):
        why = _unusable_directory(path)
        return f"cannot create the token file {path}: {why}" if why else ""
    from gchat.admin.token import TokenError, load_or_make  # noqa: PLC0415

    try:
        load_or_make(path)
    except TokenError as error:
        return str(error)
    return ""


def _unusable_directory(path: str) -> str:
    """Return why no file can be created at a path; "" if one can. Missing directories are created by the start."""
    directory = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory):
        return f"{directory} is not a directory"
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return f"{directory} is on a read-only file system"
    return "" if os.access(directory, os.W_OK | os.X_OK) else f"no permission to write in {directory}"
