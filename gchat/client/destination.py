"""Where to connect: what the command line says of it, and client.toml. Pure."""

from __future__ import annotations

from msgspec import Struct

from gchat.cli import PLAIN_SCHEME, TLS_SCHEME, UsageError, address, split_scheme
from gchat.client.files.settings_file import ClientSettings


class Destination(Struct, frozen=True):
    """A server: `host` is a name, an address, or with a slash in it the path of a Unix socket."""

    host: str
    port: int
    is_tls: bool


def destination(host: str | None, port: str | None, settings: ClientSettings, *, tls: bool) -> Destination:
    """Return the server that HOST, PORT and --tls name. Raises UsageError.

    client.toml speaks of its own server only: with a HOST on the command line, neither its host nor its `tls` counts.
    """
    if host is not None:
        return _checked(host, port, tls=tls)
    tls = tls or settings.tls
    if not settings.host:
        return _checked(None, port, tls=tls)
    try:
        return _checked(settings.host, None, tls=tls)
    except UsageError as error:
        raise UsageError(f"client.toml: {error}") from None


def _checked(host: str | None, port: str | None, *, tls: bool) -> Destination:
    scheme, host = split_scheme(host) if host else ("", host)
    if scheme == PLAIN_SCHEME and tls:
        raise UsageError(f"gchat:// is plain text, and --tls is not; expected {TLS_SCHEME}://{host}, or HOST --tls")
    if host and "://" in host:
        raise UsageError(
            f"HOST is {host}, which looks like a URL; expected HOST, HOST:PORT, {TLS_SCHEME}://HOST or a path"
        )
    is_tls = tls or scheme == TLS_SCHEME
    host, port = address(host, port, "gchat-client")
    if host == "":
        raise UsageError("HOST is empty; expected an address, a host name, or the path of a Unix socket")
    text = "8888" if port is None else port
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(f'PORT is "{text}"; expected a number from 1 to 65535')
    if is_tls and host and "/" in host:
        raise UsageError(f"HOST is {host}, a Unix socket, which needs no TLS: nobody can read along")
    return Destination("127.0.0.1" if host is None else host, int(text), is_tls)
