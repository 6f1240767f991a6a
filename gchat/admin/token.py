"""The token file: whoever can read it may change things. The token is never logged and never leaves this process."""

from __future__ import annotations

import os
import secrets
import stat

from gchat.protocol.errors import GchatError

#: Random bytes in a new token, and the fewest characters that are taken for one: 128 bits in base 64.
TOKEN_BYTES = 32
MIN_LENGTH = 22


class TokenError(GchatError):
    """The token file cannot be used: says which, and what to do."""


def load_or_make(path: str) -> tuple[str, bool]:
    """Return the token in the file, and whether it was made now. "" is an empty file's. Raises TokenError."""
    try:
        made = _make(path)
        return _load(path), made
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise TokenError(f"cannot use the token file {path}: {reason}") from None


def _make(path: str) -> bool:
    """Make the file if there is none, at once with all that is in it: nobody reads it half written, and empty."""
    if os.path.lexists(path):
        return False
    directory = os.path.dirname(os.path.abspath(path))
    os.makedirs(directory, mode=0o700, exist_ok=True)
    draft = os.path.join(directory, f".token-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_urlsafe(TOKEN_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False  # another server that starts now was quicker
    finally:
        os.unlink(draft)
    return True


def _load(path: str) -> str:
    # A pipe is not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise TokenError(f"cannot use the token file {path}: it is not a file")
        if found.st_mode & 0o077:
            raise TokenError(
                f"others may read or write the token file {path}: chmod 600 it, and change the token if they did"
            )
        token = file.read(4097).strip()
    if not token:
        return ""
    if len(token) > 4096 or not all(0x21 <= byte <= 0x7E for byte in token):
        raise TokenError(f"the token file {path} must hold one word of printable ASCII; remove it to have one made")
    if len(token) < MIN_LENGTH:
        raise TokenError(
            f"the token in {path} can be guessed: it has {len(token)} characters, {MIN_LENGTH} are needed; "
            "remove the file to have one made"
        )
    return token.decode()
