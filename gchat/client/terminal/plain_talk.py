"""A server of any kind on a screen: lines go out as they are entered, and are shown as they come."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gevent.queue import Queue

from gchat.client.completion import Candidate
from gchat.client.conversation.notices import Back, Lost
from gchat.client.link.errors import LinkClosed
from gchat.client.link.plain_link import PlainLine, PlainLink, PlainNotice
from gchat.client.own_commands import without_secrets
from gchat.client.paste import Question, expanded, question, visible_lines
from gchat.client.render import BACK_TEXT, Line, aside, shown_text
from gchat.client.terminal.layout import fitted
from gchat.client.terminal.talk import LinkTalk
from gchat.model.text import printable

# What a server says before a line that is a secret; not what a user says, [alice] or * alice.
_ASKS_SECRET = re.compile(r"(?![\[*]).*\b(?:password|passphrase|secret)\b", re.IGNORECASE)


class PlainTalk(LinkTalk):
    """A server of any kind on a screen: lines are sent as typed, and shown as received."""

    def __init__(self, chat: PlainLink) -> None:
        super().__init__(chat)
        self._chat = chat
        self._outbox: Queue[str] = Queue()
        self._asks_secret = False  # whether the last line of the server did: the next one is for nobody's eyes

    def take(self, text: str, *, apart: bool) -> None:  # noqa: ARG002
        """Send lines, among them commands of the server."""
        for line in expanded(visible_lines(text)):
            shown = "•" * len(line) if self._asks_secret else without_secrets(line)
            self._asks_secret = False
            self._screen.show([[*self.prompt(), ("", shown_text(shown))]])
            self._outbox.put(line)

    def remembered(self, text: str) -> str:
        """See Talk. Nothing is kept of the answer to a server that has asked for a secret."""
        return "" if self._asks_secret else without_secrets(text)

    def question(self, text: str, *, unread: bool) -> Question | None:
        """See Talk."""
        return question(visible_lines(text), unread=unread, runs=True)

    def _send(self) -> None:
        while not self._chat.over:
            try:
                self._chat.say(self._outbox.get())
            except LinkClosed as error:
                self._screen.show([aside(str(error), "class:refused")])

    def _hear(self, notice: PlainNotice) -> None:
        match notice:
            case Lost():
                self._connection.lost(notice)
            case Back():
                if self._connection.back():
                    self._screen.show([aside(BACK_TEXT)])
            case PlainLine():
                self._asks_secret = _ASKS_SECRET.match(notice.text) is not None
                self._screen.show([[("", shown_text(notice.text))]])

    @property
    def name(self) -> str:
        """See LinkTalk."""
        return "You"

    def waiting(self) -> list[Line]:
        """Return nothing: such a server sends no acks."""
        return []

    def toolbar(self, width: int) -> Line:
        """Return the address of the server."""
        return self._connection.bar(width) or [
            ("class:toolbar", fitted(f" {printable(self._chat.address)} │ plain ", width))
        ]

    def candidates(self, before: str) -> Iterable[Candidate]:  # noqa: ARG002
        """Return nothing: the members are not known."""
        return ()
