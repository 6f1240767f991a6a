"""A connection to an engine: questions go out at once, and are answered in their order. hiredis packs and parses.

What comes is read by the loop itself, which then goes on with the greenlet that waits: a greenlet that only reads
would be two switches, and another turn of the loop, for each answer.

Nobody waits without a deadline: a connection that does not answer in time is broken, because the answers behind the one
that is missing cannot be told apart.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import gevent
import hiredis
from gevent import socket
from gevent import ssl as gevent_ssl
from gevent.event import Event
from gevent.hub import Waiter, get_hub

from gchat.journal.journal import JournalError

#: What is received, until it is parsed. All connections have it in common, and no other greenlet runs in between; a new
#: one for each answer would be mapped and unmapped by the kernel, because of its size.
_RECEIVED = bytearray(65536)

#: A word of a command.
Word = bytes | str | int

#: What will have the answer to a question, for one greenlet to `get`.
Answer: TypeAlias = "Waiter[Any]"


class EngineLost(JournalError):
    """The engine cannot be asked: the connection is broken, or no answer came in time."""


class EngineRefused(JournalError):
    """The engine answered with an error; `code` is its first word, also where the text was put into other words."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code or text.partition(" ")[0]


class EngineConnection:
    """One connection, which sends what is asked without waiting for the answers before.

    `pushed` is given what comes without having been asked for: the messages of subscriptions.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Past it nothing is encrypted. A socket object's own sending asks the kernel first how much it takes.
        self._descriptor = None if isinstance(sock, gevent_ssl.SSLSocket) else sock.fileno()
        self.pushed: Callable[[list[bytes]], None] | None = None
        self._loop = get_hub().loop
        self._asked: deque[tuple[Answer, float, float]] = deque()  # with the deadline, and how long that was
        self._overdue: Any = None  # the timer that looks at deadlines
        self._looks_at = 0.0  # and when
        self._unsent: list[bytes] = []
        self._is_sending = False
        self._end: str | None = None  # why nothing can be asked any more
        self._is_at_end = Event()
        self._parser = hiredis.Reader()
        self._readable = self._loop.io(sock.fileno(), 1)
        self._readable.start(self._read)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._end is not None

    def ask(self, *command: Word, timeout_s: float, answer: Answer | None = None) -> Answer:
        """Ask, and return what will have the answer, which may be given. Raises EngineLost.

        Its get() raises EngineLost, also if there is no answer in time, and EngineRefused.
        """
        if self._end is not None:
            raise EngineLost(self._end)
        if answer is None:
            answer = Waiter()
        deadline = time.monotonic() + timeout_s
        self._asked.append((answer, deadline, timeout_s))
        if self._overdue is None or deadline < self._looks_at:
            self._look_at(deadline)
        data = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub says one word
        if self._is_sending:
            self._unsent.append(data)
        elif rest := self._unsent_of(data):
            self._unsent.append(rest)
            self._is_sending = True
            gevent.spawn(self._send)
        return answer

    def call(self, *command: Word, timeout_s: float) -> Any:
        """Ask, and return the answer. Waits. Raises EngineLost, EngineRefused."""
        return self.ask(*command, timeout_s=timeout_s).get()

    def wait_lost(self) -> None:
        """Wait until nothing can be asked any more, and raise EngineLost then."""
        self._is_at_end.wait()
        raise EngineLost(self._end or "")

    def close(self) -> None:
        """Ask nothing more; whatever was asked is lost."""
        self._lose("the connection was closed")

    def _unsent_of(self, data: bytes) -> bytes:
        """Send what the kernel takes at once; return the rest."""
        if self._descriptor is None:
            return data
        try:
            return data[os.write(self._descriptor, data) :]
        except OSError:  # it is full, or broken: whoever sends the rest finds out
            return data

    def _send(self) -> None:
        try:
            while self._unsent:
                data, self._unsent = b"".join(self._unsent), []
                self._sock.sendall(data)
        except OSError as error:
            self._lose(str(error.strerror or error))
        finally:
            self._is_sending = False

    def _read(self) -> None:
        """Take what has come, and answer what it answers; called by the loop."""
        try:
            while size := self._received():
                self._parser.feed(_RECEIVED, 0, size)  # type: ignore[arg-type]  # its stub knows no buffers
                while self._end is None and (answer := self._parser.gets()) is not False:
                    self._answered(answer)
                # What is more is told of by the loop again, unless it is decrypted already.
                if self._end is not None or self._descriptor is not None:
                    return
            self._lose("the engine closed the connection")
        except (BlockingIOError, gevent_ssl.SSLWantReadError, gevent_ssl.SSLWantWriteError):
            pass
        except hiredis.ProtocolError:
            self._lose("what answers is no engine")
        except OSError as error:
            self._lose(str(error.strerror or error))

    def _received(self) -> int:
        """Receive without waiting; return how many bytes. Raises OSError: nothing has come, or it is lost."""
        if self._descriptor is not None:
            return os.readv(self._descriptor, (_RECEIVED,))
        self._sock.settimeout(0)
        try:
            return self._sock.recv_into(_RECEIVED)
        finally:
            self._sock.settimeout(None)  # what is sent waits

    def _answered(self, answer: Any) -> None:
        if self.pushed is not None and isinstance(answer, list) and answer[0] == b"message":
            self.pushed(answer)
        elif not self._asked:
            raise hiredis.ProtocolError
        elif isinstance(answer, hiredis.ReplyError):
            self._asked.popleft()[0].throw(EngineRefused(str(answer)))
        else:
            self._asked.popleft()[0].switch(answer)

    def _look_at(self, deadline: float) -> None:
        """Look at a time, and at no other, whether an answer is overdue."""
        self._look_no_more()
        self._looks_at = deadline
        self._overdue = self._loop.timer(max(0.0, deadline - time.monotonic()))
        self._overdue.start(self._look)

    def _look(self) -> None:
        self._look_no_more()
        if self._asked:
            _, deadline, timeout_s = min(self._asked, key=lambda asked: asked[1])
            if deadline <= time.monotonic():
                self._lose(f"no answer within {timeout_s:g} s")
            else:
                self._look_at(deadline)

    def _look_no_more(self) -> None:
        if self._overdue is not None:
            self._overdue.close()
            self._overdue = None

    def _lose(self, why: str) -> None:
        if self._end is not None:
            return
        self._end = why
        self._readable.close()
        self._look_no_more()
        asked, self._asked = self._asked, deque()
        for answer, _, _ in asked:
            self._loop.run_callback(answer.throw, EngineLost(why))
        self._sock.close()
        self._is_at_end.set()
