"""Framing: bytes in, lines out. Line ends, caps, and keys that edit a line; knows nothing of what a line means.

Rules, which hold however the bytes are split over packets (tests feed every sample one byte at a time too):
1. LF ends a line; one CR before it is dropped. In a stream that is typed (the plain dialect) CR, CR NUL, CR LF, LF and
   LF CR each end a line once: programs that send key by key have their own ideas of Enter. A CR ends it at once.
2. Lines are bytes: decoding is the dialect's. They are handed over as one block, because no line end stands inside a
   UTF-8 sequence: it may be decoded as a whole.
3. Memory is bounded: what is held is one read of the shell and at most `max_line_bytes` of an unfinished line.
4. In a stream that is typed BS and DEL delete the character before them, Ctrl+U the line so far. What was deleted is
   never seen, and counts towards `max_line_bytes`.
5. Telnet commands are taken out (gchat.dialects.telnet).
6. One BOM at the start of a stream is dropped: PowerShell writes one, and what follows may be a command or a secret.
"""

from __future__ import annotations

import re
import unicodedata

from gchat.dialects.telnet import MAX_COMMANDS, Telnet
from gchat.model.errors import LineEndless, LineTooLong

#: After this many discarded bytes of one line the peer is not talking lines (threats.md T11).
MAX_DISCARDED_BYTES = 65536

#: U+FEFF in UTF-8.
BOM = b"\xef\xbb\xbf"

_TYPED_END = re.compile(rb"\r[\n\0]?|\n(?:\r\0?)?")
_TYPED_ENDS = re.compile(rb"(?:\0|(\r[\n\0]?+|\n(?:\r\0?+)?+))*+")

_DELETE, _DELETE_LINE = "\x08\x7f", b"\x15"
_JOINER = "\u200d"


def after_bom(start: bytes) -> bytes:
    """Return what follows a BOM at the `start` of a stream; b"" while no more of the BOM than a part has come."""
    return b"" if BOM.startswith(start) else start.removeprefix(BOM)


def edited(line: bytes) -> bytes:
    """Return `line` as the user who typed it sees it: BS and DEL have deleted a character, Ctrl+U all before it."""
    line = line.rpartition(_DELETE_LINE)[2]
    if b"\x08" not in line and b"\x7f" not in line:
        return line
    kept: list[str] = []
    for char in line.decode("utf-8", "surrogateescape"):
        if char in _DELETE:
            _delete_last(kept)
        else:
            kept.append(char)
    return "".join(kept).encode("utf-8", "surrogateescape")


def _delete_last(kept: list[str]) -> None:
    """Delete a whole character from the end: a letter with the marks on it, an emoji with all that is joined to it."""
    while kept:
        char = kept.pop()
        if kept and kept[-1] == _JOINER:
            kept.pop()
        elif char != _JOINER and not _extends(char):
            break


