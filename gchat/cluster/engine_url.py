"""The address of an engine, as its users write it. Pure."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from msgspec import Struct

from gchat.model.errors import GchatError

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

EXPECTED = "expected valkey://HOST:PORT, valkeys://HOST:PORT, unix:///PATH or valkey+sentinel://HOST,HOST/NAME"

_SCHEMES = {
    "valkey": (False, False),  # whether it is encrypted, and whether the hosts are sentinels
    "valkeys": (True, False),
    "redis": (False, False),
    "rediss": (True, False),
    "valkey+sentinel": (False, True),
    "valkeys+sentinel": (True, True),
    "redis+sentinel": (False, True),
    "rediss+sentinel": (True, True),
}

#: One place that is connected to: a host and a port, or the path of a Unix socket.
Place = tuple[str, int] | str


class BadUrl(GchatError):
    """Something is no address of an engine; the text says what was expected."""


class EngineUrl(Struct, frozen=True):
    """Where an engine is, and how a node makes itself known to it. The password is not in its repr."""

    hosts: tuple[tuple[str, int], ...] = ()  # several are sentinels
    path: str = ""  # of a Unix socket; "": there are hosts
    user: str = ""
    password: str = ""
    database: int = 0
    is_encrypted: bool = False
    primary: str = ""  # the name by which the sentinels know the primary; "": the only host is it

    def __repr__(self) -> str:
        return f"EngineUrl({str(self)!r})"

    def __str__(self) -> str:
        if self.path:
            return shown_place(self.path)
        scheme = ("valkeys" if self.is_encrypted else "valkey") + ("+sentinel" if self.primary else "")
        hosts = ",".join(map(shown_place, self.hosts))
        path = [self.primary] if self.primary else []
        path += [str(self.database)] if self.database or not self.primary else []
        return f"{scheme}://{hosts}/{'/'.join(path)}"


def parsed(text: str) -> EngineUrl:
    """Return the address that `text` is. Raises BadUrl, whose text has no password in it."""
    scheme, _, rest = text.partition("://")
    if scheme == "unix" and rest:
        return _unix(rest)
    if scheme not in _SCHEMES or not rest:
        raise BadUrl(f'"{without_secret(text)}" is no address of an engine; {EXPECTED}')
    is_encrypted, has_sentinels = _SCHEMES[scheme]
    # A password may have any letter in it, though it should be escaped: what is behind the last @ is the address.
    credentials, at, address = rest.rpartition("@")
    hosts, _, path = address.partition("/")
    user, _, password = credentials.partition(":") if at else ("", "", "")
    port = SENTINEL_PORT if has_sentinels else DEFAULT_PORT
    found = tuple(_host(host, port) for host in hosts.split(","))
    name, _, database = path.partition("/") if has_sentinels else ("", "", path)
    if has_sentinels and not name:
        raise BadUrl(f'"{without_secret(text)}" does not name the primary; expected valkey+sentinel://HOST,HOST/NAME')
    if not has_sentinels and len(found) > 1:
        raise BadUrl(f'"{without_secret(text)}" has several hosts; only valkey+sentinel:// takes several')
    return EngineUrl(
        found,
        user=unquote(user),
        password=unquote(password),
        database=_database(database),
        is_encrypted=is_encrypted,
        primary=unquote(name),
    )


def shown_place(place: Place) -> str:
    """Return a place as it is written."""
    if isinstance(place, str):
        return f"unix://{place}"
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_secret(text: str) -> str:
    """Return an address, or what was meant as one, without what might be a password."""
    scheme, sep, rest = text.partition("://")
    return f"{scheme}{sep}{rest.rpartition('@')[2]}"[:200]


def _unix(rest: str) -> EngineUrl:
    credentials, at, path = rest.rpartition("@")
    user, _, password = credentials.partition(":") if at else ("", "", "")
    path, _, query = path.partition("?")
    if not path.startswith("/"):
        raise BadUrl(f'"unix://{path}" is no absolute path; expected unix:///PATH')
    return EngineUrl(
        path=path, user=unquote(user), password=unquote(password), database=_database(query.removeprefix("db="))
    )


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{text}")
        host, given = split.hostname, split.port
    except ValueError:
        host, given = None, None
    if not host:
        raise BadUrl(f'"{text}" is no host; {EXPECTED}')
    return host, given or port


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise BadUrl(f'"{text}" is no database; expected a number, such as 0')
    return int(text)
