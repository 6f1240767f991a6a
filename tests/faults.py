"""Faults of a disk, as contexts: one that is full, one whose calls fail, and a small one to do that to.

Their programs are run by the standard library's subprocess, or by gevent's where greenlets go on meanwhile: that one
takes the exit codes of all children of its process, so the two cannot be mixed.
"""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
from io import FileIO
from pathlib import Path
from typing import Any

#: Of a file's content: what puts it on the disk.
SYNCS = "fsync,fdatasync"


class NotHere(Exception):
    """This machine does not have, or does not allow, what a fault needs; says what."""


class Ballast:
    """A file that takes all the room of its disk while the context lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                while _written(file, b"\0" * size):
                    pass

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def _written(file: FileIO, data: bytes) -> int:
    """Return for how much of `data` there was room."""
    try:
        return file.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return 0


class Tracer:
    """strace, making system calls of a process fail with an error, or take long, while the context lasts.

    Raises NotHere.
    """

    def __init__(
        self, pid: int, calls: str, error: str = "EIO", processes: Any = subprocess, *, delay_s: float = 0.0
    ) -> None:
        self._processes = processes
        program = shutil.which("strace")
        if program is None:
            raise NotHere("strace is not installed")
        effect = f"delay_enter={delay_s:g}s" if delay_s else f"error={error}"
        inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:{effect}"]
        self._command = [program, "-f", "-p", str(pid), "-o", "/dev/null", *inject]

    def __enter__(self) -> None:
        self._process = self._processes.Popen(self._command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        said = self._process.stderr.readline().decode()
        if "attached" not in said:
            self._process.wait()
            raise NotHere(f"strace may not attach to a process here: {said.strip()}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # it lets go
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


class ReadOnly:
    """A directory that is seen read-only while the context lasts. Raises NotHere."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        _do(subprocess, "mount", "--bind", str(self._path), str(self._path))
        _do(subprocess, "mount", "-o", "remount,bind,ro", str(self._path))

    def __exit__(self, *_: object) -> None:
        _do(subprocess, "umount", str(self._path))


class Disk:
    """A small disk in memory at `path` while the context lasts. Raises NotHere."""

    def __init__(self, path: Path, size: int, processes: Any = subprocess) -> None:
        self._processes = processes
        self._path = path
        self._size = size

    def __enter__(self) -> Path:
        self._path.mkdir()
        _do(self._processes, "mount", "-t", "tmpfs", "-o", f"size={self._size}", "gchat-test", str(self._path))
        return self._path

    def __exit__(self, *_: object) -> None:
        _do(self._processes, "umount", str(self._path))


def _do(processes: Any, *command: str) -> None:
    if shutil.which(command[0]) is None:
        raise NotHere(f"{command[0]} is not installed")
    done = processes.run(command, capture_output=True, check=False)
    if done.returncode:
        raise NotHere(f"{command[0]} is not allowed here: {done.stderr.decode().strip()}")
