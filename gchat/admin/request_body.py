"""The body of a request: of a known length, or in chunks (RFC 9112 section 7.1). Strict, like the head before it.

A chunk is its size in hexadecimal digits, perhaps extensions, CR LF, so many bytes, CR LF; the last one has the size 0,
and trailers may follow it. Extensions and trailers must be well-formed, and nothing of them is kept. No socket is
known here: bytes come from a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from gchat.admin.request_head import MAX_HEAD_BYTES, MAX_LINE_BYTES, TOKEN, RequestHead, fields_of, too_large
from gchat.admin.responses import Problem

#: After so many bytes around the content, others have a turn: that is 0.5 ms at most (measured), of chunks of one byte.
AROUND_A_TURN = 2560

# Up to 16 digits, because some senders write every size with as many; more would be work for nothing.
_DIGITS = b"0123456789ABCDEFabcdef"
_SIZE = rb"([0-9A-Fa-f]{1,16})"
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + _QUOTED + rb"))?"
_CHUNK_LINE = re.compile(_SIZE + rb"(?:" + _EXTENSION + rb")*\r\n")


class BodyFile(Protocol):
    """A stream of bytes that waits for as many as are asked for; it gives fewer only at its end, or of a line."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes."""

    def readline(self, size: int, /) -> bytes:
        """Read up to a line's end, at most so many bytes."""

    def peek(self, size: int, /) -> bytes:
        """Return what comes next, and leave it there; at least a byte, unless this is the end."""


class RequestBody:
    """The body of one request, as WSGI has it. Nothing is read before it is asked for, and then nothing behind its end.

    `agree` is called before that, because a peer may wait for 100 Continue; `pause` within many or long chunks.
    """

    def __init__(
        self, file: BodyFile, head: RequestHead, agree: Callable[[], object], pause: Callable[[], object]
    ) -> None:
        self._file, self._head, self._agree, self._pause = file, head, agree, pause
        #: Whether its end was reached. If not, what comes next on the connection is not known to be a request.
        self.is_read = head.body_bytes == 0

    def read(self) -> bytes:
        """Read all of it; nothing the second time. Raises Problem: it is malformed, too large, or cut short."""
        if self.is_read:
            return b""
        try:
            self._agree()
            body = self._joined() if self._head.body_bytes is None else _exactly(self._file, self._head.body_bytes)
        except OSError:
            raise _cut_short() from None
        self.is_read = True
        return body

    def _joined(self) -> bytes:
        body = bytearray()
        for content in chunks(self._file, self._head.most_body_bytes, self._pause):
            body += content
        return bytes(body)

    def _discard(self) -> None:
        """Discard nothing, when pywsgi asks for it after the answer: a connection with a rest of a body is closed."""


def chunks(file: BodyFile, most_bytes: int, pause: Callable[[], object]) -> Iterator[bytes]:
    """Yield the content of each chunk, up to the end of the body; `pause` now and then. Raises Problem.

    The content has at most so many bytes, and so have the sizes and extensions around it: a body never costs more than
    twice what it may, however small its chunks are.
    """
    if file.peek(1)[:1] not in _DIGITS:  # a body without chunks may have no line, whose end would be waited for
        raise _malformed()
    left = left_around = most_bytes
    pause_at = left_around - AROUND_A_TURN
    while size := _size(line := _line(file)):
        left -= size
        left_around -= len(line) + 2
        if left < 0:
            raise too_large(most_bytes)
        if left_around < 0:
            raise Problem(413, f"The chunks are too small; at most {most_bytes:,} bytes may stand around their content")
        content = _exactly(file, size + 2)
        if not content.endswith(b"\r\n"):
            raise Problem(400, f"Malformed chunk; expected CR LF after its {size:,} bytes")
        yield content[:-2]
        if left_around <= pause_at:
            pause()
            pause_at = left_around - AROUND_A_TURN
    _skip_trailers(file)


def _size(line: bytes) -> int:
    matched = _CHUNK_LINE.fullmatch(line)
    if not matched:
        raise _malformed()
    return int(matched[1], 16)


def _malformed() -> Problem:
    return Problem(400, "Malformed chunk; expected its size in up to 16 hexadecimal digits on a line with CR LF")


def _skip_trailers(file: BodyFile) -> None:
    lines, left = list[bytes](), MAX_HEAD_BYTES
    while (line := _line(file)) != b"\r\n":
        left -= len(line)
        if left < 0:
            raise Problem(431, f"The trailers are too large; at most {MAX_HEAD_BYTES:,} bytes are accepted")
        lines.append(line)
    fields_of(lines)


def _line(file: BodyFile) -> bytes:
    line = file.readline(MAX_LINE_BYTES + 1)
    if len(line) > MAX_LINE_BYTES:
        raise Problem(400, f"A line between the chunks is too long; at most {MAX_LINE_BYTES:,} bytes are accepted")
    if not line.endswith(b"\n"):
        raise _cut_short()
    return line


def _exactly(file: BodyFile, size: int) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise _cut_short()
    return found


def _cut_short() -> Problem:
    return Problem(400, "The connection ended before the body did")
