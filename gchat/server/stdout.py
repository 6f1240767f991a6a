"""Output to a descriptor that may be slow, stuck, full or closed: a native thread writes, and callers never wait.

Lines that cannot be written are counted, and the count is written in their place as soon as the descriptor takes it.
"""

from __future__ import annotations

import errno
import time
from queue import Empty, SimpleQueue
from threading import Thread

from gchat.cli import write_some

#: The most bytes that wait to be written; more lines are dropped and counted.
MAX_WAITING_BYTES = 1 << 20

#: The time between attempts to write the count of missing lines while nothing new comes.
RETRY_S = 1.0

#: So long the conversation gathers: a thread that is woken for each line takes the interpreter from the loop each time.
GATHER_S = 0.01

#: Errors after which nothing can be written any more. All others may pass, as of a full disk or a hung-up terminal.
_GONE = (errno.EPIPE, errno.EBADF)


class Output:
    """Writes lines in order. A closed pipe ends it without an error."""

    def __init__(self, fd: int, lost: str, gather_s: float = 0.0) -> None:
        self._fd = fd
        self._gather_s = gather_s  # after a line, how long others are waited for, to be written with it
        self._lost = lost  # the line in place of missing ones, with {count} in it
        # Lines, the number of lines that were dropped at this place, or None at the end.
        self._waiting: SimpleQueue[bytes | int | None] = SimpleQueue()
        self._taken_in = 0  # bytes, counted by the caller
        self._given_out = 0  # bytes, counted by the thread
        self._dropped = 0  # lines, counted by the caller
        self._missing = 0  # lines, counted by the thread
        self._torn = False  # whether the last line that was written has no end
        self._thread = Thread(target=self._run, name=f"output-{fd}", daemon=True)
        self._thread.start()

    def write(self, lines: bytes) -> None:
        """Write whole lines soon; never waits."""
        if self._taken_in - self._given_out > MAX_WAITING_BYTES:
            self._dropped += lines.count(b"\n")
            return
        self._tell_dropped()
        self._taken_in += len(lines)
        self._waiting.put(lines)

    def close(self, timeout_s: float) -> None:
        """Write the lines that wait, for at most `timeout_s`, and end."""
        self._tell_dropped()
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._waiting.put(self._dropped)
            self._dropped = 0

    def _run(self) -> None:
        try:
            while True:
                taken = self._take()
                lines: list[bytes] = []
                for item in taken:
                    if isinstance(item, bytes):
                        lines.append(item)
                        continue
                    self._put(b"".join(lines))
                    lines.clear()
                    if item is None:
                        return
                    self._missing += item
                self._put(b"".join(lines))
        except OSError:
            pass  # _GONE

    def _take(self) -> list[bytes | int | None]:
        """Wait for items and return all of them; while lines are missing, return none after RETRY_S."""
        taken: list[bytes | int | None] = []
        try:
            taken.append(self._waiting.get(timeout=RETRY_S if self._missing else None))
            if self._gather_s and taken[-1] is not None:
                time.sleep(self._gather_s)
            while taken[-1] is not None:
                taken.append(self._waiting.get_nowait())
        except Empty:
            pass
        return taken

    def _put(self, lines: bytes) -> None:
        """Write lines, after a notice of those missing before them; count the lines that cannot be written."""
        self._given_out += len(lines)
        if self._missing:
            notice = ("\n" if self._torn else "") + self._lost.format(count=self._missing)
            if self._write(notice.encode()):
                self._missing += lines.count(b"\n")
                return
            self._missing = 0
        self._missing = self._write(lines).count(b"\n")

    def _write(self, data: bytes) -> bytes:
        """Write `data`; return the rest that cannot be written now. Raises OSError if nothing ever can."""
        while data:
            try:
                count = write_some(self._fd, data)
            except OSError as error:
                if error.errno in _GONE:
                    raise
                return data
            else:
                self._torn = data[count - 1] != ord("\n")
                data = data[count:]
        return b""
