"""The decoder of the plain dialect: what `nc` and `telnet` send, as commands. What these look like is in slash."""

from __future__ import annotations

import re

from gchat.dialects import slash
from gchat.dialects.command_decoder import CommandDecoder
from gchat.dialects.dialect import LateHello
from gchat.dialects.lines import LineDecoder
from gchat.dialects.sniff import MORE, Foreign, greets_in, sniff
from gchat.model import commands, sentences
from gchat.model.commands import Say
from gchat.model.errors import Code, Refusal
from gchat.model.text import BLANK, is_blank

# What the first gchat clients send when they leave, unterminated.
_GOODBYE = b"-1"

# There may be a token in it, which must not be said to the room.
_HELLO = re.compile(BLANK.pattern + r"*+(?i:GCHAT/)[^\s{]*+\s*+\{")
_REFUSED = commands.Mistake(Refusal(Code.BAD_COMMAND, sentences.LATE_HELLO))
_NO_SECRET = commands.Mistake(Refusal(Code.BAD_COMMAND, sentences.NOTHING_TYPED))


class PlainDecoder(CommandDecoder):
    """A decoder that knows other protocols and dialects by the first line.

    A hello may come after the greeting, as over slow links. The line after a command that lacks its secret is never
    said, whatever stands in it.
    """

    __slots__ = ("_start", "_wanted")

    def __init__(self, max_text_bytes: int) -> None:
        super().__init__(LineDecoder(max_text_bytes, typed=True), _GOODBYE)
        self._is_special = True
        self._wanted: commands.AskSecret | None = None  # what the next line is the secret of
        self._start: bytes | None = b""  # what was fed while it could still be a foreign protocol

    def end(self) -> None:
        """See Decoder.end."""
        if not self._start:
            super().end()
        elif not self._is_foreign(start := self._start, ended=True):
            self._finish(start + b"\n")  # what is unterminated becomes a line, and where nothing is, one more is blank

    def _is_foreign(self, data: bytes, *, ended: bool) -> bool:
        """Return whether the stream that starts so is not chat, or that cannot be told yet."""
        verdict = sniff(data, ended=ended)
        self._start = data if verdict is MORE else None
        if isinstance(verdict, Foreign):
            self.outcome = verdict
        return verdict is not None

    def _decode(self, lines: bytes) -> tuple[int, list[commands.Command]]:
        """See CommandDecoder. Each invalid sequence of UTF-8 becomes one U+FFFD; blank lines ask nothing."""
        text = lines.decode("utf-8", "replace")
        texts = text.split("\n")
        del texts[-1]  # what is behind the last one
        # What begins with a letter or a digit of ASCII is simply said; all others are looked at.
        is_simple = min(texts) >= "0" and (text.isascii() or max(texts) < "\x7f")
        if (is_simple or all(map(_is_said, texts))) and not ("{" in text and "gchat/" in text.lower()):
            return len(texts), [Say(tuple(texts))]
        return len(texts), self._asked(texts)

    def _asked(self, texts: list[str], wanted: commands.AskSecret | None = None) -> list[commands.Command]:
        """Return what _decode_mixed does; a secret that it asks for is typed unseen."""
        asked = _decode_mixed(texts, wanted)
        if asked and isinstance(asked[-1], commands.AskSecret):
            self._wanted, self._is_special, self.is_settled = asked[-1], True, False
            self.replies += self._lines.hide()
        return asked

    def _take_special(self, data: bytes) -> tuple[int, list[commands.Command]]:
        if self._start is not None and data:
            data = self._start + data
            if self._is_foreign(data, ended=False):
                return 0, []
        wanted, self._wanted = self._wanted, None  # also if it is too long
        self._is_special = wanted is None
        line = self._block(1, data)
        if not line:
            self._wanted, self._is_special = wanted, True
            return 0, []
        if wanted is not None:
            return 1, self._asked([line[:-1].decode("utf-8", "replace")], wanted)
        if greets_in(line):
            self.outcome = LateHello(line + self._lines.untaken())
            self.waiting = False
            return 1, []
        self._is_special = line == b"\n"
        return self._decode(line)


def _is_said(line: str) -> bool:
    """Return whether a line simply says what it is: it begins with something visible that is no slash."""
    return line != "" and line[0] not in "/／" and not BLANK.match(line)


def _decode_mixed(texts: list[str], wanted: commands.AskSecret | None = None) -> list[commands.Command]:
    """Return what lines ask that include blank ones or commands; the first may be the secret of another.

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
    command = _REFUSED if _HELLO.match(text) else slash.parse(text)
    if command is None:
        return []
    # A user who asks something else has to know that the question is over: what comes next is said.
    is_over = wanted is not None and not isinstance(command, commands.AskSecret)
    return [_NO_SECRET, command] if is_over else [command]
