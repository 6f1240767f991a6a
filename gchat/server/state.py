"""What a server keeps between two runs in files of its own: where they lie, and the bans among them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import msgspec

from gchat.chat.bans import Ban
from gchat.protocol.errors import GchatError


class StateError(GchatError):
    """A file of the server's state cannot be used: says which, and why."""


def path_of(name: str, where: str) -> str:
    """Return the path of the state file `name` of the server that listens at `where`; two servers share none."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "gchat", f"{name}-{re.sub(r'[^0-9A-Za-z.-]+', '_', where).strip('_')}")


def load_bans(path: str) -> list[Ban]:
    """Return the bans that are kept at `path`, none if there is no such file. Raises StateError."""
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=list[Ban])
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise StateError(f"cannot read the bans in {path}: {reason}; mend the file, or move it away") from None


def save_bans(path: str, bans: Iterable[Ban]) -> None:
    """Keep bans at `path`: all of them, or those that were there before. Raises OSError."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    beside = f"{path}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(list(bans))) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
