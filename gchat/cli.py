"""The parts of a command that server and client share: arguments, how an address is typed, standard descriptors."""

from __future__ import annotations

import argparse
import io
import os
import select  # noqa: TID251  # used before there is a loop, or on a native thread
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from gchat.model.errors import GchatError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


#: The schemes of an address that is written as a URL: in plain text, or by TLS.
PLAIN_SCHEME, TLS_SCHEME = "gchat", "gchats"

#: The width of help that no terminal shows.
COLUMNS = 80


class UsageError(GchatError):
    """The command line is wrong: says what was typed, and what was expected."""


class Formatter(argparse.HelpFormatter):
    """A formatter that knows how wide the terminal is; argparse's would load shutil to ask, and three compressors."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    with suppress(ValueError):
        if columns := int(os.environ.get("COLUMNS", "")):
            return columns
    try:
        return os.get_terminal_size(1).columns or COLUMNS
    except OSError:
        return COLUMNS


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError, with one line, where argparse prints its usage and exits."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=Formatter, **settings)

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser.error."""
        raise UsageError(f"{message}; expected [HOST [PORT]] and options, see {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """See ArgumentParser.exit. Raises OSError if what was printed cannot be written."""
        sys.stdout.flush()  # both commands end without the interpreter's own flush
        super().exit(status, message)


class _Waiting(io.RawIOBase):
    """A descriptor that is written to with write_some."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        """See RawIOBase.writable."""
        return True

    def write(self, data: Buffer) -> int:
        """See RawIOBase.write."""
        return write_some(self._descriptor, bytes(data))


def waiting_stdout() -> io.TextIOWrapper:
    """Return a stdout in UTF-8, whatever the terminal is, that waits where a non-blocking one would fail."""
    return io.TextIOWrapper(io.BufferedWriter(_Waiting(1)), encoding="utf-8", errors="surrogateescape")


def write_some(descriptor: int, data: bytes) -> int:
    """Write as much as the descriptor takes, and return how much that is; wait until it is something.

    A program that shares the descriptor may have made it non-blocking. Raises OSError. Blocks the thread.
    """
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()


def split_address(text: str) -> tuple[str, str | None]:
    """Return the host and the port, None if there is none, of HOST, HOST:PORT, IPV6, [IPV6]:PORT or a path.

    A text that is none of these is returned as a host: no name server knows it. Neither part is checked.
    """
    if "/" in text:
        return text, None
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if bracket and (not rest or rest.startswith(":")):
            return host, rest[1:] if rest else None
        return text, None
    host, colon, port = text.partition(":")
    if not colon or ":" in port:  # none, or an IPv6 address without brackets
        return text, None
    return host, port


def split_scheme(text: str) -> tuple[str, str]:
    """Return the scheme and the rest of gchat://REST or gchats://REST; "" and the text if there is no such scheme."""
    scheme, colon, rest = text.partition("://")
    if not colon or scheme.lower() not in (PLAIN_SCHEME, TLS_SCHEME):
        return "", text
    return scheme.lower(), rest.removesuffix("/")


def spelled(host: str, port: int) -> str:
    """Return an address as people write it: HOST:PORT, [IPV6]:PORT or a path."""
    if "/" in host:
        return host
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(host: str | None, port: str | None, prog: str) -> tuple[str | None, str | None]:
    """Return the host and the port that HOST and PORT of the command line name. Raises UsageError."""
    if host is None:
        return None, port
    if host.isdecimal() and port is None:
        raise UsageError(f"HOST is {host}, which looks like a port; type: {prog} 127.0.0.1 {host}")
    if "://" in host:
        raise UsageError(f"HOST is {host}, which looks like a URL; expected HOST, HOST:PORT or a path")
    name, own_port = split_address(host)
    if own_port is not None and port is not None:
        raise UsageError(f"HOST is {host}, with a port, and PORT is {port}; expected one port")
    if own_port is not None and not (name and own_port):
        raise UsageError(f'HOST is "{host}"; expected HOST, HOST:PORT or the path of a Unix socket')
    if "/" in name and port is not None:
        raise UsageError(f"HOST is {host}, a Unix socket, and PORT is {port}; a Unix socket has no port")
    return name, port if own_port is None else own_port


def open_standard_descriptors() -> None:
    """Open those of stdin, stdout and stderr that are closed: else a socket would get the number, and our output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  # for good
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
