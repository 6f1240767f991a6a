"""The chat between pipes: each line of stdin is a message, and what is said goes to stdout if it is wanted there.

No side may stop another: stdin, stdout and the link have a greenlet each. Descriptors are shared with other programs,
so they stay as they are (O_NONBLOCK would break those): they are read when they have something, and written in pieces
that a pipe takes at once when it takes any.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import gevent
from gevent.event import Event
from gevent.queue import Queue
from gevent.socket import wait_read, wait_write

from gchat.client.action import Action, Show
from gchat.client.conversation.notices import Back, Lost, Notice
from gchat.client.ignored import Ignored
from gchat.client.link.dial import CLOSED_BY_SERVER
from gchat.client.link.errors import ConnectFailed, LinkClosed, NotGranted, Unacknowledged
from gchat.client.link.link import Link
from gchat.client.link.plain_link import PlainLine, PlainLink, PlainNotice
from gchat.client.paste_check import PasteCheck
from gchat.client.render import json_text, lost_text, plain_text
from gchat.dialects.rich_events import ClosingEvent, RefusedEvent, ToldEvent, WelcomeEvent
from gchat.dialects.rich_requests import QuitRequest, SayRequest
from gchat.dialects.slash import without_commands
from gchat.model import commands
from gchat.model.errors import Refusal
from gchat.model.text import printable

READ_BYTES = 65536

#: A pipe takes so much at once when it takes any (PIPE_BUF).
WRITE_BYTES = 4096

#: Pieces of output that may wait for the reader of stdout; above, the link waits too.
MAX_QUEUED = 256

#: A longer line is not even read to its end; the server's own limit is lower.
MAX_LINE_BYTES = 65536

#: After a signal: how long what was read may take to be said, and what was heard to be written.
LAST_S = 3.0

#: How often a program in the background of a terminal looks whether it is in the foreground now.
BACKGROUND_S = 0.5

#: Lines of a terminal that come within this time were pasted.
PASTE_S = 0.03

#: A server that acknowledges nothing has answered everything when it was silent for so long.
SILENCE_S = 0.5


def run(chat: Link | PlainLink, *, listen: bool, as_json: bool, is_typed: bool) -> int:
    """Talk until stdin ends and all of it is said, or with `listen` until a signal; return the exit code.

    If stdin `is_typed` by a person, lines may be commands, and what others say is printed. A pipe that only speaks
    prints nothing: its output is a log of something else. Errors go to stderr.
    """
    pipes = _Pipes(chat, listen=listen, as_json=as_json, is_typed=is_typed)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a script that has put us into the background
            gevent.signal_handler(number, pipes.interrupt)
    return pipes.run()


def complain(message: str) -> None:
    """Print a message on stderr."""
    try:
        print(f"gchat-client: {printable(message)}", file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        pass  # nobody reads it


def failure_text(failure: ConnectFailed) -> str:
    """Return what failed, with a hint where there is one."""
    if failure.is_absent:
        return f"{failure}; is the server running? Start it with gchat-server, or wait for it with --wait"
    if failure.wants_password:
        return f"{failure}; use --password-file FILE"
    if failure.is_mute:
        return f"{failure}; if it speaks only TLS, use --tls"
    return f"{failure}; try --plain" if failure.is_plain else str(failure)


def lines_of(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Return the lines that stand in `chunks`, without their ends; None for each that is too long."""
    partial, skipping = b"", False
    for chunk in chunks:
        *lines, partial = (partial + chunk).split(b"\n")
        if skipping and lines:
            del lines[0]
            skipping = False
        for line in lines:
            yield line if len(line) <= max_bytes else None
        if skipping or len(partial) > max_bytes:
            if not skipping:
                yield None
            partial, skipping = b"", True
    if partial:
        yield partial


