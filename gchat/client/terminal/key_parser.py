"""Keys and pastes, parsed from the text that a terminal sends. Knows no screen, no descriptor and no clock.

A terminal sends more than keys: answers to queries, focus events, sequences of other protocols. Whatever is not a key
is swallowed, so that none of it ends up in a message. prompt_toolkit inserts the data of a key that nothing binds: so
only a character has data, and a key such as Ctrl+F1 has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

#: Ends a burst of lines: like Enter, but the user has not seen the lines.
ENTER_OF_BURST = Keys.ControlJ

#: A bracketed paste without an end mark ends when nothing has arrived for this long, and so does a sequence.
PASTE_QUIET_S = 1.0

#: Inside a bracketed paste, one of these on its own, this long after the last text, is a key: a user wants out.
PASTE_KEY_S = 0.3
_PASTE_KEYS = {"\r", "\n", "\x03", "\x04"}

#: Nobody types this fast: Enter or Tab so soon after another character may belong to a paste without brackets.
QUICK_S = 0.005

#: How long such an Enter or Tab is held back, in case the rest of a paste follows.
HOLD_S = 0.03

_PASTE_START = "\x1b[200~"
_PASTE_END = "\x1b[201~"

_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[\[[A-E]|"  # function keys of the Linux console
    r"\[M[\s\S]{3}|"  # X10 mouse event
    r"\[(?!M)[0-?]*[ -/]*[@-~]|"  # CSI
    r"O[0-9;]*[A-Za-z]|"  # SS3
    r"[\]PX^_][^\x00-\x1f\x7f]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC
    r")"
)
_UNFINISHED = re.compile(r"\x1b(?:|\[M[\s\S]{0,2}|\[[0-?]*[ -/]*|\[\[|O[0-9;]*|[\]PX^_][^\x00-\x1f\x7f]*\x1b?)\Z")
_UNFINISHED_AT_END = re.compile(r"\x1b[\[0-9]*\Z")
_TYPED = re.compile(r"(?:\x1b[\r\n\t]|[^\r\n\t])*")  # Alt+Enter is not Enter

#: Keys of the modern protocols: CSI code ; modifiers u, and CSI 27 ; modifiers ; code ~.
_CSI_U = re.compile(r"\x1b\[(\d+)(?::\d*)*(?:;(\d*)(?::(\d+))?)?(?:;[\d:]*)?u\Z")
_MODIFIED = re.compile(r"\x1b\[27;(\d+);(\d+)()~\Z")
_SHIFT, _ALT, _CTRL, _SUPER_HYPER_META = 1, 2, 4, 8 | 16 | 32
_KEY_RELEASED = "3"
_NAMED_CODES = {8: "\x7f", 9: "\t", 10: "\r", 13: "\r", 27: "\x1b", 127: "\x7f", 57414: "\r"}
_KEYPAD = dict(zip(range(57399, 57417), "0123456789./*-+\r=,", strict=True))

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class KeyParser:
    """Turns what a terminal sends into keys. Call `feed` when text arrives, and with "" when `wait_s` has passed."""

    def __init__(self) -> None:
        self._last = float("-inf")  # when text arrived last
        self._rest = ""  # an unfinished sequence
        self._paste: str | None = None  # what has arrived of a bracketed paste
        self._held = ""  # Enter or Tab in a burst of text, and what has arrived since

    @property
    def wait_s(self) -> float | None:
        """How long after the last text `feed` must be called even if nothing arrives; None if it need not be."""
        if self._paste is not None or len(self._rest) > 2:
            return PASTE_QUIET_S
        return HOLD_S if self._held else None

    def feed(self, text: str, now: float) -> list[KeyPress]:
        """Return the keys that are complete now that `text` has arrived."""
        since_s = now - self._last
        if self._paste is None:
            if not text:
                return self._late(since_s)
            self._last = now
            return list(self._heard(text, quick=since_s < QUICK_S))
        is_key = text in _PASTE_KEYS
        if since_s >= (PASTE_KEY_S if is_key else PASTE_QUIET_S):
            pasted, self._paste = _UNFINISHED_AT_END.sub("", self._paste), None
            return [KeyPress(Keys.BracketedPaste, pasted), *self.feed(text, now)]
        if text and not is_key:
            self._last = now
        return list(self._pasted(self._paste + text))

    def flush(self) -> list[KeyPress]:
        """Return the keys of an unfinished sequence that nothing has followed: Escape, or Alt and a key.

        A longer one cannot be keys: the rest of the sequence is late, and `feed` waits for it.
        """
        if len(self._rest) > 2:
            return []
        rest, self._rest = self._rest, ""
        return [*_key(rest[:1]), *_key(rest[1:])]

    def _late(self, since_s: float) -> list[KeyPress]:
        """Return the keys that are complete because nothing has arrived for `since_s`."""
        if since_s >= PASTE_QUIET_S:
            self._rest = self._rest if len(self._rest) <= 2 else ""
        return self._released() if self._held and since_s >= HOLD_S else []

    # --- Pastes ----------------------------------------------------------------------------------------------------

    def _pasted(self, text: str) -> Iterator[KeyPress]:
        """Take the paste so far; once its end mark is there, yield it as a key, and the keys after it."""
        pasted, mark, rest = text.partition(_PASTE_END)
        self._paste = None if mark else pasted
        if mark:
            yield KeyPress(Keys.BracketedPaste, pasted)
            yield from self._heard(rest, quick=False)

    def _heard(self, text: str, *, quick: bool) -> Iterator[KeyPress]:
        """Yield the keys of `text`; hold back Enter and Tab where they may belong to a paste, and what follows."""
        text, mark, pasted = (self._rest + self._held + text).partition(_PASTE_START)
        typed = _TYPED.match(text)
        assert typed is not None
        end = typed.end() if quick or mark or len(text) > 1 or text == "\t" else len(text)
        self._rest, self._held = "", text[end:]
        yield from self._keys(text[:end])
        if self._held:
            yield from self.flush()
        if mark:
            yield from self._released()
            yield from self._pasted(pasted)

    def _released(self) -> list[KeyPress]:
        """Return the held text as a paste, or as keys if hardly anything in it is visible."""
        held, self._held = self._held, ""
        text = _CONTROL.sub("", _SEQUENCE.sub("", held))
        if not text.strip() or (len(text) == 2 and text[0] != "\t"):  # Enter and one key: it may be an answer
            return list(self._keys(held))
        body = re.sub(r"(?:\r\n|\r|\n)\Z", "", text)
        enter = [KeyPress(ENTER_OF_BURST, "\n")] if body != text else []
        return [KeyPress(Keys.BracketedPaste, body), *enter]

    # --- Keys ------------------------------------------------------------------------------------------------------

    def _keys(self, text: str) -> Iterator[KeyPress]:
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                yield from _key(text[at])
                at += 1
            elif found := _SEQUENCE.match(text, at):
                yield from _sequence(found[0])
                at = found.end()
            elif _UNFINISHED.match(text, at):
                self._rest = text[at:]
                return
            else:  # Escape, or Alt and the key that follows
                yield from _key("\x1b")
                at += 1


def _key(char: str) -> Iterator[KeyPress]:
    """Yield the key of one character."""
    if not char or "\x80" <= char <= "\x9f":
        return
    key = ANSI_SEQUENCES.get(char, char)
    assert not isinstance(key, tuple)
    yield KeyPress(key, char)


def _sequence(sequence: str) -> Iterator[KeyPress]:
    """Yield the keys of a sequence; none if it is not a key."""
    known = ANSI_SEQUENCES.get(sequence)
    if known is not None and known != Keys.BracketedPaste:
        for key in known if isinstance(known, tuple) else (known,):
            yield KeyPress(key, "")
    elif found := _CSI_U.match(sequence):
        code, modifiers, event = found.groups(default="")
        if event != _KEY_RELEASED:
            yield from _character(int(code), int(modifiers or 1) - 1)
    elif found := _MODIFIED.match(sequence):
        yield from _character(int(found[2]), int(found[1]) - 1)


def _character(code: int, modifiers: int) -> Iterator[KeyPress]:
    """Yield the keys that a traditional terminal would send for a character with modifiers; none if it has no such."""
    char = _NAMED_CODES.get(code) or _KEYPAD.get(code) or (chr(code) if _is_character(code) else "")
    if modifiers & _SHIFT and char == "\t":
        yield KeyPress(Keys.BackTab, "")
        return
    if modifiers & _SHIFT and not modifiers & _CTRL:
        char = char.upper()
    if modifiers & _CTRL and (char == " " or "@" <= char.upper() <= "_"):
        char = chr(ord(char.upper()) & 0x1F)
    if modifiers & _SUPER_HYPER_META or (modifiers & _CTRL and char.isprintable()):
        return
    if modifiers & _ALT:
        yield from _key("\x1b")
    yield from _key(char)


def _is_character(code: int) -> bool:
    return 0x20 <= code < 0xD800 or 0xF900 <= code < 0x110000
