"""A file with a secret in it: read only if it is its user's own, and judged before it is read by others."""

from __future__ import annotations

import codecs
import os
import shlex
import stat

from msgspec import Struct

from gchat.model.errors import GchatError


class NotSecretFile(GchatError):
    """A path has no secret of this user's; the text says why not, as "it is a directory"."""


class SecretContent(Struct, frozen=True):
    """The content of a file, without a BOM and the white space around it, and how safe it is."""

    path: str
    data: bytes
    is_own: bool  # this user's, not root's
    is_exposed: bool  # whether other users can read or write it

    def __repr__(self) -> str:
        return f"SecretContent({self.path!r})"

    def exposure(self, kind: str) -> str:
        """Return what to say of a file that is exposed; `kind` is what is in it, as "token"."""
        return (
            f"other users can read or write the {kind} file {self.path}; type chmod 600 {shlex.quote(self.path)}, and "
            f"change the {kind} if they may know it"
        )


def read(path: str, most: int) -> SecretContent:
    """Return what is in a file, `most` + 1 bytes of it at most. Raises NotSecretFile, OSError.

    Whether the content is a secret at all is for the caller to say, before anything is said of its mode: advice for a
    secret does harm to any other file.
    """
    if os.path.isdir(path):
        raise NotSecretFile("it is a directory")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is not waited for
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotSecretFile("it is not a regular file")
        if found.st_uid not in (os.geteuid(), 0):  # root can read every file anyway
            raise NotSecretFile("it belongs to another user")
        data = file.read(most + 1).removeprefix(codecs.BOM_UTF8).strip()
    return SecretContent(path, data, found.st_uid == os.geteuid(), bool(found.st_mode & 0o077))