class _Pipes:
    """One run. Greenlets: `_read` stdin and say it, `_hear` the link, `_write` to stdout, `_end` in good order."""

    def __init__(self, chat: Link | PlainLink, *, listen: bool, as_json: bool, is_typed: bool) -> None:
        self._chat = chat
        self._listen = listen
        self._as_json = as_json
        self._is_typed = is_typed
        # A server of another kind tells of errors in its own words only.
        self._prints = listen or as_json or is_typed or isinstance(chat, PlainLink)
        self._reply_to = ""
        self._ignored = Ignored()
        self._paste_check = PasteCheck()
        self._output: Queue[bytes | None] = Queue(MAX_QUEUED)
        self._leave = Event()  # set when all is done, or at a signal
        self._interrupted = False
        self._idle = False  # whether stdin is waited for
        self._unsaid = 0  # lines that were read and not asked of the link
        self._failed = False
        self._lost = False
        self._was_denied = False  # whether nothing was said at all
        self._greeted = False
        self._heard_at = time.monotonic()
        self._closing = False

    def run(self) -> int:
        """Run to the end; return the exit code."""
        self._reading = gevent.spawn(self._read)
        self._hearing = gevent.spawn(self._hear)
        self._writing = gevent.spawn(self._write)
        watching = gevent.spawn(self._watch_stdout)
        ending = gevent.spawn(self._end)
        self._leave.wait()
        if not self._interrupted and not self._idle:
            self._reading.join(LAST_S)
        self._reading.kill()
        ending.join(2 * LAST_S)
        watching.kill()
        unsaid = self._unsaid + len(self._chat.unacknowledged())
        if unsaid and not self._was_denied:
            what = "the last line was" if unsaid == 1 else f"the last {unsaid:,} lines were"
            self._fail(f"{what} not acknowledged and may not have been said")
        return int(self._failed)

    def interrupt(self) -> None:
        """End soon; the second time at once."""
        if self._interrupted:
            os._exit(130)
        self._interrupted = True
        self._leave.set()

    def _fail(self, message: str) -> None:
        complain(message)
        self._failed = True

    def _end(self) -> None:
        self._reading.join()
        self._closing = True
        with suppress(Unacknowledged):  # run() tells
            self._chat.close()
        self._hearing.join()
        self._output.put(None)
        self._writing.join()
        self._leave.set()

    # --- stdin -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            for line in lines_of(self._chunks(), MAX_LINE_BYTES):
                self._say(line)
            if isinstance(self._chat, Link):
                self._ask_all(self._chat, *self._paste_check.end(self._reply_to))
                self._chat.wait_acked()
            else:
                self._wait_for_silence()
        except LinkClosed as error:
            if not self._chat.failure:  # which _hear() tells
                self._fail(str(error))
        except OSError as error:
            self._fail(f"cannot read stdin: {os.strerror(error.errno or 0).lower()}")
        if self._listen:
            self._leave.wait()

    def _chunks(self) -> Iterator[bytes]:
        waits = not stat.S_ISREG(os.fstat(0).st_mode)  # a file never blocks, and cannot be waited for
        # A key that is typed is for the program in the foreground. Reading it in the background would stop this one;
        # with the signal ignored it is an error.
        if self._is_typed:
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        while True:
            if self._is_typed and _is_in_background():
                self._rest(lambda: gevent.sleep(BACKGROUND_S))
                continue
            if waits and not _ready(0, select.POLLIN):
                if self._leave.is_set():
                    return
                self._rest(lambda: wait_read(0))
                continue
            gevent.sleep(0)
            try:
                data = os.read(0, READ_BYTES)
            except BlockingIOError:  # another program reads it too, or has made it non-blocking
                continue
            except OSError as error:
                if error.errno == errno.EIO and self._is_typed and _is_in_background():
                    continue
                if error.errno in (errno.EIO, errno.EBADF):  # the terminal is gone, or nohup has made it write-only
                    return
                raise
            if not data:
                return
            yield data

    def _rest(self, wait: Callable[[], object]) -> None:
        self._idle = True
        wait()
        self._idle = False

    def _say(self, line: bytes | None) -> None:
        if line is None:
            self._fail(f"a line was not sent: it is longer than {MAX_LINE_BYTES:,} bytes")
            return
        text = line.removesuffix(b"\r").decode(errors="replace")
        if not text.strip():
            return
        self._unsaid = 1
        if isinstance(self._chat, Link) and self._is_typed:
            gevent.sleep(PASTE_S)  # the next line of a paste is there by then
            is_last = not _ready(0, select.POLLIN)
            self._ask_all(self._chat, *self._paste_check.take(text, self._reply_to, is_last=is_last))
        elif isinstance(self._chat, Link):
            try:
                self._ask(self._chat, SayRequest(text=without_commands(text)))
            except Refusal as refusal:
                self._fail(refusal.message)
        else:
            while not self._chat.connected and not self._chat.over:
                gevent.sleep(0.1)  # a plain link keeps nothing: a line waits here for a connection
            self._chat.say(text)
        self._unsaid = 0

    def _ask_all(self, chat: Link, found: list[Action | None], told: str) -> None:
        if told:
            complain(told)
        for action in found:
            self._ask(chat, action)

    def _ask(self, chat: Link, action: Action | None) -> None:
        match action:
            case Show(shown) if self._as_json:
                for line in shown:
                    complain(line)
            case Show(shown):
                self._output.put("".join(f"> {line}\n" for line in shown).encode())
            case commands.Ignore() | commands.Unignore():
                self._ask(chat, Show((self._ignored.carry_out(action, chat.nick),)))
            case QuitRequest():
                self.interrupt()
            case None:
                pass
            case _:
                chat.ask(action)

    def _wait_for_silence(self) -> None:
        ends_at = time.monotonic() + LAST_S
        while (now := time.monotonic()) < min(ends_at, self._heard_at + SILENCE_S):
            gevent.sleep(min(ends_at, self._heard_at + SILENCE_S) - now)

    # --- The link --------------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        reason = CLOSED_BY_SERVER
        for notice in self._chat:
            self._heard_at = time.monotonic()
            match notice:
                case Lost() if notice.retry_in_s:
                    if not self._lost:
                        complain(lost_text(notice))
                    self._lost = True
                case Back() if self._lost:
                    complain("connected")
                    self._lost = False
                case ToldEvent():
                    self._reply_to = notice.from_
                case RefusedEvent():
                    self._fail(notice.message)
                case ClosingEvent():
                    reason = notice.reason
            if self._prints and (text := self._text(notice)):
                self._output.put(text.encode("utf-8", "replace"))
        if not self._closing:
            failure = self._chat.failure
            self._was_denied = isinstance(failure, NotGranted)
            self._fail(failure_text(failure) if failure and failure.is_plain else reason)
            self._interrupted = True
            self._leave.set()

    def _text(self, notice: Notice | PlainNotice) -> str:
        if isinstance(notice, PlainLine):
            return f"{printable(notice.text)}\n"
        if not isinstance(self._chat, Link) or (heard := self._ignored.heard(notice)) is None:
            return ""
        notice = heard
        if self._as_json:
            return json_text(notice)
        if isinstance(notice, WelcomeEvent):
            if self._greeted:
                return ""
            self._greeted = True
        return plain_text(notice, self._chat.conversation)

    # --- stdout ----------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write what comes; throw it away when stdout is closed."""
        waits = not stat.S_ISREG(os.fstat(1).st_mode)
        while (data := self._output.get()) is not None:
            while data:
                try:
                    if waits:
                        wait_write(1)
                    data = data[os.write(1, data[:WRITE_BYTES]) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    if not isinstance(error, BrokenPipeError) and not self._leave.is_set():
                        self._fail(f"cannot write to stdout: {os.strerror(error.errno or 0).lower()}")
                    self._leave.set()
                    break

    def _watch_stdout(self) -> None:
        """Notice that nobody reads stdout any more, while nothing is written there."""
        if not (self._prints and stat.S_ISFIFO(os.fstat(1).st_mode)):
            return
        wait_read(1)  # a pipe's end for writing has nothing to read: this is its error
        if _ready(1, 0):
            self._leave.set()


def _is_in_background() -> bool:
    """Return whether the terminal at stdin belongs to another program now."""
    try:
        return os.tcgetpgrp(0) != os.getpgrp()
    except OSError:  # it is not the terminal that controls this program
        return False


def _ready(descriptor: int, events: int) -> bool:
    """Return whether any of `events`, or an error or the end, is there now."""
    poll = select.poll()
    poll.register(descriptor, events)
    return bool(poll.poll(0))
