"""Framing: bytes in, lines out. Caps, CR LF, and telnet's negotiation; knows nothing of what a line means.

Rules, which hold however the bytes are split over packets (tests feed every sample one byte at a time too):
1. LF ends a line, and nothing else does; one CR before it is dropped. CR NUL is telnet's way to write CR (RFC 854).
2. A line is bytes: decoding is the dialect's. LF never stands inside a UTF-8 sequence, so lines may be decoded whole.
3. Memory is bounded: what is held is one read of the shell and at most `max_line_bytes` of an unfinished line.
4. Telnet commands are taken out (RFC 854, 855). What a peer proposes is refused, at most once for each option, so that
   nobody can make the server talk; except that TIMING-MARK (RFC 860) is answered again after each line: telnet shows
   nothing after Ctrl+C until it has that answer. Ctrl+C itself (IP) between lines is a wish to leave, for telnet has no
   other way to say so; in a line it is only taken out.
"""

from __future__ import annotations

from gchat.protocol.errors import LineEndless, LineTooLong

#: After this many discarded bytes of one line the peer is not talking lines (threats.md T11).
MAX_DISCARDED_BYTES = 65536

#: An unfinished telnet subnegotiation is text again after this many bytes (threats.md T6); real ones are under 100.
MAX_SUBNEGOTIATION_BYTES = 512

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _IP, _SE = 255, 254, 253, 252, 251, 250, 244, 240
_TIMING_MARK = 6


class Telnet:
    """Takes telnet's commands out of a stream; a state machine over single bytes, used from the first IAC on."""

    __slots__ = ("_answered", "_at_line_start", "_state", "_sub_bytes", "interrupted", "replies")

    def __init__(self) -> None:
        self._state = b""  # the unfinished command, from its IAC on; b"S" inside a subnegotiation, b"T" after its IAC
        self._sub_bytes = 0
        self._answered: set[int] = set()
        self.replies = b""
        self.interrupted = False
        self._at_line_start = True

    def filter(self, data: bytes, *, at_line_start: bool) -> bytes:
        """Return `data` without telnet commands; refusals to send gather in `replies`."""
        text = bytearray()
        self._at_line_start = at_line_start
        at = 0
        while at < len(data):
            if not self._state:
                iac = data.find(_IAC, at)
                if iac < 0:
                    iac = len(data)
                text += data[at:iac]
                if b"\n" in data[at:iac]:
                    self._answered.discard(_TIMING_MARK)
                if iac < len(data):
                    self._state = b"\xff"
                at = iac + 1
            else:
                self._step(data[at], text)
                at += 1
        return bytes(text)

    def _step(self, byte: int, text: bytearray) -> None:
        state = self._state
        if state in (b"S", b"T"):
            self._sub_bytes += 1
            ended = state == b"T" and byte == _SE
            if ended or self._sub_bytes >= MAX_SUBNEGOTIATION_BYTES:
                self._state = b""
            else:
                self._state = b"T" if state == b"S" and byte == _IAC else b"S"
        elif state == b"\xff":
            self._state = b""
            if byte == _IAC:
                text.append(_IAC)
            elif byte == _SB:
                self._state, self._sub_bytes = b"S", 0
            elif byte == _IP:
                self.interrupted = self.interrupted or (text.endswith(b"\n") if text else self._at_line_start)
            elif byte in (_WILL, _WONT, _DO, _DONT):
                self._state = bytes((_IAC, byte))
            elif byte < _SE:  # no command: somebody's text has that byte in it, and the line may end here
                text += bytes((_IAC, byte))
                if byte == 10:
                    self._answered.discard(_TIMING_MARK)
        else:
            self._state = b""
            self._refuse(state[1], byte)

    def _refuse(self, verb: int, option: int) -> None:
        if verb in (_DO, _WILL) and option not in self._answered:
            self._answered.add(option)
            self.replies += bytes((_IAC, _WONT if verb == _DO else _DONT, option))


