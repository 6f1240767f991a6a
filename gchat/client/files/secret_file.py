"""A file that keeps the secret of a user's account on a server, so that the user is logged in at every start.

While one window is logged in by it, a second one beside it is another user: an account has one connection at a time.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gchat.client.files.locked_file import LockedFile, own_path
from gchat.client.files.safety import Safety
from gchat.model.secret import HasSecrets


class KeptSecret(HasSecrets, Struct, frozen=True):
    """An account, its secret, and how safe the link was on which it was used."""

    account: str
    secret: str
    safety: Safety = Safety.PLAIN


class SecretFile(LockedFile):
    """The file at `path`, for a link that is so safe."""

    def __init__(self, path: str, safety: Safety) -> None:
        super().__init__(path)
        self._safety = safety

    def load(self) -> KeptSecret | None:
        """Lock the file and return what is in it; None if there is nothing, or another program uses it.

        Raises OSError.
        """
        try:
            return msgspec.json.decode(self.read(), type=KeptSecret)
        except (msgspec.MsgspecError, ValueError):
            return None

    def is_for(self, login: KeptSecret) -> bool:
        """Return whether the link is as safe as the one that the secret was used on: else it must not be sent."""
        return login.safety <= self._safety

    def keep(self, account: str, secret: str) -> None:
        """Keep a secret that was used on this link. Raises OSError."""
        self.take()
        self.replace(msgspec.json.encode(KeptSecret(account, secret, self._safety)))


def own_secret_file(address: str, safety: Safety) -> SecretFile:
    """Return the file of the user of this machine for a server, among the user's state. Raises OSError."""
    return SecretFile(own_path(address, "", ".secret"), safety)
