"""Lines that a person types or pastes on a terminal that only prints: several behind a command ask before they go out.

Pure. Which lines came together is for the caller to say.
"""

from __future__ import annotations

from gchat.client.action import Action
from gchat.client.paste import actions, question

NOT_SENT = "not sent"


class PasteCheck:
    """Lines that are not asked of the server yet: those of a paste so far, or those that wait for an answer."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._asked: list[str] | None = None

    def take(self, line: str, reply_to: str, *, is_last: bool) -> tuple[list[Action | None], str]:
        """Take a line, the last of those that came together or not; return what to do now and what to tell."""
        if self._asked is not None:
            lines, self._asked = self._asked, None
            return (actions(lines, reply_to), "") if line.strip().lower() in ("y", "yes") else ([], NOT_SENT)
        self._lines.append(line)
        if not is_last:
            return [], ""
        lines, self._lines = self._lines, []
        if asked := question(lines):
            self._asked = lines
            return [], str(asked)
        return actions(lines, reply_to), ""

    def end(self, reply_to: str) -> tuple[list[Action | None], str]:
        """Return the same at the end of stdin: then nobody can answer a question."""
        lines, self._lines = self._lines, []
        if self._asked or question(lines or [""]):
            return [], NOT_SENT
        return (actions(lines, reply_to) if lines else []), ""
