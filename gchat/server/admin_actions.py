"""Actions of an operator over HTTP that are about rooms: announcements, messages and modes, on a running App."""

from __future__ import annotations

import gevent
from gevent.event import AsyncResult

from gchat.admin.backend import BadText, Missing, NotPossible, Unavailable
from gchat.admin.documents import DrainDocument
from gchat.chat.effects import Publish
from gchat.chat.order_steps import AnnounceTo, OpenRoom, ResetModes
from gchat.journal.journal import JournalError
from gchat.model import names, text
from gchat.model.errors import Refusal
from gchat.model.messages import Said
from gchat.server.admin_order import AdminOrder, acting
from gchat.server.connection import FLUSH_S
from gchat.server.linux import unguessable

#: A message said over HTTP must be stored within this time.
SAID_S = 5.0


class AdminActions(AdminOrder):
    """The methods of gchat.admin.backend.Backend that change something in rooms; AdminOrder has the others."""

    def announce(self, message: str, room: str, by: str) -> int:
        """See Backend.announce."""
        self._check_text(message)
        if room:
            self._revive(room)
        told: int = self._take(AnnounceTo(acting(self._app, by), message, room))
        return told

    def drain(self, over_s: float | None, by: str) -> DrainDocument:
        """See Backend.drain."""
        app = self._app
        if not app.drain.is_on:
            self.note_action("drain", "the server", by)
            app.drain.begin(app.config.server.drain_s if over_s is None else over_s, FLUSH_S)
        return DrainDocument(round(app.drain.left_s, 1), len(app.registry.sessions))

    def reset_modes(self, room: str, by: str) -> None:
        """See Backend.reset_modes."""
        if room not in self._app.registry.rooms.modes:
            self._revive(room)
        self._take(ResetModes(acting(self._app, by), room))

    def say(self, room: str, name: str, message: str) -> int:
        """See Backend.say."""
        message = text.as_lines(message)
        self._check_text(message)
        if (lines := message.count("\n") + 1) > text.MAX_LINES:
            raise BadText(f"The text has {lines:,} lines; at most {text.MAX_LINES} are accepted")
        self._revive(room)
        try:
            shown = names.machine(name)
            bare = shown.rpartition(" ")[0]
            self._app.registry.accounts.check_free(bare)
            return self._say(room, shown, message)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None

    def _say(self, room: str, name: str, message: str) -> int:
        """Say something in a room that is in memory, and return its number. Waits. Raises Unavailable."""
        id_ = f"http-{unguessable(8)}"
        said: AsyncResult[int | None] = AsyncResult()
        pump = self._app.pump
        pump.receipts[id_] = said.set
        pump.submit([Publish(room, None, Said(name, (message,), (id_,)), "http")])
        try:
            number = said.get(timeout=SAID_S)
        except gevent.Timeout:
            raise Unavailable(f"Not confirmed within {SAID_S:g} s; the message may still be stored") from None
        finally:
            pump.receipts.pop(id_, None)
        if not number:
            raise Unavailable("Not said, because messages cannot be stored now; GET /readyz tells why")
        return number

    def check_room(self, room: str) -> None:
        """Raise Missing unless the room is in memory."""
        if room not in self._app.registry.rooms:
            raise Missing(f"No such room: {text.printable(room)[:64]}; GET /rooms lists the rooms")

    def _revive(self, room: str) -> None:
        """Have a room in memory that may be only in the history. Waits. Raises Missing, NotPossible or Unavailable."""
        registry = self._app.registry
        try:
            stored = room not in registry.rooms and self._app.parts.catalogue.find(room, 1, 1) is not None
        except JournalError as error:
            raise Unavailable(f"Cannot read the history: {error}") from None
        if stored:
            self._take(OpenRoom(room, is_stored=True))
        self.check_room(room)

    def _check_text(self, message: str) -> None:
        most = self._app.limits.max_text_bytes
        if text.is_blank(message):
            raise BadText("The text is blank; expected something that can be seen")
        if len(message.encode("utf-8", "surrogatepass")) > most:
            raise BadText(f"The text is too long; at most {most:,} bytes are accepted")
