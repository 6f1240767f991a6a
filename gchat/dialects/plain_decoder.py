"""The decoder of the plain dialect: what `nc` and `telnet` send, as commands. What these look like is in slash."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gchat.dialects import slash
from gchat.dialects.command_decoder import CommandDecoder
from gchat.dialects.dialect import LateHello
from gchat.dialects.lines import LineDecoder
from gchat.dialects.sniff import MORE, Foreign, greets_in, sniff
from gchat.model import commands, sentences
from gchat.model.errors import Code, Refusal
from gchat.model.text import is_blank

# What the first gchat clients send when they leave, unterminated.
_GOODBYE = b"-1"

# A line that begins with one of these is simply said; all others are looked at.
_SAID_AT_ONCE = frozenset(map(chr, range(0x21, 0x7F))) - {"/"}

# There may be a token in it, which must not be said to the room.
_HELLO = re.compile(r"GCHAT/\S*\s*\{", re.IGNORECASE)
_REFUSED = commands.Mistake(Refusal(Code.BAD_COMMAND, sentences.LATE_HELLO))
_NO_SECRET = commands.Mistake(Refusal(Code.BAD_COMMAND, sentences.NOTHING_TYPED))


class PlainDecoder(CommandDecoder):
    """A decoder that knows other protocols and dialects by the first line.

    A hello may come after the greeting, as over slow links.
    """

    __slots__ = ("_start", "_wanted")

    def __init__(self, max_text_bytes: int) -> None:
        super().__init__(LineDecoder(max_text_bytes, typed=True), decode, _GOODBYE)
        self._is_new = True
        self._wanted: commands.AskSecret | None = None  # what the next line is the secret of
        self._start: bytes | None = b""  # what was fed while it could still be a foreign protocol

    def end(self) -> None:
        """See Decoder.end."""
        if not self._start:
            super().end()
        elif not self._is_foreign(start := self._start, ended=True):
            self.feed(start + b"\n")  # what is unterminated becomes a line, and where nothing is, one more is blank

    def take(self, limit: int) -> tuple[int, list[commands.Command]]:
        """See Decoder.take. The line after a command that lacks its secret is never said, whatever stands in it."""
        lines, asked = super().take(limit) if self._wanted is None else self._take_secret(self._wanted)
        if asked and isinstance(asked[-1], commands.AskSecret):
            self._wanted = asked[-1]
            self.replies = self._lines.hide()
        return lines, asked

    def _take_secret(self, wanted: commands.AskSecret) -> tuple[int, list[commands.Command]]:
        self._wanted = None  # also if it is too long
        lines = self._lines.take(1)
        self.waiting = self._lines.waiting
        if not lines:
            self._wanted = wanted
            return 0, []
        return 1, _decode_mixed([lines[0].decode("utf-8", "replace")], wanted)

    def _judged(self, data: bytes) -> bytes:
        if self._start is None:
            return data
        data = self._start + data
        return b"" if self._is_foreign(data, ended=False) else data

    def _is_foreign(self, data: bytes, *, ended: bool) -> bool:
        """Return whether the stream that starts so is not chat, or that cannot be told yet."""
        verdict = sniff(data, ended=ended)
        self._start = data if verdict is MORE else None
        if isinstance(verdict, Foreign):
            self.outcome = verdict
        return verdict is not None

    def _take_first(self) -> tuple[int, list[commands.Command]]:
        lines = self._lines.take(1)
        self.waiting = self._lines.waiting
        if lines and greets_in(lines[0]):
            self.outcome = LateHello(lines[0] + b"\n" + self._lines.untaken())
            self.waiting = False
            return 1, []
        self._is_new = not any(lines)
        return len(lines), decode(lines)


def decode(lines: Sequence[bytes]) -> list[commands.Command]:
    """Return what `lines` ask.

    Each invalid sequence of UTF-8 becomes one U+FFFD. Lines in which nothing is visible are dropped.
    """
    joined = b"\n".join(lines)
    texts = joined.decode("utf-8", "replace").split("\n")
    is_plain = _SAID_AT_ONCE.issuperset([text[:1] for text in texts])
    if is_plain and (b"/" not in joined or (b"GCHAT/" not in joined and b"gchat/" not in joined)):
        return [commands.Say(tuple(texts))]
    return _decode_mixed(texts)


def _decode_mixed(texts: list[str], wanted: commands.AskSecret | None = None) -> list[commands.Command]:
    """Do the same as decode for lines that include blank ones or commands; the first may be the secret of another.

    A secret that is wanted and has not come yet is asked for by the last command.
    """
    found: list[commands.Command] = []
    said: list[str] = []
    for text in texts:
        asked, wanted = _decode_one(text, wanted), None
        for command in asked:
            if isinstance(command, commands.Say):
                said += command.texts
            elif isinstance(command, commands.AskSecret):
                wanted = command
            else:
                if said:
                    found.append(commands.Say(tuple(said)))
                    said = []
                found.append(command)
    if said:
        found.append(commands.Say(tuple(said)))
    if wanted is not None:
        found.append(wanted)
    return found


def _decode_one(text: str, wanted: commands.AskSecret | None) -> list[commands.Command]:
    if wanted is not None and not slash.is_command(text):
        return [_NO_SECRET if is_blank(text) else wanted.filled(text)]
    command = _REFUSED if _is_hello(text) else slash.parse(text)
    if command is None:
        return []
    # A user who asks something else has to know that the question is over: what comes next is said.
    is_over = wanted is not None and not isinstance(command, commands.AskSecret)
    return [_NO_SECRET, command] if is_over else [command]


def _is_hello(text: str) -> bool:
    found = _HELLO.search(text)
    return found is not None and is_blank(text[: found.start()])
