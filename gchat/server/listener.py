"""Listening sockets: where they are bound, what stands in the way, and how connections are accepted."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address
from itertools import count
from typing import Any

import gevent
from gevent.server import StreamServer
from msgspec import Struct

from gchat.chat.limits import network_of
from gchat.command import split_address
from gchat.protocol.errors import GchatError
from gchat.server.kernel import CAP_CHOWN, has_capability, may_bind
from gchat.server.log import logger

#: accept() fails for want of these; it is tried again after PAUSE_S. (trio's _highlevel_serve_listeners lists them.)
_CAPACITY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
PAUSE_S = 0.1

#: Keepalive: after so many idle seconds, every so many, given up after so many without an answer.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 60, 10, 3


#: The most that a path has in sockaddr_un, see unix(7).
_PATH_MAX_BYTES = 107


class StartError(GchatError):
    """The machine does not let the server start: says what stands in the way, and what to do."""


class Place(Struct, frozen=True):
    """Where to listen: an address and a port, or, if there is a slash in it, the path of a Unix socket."""

    host: str
    port: int
    mode: str = ""  # of a Unix socket's file, octal; empty: as the umask says
    group: str = ""  # of a Unix socket's file, a name or a number; empty: the process's own

    def __str__(self) -> str:
        return self.host if self.is_path else spelled(self._name, self.port)

    @property
    def is_path(self) -> bool:
        """Whether it is a Unix socket."""
        return "/" in self.host

    @property
    def _name(self) -> str:
        return self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host

    def check(self) -> None:
        """Find what is wrong without listening, and without leaving anything behind. Raises StartError."""
        try:
            if self.is_path:
                _check_path(self)
            elif not may_bind(self.port):
                raise PermissionError(errno.EACCES, "")
            else:
                family, kind, protocol, _, address = self.resolved()
                _bound((family, kind, protocol, "", (address[0], 0, *address[2:]))).close()  # on any free port
        except OSError as error:
            raise StartError(f"cannot listen on {self}: {_explained(error, self)}") from None

    def resolved(self) -> Any:
        """Return the first address that the host has, as getaddrinfo does. Raises StartError."""
        try:
            return socket.getaddrinfo(self._name, self.port, type=socket.SOCK_STREAM)[0]
        except (socket.gaierror, ValueError) as error:  # ValueError: no host can be called so
            raise StartError(f"cannot listen on {self}: {self._unknown(error)}") from None

    def _unknown(self, error: Exception) -> str:
        host, port = split_address(self._name)
        if port:
            return f"the host is {host}, and the port is {port}: each has a setting of its own"
        if isinstance(error, socket.gaierror) and error.errno != socket.EAI_NONAME:
            return f'"{self.host}" cannot be looked up: {str(error.strerror).lower()}'
        return f'"{self.host}" is not an address or a known host name'


class UnixListener(socket.socket):
    """A Unix socket whose file goes with it, unless by then the file is another's."""

    _made: tuple[int, int] | None = None  # the device and the inode of the file, while it is ours

    def __init__(self, place: Place) -> None:
        super().__init__(socket.AF_UNIX)
        self._path = os.path.abspath(place.host)
        try:
            _check_path(place)
            if os.path.lexists(place.host):
                _remove_stale(place)
            self.bind(place.host)
            found = os.stat(self._path)
            self._made = found.st_dev, found.st_ino
            # Nobody can connect before listen(), so nobody does with other permissions.
            if place.group:
                os.chown(self._path, -1, _gid(place))
            if place.mode:
                os.chmod(self._path, int(place.mode, 8))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the file, and close."""
        made, self._made = self._made, None
        if made is not None:
            with suppress(OSError):  # somebody tidied up before us
                found = os.stat(self._path)
                if made == (found.st_dev, found.st_ino):
                    os.unlink(self._path)
        super().close()


def bind(place: Place, backlog: int) -> socket.socket:
    """Return a listening socket that does not block. Raises StartError."""
    try:
        listener = UnixListener(place) if place.is_path else _bound(place.resolved())
        try:
            listener.listen(backlog)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise StartError(f"cannot listen on {place}: {_explained(error, place)}") from None
    listener.setblocking(False)
    return listener


def _bound(resolved: Any) -> socket.socket:
    family, kind, protocol, _, address = resolved
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def set_options(listener: socket.socket, send_buffer_bytes: int) -> None:
    """Set what every accepted socket inherits: it does not wait to send, takes little, and notices who is gone.

    Not TCP_USER_TIMEOUT: it resets peers who do read, but slowly (measured: 6 kB/s on a small window, after the
    timeout), and keepalive then counts seconds, not probes. The watch in app looks for who takes nothing.
    """
    # With the default the kernel takes up to 4 MiB for each reader that does not read (threats.md, section 0).
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    if listener.family == socket.AF_UNIX:
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)


def spelled(host: str, port: int) -> str:
    """Return an address as people write it: an IPv6 one in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _explained(error: OSError, place: Place) -> str:
    """Return what stands in the way of a place, and what to do, for each error that can come."""
    number = error.errno or 0
    if place.is_path:
        directory = os.path.dirname(os.path.abspath(place.host))
        sentences = {
            errno.EACCES: f"no permission to make a socket in {directory}; choose another directory",
            errno.EPERM: f"no permission to replace or change a file in {directory}; choose another directory",
            errno.ENOENT: f"there is no directory {directory}; make it, or choose another one",
            errno.ENOTDIR: f"{directory} is not a directory; choose another one",
            errno.EROFS: f"{directory} is on a read-only file system; choose another directory",
            errno.ENOSPC: f"the disk of {directory} is full",
            errno.ENAMETOOLONG: f"the path is too long; a Unix socket's has at most {_PATH_MAX_BYTES} bytes",
            errno.EADDRINUSE: "another server makes a socket there at the same time",
            errno.EAFNOSUPPORT: "this machine has no Unix sockets",
        }
    else:
        low = f"ports below 1024 are reserved for the system; choose a higher one than {place.port}"
        sentences = {
            errno.EACCES: low if place.port < 1024 else "the security policy of this machine does not permit it",
            errno.EPERM: "the security policy of this machine does not permit it",
            errno.EADDRINUSE: "it is in use; stop what uses it, or choose another port",
            errno.EADDRNOTAVAIL: "that is not an address of this machine"
            + ("; a port is written behind brackets, as in [::1]:9000" if ":" in place.host else ""),
            errno.EAFNOSUPPORT: f"this machine has no IPv{6 if ':' in place.host else 4}; choose another address",
            errno.ENOPROTOOPT: "this machine lacks an option of its sockets that the server needs (IPV6_V6ONLY)",
            errno.EINVAL: "a link-local address needs the name of its interface, as in fe80::1%eth0",
            errno.ENODEV: "there is no such interface",
        }
    sentences |= dict.fromkeys((errno.EMFILE, errno.ENFILE), "the limit of open files is reached; raise it (ulimit -n)")
    return sentences.get(number) or (os.strerror(number).lower() if number else str(error))


