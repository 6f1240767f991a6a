"""What a terminal shows beside its screen: the title of its window, and notifications of the desktop.

Other users' words are in both. Nothing of them can end a control sequence or begin another one: only printable
characters go out, and a notification begins with words of ours, because some terminals take a number for a command.
"""

from __future__ import annotations

from prompt_toolkit.output.vt100 import Vt100_Output

from gchat.client.attention import NotifyBy
from gchat.model.text import printable

#: Longer titles and notifications are cut off.
MAX_TITLE, MAX_NOTE = 80, 200

#: Consoles that would draw the rest of such a sequence.
_WITHOUT = ("linux", "eterm-color")

_NOTES = {NotifyBy.OSC9: "\x1b]9;gchat: {}\x07", NotifyBy.OSC777: "\x1b]777;notify;gchat;{}\x07"}


class TerminalWindow:
    """The window of the terminal to which `output` goes; `term` is what $TERM says of it."""

    def __init__(self, output: Vt100_Output, term: str) -> None:
        self._output = output
        self._knows = term not in _WITHOUT
        self._title = ""

    def show_title(self, title: str) -> None:
        """Have this title; the one that the window has before the first is kept."""
        if title == self._title or not self._knows:
            return
        if not self._title:
            self._send("\x1b[22;2t")
        self._title = title
        self._send(f"\x1b]2;{_stripped(title, MAX_TITLE)}\x07")

    def restore_title(self) -> None:
        """Have the title that was there before the first."""
        if self._title:
            self._send("\x1b]2;\x07\x1b[23;2t")  # empty, where none can be kept
            self._title = ""

    def notify(self, by: NotifyBy, text: str) -> None:
        """Show a notification."""
        if by in _NOTES and self._knows:
            self._send(_NOTES[by].format(_stripped(text, MAX_NOTE)))

    def _send(self, sequence: str) -> None:
        self._output.write_raw(sequence)
        self._output.flush()


def _stripped(text: str, length: int) -> str:
    """Return the beginning of `text` without any character that could act."""
    return "".join(char for char in printable(text) if char.isprintable())[:length]
