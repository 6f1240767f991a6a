"""A connection to an engine: questions go out at once, and are answered in their order. hiredis packs and parses.

What is asked in one turn of the loop goes out in one write. Nobody waits without a deadline: a connection that does not
answer in time is broken, because the answers behind the one that is missing cannot be told apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import hiredis
from gevent import socket
from gevent.event import AsyncResult

from gchat.journal.journal import JournalError

_CHUNK = 262144

#: A word of a command.
Word = bytes | str | int


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
        self.pushed: Callable[[list[bytes]], None] | None = None
        self._asked: deque[AsyncResult[Any]] = deque()
        self._unsent: list[bytes] = []
        self._is_sending = False
        self._end: EngineLost | None = None
        self._reading = gevent.spawn(self._read)

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._end is not None

    def ask(self, *command: Word) -> AsyncResult[Any]:
        """Ask, and return what will have the answer. Raises EngineLost."""
        if self._end is not None:
            raise self._end
        answer: AsyncResult[Any] = AsyncResult()
        self._asked.append(answer)
        self._unsent.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub says one word
        if not self._is_sending:
            self._is_sending = True
            gevent.spawn(self._send)
        return answer

    def call(self, *command: Word, timeout_s: float) -> Any:
        """Ask, and return the answer. Waits. Raises EngineLost, EngineRefused."""
        return self.wait(self.ask(*command), timeout_s)

    def wait(self, answer: AsyncResult[Any], timeout_s: float) -> Any:
        """Return an answer. Waits. Raises EngineLost, also if it takes longer, and EngineRefused."""
        try:
            return answer.get(timeout=timeout_s)
        except gevent.Timeout:
            self._lose(EngineLost(f"no answer within {timeout_s:g} s"))
            raise EngineLost(f"no answer within {timeout_s:g} s") from None

    def keep_alive(self, every_s: float, timeout_s: float) -> None:
        """See that it is there although it is not always asked: engines close what is idle.

        Waits until nothing can be asked any more, and raises EngineLost then.
        """
        while True:
            self._reading.join(every_s)
            self.call("PING", timeout_s=timeout_s)

    def close(self) -> None:
        """Ask nothing more; whatever was asked is lost."""
        self._lose(EngineLost("the connection was closed"))

    def _send(self) -> None:
        try:
            while self._unsent:
                data, self._unsent = b"".join(self._unsent), []
                self._sock.sendall(data)
        except OSError as error:
            self._lose(EngineLost(str(error.strerror or error)))
        finally:
            self._is_sending = False

    def _read(self) -> None:
        parser = hiredis.Reader()
        try:
            while data := self._sock.recv(_CHUNK):
                parser.feed(data)
                while (answer := parser.gets()) is not False:
                    self._answered(answer)
            self._lose(EngineLost("the engine closed the connection"))
        except hiredis.ProtocolError:
            self._lose(EngineLost("what answers is no engine"))
        except OSError as error:
            self._lose(EngineLost(str(error.strerror or error)))

    def _answered(self, answer: Any) -> None:
        if self.pushed is not None and isinstance(answer, list) and answer[0] == b"message":
            self.pushed(answer)
        elif not self._asked:
            raise hiredis.ProtocolError
        elif isinstance(answer, hiredis.ReplyError):
            self._asked.popleft().set_exception(EngineRefused(str(answer)))
        else:
            self._asked.popleft().set(answer)

    def _lose(self, end: EngineLost) -> None:
        if self._end is not None:
            return
        self._end = end
        asked, self._asked = self._asked, deque()
        for answer in asked:
            answer.set_exception(end)
        self._reading.kill(block=False)
        self._sock.close()
