"""What the kernel knows of a connection and does not say by itself (Linux)."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios


def has_ended(sock: socket.socket) -> bool:
    """Return whether the peer has ended its stream, or the connection is broken; what it said may still be unread."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def in_kernel(sock: socket.socket) -> tuple[int, int]:
    """Return how many bytes the kernel holds for the peer, and how many the peer has taken of all that were sent."""
    try:
        held = int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0])
        if not held or sock.family == socket.AF_UNIX:
            return held, -held
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return held, struct.unpack_from("Q", info, 120)[0]  # tcpi_bytes_acked, see linux/tcp.h
    except (OSError, ValueError):  # ValueError: it is closed already
        return 0, 0
