"""A token file: anybody who can read it has its token. The token is never logged.

Here too is how a file is written that nobody else may know.
"""

from __future__ import annotations

import os
from typing import NoReturn

from gchat.model.errors import GchatError
from gchat.model.secret import Secret
from gchat.secret_file import NotSecretFile, read

#: Random bytes in a new token, and the fewest characters of an accepted one: 128 bits in base 64.
TOKEN_BYTES = 32
MIN_LENGTH = 22

MAX_LENGTH = 4096


class TokenError(GchatError):
    """The token file cannot be used; the text says which file, why, and what to do."""


def load_or_make(path: str) -> tuple[Secret, bool]:
    """Return the token in the file, and whether the file was made now. The token of an empty file is "".

    Raises TokenError.
    """
    try:
        made = _make(path)
        return _load(path), made
    except OSError as error:
        raise TokenError(f"cannot use the token file {path}: {reason_of(error)}") from None


def reason_of(error: OSError) -> str:
    """Return why the machine refused."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _make(path: str) -> bool:
    """Make the file if there is none, at once with its content, so that nobody reads an unfinished one."""
    if os.path.lexists(path):
        return False
    import secrets  # noqa: PLC0415  # it loads OpenSSL, and there is a token already at every start but the first

    draft = _draft(path, f"{secrets.token_urlsafe(TOKEN_BYTES)}\n".encode())
    try:
        os.link(draft, path)
    except FileExistsError:
        return False  # another server that starts now was quicker
    finally:
        os.unlink(draft)
    return True


def write_private(path: str, content: bytes) -> None:
    """Replace a file, or make it: there is the old content or the new one, and nobody else can read it."""
    draft = _draft(path, content)
    try:
        os.rename(draft, path)
    except OSError:
        os.unlink(draft)
        raise


def _draft(path: str, content: bytes) -> str:
    """Return the path of a new file with this content beside another, in a directory that is made if need be."""
    directory = os.path.dirname(os.path.abspath(path))
    os.makedirs(directory, mode=0o700, exist_ok=True)
    draft = os.path.join(directory, f".token-{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.unlink(draft)
        raise
    return draft


def _load(path: str) -> Secret:
    """Return the token. First it must be a token file at all: advice for one does harm to any other file."""
    try:
        found = read(path, MAX_LENGTH)
    except NotSecretFile as error:
        _refuse(path, str(error))
    token = found.data
    if len(token) > MAX_LENGTH or not all(0x21 <= byte <= 0x7E for byte in token):
        _refuse(path, "expected a single word of printable ASCII")
    if 0 < len(token) < MIN_LENGTH:
        _refuse(path, f"a token has at least {MIN_LENGTH} characters, not {len(token)}")
    if found.is_exposed and not found.is_own:
        _refuse(path, "other users can read or write it")
    if found.is_exposed:
        raise TokenError(found.exposure("token"))
    return Secret(token.decode())


def _refuse(path: str, reason: str) -> NoReturn:
    raise TokenError(f"{path} is not a token file: {reason}; choose another path, and the file is created")