def _check_path(place: Place) -> None:
    """Raise the OSError that would come, or StartError, if there can be no socket at a path."""
    path = place.host
    directory = os.path.dirname(os.path.abspath(path))
    if len(os.fsencode(path)) > _PATH_MAX_BYTES:
        raise OSError(errno.ENAMETOOLONG, "")
    if not stat.S_ISDIR(os.stat(directory).st_mode):
        raise OSError(errno.ENOTDIR, "")
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, "")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, "")
    if os.path.lexists(path) and not (os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode)):
        raise StartError(f"cannot listen on {path}: there is a file of that name, and it is not a socket")
    if place.group:
        _gid(place)


def _gid(place: Place) -> int:
    """Return the number of the group that a socket is to have. Raises StartError if it cannot have it."""
    group = place.group
    try:
        number = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise StartError(f"cannot listen on {place}: there is no group {group} on this machine") from None
    if number not in (os.getegid(), *os.getgroups()) and not has_capability(CAP_CHOWN):
        raise StartError(
            f"cannot listen on {place}: the server's user is not in the group {group}; add it, or choose another group"
        )
    return number


def _remove_stale(place: Place) -> None:
    """Remove the socket that a server that is gone has left behind. Raises StartError if one listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(place.host)
        except ConnectionRefusedError:
            os.unlink(place.host)
            return
        except PermissionError:
            raise StartError(f"cannot listen on {place}: a socket of another user is there") from None
    raise StartError(f"cannot listen on {place}: another server listens there")


class Listener(StreamServer):
    """Accepts connections, and hands each as a plain socket, with its peer's address and network, to `handle`.

    Sockets are plain ones that never block, for the fan-out sends on them without a greenlet (`_sock` of gevent's own
    would be the same thing, and is private).
    """

    # Of those who wait, at most so many are let in before the others have a turn (measured: p99 0.5 ms, not 2.7).
    max_accept = 16

    def __init__(
        self,
        listener: socket.socket,
        handle: Callable[[socket.socket, str, str], None],
        refusal: Callable[[str, str], bytes | None],
    ) -> None:
        super().__init__(listener, handle)  # type: ignore[arg-type]  # see do_read
        self._refusal = refusal  # given the address and the network, returns the line to turn a connection away with
        self._unix_peers = count(1)
        self._complained_at = -60.0

    def do_read(self) -> tuple[Any, ...] | None:  # type: ignore[override]  # it may have more than two items
        """Accept one connection; None if there is none, or no descriptor for it."""
        try:
            sock, address = self.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno in _CAPACITY:
                self._pause(error)
                return None
            raise
        if sock.family == socket.AF_UNIX:
            return sock, f"unix:{next(self._unix_peers)}", ""
        host = address[0]
        if sock.family == socket.AF_INET6:
            bare = IPv6Address(host.partition("%")[0])
            host = str(bare.ipv4_mapped or host)
        return sock, spelled(host, address[1]), network_of(host)

    def do_handle(self, *args: Any) -> None:
        """Spawn the greenlet, unless there is no place: then say so."""
        sock, address, network = args
        sock.setblocking(False)
        line = self._refusal(address, network)
        if line is None:
            super().do_handle(*args)
            return
        try:
            sock.send(line)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        sock.close()

    def do_close(self, *_args: Any) -> None:
        """Do nothing when the greenlet ends: the connection lives on until all that is owed to it is sent."""

    def _pause(self, error: OSError) -> None:
        """Accept nobody for a moment: there is no descriptor for them, and the loop would spin."""
        now = time.monotonic()
        if now - self._complained_at >= 60:
            self._complained_at = now
            logger.error("cannot accept connections: %s; trying again", os.strerror(error.errno or 0).lower())
        self.stop_accepting()
        gevent.spawn_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        if not self.closed:
            self.start_accepting()
