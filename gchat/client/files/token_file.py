"""A file that keeps a user's token, so that a program that is started again is the same user.

The file has the mode 0600 and is replaced as a whole. While one program uses it, it is locked: a second one beside it
starts without a token, as another user, and leaves the file alone. A token that was got by TLS never goes out in plain
text, so beside it stands how safe its link was.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from hashlib import sha256

from gchat.client.files import atomic_file
from gchat.client.files.safety import Safety
from gchat.model.errors import GchatError
from gchat.state_directory import state_directory

# What the server takes for a token, and how safe its link was; anything else is not sent.
_KEPT = re.compile(r"([A-Za-z0-9_-]{16,64})(?: ([012]))?")


_LINKS = {Safety.UNCHECKED: "TLS", Safety.CHECKED: "TLS with a certificate that is checked"}


class TokenWithheld(GchatError):
    """The token was used over a safer link than this one: it must not be sent, nor be replaced by another one."""


class TokenFile:
    """The file at `path`, which need not be there, nor its folder."""

    def __init__(self, path: str, safety: Safety = Safety.PLAIN) -> None:
        self.path = path
        self._safety = safety  # of the link that it is for
        self._lock: int | None = None  # a descriptor, while the file is ours
        self._kept = ("", safety)  # the token, and the safest link that it was used on

    @property
    def is_ours(self) -> bool:
        """Whether this program has locked the file."""
        return self._lock is not None

    def load(self) -> str:
        """Lock the file and return the token in it, "" if there is none, or another program uses it.

        Raises OSError; or TokenWithheld, and the file is not locked.
        """
        if self._lock is None and not self._take():
            return ""
        try:
            text = self._text()
        except FileNotFoundError:
            return ""
        except OSError:
            self.release()
            raise
        if not (kept := _KEPT.fullmatch(text)):
            return ""
        token, safety = kept[1], Safety(int(kept[2] or Safety.PLAIN))
        if safety > self._safety:
            self.release()
            raise TokenWithheld(f"the token in {self.path} is for {_LINKS[safety]} only, and this link is not as safe")
        self._kept = token, safety
        return token

    def store(self, token: str) -> None:
        """Keep `token`, if the file is locked by load(). An error costs only the token: the chat goes on."""
        if self._lock is None or (token, self._safety) == self._kept:
            return
        with suppress(OSError):
            level = f" {self._safety:d}" if self._safety else ""
            atomic_file.replace(self.path, f"{token}{level}\n".encode())
            self._kept = token, self._safety

    def forget(self) -> None:
        """Throw the token away, unless another program uses it."""
        if self._lock is not None or self._take():
            with suppress(FileNotFoundError):
                os.unlink(self.path)
            self._kept = "", self._safety

    def release(self) -> None:
        """Let another program use the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _text(self) -> str:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 100).decode("ascii", "replace").strip()
        finally:
            os.close(descriptor)

    def _take(self) -> bool:
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


def own_token_file(address: str, nick: str, safety: Safety = Safety.PLAIN) -> TokenFile:
    """Return the file of the user of this machine for a server and a nick, among the user's state. Raises OSError.

    By TLS or in plain text it is the same server.
    """
    where = os.path.abspath(address) if "/" in address else address.lower()
    name = re.sub(r"[^0-9A-Za-z.-]+", "_", f"{where}-{nick}").strip("_-")[:80]
    distinct = sha256(f"{where}\0{nick}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return TokenFile(os.path.join(state_directory(), f"client-{name}-{distinct}.token"), safety)
