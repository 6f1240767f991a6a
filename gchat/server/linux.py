"""Linux: socket counters, the descriptors and capabilities of this process, turns of a thread, random numbers."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import socket
import struct
import sys
import termios
from contextlib import suppress

#: Capabilities, see linux/capability.h.
CAP_CHOWN = 0
CAP_NET_BIND_SERVICE = 10

#: Turns on a core that threads ask for, and the number of the system call; see sched_setattr(2). The one that asks for
#: shorter ones goes first: that for which everybody waits (there are none shorter), then the loop, then the others.
URGENT_TURN_NS, LOOP_TURN_NS = 100_000, 300_000
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}

#: Open files for which the kernel has room from the start: of its memory, 8 bytes each.
_MOST_AT_ONCE = 1 << 16


def has_ended(sock: socket.socket) -> bool:
    """Return whether the peer has ended its stream, or the connection is broken; data may still be unread."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def in_kernel(sock: socket.socket) -> tuple[int, int]:
    """Return the socket counters: unsent bytes, and the bytes that the peer has acknowledged in all."""
    try:
        held = int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0])
        if not held or sock.family == socket.AF_UNIX:
            return held, -held
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        return held, struct.unpack_from("Q", info, 120)[0]  # tcpi_bytes_acked, see linux/tcp.h
    except (OSError, ValueError):  # ValueError: the socket is closed already
        return 0, 0


def unguessable(size: int) -> str:
    """Return `size` random bytes as hexadecimal digits. The module secrets would load OpenSSL: 5 ms and 3 MiB."""
    return os.urandom(size).hex()


def hide_argument(secret: str) -> None:
    """Overwrite a secret in the arguments of this process, which everybody on this machine can list (ps)."""
    wanted = os.fsencode(secret)
    try:
        with open("/proc/self/cmdline", "rb") as arguments, open("/proc/self/stat", "rb") as stat:
            at = arguments.read().find(wanted)
            begin = int(stat.read().rpartition(b")")[2].split()[45])  # arg_start, see proc(5)
        if at >= 0:
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(begin + at)
                memory.write(b"*" * len(wanted))
    except (OSError, ValueError, IndexError):
        pass  # no /proc, or an old kernel: then there is the environment


def raise_descriptor_limit() -> int:
    """Raise the limit of open files as far as the process may, and return it; best before there are threads."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            hard = soft
    limit = hard if hard != resource.RLIM_INFINITY else 1 << 20
    _make_table(min(limit, _MOST_AT_ONCE))
    return limit


def _make_table(count: int) -> None:
    """Have the kernel make its table of so many open files now.

    It doubles the table when one more does not fit, and where there are threads it waits meanwhile until each core has
    done something else (synchronize_rcu): the 256th, 512th ... connection held everybody up for 8 to 24 ms (measured).
    """
    with suppress(OSError), open(os.devnull) as file:
        os.close(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, count - 1))


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    # Since Linux 6.2 this is the size of the directory; listing thousands would hold the loop for 10 ms.
    return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))


def may_bind(port: int) -> bool:
    """Return whether this process may listen on a port: low ones need a capability."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            first = int(file.read())
    except (OSError, ValueError):  # no /proc: bind will tell
        return True
    return not 0 < port < first or has_capability(CAP_NET_BIND_SERVICE)


def has_capability(number: int) -> bool:
    """Return whether this process has a capability; True if there is no /proc to tell."""
    try:
        with open("/proc/self/status") as file:
            effective = next(line for line in file if line.startswith("CapEff:"))
    except OSError:
        return True
    return bool(int(effective.split()[1], 16) >> number & 1)


def wake_promptly(turn_ns: int = URGENT_TURN_NS, thread: int = 0) -> None:
    """Have a thread, or this one, go on as soon as it is woken, by asking for short turns on its core; see sched(7).

    Else each wait ends up to 3 ms late while another thread is busy on that core. Before Linux 6.12, or where that is
    not allowed, nothing changes.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:
        return
    with suppress(ImportError, OSError):  # a sandbox may let nobody ask, and a small Python has no ctypes
        import ctypes  # noqa: PLC0415  # 3 ms that the start does not wait for

        if os.sched_getscheduler(thread) == os.SCHED_OTHER:
            nice = os.getpriority(os.PRIO_PROCESS, thread)
            attributes = struct.pack("=IIQiIQQQ", 48, os.SCHED_OTHER, 0, nice, 0, turn_ns, 0, 0)
            ctypes.CDLL(None).syscall(number, thread, attributes, 0)


def step_back() -> None:
    """Have this thread take a quarter of its core while the loop is busy there, not half, if that is allowed."""
    with suppress(OSError):
        os.nice(5)  # on Linux, of this thread
