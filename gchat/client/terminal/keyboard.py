"""The descriptor on which a terminal sends keys: read when there is input, in raw mode while the client runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

from prompt_toolkit.input.posix_utils import PosixStdinReader
from prompt_toolkit.input.vt100 import Vt100Input, raw_mode
from prompt_toolkit.key_binding.key_processor import KeyPress

from gchat.client.terminal.key_parser import KeyParser

_READ_BYTES = 65536


class Keyboard(Vt100Input):
    """Keys for prompt_toolkit, parsed by `KeyParser`. Bytes that are not text become U+FFFD."""

    def __init__(self, stdin: TextIO) -> None:
        super().__init__(stdin)
        self.stdin_reader = PosixStdinReader(stdin.fileno(), errors="replace", encoding=stdin.encoding)
        self._parser = KeyParser()
        self._ready: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, input_ready_callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call back whenever `read_keys` may have something to return."""
        self._ready = input_ready_callback
        return super().attach(input_ready_callback)

    def read_keys(self) -> list[KeyPress]:
        """Return the keys that have arrived."""
        keys = self._parser.feed(self.stdin_reader.read(_READ_BYTES), time.monotonic())
        if self._timer:
            self._timer.cancel()
        if (wait_s := self._parser.wait_s) is not None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._ready)
        return keys

    def flush_keys(self) -> list[KeyPress]:
        """Return the keys of an unfinished sequence that nothing has followed for a while."""
        return self._parser.flush()

    def make_raw(self) -> None:
        """Set raw mode again after the shell had the terminal. In the background this stops the client until `fg`."""
        raw_mode(self.fileno()).__enter__()  # the first raw mode restores the terminal at the end
