"""A small file of a user's own that one program at a time uses."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from hashlib import sha256

from gchat.client.files import atomic_file
from gchat.state_directory import state_directory

_MAX_BYTES = 2000


class LockedFile:
    """The file at `path`, which need not be there, nor its folder. It has the mode 0600, and is replaced as a whole.

    While one program uses it, it is locked: a second one beside it leaves it alone.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: int | None = None  # a descriptor, while the file is ours

    @property
    def is_ours(self) -> bool:
        """Whether this program has locked the file."""
        return self._lock is not None

    def take(self) -> bool:
        """Lock the file; return whether it is ours. Raises OSError."""
        if self._lock is not None:
            return True
        os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._lock = descriptor
        return True

    def release(self) -> None:
        """Let another program use the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def forget(self) -> None:
        """Delete the file, unless another program uses it."""
        if self.take():
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    def read(self) -> bytes:
        """Lock the file and return what is in it, b"" if there is none, or another program uses it. Raises OSError."""
        if not self.take():
            return b""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        except OSError:
            self.release()
            raise
        try:
            return os.read(descriptor, _MAX_BYTES)
        except OSError:
            self.release()
            raise
        finally:
            os.close(descriptor)

    def replace(self, content: bytes) -> None:
        """Have this in the file. Raises OSError."""
        atomic_file.replace(self.path, content)


def own_path(address: str, nick: str, ending: str) -> str:
    """Return the path of a file of this machine's user for a server, and a nick, among the user's state.

    By TLS or in plain text it is the same server. Raises FileNotFoundError if the user has no home.
    """
    where = os.path.abspath(address) if "/" in address else address.lower()
    name = re.sub(r"[^0-9A-Za-z.-]+", "_", f"{where}-{nick}").strip("_-")[:80]
    distinct = sha256(f"{where}\0{nick}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return os.path.join(state_directory(), f"client-{name}-{distinct}{ending}")
