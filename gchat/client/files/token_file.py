"""A file that keeps a user's token, so that a program that is started again is the same user.

A second program beside the one that uses it starts without a token, as another user. A token that was got by TLS never
goes out in plain text, so beside it stands how safe its link was.
"""

from __future__ import annotations

import re
from contextlib import suppress

from gchat.client.files.locked_file import LockedFile, own_path
from gchat.client.files.safety import NEEDS, Safety
from gchat.model.errors import GchatError

# What the server takes for a token, and how safe its link was; anything else is not sent.
_KEPT = re.compile(r"([A-Za-z0-9_-]{16,64})(?: ([012]))?")


class TokenWithheld(GchatError):
    """The token was used over a safer link than this one: it must not be sent, nor be replaced by another one."""

    def __init__(self, path: str, safety: Safety) -> None:
        super().__init__(f"the token in {path} is for {NEEDS[safety]} only, and this link is not as safe")
        self.needs = NEEDS[safety]


class TokenFile(LockedFile):
    """The file at `path`, for a link that is so safe."""

    def __init__(self, path: str, safety: Safety = Safety.PLAIN) -> None:
        super().__init__(path)
        self._safety = safety
        self._kept = ("", safety)  # the token, and the safest link that it was used on

    def load(self) -> str:
        """Lock the file and return the token in it, "" if there is none, or another program uses it.

        Raises OSError; or TokenWithheld, and the file is not locked.
        """
        if not (kept := _KEPT.fullmatch(self.read().decode("ascii", "replace").strip())):
            return ""
        token, safety = kept[1], Safety(int(kept[2] or Safety.PLAIN))
        if safety > self._safety:
            self.release()
            raise TokenWithheld(self.path, safety)
        self._kept = token, safety
        return token

    def store(self, token: str) -> None:
        """Keep `token`, if the file is locked by load(). An error costs only the token: the chat goes on."""
        if not self.is_ours or (token, self._safety) == self._kept:
            return
        with suppress(OSError):
            level = f" {self._safety:d}" if self._safety else ""
            self.replace(f"{token}{level}\n".encode())
            self._kept = token, self._safety

    def forget(self) -> None:
        """See LockedFile."""
        super().forget()
        self._kept = "", self._safety


def own_token_file(address: str, nick: str, safety: Safety = Safety.PLAIN) -> TokenFile:
    """Return the file of the user of this machine for a server and a nick, among the user's state. Raises OSError."""
    return TokenFile(own_path(address, nick, ".token"), safety)
