"""Telnet (RFC 854, 855): removes its commands from a stream, and answers its proposals.

Rules, which hold however the bytes are split over packets:
1. In a stream that is typed each option is answered once per direction, so that no peer can make the server talk.
   TIMING-MARK (RFC 860) is answered again after more text: telnet shows nothing after Ctrl+C until it has that answer.
2. BINARY (RFC 856) is agreed to, everything else is refused. The first command shows that the peer is telnet, which
   is then asked to send BINARY. The server does not offer to send BINARY itself: telnet's screen would need CR LF then.
3. Without BINARY, telnet mistakes some bytes of letters for control keys: the 0x83 in the letter U+0443 is Ctrl+C with
   its eighth bit set, and IAC IP is what arrives. Inside an unfinished UTF-8 sequence a command is the byte it was.
4. Ctrl+C (IP) between two lines is a wish to leave, because telnet has no other way to say so; in a line it is only
   taken out. Erase Character and Erase Line are the keys that they stand for, where the stream is typed.
5. A secret that is typed stays off the screen: the server offers to echo what is typed (RFC 857), echoes nothing, and
   takes the offer back at the end of the line. A DO ECHO that answers this is the only one that is agreed to.
6. Memory and work are bounded: at most one unfinished command is held, and a peer that sends more than MAX_COMMANDS
   without a line is not talking lines.
"""

from __future__ import annotations

import re

#: An unfinished subnegotiation longer than this is text after all (docs/threats.md, T6); real ones are under 100.
MAX_SUBNEGOTIATION_BYTES = 512

#: The most commands without a line. A telnet sends a handful.
MAX_COMMANDS = 1000

_IAC, _DONT, _DO, _WONT, _WILL = 255, 254, 253, 252, 251
_EL, _EC, _AYT, _AO, _IP, _BREAK, _ABORT, _SUSP, _EOF = 248, 247, 246, 245, 244, 243, 238, 237, 236
_BINARY, _ECHO, _TIMING_MARK = 0, 1, 6

# The control key of each command, with its eighth bit set: Ctrl+D, Z, \, \, C, O, T, H, U.
_LETTER_BYTES = {
    _EOF: b"\x84",
    _SUSP: b"\x9a",
    _ABORT: b"\x9c",
    _BREAK: b"\x9c",
    _IP: b"\x83",
    _AO: b"\x8f",
    _AYT: b"\x94",
    _EC: b"\x88",
    _EL: b"\x95",
}

# Where the peer is no telnet, a terminal shows some characters for this: what follows is written over them.
_HIDE = bytes((_IAC, _WILL, _ECHO)) + b"\r"

# Enter was not shown either.
_SHOW = bytes((_IAC, _WONT, _ECHO)) + b"\n"

_KEYS = {_EC: b"\x08", _EL: b"\x15"}

# The answers to a proposal: refused, agreed.
_ANSWERS = {_DO: (_WONT, _WILL), _WILL: (_DONT, _DO)}

# Text, and the command behind it. An IAC that no command follows is text: a user's text may contain that byte, even at
# the end of a line.
_TEXT_AND_COMMAND = re.compile(
    rb"(?s)((?:[^\xff]++|\xff[\x00-\xeb\xff])*+)(?:\xff(?:([\xfb-\xfe].)|(\xfa)|([\xec-\xf9])))?"
)
_SUBNEGOTIATION = re.compile(rb"(?s)(?:[^\xff]|\xff[^\xf0])*+\xff\xf0")
_UNFINISHED_LETTER = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")