def _extends(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Me") or "\U0001f3fb" <= char <= "\U0001f3ff"  # marks, skin tones


#: What a stream is looked through for: as numbers, because bytes are looked through for these ten times as fast.
LF, CR, IAC, BS, DEL, CTRL_U = b"\n\r\xff\x08\x7f\x15"

# Most lines are longer: of fewer bytes each, a block is counted before it is split.
_USUAL_BYTES = 16


class LineDecoder:
    """Bytes in (`feed`), lines out (`take`, `block`), the unfinished rest at the end of the stream (`rest`)."""

    __slots__ = (
        "_at_start",
        "_discarded",
        "_edits",
        "_endless",
        "_last_end",
        "_partial",
        "_suspect",
        "_typed",
        "_whole",
        "is_between_lines",
        "max_line_bytes",
        "rest_at_once",
        "telnet",
        "waiting",
    )

    def __init__(self, max_line_bytes: int, *, typed: bool = False) -> None:
        self.max_line_bytes = max_line_bytes
        self._typed = typed
        # Whole lines that are not yet taken, each with LF: lines of their own would take twenty times as much.
        self._whole = b""
        self.waiting = False  # whether take() has something to say
        self.rest_at_once = (
            False  # whether there is a rest that came in one feed: programs send so, typing users do not
        )
        self._suspect = False  # whether a line may be too long
        self._edits = False  # whether a key that edits may be among the lines
        self._partial = b""
        self._at_start = True  # whether a BOM may still come
        self.is_between_lines = False  # whether nothing of what came before matters to what comes next
        self._last_end = b""  # where a line has just ended: its end, if another byte of it may come
        self._endless = False  # whether telnet commands came without end
        self._discarded = 0  # bytes thrown away of an unfinished line that is too long
        self.telnet: Telnet | None = None  # from the first of its commands on

    @property
    def rest(self) -> bytes:
        """The unfinished line so far; b"" if it is too long to become one."""
        if self._discarded:
            return b""
        return edited(self._partial) if self._typed else self._partial.removesuffix(b"\r")

    @property
    def interrupted(self) -> bool:
        """Whether telnet's user pressed Ctrl+C between two lines."""
        return self.telnet is not None and self.telnet.interrupted

    def untaken(self) -> bytes:
        """Return what was fed and not taken: for another decoder, which goes on with it."""
        return self._whole + self._partial + (self.telnet.unfinished if self.telnet else b"")

    def replies(self) -> bytes:
        """Return what telnet's negotiation wants to have sent to the peer, once."""
        telnet = self.telnet
        if telnet is None or not telnet.replies:
            return b""
        replies, telnet.replies = telnet.replies, b""
        return replies

    def hide(self) -> bytes:
        """Keep the line that comes next off the screen of a user of telnet; return what is to be sent for that.

        To be sent before the line that asks for it; `replies` takes it back. b"" if that line has come already.
        """
        if self._whole:
            return b""
        self.telnet = self.telnet or self._new_telnet()
        self.is_between_lines = False  # what comes next passes by the telnet that was made here
        return self.telnet.hide()

    def feed(self, data: bytes) -> None:
        """Add what was received. Every line fed before must have been taken: that is what bounds the memory."""
        if IAC in data or self.telnet:
            data = self._without_telnet(data)
            if not data:
                self.waiting = self._endless
                return
        if self._typed and (CR in data or self._last_end != b"\n"):
            data = self._ended_by_lf(data)
        partial = self._partial
        if partial:
            data = partial + data
        if self._at_start:
            data = self._without_bom(data)
        end = data.rfind(b"\n") + 1
        whole, self._partial = data[:end], data[end:]
        self.rest_at_once = bool(self._partial) and (not partial or bool(whole))
        if self._discarded and whole:
            whole = _split(whole, 1)[1]
            self._discarded = 0
        if self._typed:
            self._edits = DEL in data or BS in data or CTRL_U in data
        elif CR in whole:
            whole = whole.replace(b"\r\n", b"\n")
        self._whole = whole
        self._suspect = len(data) > self.max_line_bytes
        self.is_between_lines = not (self._partial or self._at_start or self.telnet) and (
            not self._typed or self._last_end == b"\n"
        )
        self.waiting = self._suspect or bool(whole) or self._endless

    def _without_telnet(self, data: bytes) -> bytes:
        telnet = self.telnet = self.telnet or self._new_telnet()
        data = telnet.filter(data)
        self.is_between_lines = False  # what is unfinished goes before what comes next
        self._endless = telnet.endless
        if not telnet.is_met:
            self.telnet = None
        return data

    def _new_telnet(self) -> Telnet:
        return Telnet(self._partial or self._last_end, typed=self._typed)

    def _without_bom(self, data: bytes) -> bytes:
        if len(data) < len(BOM) and BOM.startswith(data):
            return data
        self._at_start = False
        if data == BOM:
            self._last_end = b""
        return data.removeprefix(BOM)

    def _ended_by_lf(self, data: bytes) -> bytes:
        """Return `data`, which is not empty, with each of its line ends as one LF."""
        last_end = b"" if self._partial else self._last_end
        if b"\r" not in data and not (last_end.endswith(b"\r") and data[0] in b"\n\0"):
            self._last_end = b"\n"
            return data
        data = last_end + data
        ends = data[len(data.rstrip(b"\r\n\0")) :]
        last = _TYPED_ENDS.match(ends) if ends.endswith((b"\r", b"\n")) else None
        self._last_end = last[1] if last and last[1] != b"\r\n" else b""
        only_crlf = data.count(b"\r") == data.count(b"\r\n")  # the usual case, and twice as fast
        data = data.replace(b"\r\n", b"\n") if only_crlf else _TYPED_END.sub(b"\n", data)
        return data[1:] if last_end else data

    def take(self, limit: int) -> list[bytes]:
        """Return up to `limit` whole lines, without their ends; [] when there are none. Raises what `block` raises."""
        return self.block(limit).split(b"\n")[:-1]

    def block(self, limit: int, data: bytes = b"") -> bytes:
        """Add `data`, if something was received, and return up to `limit` whole lines, each ended by LF.

        b"" when there are none. Raises LineTooLong in the place of a line that is too long, LineEndless when the peer
        never ends one.
        """
        if data:
            self.feed(data)
        lines, self._whole = self._whole, b""
        if not are_at_most(limit, lines):
            lines, self._whole = _split(lines, limit)
        if self._suspect:
            lines = self._checked(lines)
        if not lines and self._endless:
            raise LineEndless(f"more than {MAX_COMMANDS:,} telnet commands without a newline")
        self.waiting = self._suspect or self._whole != b"" or self._endless
        if not self._edits:
            return lines
        self._edits = self.waiting
        return b"".join([edited(line) + b"\n" for line in lines.split(b"\n")[:-1]])

    def _checked(self, lines: bytes) -> bytes:
        """Return the lines before one that is too long; those behind them wait. Raises LineTooLong."""
        if not lines:
            self._check_partial()
        each = lines.split(b"\n")[:-1]
        good = next((i for i, line in enumerate(each) if len(line) > self.max_line_bytes), len(each))
        first, behind = _split(lines, good or 1)
        self._whole = behind + self._whole
        if each and not good:
            raise LineTooLong(self.max_line_bytes)
        self._suspect = bool(first)
        return first

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


def are_at_most(limit: int, block: bytes) -> bool:
    """Return whether there are at most so many lines in a block, as far as it takes less than to split it."""
    return len(block) <= limit or (len(block) <= _USUAL_BYTES * limit and block.count(b"\n") <= limit)


def _split(block: bytes, lines: int) -> tuple[bytes, bytes]:
    """Return the first lines of a block of lines, at most so many, and the others."""
    at = len(block) - len(block.split(b"\n", lines)[-1])
    return block[:at], block[at:]