class LineDecoder:
    """Bytes in (`feed`), lines out (`take`), the unfinished rest at the end of the stream (`rest`)."""

    __slots__ = (
        "_discarded",
        "_lines",
        "_nul_taken",
        "_partial",
        "_suspect",
        "_taken",
        "_telnet",
        "max_line_bytes",
        "waiting",
    )

    def __init__(self, max_line_bytes: int) -> None:
        self.max_line_bytes = max_line_bytes
        self._lines: list[bytes] = []  # whole lines; those from index `_taken` on are not yet taken
        self._taken = 0
        self.waiting = False  # whether take() has something to say
        self._suspect = False  # whether a line may be too long
        self._partial = b""
        self._nul_taken = False  # whether the unfinished line ends with a CR whose NUL is already gone
        self._discarded = 0  # bytes thrown away of an unfinished line that is too long
        self._telnet: Telnet | None = None

    @property
    def rest(self) -> bytes:
        """The unfinished line so far; b"" if it is too long to become one."""
        return b"" if self._discarded else self._partial.removesuffix(b"\r")

    @property
    def interrupted(self) -> bool:
        """Whether telnet's user pressed Ctrl+C between two lines."""
        return self._telnet is not None and self._telnet.interrupted

    def untaken(self) -> bytes:
        """Return what was fed and not taken: for another decoder, which goes on with it."""
        return b"\n".join([*self._lines[self._taken :], self._partial])

    def replies(self) -> bytes:
        """Return what telnet's negotiation wants to have sent to the peer, once."""
        telnet = self._telnet
        if telnet is None or not telnet.replies:
            return b""
        replies, telnet.replies = telnet.replies, b""
        return replies

    def feed(self, data: bytes) -> None:
        """Add what was received. Every line fed before must have been taken: that is what bounds the memory."""
        if b"\xff" in data or self._telnet:
            self._telnet = self._telnet or Telnet()
            data = self._telnet.filter(data, at_line_start=not self._partial)
        if b"\0" in data or self._nul_taken:
            data = self._without_nul_after_cr(data)
        if self._partial:
            data = self._partial + data
        lines = data.split(b"\n")
        self._partial = lines.pop()
        if self._discarded and lines:
            del lines[0]
            self._discarded = 0
        if b"\r" in data:
            lines = [line.removesuffix(b"\r") for line in lines]
        self._lines = lines
        self._taken = 0
        self._suspect = len(data) > self.max_line_bytes
        self.waiting = self._suspect or bool(lines)

    def _without_nul_after_cr(self, data: bytes) -> bytes:
        if data.startswith(b"\0") and self._partial.endswith(b"\r") and not self._nul_taken:
            data = data[1:]
            self._nul_taken = not data
        elif data:
            self._nul_taken = False
        self._nul_taken = self._nul_taken or data.endswith(b"\r\0")
        return data.replace(b"\r\0", b"\r")

    def take(self, limit: int) -> list[bytes]:
        """Return up to `limit` whole lines, without their ends; [] when there are none.

        Raises LineTooLong in the place of a line that is too long, LineEndless when the peer never ends one.
        """
        lines = self._lines[self._taken : self._taken + limit]
        if self._suspect:
            if not lines:
                self._check_partial()
            good = next((i for i, line in enumerate(lines) if len(line) > self.max_line_bytes), len(lines))
            if lines and not good:
                self._taken += 1
                raise LineTooLong(self.max_line_bytes)
            lines = lines[:good]
            self._suspect = bool(lines)
        self._taken += len(lines)
        self.waiting = self._suspect or self._taken < len(self._lines)
        return lines

    def _check_partial(self) -> None:
        if len(self._partial.removesuffix(b"\r")) <= self.max_line_bytes:
            return
        told = self._discarded > 0
        # One byte stays: it may be the CR of a CR LF, whose LF is still to come.
        self._discarded += len(self._partial) - 1
        self._partial = self._partial[-1:]
        if not told:
            raise LineTooLong(self.max_line_bytes)
        if self._discarded > MAX_DISCARDED_BYTES:
            raise LineEndless(f"more than {MAX_DISCARDED_BYTES:,} bytes without a newline")
