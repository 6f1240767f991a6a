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
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count
from typing import Any, ClassVar

from gevent.server import StreamServer
from msgspec import Struct

from gchat.accept_pause import AcceptPause
from gchat.chat.networks import address_of, network_of
from gchat.cli import spelled
from gchat.model.errors import GchatError
from gchat.server.linux import CAP_CHOWN, has_capability, may_bind

#: Keepalive: after so many idle seconds, every so many, given up after so many without an answer.
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 60, 10, 3

#: The most that a path has in sockaddr_un, see unix(7).
_PATH_MAX_BYTES = 107

#: Of what a peer has sent that is turned away.
_UNREAD_BYTES = 65536


class StartError(GchatError):
    """The server cannot start on this machine: says why, and what to do."""


class Place(Struct, frozen=True):
    """A place to listen: an address and a port, or the path of a Unix socket, which has a slash in it."""

    host: str
    port: int
    mode: str = ""  # of a Unix socket's file, octal; empty: as the umask says
    group: str = ""  # of a Unix socket's file, a name or a number; empty: the process's own

    def __str__(self) -> str:
        return spelled(self.host, self.port)

    @property
    def is_path(self) -> bool:
        """Whether it is a Unix socket."""
        return "/" in self.host

    @property
    def _name(self) -> bytes | str:
        name = self.host[1:-1] if self.host.startswith("[") and self.host.endswith("]") else self.host
        return name.encode() if name.isascii() else name  # of a text the tables of international names would be loaded

    def check(self) -> None:
        """Check the place without listening, and without leaving anything behind. Raises StartError."""
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

    def overlaps(self, other: Place) -> bool:
        """Return whether the kernel would not let both be listened on. Raises StartError: an unknown host."""
        if self.is_path or other.is_path:
            return self.is_path and other.is_path and os.path.realpath(self.host) == os.path.realpath(other.host)
        if not self.port or self.port != other.port:
            return False
        own, others = _ip(self), _ip(other)
        return own == others or any(
            one.is_unspecified and (one.version == 6 or two.version == 4) for one, two in ((own, others), (others, own))
        )

    def resolved(self) -> Any:
        """Return one address that the host has, as getaddrinfo does: an IPv4 one if there is one. Raises StartError.

        So localhost is 127.0.0.1, where everybody looks for it, whatever order the resolver has.
        """
        try:
            found = socket.getaddrinfo(self._name, self.port, type=socket.SOCK_STREAM)
            return min(found, key=lambda each: each[0] != socket.AF_INET)
        except (socket.gaierror, ValueError) as error:  # ValueError: no host can be called so
            raise StartError(f"cannot listen on {self}: {self._unknown(error)}") from None

    def _unknown(self, error: Exception) -> str:
        if isinstance(error, socket.gaierror) and error.errno != socket.EAI_NONAME:
            return f'"{self.host}" cannot be looked up: {str(error.strerror).lower()}'
        return f'"{self.host}" is not an address or a known host name'


class UnixListener(socket.socket):
    """A Unix socket that removes its file when it is closed, unless another server has put its own there."""

    open: ClassVar[set[UnixListener]] = set()

    _made: tuple[int, int] | None = None  # the device and the inode of the file, until it is removed

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
            self.open.add(self)
            # Nobody can connect before listen(), so nobody connects while the permissions are still others.
            if place.group:
                os.chown(self._path, -1, _gid(place))
            if place.mode:
                os.chmod(self._path, int(place.mode, 8))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the file, and close."""
        self.remove_file()
        super().close()

    def remove_file(self) -> None:
        """Remove the file."""
        made, self._made = self._made, None
        self.open.discard(self)
        if made is not None:
            with suppress(OSError):  # it is gone already
                found = os.stat(self._path)
                if made == (found.st_dev, found.st_ino):
                    os.unlink(self._path)


def bind(place: Place, backlog: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a listening socket that does not block; with `reuse_port` others may too. Raises StartError."""
    try:
        listener = UnixListener(place) if place.is_path else _bound(place.resolved(), reuse_port=reuse_port)
        try:
            listener.listen(backlog)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise StartError(f"cannot listen on {place}: {_explained(error, place)}") from None
    listener.setblocking(False)
    return listener


def bound_place(listener: socket.socket) -> Place:
    """Return where a socket listens."""
    name = listener.getsockname()
    return Place(name, 0) if isinstance(name, str) else Place(name[0], name[1])


def remove_files() -> None:
    """Remove the files of all Unix sockets that are still open: the process ends without closing them."""
    for listener in list(UnixListener.open):
        listener.remove_file()


