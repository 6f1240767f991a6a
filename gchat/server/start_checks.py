"""The checks before a start, made without listening and without creating anything.

The start makes them too, so that it fails before it has created anything, and in the same words as `--check-config`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import stat
import struct
from collections.abc import Container

from gchat.journal.journal import JournalError
from gchat.journal.sqlite.errors import NOT_OURS, reason
from gchat.journal.sqlite.schema import APPLICATION_ID, MIGRATIONS
from gchat.server import server_password
from gchat.server.activation import ADMIN, CHAT
from gchat.server.history import unusable
from gchat.server.linux import raise_descriptor_limit
from gchat.server.listener import Place, StartError
from gchat.server.settings import AdminSection, Config
from gchat.server.shared_history import EngineUnusable, check_extra
from gchat.server.state_files import history_path, token_path
from gchat.server.tls import Tls

#: Descriptors: those that a server without connections has open, and some that it opens for a moment.
MIN_DESCRIPTORS = 40

#: The head of an SQLite file: its magic, user_version, application_id, and how many entries the schema's first page has
#: (sqlite.org/fileformat).
_HEAD = struct.Struct(">16s44xI4xI31xH")


def chat_place(config: Config) -> Place:
    """Return where the chat listens."""
    server = config.server
    return Place(server.host, server.port, server.mode, server.group)


def admin_place(config: Config) -> Place:
    """Return where the admin endpoint listens."""
    admin = config.admin
    return Place(admin.host, config.admin_port, admin.mode, admin.group)


def check_places(config: Config, passed: Container[str] = ()) -> None:
    """Raise StartError if the server cannot listen; a port that is in use is for bind to find.

    `passed`: the names of sockets that listen already.
    """
    descriptors = raise_descriptor_limit()
    if descriptors < MIN_DESCRIPTORS:
        raise StartError(
            f"the limit of open files is {descriptors}, expected at least {MIN_DESCRIPTORS}; raise it (ulimit -n)"
        )
    if CHAT not in passed:
        chat_place(config).check()
    if config.admin.enabled:
        place = admin_place(config)
        check_reach(config.admin, place, has_tls=bool(config.tls.cert))
        try:
            if ADMIN not in passed:
                place.check()
        except StartError as error:
            raise elsewhere(error) from None
        if place.overlaps(chat_place(config)):
            raise elsewhere(StartError(f"cannot listen on {place}: the chat listens there"))


def check_user(config: Config) -> None:
    """Refuse to be root where other machines can connect: a weakness would cost all of this one. Raises StartError."""
    for place in [chat_place(config), *([admin_place(config)] if config.admin.enabled else [])]:
        if os.geteuid() == 0 and not is_own(place.host):
            raise StartError(
                f"root would listen on {place}, which other machines can reach; start the server as another user, "
                "as config/gchat.service does, or with --allow-root in a container that has only root"
            )


def check_reach(section: AdminSection, place: Place, *, has_tls: bool) -> None:
    """Refuse a place that other machines can reach without TLS, unless admin.insecure allows it. Raises StartError."""
    if not (is_own(section.host) or has_tls or section.insecure):
        raise StartError(
            f"the admin endpoint would listen on a network at {place}, where its tokens are sent unencrypted; use "
            "127.0.0.1, or set tls.cert, or admin.insecure = true"
        )


def elsewhere(error: StartError) -> StartError:
    """Return the error of the admin endpoint's place, with what to type."""
    return StartError(f"the admin endpoint {error}; --admin HOST:PORT moves it, --no-admin turns it off")


def no_token(path: str) -> StartError:
    """Return the error of an endpoint on a network without an admin token."""
    return StartError(f"the admin endpoint listens on a network, but the token file {path} is empty")


def same_token() -> StartError:
    """Return the error of a read-only token that is none."""
    return StartError("admin.read_token_file has the admin token; give it a file of its own")