class Telnet:
    """A filter for a stream, from its first IAC on; `before` is the text just before that."""

    __slots__ = (
        "_answered",
        "_commands",
        "_hides",
        "_is_hidden",
        "_tail",
        "_typed",
        "interrupted",
        "replies",
        "unfinished",
    )

    def __init__(self, before: bytes, *, typed: bool) -> None:
        self._typed = typed
        self._tail = before[-3:]  # the last bytes of text
        self.unfinished = b""  # a command of which more must come
        self._commands = 0  # since the last line
        self._answered: set[tuple[int, int]] = set()
        self._hides = False  # whether the line that is typed now is a secret
        self._is_hidden = False  # and the peer has agreed to show nothing of it
        self.replies = b""
        self.interrupted = False

    @property
    def endless(self) -> bool:
        """Whether the peer has sent more than MAX_COMMANDS without a line."""
        return self._commands > MAX_COMMANDS

    @property
    def is_met(self) -> bool:
        """Whether there is more to do here than to let text through: the peer is telnet, or a secret is typed."""
        return self._hides or self.interrupted or bool(self._answered or self._commands or self.unfinished)

    def hide(self) -> bytes:
        """Return what asks the peer to show nothing of the line that comes next, whose end takes it back."""
        self._hides, self._is_hidden = True, False
        self._answered.discard((_DO, _ECHO))
        return _HIDE

    def filter(self, data: bytes) -> bytes:
        """Return `data` without telnet commands; the answers to them gather in `replies`."""
        data = self.unfinished + data
        self.unfinished = b""
        texts = []
        at = 0
        while at < len(data) and not self.endless:
            found = _TEXT_AND_COMMAND.match(data, at)
            assert found  # it matches anything
            text, proposal, subnegotiation, command = found.groups()
            if text:
                texts.append(self._text(text))
            at = found.end()
            if command:
                texts.append(self._carry_out(command[0]))
            elif proposal:
                self._answer(*proposal)
            elif subnegotiation:
                start, at = at - 2, self._end_of_subnegotiation(data, at)
                if at > len(data):
                    self.unfinished = data[start:]
                else:
                    self._count()
            else:
                self.unfinished = data[at:]
                break
        return b"".join(texts)

    def _text(self, run: bytes) -> bytes:
        run = run.replace(b"\xff\xff", b"\xff")
        self._tail = (self._tail + run[-3:])[-3:]
        self._answered.discard((_DO, _TIMING_MARK))
        if (self._commands or self._hides) and (b"\n" in run or (self._typed and b"\r" in run)):
            self._commands = 0
            if self._is_hidden:
                self.replies += _SHOW
            self._hides = self._is_hidden = False
        return run

    def _carry_out(self, command: int) -> bytes:
        """Return the text that `command` stands for, which most have none of."""
        if command in _LETTER_BYTES and _UNFINISHED_LETTER.search(self._tail):
            self._ask()
            return self._text(_LETTER_BYTES[command])
        if command == _IP:
            self.interrupted = self.interrupted or self._at_line_start()
        self._count()
        return self._text(_KEYS[command]) if self._typed and command in _KEYS else b""

    def _at_line_start(self) -> bool:
        ends = (b"\n", b"\r", b"\r\0") if self._typed else b"\n"
        return not self._tail or self._tail.endswith(ends)

    def _answer(self, verb: int, option: int) -> None:
        self._count()
        if self._hides and (verb, option) == (_DO, _ECHO):
            self._is_hidden = True
        elif self._typed and verb in _ANSWERS and (verb, option) not in self._answered:
            self._answered.add((verb, option))
            self.replies += bytes((_IAC, _ANSWERS[verb][option == _BINARY], option))

    def _count(self) -> None:
        self._commands += 1
        self._ask()

    def _ask(self) -> None:
        """Ask for BINARY, once. That answers the peer's own offer of it too."""
        if self._typed and (_WILL, _BINARY) not in self._answered:
            self._answered.add((_WILL, _BINARY))
            self.replies += bytes((_IAC, _DO, _BINARY))

    @staticmethod
    def _end_of_subnegotiation(data: bytes, start: int) -> int:
        """Return the end of the subnegotiation that starts here; beyond the end of `data` if more of it must come."""
        most = start + MAX_SUBNEGOTIATION_BYTES
        ended = _SUBNEGOTIATION.match(data, start, most)
        return ended.end() if ended else most if most <= len(data) else len(data) + 1