def disown_files() -> None:
    """Leave the files of all Unix sockets to the process that this one is a fork of."""
    for listener in UnixListener.open:
        listener._made = None  # noqa: SLF001
    UnixListener.open.clear()


def _ip(place: Place) -> IPv4Address | IPv6Address:
    """Return the address of a place as the kernel sees it: ::ffff:127.0.0.1 is 127.0.0.1. Raises StartError."""
    address = ip_address(place.resolved()[4][0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def hold(place: Place) -> socket.socket:
    """Return a socket that keeps a port for processes that share it, and does not listen itself. Raises StartError."""
    try:
        _bound(place.resolved()).close()  # nobody else has it, who would share it too
        return _bound(place.resolved(), reuse_port=True)
    except OSError as error:
        raise StartError(f"cannot listen on {place}: {_explained(error, place)}") from None


def _bound(resolved: Any, *, reuse_port: bool = False) -> socket.socket:
    family, kind, protocol, _, address = resolved
    listener = socket.socket(family, kind, protocol)
    try:
        _set(listener, socket.SOL_SOCKET, "SO_REUSEADDR", 1)
        if reuse_port:
            _set(listener, socket.SOL_SOCKET, "SO_REUSEPORT", 1)
        if family == socket.AF_INET6:
            _set(listener, socket.IPPROTO_IPV6, "IPV6_V6ONLY", 0)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def set_options(listener: socket.socket, send_buffer_bytes: int) -> None:
    """Set what every accepted socket inherits: no delay, a small send buffer, and keepalive for peers that are gone.

    Not TCP_USER_TIMEOUT: it resets peers that read, but slowly (measured: 6 kB/s on a small window, after the
    timeout), and keepalive then counts seconds, not probes. The watch finds peers that read nothing.
    Raises StartError.
    """
    try:
        # With the default, the kernel takes up to 4 MiB for each reader that does not read (measured).
        _set(listener, socket.SOL_SOCKET, "SO_SNDBUF", send_buffer_bytes)
        if listener.family == socket.AF_UNIX:
            return
        _set(listener, socket.IPPROTO_TCP, "TCP_NODELAY", 1)
        _set(listener, socket.SOL_SOCKET, "SO_KEEPALIVE", 1)
        _set(listener, socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_IDLE_S)
        _set(listener, socket.IPPROTO_TCP, "TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S)
        _set(listener, socket.IPPROTO_TCP, "TCP_KEEPCNT", KEEPALIVE_PROBES)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        raise StartError(f"cannot set the socket option {error.filename}: {why}") from None


def _set(listener: socket.socket, level: int, option: str, value: int) -> None:
    """Set a socket option. The OSError that this raises has its name as the file name."""
    try:
        listener.setsockopt(level, getattr(socket, option), value)
    except OSError as error:
        raise OSError(error.errno, error.strerror, option) from None


def _explained(error: OSError, place: Place) -> str:
    """Return why nobody can listen at a place, and what to do, for each error that can come."""
    number = error.errno or 0
    if place.is_path:
        directory = os.path.dirname(os.path.abspath(place.host))
        sentences = {
            errno.EACCES: f"no permission to create a socket in {directory}; choose another directory",
            errno.EPERM: f"no permission to replace or change a file in {directory}; choose another directory",
            errno.ENOENT: f"the directory {directory} does not exist; create it, or choose another one",
            errno.ENOTDIR: f"{directory} is not a directory; choose another one",
            errno.EROFS: f"{directory} is on a read-only file system; choose another directory",
            errno.ENOSPC: f"the disk of {directory} is full",
            errno.ENAMETOOLONG: f"the path is too long; expected at most {_PATH_MAX_BYTES} bytes",
            errno.EADDRINUSE: "another server has just created a socket there",
            errno.EAFNOSUPPORT: "this machine has no Unix sockets",
        }
    else:
        low = f"ports below 1024 are reserved for the system; choose a higher one than {place.port}"
        sentences = {
            errno.EACCES: low if place.port < 1024 else "the security policy of this machine does not permit it",
            errno.EPERM: "the security policy of this machine does not permit it",
            errno.EADDRINUSE: "the port is in use; stop the program that uses it, or choose another port",
            errno.EADDRNOTAVAIL: "this is not an address of this machine"
            + ("; with a port, an IPv6 address needs brackets: [::1]:9000" if ":" in place.host else ""),
            errno.EAFNOSUPPORT: f"this machine has no IPv{6 if ':' in place.host else 4}; choose another address",
            errno.ENOPROTOOPT: f"this machine lacks the socket option {error.filename}",
            errno.EINVAL: "a link-local address needs an interface, as in fe80::1%eth0",
            errno.ENODEV: "this machine has no such interface",
        }
    sentences |= dict.fromkeys((errno.EMFILE, errno.ENFILE), "the limit of open files is reached; raise it (ulimit -n)")
    return sentences.get(number) or (os.strerror(number).lower() if number else str(error))


def _check_path(place: Place) -> None:
    """Raise StartError, or the OSError that bind would raise, if there can be no socket at a path."""
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
        raise StartError(f"cannot listen on {path}: the file exists, and it is not a socket")
    if place.group:
        _gid(place)


def _gid(place: Place) -> int:
    """Return the number of the socket's group. Raises StartError if it cannot be given to it."""
    group = place.group
    try:
        number = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise StartError(f"cannot listen on {place}: this machine has no group {group}") from None
    if number not in (os.getegid(), *os.getgroups()) and not has_capability(CAP_CHOWN):
        raise StartError(
            f"cannot listen on {place}: the server's user is not in the group {group}; add it, or choose another group"
        )
    return number


def _remove_stale(place: Place) -> None:
    """Remove the socket of a server that was killed. Raises StartError if a server listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(place.host)
        except ConnectionRefusedError:
            os.unlink(place.host)
            return
        except BlockingIOError:  # it listens, and has enough to do
            pass
        except PermissionError:
            raise StartError(f"cannot listen on {place}: the socket there belongs to another user") from None
    raise StartError(f"cannot listen on {place}: another server listens there")


class Peer(Struct, frozen=True):
    """The origin of a connection."""

    address: str  # host:port, or unix:N
    network: str  # counts together (networks.network_of); "" on a Unix socket
    attempt: int  # when it was accepted, in ns of the steady clock: the order of connections, and no two are the same
    is_private: bool = False  # whether nobody between the peer and us can read what is sent
    has_tls: bool = False  # whether it speaks TLS, with us or with a trusted proxy


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine alone."""
    return address_of(host).is_loopback


def turn_away(sock: socket.socket, line: bytes) -> None:
    """Send a peer its only line, and close. Never waits: such peers cost as little as can be."""
    try:
        sock.send(line)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(_UNREAD_BYTES)  # what has come and is not read would become a reset, which may overtake the line
    except OSError:
        pass
    sock.close()


class Listener(StreamServer):
    """Accepts connections, and hands each as a plain socket, with its peer, to `handle`.

    Sockets are plain ones that never block, because the fan-out sends on them without a greenlet (`_sock` of gevent's
    own would be the same thing, and is private).
    """

    # At most so many connections are accepted before other greenlets have a turn (measured: p99 0.5 ms, not 2.7).
    max_accept = 16

    def __init__(
        self,
        listener: socket.socket,
        handle: Callable[[socket.socket, Peer], None],
        admit: Callable[[Peer], bytes | None],
    ) -> None:
        super().__init__(listener, handle)
        self._admit = admit  # returns the line to turn a peer away with, None if it is admitted
        self._attempt = 0  # that of the last connection
        self._unix_peers = count(1)
        self._pause = AcceptPause(self, "cannot accept connections: %(reason)s; trying again")

    def do_read(self) -> tuple[Any, ...] | None:  # type: ignore[override]  # a Peer is no address of gevent's
        """Accept one connection; None if there is none, or no descriptor for it."""
        try:
            sock, address = self.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if not self._pause.begins(error):
                raise
            return None
        self._attempt = max(self._attempt + 1, time.monotonic_ns())
        if sock.family == socket.AF_UNIX:
            return sock, Peer(f"unix:{next(self._unix_peers)}", "", self._attempt, is_private=True)
        host = address[0]
        if sock.family == socket.AF_INET6:
            bare = IPv6Address(host.partition("%")[0])
            host = str(bare.ipv4_mapped or host)
        return sock, Peer(spelled(host, address[1]), network_of(host), self._attempt, is_loopback(host))

    def do_handle(self, *args: Any) -> None:
        """Spawn the greenlet, or send the refusal and close."""
        sock, peer = args
        sock.setblocking(False)
        line = self._admit(peer)
        if line is None:
            super().do_handle(*args)
        else:
            turn_away(sock, line)

    def do_close(self, *_args: Any) -> None:
        """Do nothing when the greenlet ends: the connection lives on until all that is owed to it is sent."""
