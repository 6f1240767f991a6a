"""A file with one secret in it, which the user names: of the server, or of an account."""

from __future__ import annotations

import os

from gchat import secret_file
from gchat.model.errors import GchatError

MAX_BYTES = 1024


class SecretUnusable(GchatError):
    """The file cannot be used; the text says which one, why, and what to do."""


def given_secret(path: str, kind: str) -> str:
    """Return the only line of the file, a "password" or a "secret". Raises SecretUnusable."""
    try:
        content = secret_file.read(path, MAX_BYTES)
    except OSError as error:
        raise SecretUnusable(f"cannot read {path}: {os.strerror(error.errno or 0).lower()}") from None
    except secret_file.NotSecretFile as error:
        raise SecretUnusable(f"{path} is not a {kind} file: {error}") from None
    try:
        text = content.data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text or len(content.data) > MAX_BYTES:
        raise SecretUnusable(f"{path} is not a {kind} file; expected one line of text, the {kind}")
    if content.is_exposed:
        raise SecretUnusable(content.exposure(kind))
    return text
