"""Output to a descriptor that may be slow, stuck or closed (stdout, stderr): a native thread writes, nobody waits."""

from __future__ import annotations

import os
from queue import Empty, SimpleQueue
from threading import Thread

#: What waits to be written; what comes when there is more is dropped and counted.
MAX_WAITING_BYTES = 1 << 20


class Output:
    """Writes bytes in the order in which they came. A closed pipe ends it quietly."""

    def __init__(self, fd: int, lost: str) -> None:
        self._fd = fd
        self._lost = lost  # what is written in place of what was dropped, with {count} in it
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._taken_in = 0  # bytes, counted by who writes
        self._given_out = 0  # bytes, counted by the thread
        self._dropped = 0
        self._thread = Thread(target=self._run, name=f"output-{fd}", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Write `data` soon; never waits."""
        if self._taken_in - self._given_out > MAX_WAITING_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            data = self._lost.format(count=self._dropped).encode() + data
            self._dropped = 0
        self._taken_in += len(data)
        self._waiting.put(data)

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most `timeout_s`."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            parts = [self._waiting.get()]
            try:
                while parts[-1] is not None:
                    parts.append(self._waiting.get_nowait())
            except Empty:
                pass
            data = b"".join(part for part in parts if part)
            written = self._write_all(data)
            self._given_out += len(data)
            if not written or parts[-1] is None:
                return

    def _write_all(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except OSError:
                return False  # nobody reads it any more
        return True