def is_own(host: str) -> bool:
    """Return whether only programs on this machine can reach `host`."""
    if "/" in host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_files(config: Config) -> list[str]:
    """Return warnings. Raises StartError if the files keep the server from starting."""
    place = config.server.host, config.server.port
    if config.cluster.url:
        try:
            check_extra()
        except EngineUnusable as error:
            raise StartError(str(error)) from None
    if (path := history_path(config, *place)) and (why := _unusable_database(path)):
        raise StartError(str(unusable(path, JournalError(why))))
    server_password.load(config.auth.password_file)
    for hook in config.hooks.outgoing:
        if hook.secret_file:
            _token(hook.secret_file)
    warnings = [warning] if (certificate := Tls(config.tls).certificate) and (warning := certificate.warning) else []
    if not config.admin.enabled:
        return warnings
    admin, path, token = config.admin, token_path(config, *place), None
    try:
        token = _token(path)
    except StartError as error:
        if admin.token_file or not is_own(admin.host):
            raise
        warnings.append(f"the admin endpoint has no admin token: {error}")
    if token == "" and not is_own(admin.host):
        raise no_token(path)
    if admin.read_token_file:
        read_token = _token(admin.read_token_file)
        if (read_token and read_token == token) or os.path.realpath(admin.read_token_file) == os.path.realpath(path):
            raise same_token()
    return warnings


def _unusable_database(path: str) -> str:
    """Return why the history cannot be stored at a path; "" if it can. The file is not opened as a database."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _unusable_directory(path)
    except OSError as error:
        return str(reason(error))
    if not stat.S_ISREG(found.st_mode):
        return "it is a directory" if stat.S_ISDIR(found.st_mode) else "it is not a regular file"
    try:
        with open(path, "r+b") as file:
            head = file.read(_HEAD.size)
    except OSError as error:
        return str(reason(error))
    # An empty file is new, and the head of another may still be in the write-ahead log.
    why = "" if not head or os.path.exists(f"{path}-wal") else _foreign(head)
    return why or _unusable_directory(path)


def _foreign(head: bytes) -> str:
    """Return why this is not the head of a database of ours, or of one with nothing in it."""
    magic, version, application, entries = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
    is_new = not application and not entries and len(head) == _HEAD.size
    if magic != b"SQLite format 3\0" or (application != APPLICATION_ID and not is_new):
        return NOT_OURS
    if version > len(MIGRATIONS):
        return f"a newer gchat has made it (version {version}; this one knows {len(MIGRATIONS)})"
    return ""


def _token(path: str) -> str | None:
    """Return the token in a file; None if the start creates the file. Raises StartError."""
    if not os.path.lexists(path):
        if why := _unusable_directory(path):
            raise StartError(f"cannot create the token file {path}: {why}")
        return None
    from gchat.admin.token_file import TokenError, load_or_make  # noqa: PLC0415  # not without an admin endpoint

    try:
        return load_or_make(path)[0]
    except TokenError as error:
        raise StartError(str(error)) from None


def _unusable_directory(path: str) -> str:
    """Return why no file can be created at a path; "" if one can. Missing directories are created by the start."""
    directory = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory):
        return f"{directory} is not a directory"
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))  # a file without a name
    except OSError as error:
        number = error.errno or 0
        sentences = {
            errno.EACCES: f"no permission to write in {directory}",
            errno.EPERM: f"no permission to write in {directory}",
            errno.EROFS: f"{directory} is on a read-only file system",
            errno.ENOSPC: f"the disk of {directory} is full",
            errno.EDQUOT: f"the disk quota in {directory} is used up",
        }
        if number == errno.EOPNOTSUPP:  # NFS has no such files; nor have /proc and /sys, which have no space either
            if not os.statvfs(directory).f_blocks:
                return f"no files can be created in {directory}"
            number = 0 if os.access(directory, os.W_OK | os.X_OK) else errno.EACCES
        return sentences.get(number, os.strerror(number).lower() if number else "")
    return ""
