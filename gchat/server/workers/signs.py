"""What nodes tell their supervisor of themselves, in the words that systemd takes: READY=1, WATCHDOG=1."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid, see unix(7)


class Signs:
    """The socket of a supervisor in a directory that only its user can enter."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "signs")
        if os.path.lexists(self.path):
            os.unlink(self.path)  # of a supervisor that was killed
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.setblocking(False)
        self._sock.bind(self.path)

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._sock.fileno()

    def heard(self) -> Iterator[tuple[int, list[str]]]:
        """Return what has come: the number of the process, as the kernel knows it, and its assignments."""
        while True:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    yield _CREDENTIALS.unpack(content)[0], data.decode("utf-8", "replace").split("\n")

    def close(self) -> None:
        """Close it, and remove its file."""
        self._sock.close()
        os.unlink(self.path)
