"""Named tokens: each with a scope, in one file that has their hashes alone. What a token is, is shown once.

A line of the file is one token as JSON. The tokens are long and random, so their hashes need no salt and no slowness.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gchat.admin.access import NamedToken, hash_of
from gchat.admin.token_file import TOKEN_BYTES, TokenError, reason_of, write_private
from gchat.model import names
from gchat.model.errors import GchatError, Refusal
from gchat.model.secret import HasSecrets, Secret
from gchat.secret_file import NotSecretFile, read

#: Tokens in one file: a request is compared with each.
MAX_TOKENS = 100

#: The longest file.
MAX_BYTES = 400 * MAX_TOKENS

#: The tokens of admin.token_file and admin.read_token_file are called so, and no other is.
RESERVED = ("admin", "read")

#: The scopes, and the prefix of the scope that lets a script speak in one room.
SCOPES = ("read", "moderate", "all")
SAY = "say:"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class BadToken(GchatError):
    """A token cannot be made as it was asked for; the text says why."""


class TokenRow(Struct, frozen=True):
    """A named token."""

    name: str
    scope: str  # read, say:ROOM, moderate or all
    created: str  # RFC 3339


class NewToken(Struct, frozen=True, forbid_unknown_fields=True):
    """A token to make."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    scope: Annotated[str, Meta(min_length=3, max_length=200, description="read, say:ROOM, moderate or all")]


class TokenMade(HasSecrets, Struct, frozen=True):
    """A new token, which is shown this once."""

    name: str
    scope: str
    token: str


class TokensDocument(Struct):
    """The named tokens."""

    tokens: list[TokenRow]


class NamedTokens(Mapping[str, NamedToken]):
    """The named tokens, by name; in memory only if the path is ""."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._tokens: dict[str, NamedToken] = {}

    def __getitem__(self, name: str) -> NamedToken:
        return self.all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> dict[str, NamedToken]:
        """Return the tokens, by name."""
        return self._tokens

    def load(self) -> None:
        """Read the file, if there is one. Raises TokenError."""
        if not self.path or not os.path.lexists(self.path):
            return
        try:
            found = read(self.path, MAX_BYTES)
        except (NotSecretFile, OSError) as error:
            why = reason_of(error) if isinstance(error, OSError) else str(error)
            raise TokenError(f"cannot use the file of tokens {self.path}: {why}") from None
        if found.is_exposed:  # anybody else could add a token
            raise TokenError(found.exposure("tokens"))
        lines = found.data.splitlines()
        try:
            tokens = [msgspec.json.decode(line, type=NamedToken) for line in lines if line.strip()]
        except msgspec.DecodeError:
            raise TokenError(f"{self.path} is not a file of tokens; gchat-server --make-token writes one") from None
        self._tokens = {token.name: token for token in tokens}

    def make(self, name: str, scope: str, now: str) -> Secret:
        """Make a token and return it; it cannot be had again. Raises BadToken, and TokenError: it cannot be stored."""
        token = NamedToken(checked_name(name), checked_scope(scope), "", now)
        if name in self:
            raise already_there(name)
        if len(self) >= MAX_TOKENS:
            raise BadToken(f"There are {MAX_TOKENS} tokens already; revoke one first")
        import secrets  # noqa: PLC0415  # it loads OpenSSL, and tokens are made rarely

        secret = Secret(secrets.token_urlsafe(TOKEN_BYTES))
        self.put(name, msgspec.structs.replace(token, hash=hash_of(secret).hex()))
        return secret

    def revoke(self, name: str) -> bool:
        """Delete a token; return whether there was one. Raises TokenError: that cannot be stored."""
        if name not in self:
            return False
        self.put(name, None)
        return True

    def put(self, name: str, token: NamedToken | None) -> None:
        """Store a token; None deletes it. Raises TokenError, BadToken: it cannot be."""
        tokens = {other: known for other, known in self._tokens.items() if other != name}
        if token is not None:
            tokens[name] = token
        if self.path:
            try:
                write_private(self.path, b"".join(msgspec.json.encode(token) + b"\n" for token in tokens.values()))
            except OSError as error:
                raise TokenError(f"cannot write the file of tokens {self.path}: {reason_of(error)}") from None
        self._tokens = tokens


def already_there(name: str) -> BadToken:
    """Return the refusal of a second token with a name."""
    return BadToken(f"There is a token {name} already; revoke it first, or take another name")


def checked_scope(scope: str) -> str:
    """Return a scope. Raises BadToken if it is none."""
    if scope in SCOPES:
        return scope
    if scope.startswith(SAY):
        try:
            return SAY + names.room(scope.removeprefix(SAY))
        except Refusal as refusal:
            raise BadToken(refusal.message) from None
    raise BadToken(f'Unknown scope "{scope[:40]}"; expected read, say:ROOM, moderate or all')


def checked_name(name: str) -> str:
    """Return the name of a token. Raises BadToken if it is none."""
    if not _NAME.fullmatch(name):
        raise BadToken("A token's name has 1 to 32 letters, digits, - _ and ., and begins with a letter or a digit")
    if name.lower() in RESERVED:
        raise BadToken(f"The name {name} is that of the token in another file; choose another")
    return name
