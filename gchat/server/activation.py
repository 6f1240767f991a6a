"""Sockets on which systemd listens for the server, from before it runs and while it restarts: see sd_listen_fds(3).

They are called `chat` and `admin`, by FileDescriptorName= of their units. A single one may be called anything: it is
the chat's, unless it is called `admin`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from gchat.cli import UsageError
from gchat.server.listener import StartError, bound_place
from gchat.server.settings import Config

CHAT, ADMIN = "chat", "admin"

#: Listening sockets by these names.
Sockets = Mapping[str, socket.socket]

#: The first descriptor that is passed.
_FIRST = 3


def passed_sockets() -> dict[str, socket.socket]:
    """Return the sockets that were passed to this process, by name; they do not block. Raises StartError.

    The variables that told of them are gone afterwards: a process that this one starts is not passed anything.
    """
    pid, count, names = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    listed = names.split(":") if names else ["unknown"] * int(count)
    if len(listed) == 1 and listed != [ADMIN]:
        listed = [CHAT]
    if len(listed) != int(count) or len({*listed}) < len(listed) or not {*listed} <= {CHAT, ADMIN}:
        raise StartError(
            f"cannot take the sockets that systemd passes, which are called {', '.join(listed)}; expected one with "
            f"FileDescriptorName={CHAT}, and none or one with FileDescriptorName={ADMIN}"
        )
    return {name: _listening(_FIRST + number, name) for number, name in enumerate(listed)}


def _listening(descriptor: int, name: str) -> socket.socket:
    what = f"cannot listen on the socket {name} that systemd passes (descriptor {descriptor})"
    try:
        sock = socket.socket(fileno=descriptor)
        is_listening = sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise StartError(f"{what}: {os.strerror(error.errno or 0).lower()}") from None
    if not is_listening:
        raise StartError(f"{what}: nobody can connect to it; expected ListenStream= and Accept=no in its unit")
    if sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX) or isinstance(sock.getsockname(), bytes):
        raise StartError(f"{what}: it is of another kind; expected an address or the path of a Unix socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def at_passed(config: Config, passed: Sockets) -> Config:
    """Return the configuration with the places of these sockets instead of its own. Raises UsageError."""
    if ADMIN in passed and not config.admin.enabled:
        raise UsageError("systemd passes a socket for the admin endpoint, which is turned off; disable one of them")
    for name, section in ((CHAT, config.server), (ADMIN, config.admin)):
        if name in passed:
            place = bound_place(passed[name])
            section.host, section.port = place.host, place.port
    return config
